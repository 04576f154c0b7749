//! Questions about callers and subjects as the walk knows them.

use super::question::{What, Who};
use crate::authn::Caller;
use crate::registry::{Dormant, Scope, SubjectKind, Tool};

impl<'a> Who<'a> {
    /// An authenticated caller that has chosen no agent profile.
    pub(crate) fn of(caller: &'a Caller) -> Self {
        Self {
            user_id: caller.user_id(),
            issuer: caller.issuer(),
            roles: caller.roles(),
            groups: caller.groups(),
            email: caller.email(),
            tenant: caller.tenant(),
            agents: caller.agents(),
            agent: None,
        }
    }
}

impl<'a> What<'a> {
    /// A declared tool.
    pub(crate) fn of_tool(tool: &'a Tool) -> Self {
        Self {
            kind: SubjectKind::Tool,
            name: &tool.name,
            inner: &tool.inner,
            server: Some(&tool.backend.name),
            scope: &tool.scope,
            registry_roles: &tool.required_roles,
        }
    }

    /// A declared tool of a scope that is not active, as if it were.
    pub(crate) fn of_dormant(scope: &'a Scope, name: &'a str, tool: &'a Dormant) -> Self {
        Self {
            kind: SubjectKind::Tool,
            name,
            inner: &tool.inner,
            server: Some(&tool.backend.name),
            scope: &scope.name,
            registry_roles: &tool.required_roles,
        }
    }

    /// Something of which nothing is known but what clients call it.
    pub(crate) fn named(kind: SubjectKind, name: &'a str) -> Self {
        Self { kind, name, inner: name, server: None, scope: "", registry_roles: &[] }
    }

    /// What clients of a scope call so, declared or not.
    pub(crate) fn in_scope(scope: &'a Scope, kind: SubjectKind, name: &'a str) -> Self {
        match scope.tool(name).filter(|_| kind == SubjectKind::Tool) {
            Some(tool) => Self::of_tool(tool),
            None => Self::undeclared(scope, None, kind, name),
        }
    }

    /// What only a backend offers, by the name that clients of the scope use;
    /// the backend by its place in the scope, where it is known.
    pub(crate) fn undeclared(
        scope: &'a Scope,
        place: Option<usize>,
        kind: SubjectKind,
        name: &'a str,
    ) -> Self {
        let spelled = (kind != SubjectKind::Resource).then(|| scope.split(name)).flatten();
        let place = spelled.map(|(place, _)| place).or(place);
        Self {
            kind,
            name,
            inner: spelled.map_or(name, |(_, inner)| inner),
            server: place.and_then(|place| scope.backend_at(place)).map(|it| &*it.name),
            scope: &scope.name,
            registry_roles: &[],
        }
    }
}
