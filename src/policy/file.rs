//! `policy.yaml`: reading it, and every complaint about it at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::limits::{self, BudgetsEntry, Defaults};
use super::lists;
use super::model::{ByKind, Grant, Rules, Workspace};
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
    /// Untyped until they are compiled, so that all complaints are told.
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

/// Reads a policy without limits behind its own.
#[cfg(test)]
pub(super) fn read(text: &str) -> Result<Rules, Vec<String>> {
    read_over(text, None)
}

/// Reads the text of a policy file. `defaults` are the limits behind its own.
///
/// # Errors
/// Every complaint, each with the path of what it is about.
pub(super) fn read_over(text: &str, defaults: Option<Defaults>) -> Result<Rules, Vec<String>> {
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
    let limits = limits::compile(file.quotas, &file.budgets, defaults, knows_role, &mut complaints);
    if complaints.is_empty() {
        let digest = Arc::from(hex(digest(&SHA256, text.as_bytes()).as_ref()));
        Ok(Rules { roles, workspaces, required, limits: Arc::new(limits), digest })
    } else {
        Err(complaints)
    }
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
