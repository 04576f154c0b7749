//! The decision: pure, total, deny by default.
//!
//! Order (most restrictive wins): the caller needs a role the policy knows;
//! the workspace's denials bind everybody; a workspace's list of names takes
//! the place of what the roles grant; required roles bind everybody, also
//! callers with a wildcard.

use std::sync::Arc;

use super::model::{Grant, RulePath, Rules};

/// What is decided about: one caller, one tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) roles: &'a [String],
    pub(super) tenant: Option<&'a str>,
    pub(super) tool: &'a str,
    /// Roles the registry requires for the tool.
    pub(super) registry_roles: &'a [Box<str>],
}

/// Whether, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) allowed: bool,
    pub(super) rule: RulePath,
}

/// Names of rules that stand in no file.
pub(super) struct BuiltIn {
    nothing_matches: RulePath,
    no_known_role: RulePath,
    registry_roles: RulePath,
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self {
            nothing_matches: Arc::from("default_action"),
            no_known_role: Arc::from("roles"),
            registry_roles: Arc::from("registry.required_roles"),
        }
    }
}

/// Decides. The same facts always get the same decision.
pub(super) fn decide(rules: &Rules, built_in: &BuiltIn, facts: Facts<'_>) -> Decision {
    let deny = |rule: &RulePath| Decision { allowed: false, rule: Arc::clone(rule) };
    let mut known = false;
    let mut granted = None;
    for grant in facts.roles.iter().filter_map(|role| rules.roles.get(role)) {
        known = true;
        granted = granted.or_else(|| grant.reaches(facts.tool));
    }
    if !known {
        return deny(&built_in.no_known_role);
    }
    if let Some(workspace) = facts.tenant.and_then(|tenant| rules.workspaces.get(tenant)) {
        if let Some(rule) = workspace.denied.reaches(facts.tool) {
            return deny(rule);
        }
        match &workspace.allowed {
            None => {}
            Some(Grant::Everything(rule)) => granted = granted.or(Some(rule)),
            Some(names @ Grant::Named(_)) => granted = names.reaches(facts.tool),
        }
    }
    let Some(rule) = granted else { return deny(&built_in.nothing_matches) };
    if let Some((required, roles)) = rules.required.get(facts.tool)
        && !roles.iter().any(|role| facts.roles.contains(role))
    {
        return deny(required);
    }
    if !facts.registry_roles.is_empty()
        && !facts.registry_roles.iter().any(|role| facts.roles.iter().any(|r| **r == **role))
    {
        return deny(&built_in.registry_roles);
    }
    Decision { allowed: true, rule: Arc::clone(rule) }
}
