//! `/admin/reload`: the configuration, read anew.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Site, administer};
use crate::error::{Reason, Refusal};
use crate::pipeline::Answer;
use crate::reload::{Origin, Outcome};

/// Most characters of complaints that are answered with.
const MOST_TOLD: usize = 16 * 1024;

/// Read policy, registry and keys anew.
///
/// All of it is judged first; what is fit is put in force in one step. Calls in
/// progress end as they began. What is not fit changes nothing.
#[utoipa::path(
    post,
    path = "/admin/reload",
    tag = "admin",
    responses(
        (status = 200, description = "`{outcome, generation}`; the outcome is `applied` or `unchanged`"),
        (status = 403, description = "`admin_required`"),
        (status = 422, description = "`reload_refused`: the files are not fit, with every complaint"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn reload(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    administer::answer((&request, body, &site), ("POST", "reload"), async |_| {
        site.gateway.reload.ask(Origin::Admin).await.and_then(told)
    })
    .await
}

/// How reloads went, and what is in force.
///
/// The fields of the reference gateway's status, with the registry as
/// `mcp_config` and the policy as `gateway_rules`; and the generation in force.
#[utoipa::path(
    get,
    path = "/admin/reload-status",
    tag = "admin",
    responses(
        (status = 200, description = "`{generation, policy_digest, registry_digest, last_origin, reload_status, policy_state, available_servers, config_paths, message}`"),
        (status = 403, description = "`admin_required`"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn status(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    administer::answer((&request, body, &site), ("GET", "reload/status"), async |_| {
        let gateway = &site.gateway;
        Ok(Answer::Page(gateway.reload.page(&gateway.now()).to_string().into()))
    })
    .await
}

fn told(outcome: Outcome) -> Result<Answer, Refusal> {
    let page = match outcome {
        Outcome::Applied(generation) => json!({ "outcome": "applied", "generation": generation }),
        Outcome::Unchanged(number) => json!({ "outcome": "unchanged", "generation": number }),
        Outcome::Refused(complaints) => {
            let mut text = complaints.join("\n");
            text.truncate(text.floor_char_boundary(MOST_TOLD));
            return Err(Refusal::telling(Reason::ReloadRefused, text));
        }
    };
    Ok(Answer::Page(page.to_string().into_bytes()))
}
