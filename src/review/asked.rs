//! A question in words, and the question it is to a policy.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::policy::{Active, Arguments, Explanation, How, Question, Unknown, What, Who};
use crate::registry::{Scope, Snapshot, SubjectKind};

/// What decides about a tool that is not active.
const INACTIVE: &str = "registry.is_active";
const IS_INACTIVE: &str = "tools.yaml has this tool with `is_active: false`, so nobody sees or \
                           calls it; below is what the policy would say";
const IS_RESPELLED: &str = "this is another spelling of a tool that tools.yaml declares, so nobody \
                            sees or calls it; below is what the policy would say";
const IS_NOWHERE: &str = "no scope has such a tool: whatever the policy says, there is nothing to \
                          call";
const IS_NOWHERE_IN_SCOPE: &str = "the scope has no such tool: whatever the policy says, there is \
                                   nothing to call";

/// The methods that something is asked for with, the usual one first.
fn methods(kind: SubjectKind) -> &'static [&'static str] {
    match kind {
        SubjectKind::Tool => &["tools/call"],
        SubjectKind::Prompt => &["prompts/get", "completion/complete"],
        SubjectKind::Resource => &[
            "resources/read",
            "resources/subscribe",
            "resources/unsubscribe",
            "completion/complete",
        ],
    }
}

/// Who wants what, in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) user: String,
    pub(crate) issuer: String,
    pub(crate) roles: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) email: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) agents: Vec<String>,
    pub(crate) scope: Option<String>,
    pub(crate) kind: Option<SubjectKind>,
    pub(crate) name: String,
    pub(crate) server: Option<String>,
    pub(crate) method: Option<String>,
    /// `None`: nobody knows them.
    pub(crate) arguments: Option<Value>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) client: Option<(String, String)>,
    pub(crate) session: Option<String>,
    /// It is long over.
    pub(crate) past: bool,
}

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskedError {
    #[error("there is no scope `{0}`")]
    NoScope(String),
    #[error("several scopes have `{0}`: say which")]
    SeveralScopes(String),
    #[error("a {0} is asked for with {1}")]
    WrongMethod(&'static str, String),
}

impl Asked {
    /// Asks, and hands the question to whoever decides.
    ///
    /// # Errors
    /// [`AskedError`].
    pub(crate) fn ask<T>(
        &self,
        registry: &Snapshot,
        decide: impl FnOnce(&Question<'_>) -> T,
    ) -> Result<T, AskedError> {
        let kind = self.kind.unwrap_or(SubjectKind::Tool);
        let scope = self.in_scope(registry)?;
        let is_tool = kind == SubjectKind::Tool;
        let declared = scope.and_then(|scope| scope.tool(&self.name)).filter(|_| is_tool);
        let dormant = scope.and_then(|scope| scope.dormant(&self.name)).filter(|_| is_tool);
        let mut what = match (declared, dormant, scope) {
            (Some(tool), ..) => What::of_tool(tool),
            (None, Some(tool), Some(scope)) => What::of_dormant(scope, &self.name, tool),
            (None, _, Some(scope)) => {
                let place = (scope.backends.len() == 1).then_some(0);
                What::undeclared(scope, place, kind, &self.name)
            }
            (None, _, None) => {
                let (name, registry_roles) = (self.name.as_str(), &[][..]);
                What { kind, name, inner: name, server: None, scope: "", registry_roles }
            }
        };
        what.server = what.server.or(self.server.as_deref());
        let who = Who {
            user_id: &self.user,
            issuer: &self.issuer,
            roles: &self.roles,
            groups: &self.groups,
            email: self.email.as_deref(),
            tenant: self.tenant.as_deref(),
            agents: &self.agents,
            agent: None,
        };
        let arguments: &(dyn Arguments + Sync) = match &self.arguments {
            Some(arguments) => arguments,
            None => &Unknown,
        };
        let usual = methods(kind).first().copied().unwrap_or_default();
        let call = How {
            method: self.method.as_deref().unwrap_or(usual),
            arguments,
            now: self.at,
            client: self.client.as_ref().map(|(name, version)| (&**name, &**version)),
            session: self.session.as_ref().map(|id| id as &(dyn std::fmt::Display + Sync)),
            past: self.past,
        };
        Ok(decide(&Question { who, what, call: Some(call) }))
    }

    /// Explains: what the policy says, and where no call gets as far as that,
    /// what the registry does.
    ///
    /// # Errors
    /// [`AskedError`].
    pub(crate) fn explain(
        &self,
        registry: &Snapshot,
        policy: &Active,
    ) -> Result<Explanation, AskedError> {
        let kind = self.kind.unwrap_or(SubjectKind::Tool);
        let known = methods(kind);
        if self.method.as_deref().is_some_and(|method| !known.contains(&method)) {
            return Err(AskedError::WrongMethod(kind.word(), known.join(", ")));
        }
        let said = self.ask(registry, |question| policy.explain(question))?;
        let (scope, name) = (self.in_scope(registry)?, &*self.name);
        let offered = |scope: &Arc<Scope>| scope.may_offer(name);
        let is_respelled =
            !registry.may_offer(name) && registry.scopes().any(|scope| scope.withholds(kind, name));
        Ok(match scope {
            _ if kind != SubjectKind::Tool => said,
            Some(scope) if scope.tool(name).is_some() => said,
            Some(scope) if scope.dormant(name).is_some() => said.withheld(INACTIVE, IS_INACTIVE),
            Some(scope) if scope.withholds(kind, name) => said.withheld("registry", IS_RESPELLED),
            Some(scope) if !offered(scope) => said.noting(IS_NOWHERE_IN_SCOPE),
            None if is_respelled => said.withheld("registry", IS_RESPELLED),
            None if !registry.may_offer(name) => said.noting(IS_NOWHERE),
            Some(_) | None => said,
        })
    }

    /// The scope that is named, or the only one that declares the tool, active or
    /// not.
    fn in_scope<'r>(&self, registry: &'r Snapshot) -> Result<Option<&'r Arc<Scope>>, AskedError> {
        if let Some(name) = &self.scope {
            let scope = registry.scope(name).ok_or_else(|| AskedError::NoScope(name.clone()));
            return scope.map(Some);
        }
        if self.kind.is_some_and(|kind| kind != SubjectKind::Tool) {
            return Ok(None);
        }
        let only = |declares: &dyn Fn(&Scope) -> bool| {
            let mut declaring = registry.scopes().filter(|scope| declares(scope));
            match (declaring.next(), declaring.next()) {
                (Some(_), Some(_)) => Err(AskedError::SeveralScopes(self.name.clone())),
                (only, _) => Ok(only),
            }
        };
        if let Some(scope) = only(&|scope| scope.tool(&self.name).is_some())? {
            return Ok(Some(scope));
        }
        let inactive = only(&|scope| scope.dormant(&self.name).is_some())?;
        // One scope keeps it from everybody, and another one may offer it.
        if inactive.is_some() && registry.may_offer(&self.name) {
            return Err(AskedError::SeveralScopes(self.name.clone()));
        }
        Ok(inactive)
    }
}
