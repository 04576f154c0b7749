//! Plain REST for `curl` and scripts: `/mcp/invoke` and `/mcp/tools`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Io, Site, Visit, respond};
use crate::audit::Surface;
use crate::error::{Reason, Refusal};
use crate::pipeline;

/// The body of `POST /mcp/invoke`, for the API documents; it is read in
/// `invocation.rs`, where the arguments stay as they were written.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "shows the shape; never built")]
pub(super) struct InvokeRequest {
    /// The tool.
    #[schema(example = "exact_calculate")]
    tool_name: String,
    /// What the tool's input schema asks for.
    #[schema(example = json!({"operator": "add", "operands": ["1.2", "2.3"]}))]
    arguments: Option<serde_json::Value>,
    /// The id of the call, where no `X-Request-ID` is sent.
    request_id: Option<String>,
    /// Needed only where several scopes offer a tool of this name.
    scope: Option<String>,
}

/// Call one tool.
#[utoipa::path(
    post,
    path = "/mcp/invoke",
    tag = "rest",
    request_body = InvokeRequest,
    responses(
        (status = 200, description = "`{jsonrpc, result, error, id, tool_id}`"),
        (status = 400, description = "`ParseError`, `invalid_request` or `INVALID_ARGUMENTS`"),
        (status = 401, description = "`AuthenticationError`, `InvalidTokenError` or `ExpiredTokenError`"),
        (status = 404, description = "`TOOL_NOT_FOUND`: no such tool, or not for this caller"),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, description = "`RATE_LIMIT_EXCEEDED`, `BUDGET_EXCEEDED` or `ABUSE_LIMIT_EXCEEDED`; see `Retry-After`"),
        (status = 502, description = "`BACKEND_UNAVAILABLE` or `BACKEND_ERROR`"),
        (status = 503, description = "`quota_unavailable`, `audit_unavailable` or `keys_unavailable`"),
        (status = 504, description = "`BACKEND_TIMEOUT`"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn invoke(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
    io: Io,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Rest, "POST");
    let _in_flight = site.metrics.call_in_flight();
    let walked = pipeline::invoke(&site.gateway, &io, visit.inbound(body)).await;
    respond::respond(walked, visit.surroundings(), None).await
}

/// The tools the caller may use, in all scopes.
#[utoipa::path(
    get,
    path = "/mcp/tools",
    tag = "rest",
    responses(
        (status = 200, description = "`{tools: [{name, scope, description, risk_level, input_schema}], count}`; admins also see `backend_url`"),
        (status = 401, description = "No valid bearer token"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn tools(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Rest, "GET");
    let walked = pipeline::tools(&site.gateway, visit.inbound(body)).await;
    respond::respond(walked, visit.surroundings(), None).await
}

/// A method that a REST path does not know.
pub(super) fn wrong_method(
    request: &HttpRequest,
    site: &web::Data<Site>,
    allow: &'static str,
) -> HttpResponse {
    let visit = Visit::new(site, request, Surface::Rest, allow);
    let refusal = Refusal::new(Reason::MethodNotAllowed, "no such method here");
    respond::refuse(&refusal, visit.surroundings())
}

/// A path that leads nowhere.
pub(super) async fn not_found(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Rest, "");
    let refusal = Refusal::new(Reason::NotFound, "no such path");
    respond::refuse(&refusal, visit.surroundings())
}
