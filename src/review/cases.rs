//! Cases with what is expected of them: a policy's unit tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::asked::Asked;
use crate::policy::Active;
use crate::registry::{Snapshot, SubjectKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    caller: Caller,
    scope: Option<String>,
    tool: Option<String>,
    prompt: Option<String>,
    resource: Option<String>,
    server: Option<String>,
    method: Option<String>,
    #[serde(default = "nothing")]
    args: serde_json::Value,
    at: Option<DateTime<Utc>>,
    client: Option<Client>,
    session: Option<String>,
    expect: Expected,
    rule: Option<String>,
    visible: Option<bool>,
}

fn nothing() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    user: Option<String>,
    issuer: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    email: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    agents: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    name: String,
    #[serde(default)]
    version: String,
}

/// What is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    Deny,
    #[serde(alias = "approvalRequired")]
    Approval,
    Redact,
}

impl Expected {
    fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Approval => "approval",
            Self::Redact => "redact",
        }
    }
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) name: String,
    /// What does not hold; `None` when it does.
    pub(super) failure: Option<String>,
}

/// What came of a file of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) outcomes: Vec<Outcome>,
    /// The rules that had something to say.
    pub(super) met: BTreeSet<String>,
}

impl Ran {
    pub(super) fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count()
    }
}

/// Runs the cases of a file's text.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn run(
    text: &str,
    policy: &Active,
    registry: &Snapshot,
    now: DateTime<Utc>,
) -> Result<Ran, String> {
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
    let file: File = serde_yaml::from_value(value).map_err(|e| e.to_string())?;
    let mut ran = Ran::default();
    for case in file.cases {
        let name = case.name.clone();
        let failure = one(case, policy, registry, now, &mut ran.met).err();
        ran.outcomes.push(Outcome { name, failure });
    }
    Ok(ran)
}

fn one(
    case: Case,
    policy: &Active,
    registry: &Snapshot,
    now: DateTime<Utc>,
    met: &mut BTreeSet<String>,
) -> Result<(), String> {
    let (kind, name) = match (case.tool, case.prompt, case.resource) {
        (Some(name), None, None) => (SubjectKind::Tool, name),
        (None, Some(name), None) => (SubjectKind::Prompt, name),
        (None, None, Some(uri)) => (SubjectKind::Resource, uri),
        _ => return Err("needs one of `tool`, `prompt`, `resource`".to_owned()),
    };
    let caller = case.caller;
    let asked = Asked {
        user: caller.user.unwrap_or_else(|| "somebody".to_owned()),
        issuer: caller.issuer.unwrap_or_default(),
        roles: caller.roles,
        groups: caller.groups,
        email: caller.email,
        tenant: caller.tenant,
        agents: caller.agents,
        scope: case.scope,
        kind: Some(kind),
        name,
        server: case.server,
        method: case.method,
        arguments: Some(case.args),
        at: case.at.unwrap_or(now),
        client: case.client.map(|client| (client.name, client.version)),
        session: case.session,
        ..Asked::default()
    };
    let found = asked.explain(registry, policy).map_err(|error| error.to_string())?;
    met.extend(found.steps.iter().map(|step| step.rule.to_string()));
    let mut faults = String::new();
    if found.decision != case.expect.word() {
        let _ = write!(faults, "expected {}, got {}", case.expect.word(), found.in_words());
    }
    if let Some(rule) = case.rule.filter(|rule| **rule != *found.rule) {
        let _ = writeln!(faults, "expected {rule} to decide, but {} does", found.rule);
    }
    if let Some(visible) = case.visible.filter(|visible| *visible != found.visible) {
        let not = if visible { "" } else { "not " };
        let _ = writeln!(faults, "expected it {not}to be shown in lists");
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.trim_end().to_owned()) }
}
