//! What a session holds.

use std::fmt::{self, Debug, Formatter};

use serde_json::value::RawValue;

use super::capabilities::bounded;
use super::error::SealError;
use super::ids::{CallerKey, Uid};
use crate::protocol::revision::{self, Era};

/// Longest session id of a backend, in bytes.
const LONGEST_BACKEND_ID: usize = 512;

/// Longest name, and longest version, that a client says of itself, in bytes;
/// longer ones are cut.
const LONGEST_NAME: usize = 128;
const LONGEST_VERSION: usize = 64;

/// The session that the gateway has at a backend of the scope.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BackendSession {
    /// The backend's place in the scope.
    pub(crate) index: u8,
    /// Its `Mcp-Session-Id`: 1 to 512 visible ASCII characters. Nothing where
    /// it gave none.
    pub(crate) id: Option<Box<str>>,
    /// The revision negotiated with it.
    pub(crate) revision: &'static str,
}

/// The id opens the session at the backend, so it is not shown.
impl Debug for BackendSession {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { index, id, revision } = self;
        write!(f, "backend {index}, {revision}, id: {}", id.is_some())
    }
}

/// What a session begins with.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// The scope it is for.
    pub(crate) scope: &'a str,
    /// Who may use it.
    pub(crate) caller: CallerKey,
    /// The revision negotiated with the client; of the legacy era.
    pub(crate) revision: &'static str,
    /// `capabilities` of `initialize`, as they came.
    pub(crate) capabilities: &'a RawValue,
    /// `clientInfo.name`; empty where there is none.
    pub(crate) client_name: &'a str,
    /// `clientInfo.version`; empty where there is none.
    pub(crate) client_version: &'a str,
    /// The sessions at the backends of the scope that have any.
    pub(crate) backends: Vec<BackendSession>,
}

/// A session whose id was opened: its caller and its scope are those of the
/// request.
pub(crate) struct Opened {
    pub(super) uid: Uid,
    pub(super) scope: Box<str>,
    pub(super) caller: CallerKey,
    pub(super) revision: &'static str,
    pub(super) capabilities: Box<RawValue>,
    pub(super) client_name: Box<str>,
    pub(super) client_version: Box<str>,
    pub(super) backends: Vec<BackendSession>,
    pub(super) issued_at: i64,
}

impl Opened {
    /// A session that begins now.
    pub(super) fn new(uid: Uid, contents: Contents<'_>, now: i64) -> Result<Self, SealError> {
        let fits = |id: &str| {
            (1..=LONGEST_BACKEND_ID).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let odd = contents.backends.iter().find(|it| it.id.as_deref().is_some_and(|id| !fits(id)));
        if let Some(backend) = odd {
            return Err(SealError::BackendSession(backend.index));
        }
        let known = |revision| revision::era_of(revision).is_some();
        if revision::era_of(contents.revision) != Some(Era::Legacy)
            || !contents.backends.iter().all(|backend| known(backend.revision))
        {
            return Err(SealError::Revision);
        }
        Ok(Self {
            uid,
            scope: contents.scope.into(),
            caller: contents.caller,
            revision: contents.revision,
            capabilities: bounded(contents.capabilities),
            client_name: cut(contents.client_name, LONGEST_NAME).into(),
            client_version: cut(contents.client_version, LONGEST_VERSION).into(),
            backends: contents.backends,
            issued_at: now,
        })
    }

    /// Which session.
    #[must_use]
    pub(crate) fn uid(&self) -> Uid {
        self.uid
    }

    /// The scope it is for.
    #[must_use]
    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    /// Who may use it.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn caller(&self) -> CallerKey {
        self.caller
    }

    /// The revision negotiated with the client.
    #[must_use]
    pub(crate) fn revision(&self) -> &'static str {
        self.revision
    }

    /// What the client declared at `initialize`: a JSON object. When that was
    /// too long, what servers may ask of it.
    #[must_use]
    pub(crate) fn capabilities(&self) -> &RawValue {
        &self.capabilities
    }

    /// `clientInfo.name`, at most 128 bytes; empty where there is none.
    #[must_use]
    pub(crate) fn client_name(&self) -> &str {
        &self.client_name
    }

    /// `clientInfo.version`, at most 64 bytes; empty where there is none.
    #[must_use]
    pub(crate) fn client_version(&self) -> &str {
        &self.client_version
    }

    /// The sessions at backends of the scope.
    #[must_use]
    pub(crate) fn backends(&self) -> &[BackendSession] {
        &self.backends
    }

    /// The session at one backend of the scope.
    #[must_use]
    pub(crate) fn backend(&self, index: u8) -> Option<&BackendSession> {
        self.backends.iter().find(|backend| backend.index == index)
    }

    /// When it began, in seconds since the Unix epoch.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn issued_at(&self) -> i64 {
        self.issued_at
    }
}

impl Debug for Opened {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "session {} of scope {}, {:?}", self.uid, self.scope, self.backends)
    }
}

/// The longest beginning of at most `most` bytes that is whole characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
