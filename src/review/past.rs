//! Calls on record, as questions to a policy.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::asked::Asked;
use crate::registry::SubjectKind;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Was {
    Allowed,
    Approval,
    Denied,
}

impl Was {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allow",
            Self::Approval => "approval",
            Self::Denied => "deny",
        }
    }

    /// By a verdict's word. What is hidden in an allowed call is not on record.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "allow" | "redact" => Self::Allowed,
            "approval" => Self::Approval,
            _ => Self::Denied,
        }
    }
}

/// A call on record.
pub(super) struct Past {
    pub(super) asked: Asked,
    pub(super) was: Was,
    /// The rule that decided.
    pub(super) rule: String,
    /// Id of the call.
    pub(super) id: String,
    pub(super) time: String,
    /// The arguments, if they are on record whole.
    pub(super) arguments: Option<Value>,
    /// The roles are not on record, nor that there were none.
    pub(super) roles_unknown: bool,
    /// It may be a resource, as told here, or a prompt of such a name.
    pub(super) kind_unknown: bool,
}

/// Reads the line of a decision. `None`: no policy has decided, or it is no such
/// line.
pub(super) fn read(line: &str) -> Option<Past> {
    let members: Map<String, Value> = serde_json::from_str(line).ok()?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let owned = |name: &str| text(name).map(str::to_owned);
    if text("kind") != Some("decision") {
        return None;
    }
    let rule = owned("rule_path")?;
    let was = match text("reason") {
        Some("approval_unavailable") => Was::Approval,
        Some(
            "tool_not_allowed"
            | "prompt_not_allowed"
            | "resource_not_allowed"
            | "denied_by_policy"
            | "condition_failed"
            | "invalid_agent_id"
            | "fallback_agent_not_in_rules"
            | "no_fallback_configured",
        ) => Was::Denied,
        // Refused after the policy had allowed it, or not at all.
        Some(_) | None => Was::Allowed,
    };
    let list = |name: &str| {
        let text = text(name)?;
        serde_json::from_str::<Vec<String>>(text).ok()
    };
    let name = owned("tool")?;
    let method = owned("method").unwrap_or_default();
    let uri = name.contains(':');
    let kind = match method.as_str() {
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => SubjectKind::Resource,
        "completion/complete" if uri => SubjectKind::Resource,
        "prompts/get" | "completion/complete" => SubjectKind::Prompt,
        _ => SubjectKind::Tool,
    };
    let time = owned("time")?;
    let roles = list("roles");
    let asked = Asked {
        user: owned("user_id").unwrap_or_default(),
        issuer: owned("issuer").unwrap_or_default(),
        roles: roles.clone().unwrap_or_default(),
        tenant: owned("tenant"),
        agents: list("agents").or(owned("agent").map(|agent| vec![agent])).unwrap_or_default(),
        scope: owned("scope"),
        kind: Some(kind),
        name,
        server: owned("backend"),
        method: Some(method),
        arguments: None,
        at: DateTime::parse_from_rfc3339(&time).ok()?.to_utc(),
        client: text("client_name")
            .map(|name| (name.to_owned(), text("client_version").unwrap_or_default().to_owned())),
        past: true,
        ..Asked::default()
    };
    let arguments = match text("arguments") {
        Some(text) => serde_json::from_str(text).ok().filter(whole),
        // Of completions no arguments are kept.
        None if asked.method.as_deref() == Some("completion/complete") => None,
        // A call without arguments has no digest either.
        None if members.contains_key("arguments_digest") => None,
        None => Some(Value::Object(Map::new())),
    };
    // Nobody without a role was ever allowed anything.
    let roles_unknown = roles.is_none() && (was != Was::Denied || rule != "roles");
    let id = owned("call_id").or(owned("request_id")).unwrap_or_default();
    let kind_unknown = uri && asked.method.as_deref() == Some("completion/complete");
    Some(Past { asked, was, rule, id, time, arguments, roles_unknown, kind_unknown })
}

/// Whether nothing was hidden or cut.
fn whole(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            !text.ends_with('…') && !text.contains("[redacted]") && !text.contains("***REDACTED***")
        }
        Value::Array(items) => items.iter().all(whole),
        Value::Object(members) => members.values().all(whole),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
