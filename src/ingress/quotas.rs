//! `/admin/quotas`: how somebody stands with its limits.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::admin::recorded;
use super::{Io, Site, administer};
use crate::audit::Entry;
use crate::error::{Reason, Refusal};
use crate::pipeline::{self, Answer, Whom};

/// Whose limits. They depend on what a token says, so that is to be said here.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// The user id of the token.
    user: String,
    /// The issuer of the token; needed where several are configured.
    issuer: Option<String>,
    /// The roles of the token, separated by commas.
    #[param(example = "developer,viewer")]
    roles: Option<String>,
    /// The workspace of the token.
    tenant: Option<String>,
    /// The agent of the token, where it has exactly one.
    agent: Option<String>,
    /// A session, as the audit trail has it, to whose turn calls belong.
    session: Option<String>,
    /// A turn that calls name. Without it, the turn of those that name none.
    turn: Option<String>,
    /// A job that calls name.
    job: Option<String>,
}

/// How a caller stands with every limit.
///
/// Limits of a tool are told where something of them is used. Tools that only
/// a backend lists are not.
#[utoipa::path(
    get,
    path = "/admin/quotas",
    tag = "admin",
    params(Filters),
    responses(
        (status = 200, description = "`{user, issuer, limits: [{limit, kind, rule, tool, most, window, burst, remaining, reset_ms}]}`"),
        (status = 400, description = "A filter is unknown or has a wrong value"),
        (status = 403, description = "`admin_required`"),
        (status = 503, description = "`quota_unavailable`"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn show(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
    io: Io,
) -> HttpResponse {
    answer(&request, body, &site, &io, false).await
}

/// Forget what a caller has used of its own limits: its rates, and its budgets
/// of the day, and of the turn and job that are named. Calls in progress, and what it shares with others, stay.
#[utoipa::path(
    delete,
    path = "/admin/quotas",
    tag = "admin",
    params(Filters),
    responses(
        (status = 200, description = "As `GET`, afterwards"),
        (status = 400, description = "A filter is unknown or has a wrong value"),
        (status = 403, description = "`admin_required`"),
        (status = 503, description = "`quota_unavailable`"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn reset(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
    io: Io,
) -> HttpResponse {
    answer(&request, body, &site, &io, true).await
}

async fn answer(
    request: &HttpRequest,
    body: web::Payload,
    site: &web::Data<Site>,
    io: &Io,
    forget: bool,
) -> HttpResponse {
    let method = if forget { "quotas/reset" } else { "quotas/show" };
    administer::answer((request, body, site), ("GET, DELETE", method), async |entry| {
        // Where it cannot be read, this is what is known of it.
        entry.question(&recorded(request.query_string()));
        page(site, io, entry, request.query_string(), forget).await
    })
    .await
}

async fn page(
    site: &Site,
    io: &Io,
    entry: &mut Entry,
    query: &str,
    forget: bool,
) -> Result<Answer, Refusal> {
    let filters = web::Query::<Filters>::from_query(query)
        .map_err(|error| Refusal::telling(Reason::InvalidRequest, error.to_string()))?
        .into_inner();
    let roles = filters.roles.unwrap_or_default();
    let whom = Whom {
        user: filters.user,
        issuer: filters.issuer,
        roles: roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
        tenant: filters.tenant,
        agent: filters.agent,
        session: filters.session,
        turn: filters.turn,
        job: filters.job,
    };
    pipeline::quotas(&site.gateway, io, entry, &whom, forget).await
}
