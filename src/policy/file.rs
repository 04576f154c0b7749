//! `policy.yaml`: reading it, and every complaint about it at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::agents::{self, Precedence};
use super::limits::{self, BudgetsEntry, Defaults};
use super::model::{ByKind, Grant, Rules, Workspace};
use super::{lists, rules};
use crate::registry::SubjectKind;
use crate::secret::hex;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_action: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, RoleEntry>,
    #[serde(default)]
    workspaces: BTreeMap<String, WorkspaceEntry>,
    #[serde(default)]
    tools: BTreeMap<String, ToolEntry>,
    // Untyped until they are compiled, so that all complaints are told.
    #[serde(default)]
    agents: BTreeMap<String, serde_yaml::Value>,
    defaults: Option<serde_yaml::Value>,
    precedence: Option<Precedence>,
    #[serde(default)]
    rules: Vec<serde_yaml::Value>,
    #[serde(alias = "defaultAction")]
    rules_default: Option<String>,
    #[serde(default, alias = "operationClasses")]
    operation_classes: BTreeMap<String, String>,
    #[serde(default)]
    hide_denied: bool,
    #[serde(default)]
    quotas: Vec<serde_yaml::Value>,
    #[serde(default)]
    budgets: BudgetsEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as the file spells them")]
struct RoleEntry {
    #[serde(default)]
    allowed_tools: Vec<String>,
    #[serde(default)]
    allowed_prompts: Vec<String>,
    #[serde(default)]
    allowed_resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceEntry {
    #[serde(default)]
    allowed_tools: Vec<String>,
    #[serde(default)]
    denied_tools: Vec<String>,
    #[serde(default)]
    allowed_prompts: Vec<String>,
    #[serde(default)]
    denied_prompts: Vec<String>,
    #[serde(default)]
    allowed_resources: Vec<String>,
    #[serde(default)]
    denied_resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolEntry {
    #[serde(default)]
    required_roles: Vec<String>,
    // Read for people and lists; the first layer does not judge by it.
    #[serde(default, rename = "risk_tier")]
    _risk_tier: Option<String>,
}

/// What lies beside the policy file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside<'a> {
    /// The text of a `.mcp-gateway-rules.json`.
    pub(crate) agent_rules: Option<&'a str>,
    /// The profile of callers without one.
    pub(crate) default_agent: Option<&'a str>,
    /// The limits behind those of the file.
    pub(crate) limits: Option<Defaults>,
}

/// Reads a policy file that has nothing beside it.
#[cfg(test)]
pub(super) fn read(text: &str) -> Result<Rules, Vec<String>> {
    read_with(text, Beside::default())
}

/// Reads the text of a policy file.
///
/// # Errors
/// Every complaint, each with the path of what it is about.
pub(super) fn read_with(text: &str, beside: Beside<'_>) -> Result<Rules, Vec<String>> {
    // The untyped parse refuses duplicate keys, which a typed one would not see.
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| vec![e.to_string()])?;
    let file = if value.is_null() {
        File::default()
    } else {
        serde_yaml::from_value::<File>(value).map_err(|e| vec![e.to_string()])?
    };
    let mut complaints = Vec::new();
    if file.default_action.as_deref().is_some_and(|action| action != "deny") {
        complaints.push("default_action: only `deny` is possible".to_owned());
    }
    let precedence = file.precedence.unwrap_or_default();
    let written = agents::Section { agents: file.agents, defaults: file.defaults, precedence };
    let agents = profiles(written, beside, &mut complaints);
    let actions = rules::read(
        rules::Section {
            rules: file.rules,
            by_default: file.rules_default,
            operations: file.operation_classes,
            hide_denied: file.hide_denied,
        },
        &mut complaints,
    );
    let mut roles = HashMap::new();
    for (name, entry) in file.roles {
        let at = format!("roles.{name}.allowed");
        let mut list = |kind, entries: &[String]| read_list(kind, &at, entries, &mut complaints);
        let grants = ByKind {
            tools: list(SubjectKind::Tool, &entry.allowed_tools),
            prompts: list(SubjectKind::Prompt, &entry.allowed_prompts),
            resources: list(SubjectKind::Resource, &entry.allowed_resources),
        };
        roles.insert(name, grants);
    }
    let mut workspaces = HashMap::new();
    for (name, entry) in file.workspaces {
        let at = format!("workspaces.{name}.allowed");
        let mut some = |kind, entries: &[String]| {
            (!entries.is_empty()).then(|| read_list(kind, &at, entries, &mut complaints))
        };
        let allowed = ByKind {
            tools: some(SubjectKind::Tool, &entry.allowed_tools),
            prompts: some(SubjectKind::Prompt, &entry.allowed_prompts),
            resources: some(SubjectKind::Resource, &entry.allowed_resources),
        };
        let at = format!("workspaces.{name}.denied");
        let mut list = |kind, entries: &[String]| read_list(kind, &at, entries, &mut complaints);
        let denied = ByKind {
            tools: list(SubjectKind::Tool, &entry.denied_tools),
            prompts: list(SubjectKind::Prompt, &entry.denied_prompts),
            resources: list(SubjectKind::Resource, &entry.denied_resources),
        };
        workspaces.insert(name, Workspace { allowed, denied });
    }
    let required = file
        .tools
        .into_iter()
        .filter(|(_, entry)| !entry.required_roles.is_empty())
        .map(|(name, entry)| {
            let path = Arc::from(format!("tools.{name}.required_roles"));
            (name, (path, entry.required_roles))
        })
        .collect();
    let knows_role = |role: &str| HashMap::contains_key(&roles, role);
    let limits =
        limits::compile(file.quotas, &file.budgets, beside.limits, knows_role, &mut complaints);
    let limits = Arc::new(limits);
    if complaints.is_empty() {
        let digest = digest_of(text, beside);
        Ok(Rules { roles, workspaces, required, agents, actions, limits, digest })
    } else {
        Err(complaints)
    }
}

/// The profiles of agents, out of either file.
fn profiles(
    written: agents::Section,
    beside: Beside<'_>,
    complaints: &mut Vec<String>,
) -> Option<agents::Agents> {
    let Some(json) = beside.agent_rules else {
        return agents::read_section(written, beside.default_agent, complaints);
    };
    if !written.agents.is_empty() || written.defaults.is_some() {
        complaints.push("agents: they stand in a file of agent rules, too; keep one".to_owned());
    }
    match agents::read_json(json, written.precedence) {
        Ok(section) => agents::read_section(section, beside.default_agent, complaints),
        Err(found) => {
            complaints.extend(found.into_iter().map(|fault| format!("agent rules: {fault}")));
            None
        }
    }
}

/// SHA-256 of the policy file. What else decides is hashed with it: another
/// file of agent rules is another policy.
fn digest_of(text: &str, beside: Beside<'_>) -> Arc<str> {
    let own = hex(digest(&SHA256, text.as_bytes()).as_ref());
    if beside.agent_rules.is_none() && beside.default_agent.is_none() {
        return Arc::from(own);
    }
    let rules = beside.agent_rules.map(|rules| hex(digest(&SHA256, rules.as_bytes()).as_ref()));
    let all =
        format!("{own}\n{}\n{}", rules.unwrap_or_default(), beside.default_agent.unwrap_or(""));
    Arc::from(hex(digest(&SHA256, all.as_bytes()).as_ref()))
}

/// The list `{at}_{kind}s`, such as `roles.viewer.allowed_tools`.
fn read_list(
    kind: SubjectKind,
    at: &str,
    entries: &[String],
    complaints: &mut Vec<String>,
) -> Grant {
    lists::grant(kind, &format!("{at}_{}s", kind.word()), entries, complaints)
}
