//! What is asked of a policy: who wants what, and how.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::registry::SubjectKind;

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Who<'a> {
    /// The user.
    pub(crate) user_id: &'a str,
    /// Who vouches for the user.
    pub(crate) issuer: &'a str,
    /// The roles.
    pub(crate) roles: &'a [String],
    /// The groups.
    pub(crate) groups: &'a [String],
    /// The address of the token, whoever has verified it.
    pub(crate) email: Option<&'a str>,
    /// The workspace.
    pub(crate) tenant: Option<&'a str>,
    /// The agent profiles that the token allows.
    pub(crate) agents: &'a [String],
    /// The one that was chosen of them, where one was.
    pub(crate) agent: Option<&'a str>,
}

impl<'a> Who<'a> {
    /// The agent profile that was chosen, or the only one there is.
    pub(crate) fn only_agent(&self) -> Option<&'a str> {
        match (self.agent, self.agents) {
            (Some(agent), _) => Some(agent),
            (None, [agent]) => Some(agent),
            (None, _) => None,
        }
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What<'a> {
    /// What it is.
    pub(crate) kind: SubjectKind,
    /// As clients of the scope call it: a name, or a URI.
    pub(crate) name: &'a str,
    /// As its backend calls it.
    pub(crate) inner: &'a str,
    /// The backend, where it is known: the agent rules' server.
    pub(crate) server: Option<&'a str>,
    /// The scope it is asked for in.
    pub(crate) scope: &'a str,
    /// Roles of which the registry asks for one.
    pub(crate) registry_roles: &'a [Box<str>],
}

/// Arguments, read when somebody looks at them; `None` when they cannot be.
pub(crate) trait Arguments {
    /// The arguments, an object.
    fn value(&self) -> Option<&Value>;
}

/// Arguments that nobody knows.
pub(crate) struct Unknown;

impl Arguments for Unknown {
    fn value(&self) -> Option<&Value> {
        None
    }
}

impl Arguments for Value {
    fn value(&self) -> Option<&Value> {
        Some(self)
    }
}

/// How it is called.
#[derive(Clone, Copy)]
pub(crate) struct How<'a> {
    /// The method, such as `tools/call`.
    pub(crate) method: &'a str,
    /// The arguments.
    pub(crate) arguments: &'a (dyn Arguments + Sync),
    /// The time.
    pub(crate) now: DateTime<Utc>,
    /// Name and version that the client gave of itself.
    pub(crate) client: Option<(&'a str, &'a str)>,
    /// The session, where there is one.
    pub(crate) session: Option<&'a (dyn Display + Sync)>,
    /// It is long over, and what the audit trail does not keep is not known.
    pub(crate) past: bool,
}

/// One question.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Who asks.
    pub(crate) who: Who<'a>,
    /// What for.
    pub(crate) what: What<'a>,
    /// The call; `None` asks what a list may show.
    pub(crate) call: Option<How<'a>>,
}

impl<'a> Question<'a> {
    /// The arguments, where they can be read.
    pub(super) fn arguments(&self) -> Option<&'a Value> {
        self.call.and_then(|call| call.arguments.value())
    }
}
