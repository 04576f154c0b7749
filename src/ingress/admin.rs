//! `/admin/…`: what a security team reads over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::respond;
use super::{Site, Visit};
use crate::audit::Surface;
use crate::error::{Reason, Refusal};
use crate::pipeline::{self, Answer, Known, Walked};
use crate::store::{AuditQuery, CallKind, CallStatus, Paging};

/// Filters of the audit query (C-42). A filter that does not exist is an
/// error: ignoring it would silently show too much.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// What was going on: `decision` (a tool call), or what was refused before
    /// it named a tool: `authentication`, `list`, `admin`, `request`.
    #[param(value_type = Option<String>, example = "authentication")]
    kind: Option<CallKind>,
    /// Calls of this user.
    user_id: Option<String>,
    /// Calls of this tool.
    tool_name: Option<String>,
    /// Calls on this path, such as `/calculator/mcp`.
    endpoint_path: Option<String>,
    /// How the call ended.
    #[param(value_type = Option<String>, example = "denied")]
    status: Option<CallStatus>,
    /// Calls at or after this time (RFC 3339).
    start_time: Option<DateTime<Utc>>,
    /// Calls before this time (RFC 3339).
    end_time: Option<DateTime<Utc>>,
    /// The decision: `allow`, `deny`, `rateLimited`, ….
    decision: Option<String>,
    /// The reason of a refusal, such as `tool_not_allowed`.
    reason: Option<String>,
    /// Calls of this workspace.
    tenant: Option<String>,
    /// Calls in this scope.
    scope: Option<String>,
    /// Calls with this request id.
    request_id: Option<String>,
    /// Rows wanted: 1 to 1000, by default 100.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Rows skipped.
    offset: Option<i64>,
}

/// Calls, denials and failed authentications on record, newest first.
#[utoipa::path(
    get,
    path = "/admin/audit-logs",
    tag = "admin",
    params(Filters),
    responses(
        (status = 200, description = "`{items, total, limit, offset}`"),
        (status = 400, description = "A filter is unknown or has a wrong value"),
        (status = 403, description = "`admin_required`"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn audit_logs(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    let visit = Visit::new(&site, &request, Surface::Admin, "GET");
    let (entry, admitted) = pipeline::admin(&site.gateway, visit.inbound(body)).await;
    let result = match admitted {
        Ok(_) => page(&site, request.query_string()).await,
        Err(refusal) => Err(refusal),
    };
    let walked = Walked { known: Known::default(), entry, result };
    respond::respond(walked, visit.surroundings(), None).await
}

async fn page(site: &Site, query: &str) -> Result<Answer, Refusal> {
    let filters = web::Query::<Filters>::from_query(query)
        .map_err(|error| Refusal::telling(Reason::InvalidRequest, error.to_string()))?
        .into_inner();
    let paging = Paging::new(filters.limit, filters.offset)
        .map_err(|error| Refusal::telling(Reason::InvalidRequest, error.to_string()))?;
    let query = AuditQuery {
        kind: filters.kind,
        user_id: filters.user_id,
        tool_name: filters.tool_name,
        endpoint_path: filters.endpoint_path,
        status: filters.status,
        start_time: filters.start_time,
        end_time: filters.end_time,
        decision: filters.decision,
        reason: filters.reason,
        tenant: filters.tenant,
        scope: filters.scope,
        request_id: filters.request_id,
        paging,
    };
    let page = site.gateway.store.query_audit(query).await.map_err(|error| {
        tracing::error!(%error, "the audit database cannot be read");
        Refusal::new(Reason::Internal, error.to_string())
    })?;
    let body = serde_json::to_vec(&page)
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
    Ok(Answer::Page(body))
}
