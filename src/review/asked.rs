//! A question in words, and the question it is to a policy.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::policy::{Active, Arguments, Explanation, How, Question, Unknown, What, Who};
use crate::registry::{Snapshot, SubjectKind};

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
        let scope = match &self.scope {
            Some(name) => {
                Some(registry.scope(name).ok_or_else(|| AskedError::NoScope(name.clone()))?)
            }
            None if kind == SubjectKind::Tool => {
                let mut offering = registry.offered_by(&self.name);
                match (offering.next(), offering.next()) {
                    (Some(_), Some(_)) => return Err(AskedError::SeveralScopes(self.name.clone())),
                    (only, _) => only,
                }
            }
            None => None,
        };
        let declared =
            scope.and_then(|scope| scope.tool(&self.name)).filter(|_| kind == SubjectKind::Tool);
        let mut what = match (declared, scope) {
            (Some(tool), _) => What::of_tool(tool),
            (None, Some(scope)) => {
                let place = (scope.backends.len() == 1).then_some(0);
                What::undeclared(scope, place, kind, &self.name)
            }
            (None, None) => {
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
        let usual = match kind {
            SubjectKind::Tool => "tools/call",
            SubjectKind::Prompt => "prompts/get",
            SubjectKind::Resource => "resources/read",
        };
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

    /// Explains.
    ///
    /// # Errors
    /// [`AskedError`].
    pub(crate) fn explain(
        &self,
        registry: &Snapshot,
        policy: &Active,
    ) -> Result<Explanation, AskedError> {
        self.ask(registry, |question| policy.explain(question))
    }
}
