//! Task ids (MCP 2026-07-28, the extension for tasks) that are of use only to
//! the caller, and in the scope, that they were made for.
//!
//! A backend may take a task's id for proof that its task is the caller's. So
//! a client gets `<place>.<mac>.<backend's own id>` instead: `<place>` is the
//! backend's place in the scope, and `<mac>` are the first 16 bytes of an
//! HMAC-SHA256 over scope, caller, place, backend and id, in base64url without
//! padding. Nothing is stored: any replica that has the key can tell.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{CallerKey, Sessions};

/// Bytes of a mac.
const MAC: usize = 16;

/// The tasks of one caller at one backend of a scope.
#[derive(Clone)]
pub(crate) struct Tasks {
    sessions: Arc<Sessions>,
    /// What a mac is over, before the id.
    bound: Box<[u8]>,
    place: usize,
}

impl Sessions {
    /// The tasks of a caller at the backend at that place in a scope.
    pub(crate) fn tasks(
        self: &Arc<Self>,
        scope: &str,
        caller: CallerKey,
        (place, backend): (usize, &str),
    ) -> Tasks {
        let mut bound = Vec::with_capacity(56 + scope.len() + backend.len());
        bound.extend_from_slice(caller.as_bytes());
        bound.extend_from_slice(&(place as u64).to_be_bytes());
        // The lengths keep apart what stands side by side; the id comes last.
        for text in [scope, backend] {
            bound.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bound.extend_from_slice(text.as_bytes());
        }
        Tasks { sessions: Arc::clone(self), bound: bound.into(), place }
    }
}

impl Tasks {
    /// The id that the client gets for a backend's own.
    #[must_use]
    pub(crate) fn outer(&self, id: &str) -> String {
        let mac = self.mac(&self.sessions.ring.current().task, id);
        format!("{}.{}.{id}", self.place, URL_SAFE_NO_PAD.encode(mac))
    }

    /// The backend's own id in one that [`outer`](Self::outer) made for this
    /// caller, with any of the keys; `None` for any other.
    #[must_use]
    pub(crate) fn inner<'i>(&self, outer: &'i str) -> Option<&'i str> {
        let (place, rest) = outer.split_once('.')?;
        let (mac, id) = rest.split_once('.')?;
        let mac: [u8; MAC] = URL_SAFE_NO_PAD.decode(mac).ok()?.try_into().ok()?;
        let own = place == self.place.to_string();
        let known = self
            .sessions
            .ring
            .all()
            .any(|key| verify_slices_are_equal(&self.mac(&key.task, id), &mac).is_ok());
        (own && known).then_some(id)
    }

    fn mac(&self, key: &hmac::Key, id: &str) -> [u8; MAC] {
        let mut signing = hmac::Context::with_key(key);
        signing.update(&self.bound);
        signing.update(id.as_bytes());
        let mut mac = [0; MAC];
        mac.copy_from_slice(&signing.sign().as_ref()[..MAC]);
        mac
    }
}

/// The place of the backend that a client's task id names. It is not proven
/// yet.
#[must_use]
pub(crate) fn place_of(outer: &str) -> Option<usize> {
    let (place, _) = outer.split_once('.')?;
    place.bytes().all(|byte| byte.is_ascii_digit()).then(|| place.parse().ok()).flatten()
}
