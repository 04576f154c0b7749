//! `policy.yaml`: reading it, and every complaint about it at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::model::{Grant, Rules, Workspace};
use crate::secret::hex;

const WILDCARD: &str = "*";

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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    #[serde(default)]
    allowed_tools: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceEntry {
    #[serde(default)]
    allowed_tools: Vec<String>,
    #[serde(default)]
    denied_tools: Vec<String>,
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

/// Reads the text of a policy file.
///
/// # Errors
/// Every complaint, each with the path of what it is about.
pub(super) fn read(text: &str) -> Result<Rules, Vec<String>> {
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
        let path = format!("roles.{name}.allowed_tools");
        roles.insert(name, grant(&path, entry.allowed_tools, &mut complaints));
    }
    let mut workspaces = HashMap::new();
    for (name, entry) in file.workspaces {
        let at = format!("workspaces.{name}");
        let allowed = (!entry.allowed_tools.is_empty())
            .then(|| grant(&format!("{at}.allowed_tools"), entry.allowed_tools, &mut complaints));
        let denied = grant(&format!("{at}.denied_tools"), entry.denied_tools, &mut complaints);
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
    if complaints.is_empty() {
        let digest = Arc::from(hex(digest(&SHA256, text.as_bytes()).as_ref()));
        Ok(Rules { roles, workspaces, required, digest })
    } else {
        Err(complaints)
    }
}

/// A list of tools: names, or exactly `["*"]`.
fn grant(path: &str, names: Vec<String>, complaints: &mut Vec<String>) -> Grant {
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            complaints.push(format!("{path}[{index}]: empty"));
        } else if name == WILDCARD && names.len() > 1 {
            complaints.push(format!("{path}[{index}]: `*` must stand alone"));
        } else if name != WILDCARD && name.contains(WILDCARD) {
            complaints.push(format!(
                "{path}[{index}]: `{name}`: patterns are not read here; name the tool, or `*` alone"
            ));
        } else if !seen.insert(name) {
            complaints.push(format!("{path}[{index}]: `{name}` appears twice"));
        }
    }
    if names.iter().any(|name| name == WILDCARD) {
        return Grant::Everything(Arc::from(format!("{path}[0]")));
    }
    let rules = names
        .into_iter()
        .enumerate()
        .map(|(index, name)| (name, Arc::from(format!("{path}[{index}]"))))
        .collect();
    Grant::Named(rules)
}
