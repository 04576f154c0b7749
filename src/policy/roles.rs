//! The layer of roles, workspaces and required roles (C-26 to C-32).
//!
//! Order (most restrictive wins): the caller needs a role the policy knows;
//! the workspace's denials bind everybody; a workspace's list of names takes
//! the place of what the roles grant; required roles bind everybody, also
//! callers with a wildcard.
//!
//! What denies, or asks for a role, binds a tool also by the name its backend has
//! for it (T-14): a prefix is no way around it. What allows does not.

use std::sync::Arc;

use super::model::{Grant, RulePath, Rules, Wanted};

/// What is decided about: one caller, one subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) roles: &'a [String],
    pub(super) tenant: Option<&'a str>,
    pub(super) wanted: Wanted<'a>,
    /// As the backend calls it, where that is another name.
    pub(super) inner: Option<&'a str>,
    /// Roles the registry requires for it.
    pub(super) registry_roles: &'a [Box<str>],
}

/// Whether, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged<'r> {
    pub(super) allowed: bool,
    pub(super) rule: &'r RulePath,
}

/// Names of rules that stand in no file.
pub(super) struct BuiltIn {
    pub(super) nothing_matches: RulePath,
    no_known_role: RulePath,
    registry_roles: RulePath,
    pub(super) unreadable: RulePath,
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self {
            nothing_matches: Arc::from("default_action"),
            no_known_role: Arc::from("roles"),
            registry_roles: Arc::from("registry.required_roles"),
            unreadable: Arc::from("unreadable_uri"),
        }
    }
}

/// Judges. The same facts always get the same judgement.
pub(super) fn judge<'r>(rules: &'r Rules, built_in: &'r BuiltIn, facts: Facts<'_>) -> Judged<'r> {
    let deny = |rule: &'r RulePath| Judged { allowed: false, rule };
    let inner = facts.inner.and_then(|inner| facts.wanted.called(inner));
    let mut known = false;
    let mut granted = None;
    for grant in facts.roles.iter().filter_map(|role| rules.roles.get(role)) {
        known = true;
        granted = granted.or_else(|| grant.of(facts.wanted).allows(facts.wanted));
    }
    if !known {
        return deny(&built_in.no_known_role);
    }
    if let Some(workspace) = facts.tenant.and_then(|tenant| rules.workspaces.get(tenant)) {
        let denied = workspace.denied.of(facts.wanted);
        let by_inner = || inner.and_then(|inner| denied.denies(inner));
        if let Some(rule) = denied.denies(facts.wanted).or_else(by_inner) {
            return deny(rule);
        }
        match workspace.allowed.of(facts.wanted) {
            None => {}
            Some(Grant::Everything(rule)) => granted = granted.or(Some(rule)),
            Some(some @ (Grant::Named(_) | Grant::Resources(_))) => {
                granted = some.allows(facts.wanted);
            }
        }
    }
    let Some(rule) = granted else { return deny(&built_in.nothing_matches) };
    for wanted in std::iter::once(facts.wanted).chain(inner) {
        if let Wanted::Tool(tool) = wanted
            && let Some((required, roles)) = rules.required.get(tool)
            && !roles.iter().any(|role| facts.roles.contains(role))
        {
            return deny(required);
        }
    }
    if !facts.registry_roles.is_empty()
        && !facts.registry_roles.iter().any(|role| facts.roles.iter().any(|r| **r == **role))
    {
        return deny(&built_in.registry_roles);
    }
    Judged { allowed: true, rule }
}
