//! `/admin/policy/…`: asking the policy in force.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::DateTime;
use url::form_urlencoded;

use super::{Site, administer};
use crate::error::{Reason, Refusal};
use crate::pipeline::Answer;
use crate::protocol::call::SubjectKind;
use crate::review::Asked;

/// Most parameters that are looked at.
const MOST_PARAMETERS: usize = 32;

/// What would become of a call, and why.
///
/// The policy in force is asked, by the evaluator that decides calls; nothing is
/// called. Asking is on record itself, without the arguments.
#[utoipa::path(
    get,
    path = "/admin/policy/explain",
    tag = "admin",
    params(
        ("user" = Option<String>, Query, description = "The user", example = "alice"),
        ("issuer" = Option<String>, Query, description = "Who vouches for the user: the issuer of the token"),
        ("email" = Option<String>, Query, description = "The address of the token"),
        ("roles" = Option<String>, Query, description = "The roles, separated by commas", example = "viewer"),
        ("groups" = Option<String>, Query, description = "The groups, separated by commas"),
        ("tenant" = Option<String>, Query, description = "The workspace"),
        ("agents" = Option<String>, Query, description = "The agent profiles of the token, separated by commas"),
        ("scope" = Option<String>, Query, description = "The scope; may be left out where only one declares the tool"),
        ("tool" = Option<String>, Query, description = "The tool, by the name that clients of the scope use", example = "exact_calculate"),
        ("prompt" = Option<String>, Query, description = "A prompt instead of a tool"),
        ("resource" = Option<String>, Query, description = "A resource instead of a tool, by its URI"),
        ("server" = Option<String>, Query, description = "The backend, where neither scope nor name say it"),
        ("method" = Option<String>, Query, description = "The method of MCP; `tools/call`, `prompts/get` or `resources/read`", example = "tools/call"),
        ("client" = Option<String>, Query, description = "What the client says it is called"),
        ("client_version" = Option<String>, Query, description = "And its version"),
        ("session" = Option<String>, Query, description = "The id of the session"),
        ("args" = Option<String>, Query, description = "The arguments, as JSON; of a completion, those that are settled and the one that is completed"),
        ("at" = Option<String>, Query, description = "The time, in RFC 3339; now"),
    ),
    responses(
        (status = 200, description = "`{decision, visible, layer, rule, why, note, steps, policy_digest, policy_generation, text}`. `layer` is `registry` for a tool that `tools.yaml` declares and keeps from everybody; `note` says where nothing offers such a tool"),
        (status = 400, description = "`invalid_request`: a parameter is unknown or has a wrong value"),
        (status = 403, description = "`admin_required`"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn explain(
    request: HttpRequest,
    body: web::Payload,
    site: web::Data<Site>,
) -> HttpResponse {
    administer::answer((&request, body, &site), ("GET", "policy/explain"), async |entry| {
        let asked = read(&site, request.query_string())?;
        entry.question(&recorded(&asked));
        told(&site, &asked)
    })
    .await
}

fn wrong(sentence: impl Into<String>) -> Refusal {
    Refusal::telling(Reason::InvalidRequest, sentence.into())
}

fn read(site: &Site, query: &str) -> Result<Asked, Refusal> {
    let mut asked = Asked {
        user: "somebody".to_owned(),
        arguments: Some(serde_json::Value::Object(serde_json::Map::new())),
        at: site.gateway.clock.now(),
        ..Asked::default()
    };
    let list = |value: &str| -> Vec<String> {
        value.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let mut client_version = None;
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if seen.len() >= MOST_PARAMETERS {
            return Err(wrong("there are too many parameters"));
        }
        if seen.iter().any(|known| *known == name) {
            return Err(wrong("a parameter is given twice; give it once"));
        }
        seen.push(name.clone().into_owned());
        let value = value.into_owned();
        let kind = match &*name {
            "tool" => Some(SubjectKind::Tool),
            "prompt" => Some(SubjectKind::Prompt),
            "resource" => Some(SubjectKind::Resource),
            _ => None,
        };
        if kind.is_some() {
            if asked.kind.is_some() {
                return Err(wrong("give one of `tool`, `prompt` and `resource`"));
            }
            (asked.kind, asked.name) = (kind, value);
            continue;
        }
        match &*name {
            "user" => asked.user = value,
            "issuer" => asked.issuer = value,
            "email" => asked.email = Some(value),
            "roles" => asked.roles = list(&value),
            "groups" => asked.groups = list(&value),
            "agents" => asked.agents = list(&value),
            "tenant" => asked.tenant = Some(value),
            "scope" => asked.scope = Some(value),
            "server" => asked.server = Some(value),
            "method" => asked.method = Some(value),
            "client" => asked.client = Some((value, String::new())),
            "client_version" => client_version = Some(value),
            "session" => asked.session = Some(value),
            "args" => {
                let read = serde_json::from_str(&value).map_err(|_| wrong("`args` is no JSON"))?;
                asked.arguments = Some(read);
            }
            "at" => {
                let read = DateTime::parse_from_rfc3339(&value);
                asked.at = read.map_err(|_| wrong("`at` must be a time in RFC 3339"))?.to_utc();
            }
            _ => {
                return Err(wrong(
                    "an unknown parameter; there are user, issuer, email, roles, groups, tenant, \
                     agents, scope, tool, prompt, resource, server, method, client, \
                     client_version, session, args, at",
                ));
            }
        }
    }
    match (&mut asked.client, client_version) {
        (Some((_, version)), Some(told)) => *version = told,
        (None, Some(_)) => return Err(wrong("`client_version` needs `client`")),
        (_, None) => {}
    }
    if asked.kind.is_none() {
        return Err(wrong("give one of `tool`, `prompt` and `resource`"));
    }
    Ok(asked)
}

/// What is kept of the question.
fn recorded(asked: &Asked) -> String {
    serde_json::json!({
        "user": asked.user, "issuer": asked.issuer, "roles": asked.roles, "tenant": asked.tenant, "agents": asked.agents,
        "scope": asked.scope, "name": asked.name, "method": asked.method,
    })
    .to_string()
}

fn told(site: &Site, asked: &Asked) -> Result<Answer, Refusal> {
    #[derive(serde::Serialize)]
    struct Told {
        #[serde(flatten)]
        explanation: crate::review::Explanation,
        /// The same in words.
        text: String,
    }
    let now = site.gateway.now();
    let explanation = asked
        .explain(now.registry.snapshot(), now.policy.active())
        .map_err(|error| wrong(error.to_string()))?;
    let told = Told { text: explanation.in_words(), explanation };
    serde_json::to_vec(&told)
        .map(Answer::Page)
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
}
