//! The scoped MCP endpoints, `/{scope}/mcp` and `/{scope}/sse`.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Io, Site, Visit, facade, respond};
use crate::audit::Surface;
use crate::error::Reason;
use crate::pipeline;

const ALLOW: &str = "GET, POST, DELETE";

/// Where there is neither a session nor a stream to name.
const ONLY_POST: &str = "POST";

/// One JSON-RPC message.
///
/// Any MCP revision from 2024-11-05 to 2026-07-28; the era is told from each
/// message. Answers are JSON, or an event stream where the server streams and
/// the client accepts one, and for clients that accept nothing else.
#[utoipa::path(
    post,
    path = "/{scope}/mcp",
    tag = "mcp",
    params(("scope" = String, Path, description = "Name of the scope. `/{scope}/sse` is an equal alias, and has the HTTP+SSE transport of 2024-11-05 besides.")),
    request_body(content = serde_json::Value, description = "A JSON-RPC 2.0 request or notification, or the response to a request of the server"),
    responses(
        (status = 200, description = "The JSON-RPC response, or a stream that ends with it"),
        (status = 202, description = "A notification or response was accepted"),
        (status = 400, description = "Not a message, or its headers disagree with it"),
        (status = 401, description = "No valid bearer token; see `WWW-Authenticate`"),
        (status = 404, description = "No such scope (JSON-RPC error -32010), no such session (-32001), or no such method of a modern revision"),
        (status = 413, description = "The body is larger than the limit"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn post(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
    io: Io,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Mcp, ALLOW);
    if let Some(session) = facade::session_of(&request) {
        let walked = pipeline::reach(&site.gateway, visit.inbound(body), &session).await;
        return respond::respond(walked, visit.surroundings(), None).await;
    }
    let in_flight = site.metrics.call_in_flight();
    let walked = pipeline::mcp(&site.gateway, &io, visit.inbound(body)).await;
    respond::respond(walked, visit.surroundings(), Some(in_flight)).await
}

/// The stream of a session: what servers say outside of requests.
///
/// Legacy revisions only. Goes on with a stream that broke off when
/// `Last-Event-ID` is sent.
#[utoipa::path(
    get,
    path = "/{scope}/mcp",
    tag = "mcp",
    params(("scope" = String, Path, description = "Name of the scope")),
    responses(
        (status = 200, description = "An event stream"),
        (status = 401, description = "No valid bearer token"),
        (status = 404, description = "No such session: initialize again"),
        (status = 405, description = "No session is named, or no server of the scope has such a stream"),
        (status = 409, description = "The session's stream is taken"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn get(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
    io: Io,
) -> HttpResponse {
    if facade::is_opened_by(&request) {
        return facade::open(&request, body, &site, io).await;
    }
    let visit = Visit::new(&site, &request, Surface::Mcp, ONLY_POST);
    let walked = pipeline::hear(&site.gateway, &io, visit.inbound(body)).await;
    respond::respond(walked, visit.surroundings(), None).await
}

/// Ends a session.
#[utoipa::path(
    delete,
    path = "/{scope}/mcp",
    tag = "mcp",
    params(("scope" = String, Path, description = "Name of the scope")),
    responses(
        (status = 204, description = "The session has ended; its id answers 404 from now on"),
        (status = 401, description = "No valid bearer token"),
        (status = 404, description = "No such session"),
        (status = 405, description = "No session is named"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn delete(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
    io: Io,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Mcp, ONLY_POST);
    let walked = pipeline::leave(&site.gateway, &io, visit.inbound(body)).await;
    respond::respond(walked, visit.surroundings(), None).await
}

/// Every other method: the caller is still authenticated first.
pub(super) async fn other(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Mcp, ALLOW);
    let walked =
        pipeline::refuse(&site.gateway, visit.inbound(body), Reason::MethodNotAllowed).await;
    respond::respond(walked, visit.surroundings(), None).await
}
