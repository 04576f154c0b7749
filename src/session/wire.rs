//! A session as bytes, before they are sealed: uid, time, and the rest as
//! JSON, to which members can be added. Scope and caller are not in it: the
//! seal is bound to them, so whoever opens it knows them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::contents::{BackendSession, Opened};
use super::ids::{CallerKey, Uid};
use crate::protocol::revision::known;

/// Bytes of the time.
const TIME: usize = size_of::<i64>();

#[derive(Deserialize, Serialize)]
struct Rest<'a> {
    #[serde(borrow, rename = "r")]
    revision: Cow<'a, str>,
    #[serde(borrow, rename = "c")]
    capabilities: &'a RawValue,
    #[serde(borrow, rename = "n", default, skip_serializing_if = "str::is_empty")]
    client_name: Cow<'a, str>,
    #[serde(borrow, rename = "v", default, skip_serializing_if = "str::is_empty")]
    client_version: Cow<'a, str>,
    /// Place, session id, revision.
    #[serde(borrow, rename = "b", default, skip_serializing_if = "Vec::is_empty")]
    backends: Vec<(u8, Option<Cow<'a, str>>, Cow<'a, str>)>,
}

/// The bytes of a session, with `room` bytes before them. `None` never
/// happens: texts and numbers can always be written.
pub(super) fn encode(session: &Opened, room: usize) -> Option<Vec<u8>> {
    let rest = Rest {
        revision: session.revision.into(),
        capabilities: &session.capabilities,
        client_name: (&*session.client_name).into(),
        client_version: (&*session.client_version).into(),
        backends: session
            .backends
            .iter()
            .map(|it| (it.index, it.id.as_deref().map(Cow::from), it.revision.into()))
            .collect(),
    };
    let mut bytes = vec![0; room];
    bytes.reserve(512);
    bytes.extend_from_slice(session.uid.as_bytes());
    bytes.extend_from_slice(&session.issued_at.to_be_bytes());
    serde_json::to_writer(&mut bytes, &rest).ok()?;
    Some(bytes)
}

/// The session that the bytes of [`encode`] describe; `None` for others.
pub(super) fn decode(bytes: &[u8], scope: &str, caller: CallerKey) -> Option<Opened> {
    let (uid, bytes) = bytes.split_first_chunk::<{ Uid::SIZE }>()?;
    let (time, rest) = bytes.split_first_chunk::<TIME>()?;
    let rest: Rest<'_> = serde_json::from_slice(rest).ok()?;
    let backends = rest.backends.into_iter().map(|(index, id, revision)| {
        let id = id.map(|id| id.into_owned().into_boxed_str());
        Some(BackendSession { index, id, revision: known(&revision)? })
    });
    Some(Opened {
        uid: Uid::from_bytes(*uid),
        scope: scope.into(),
        caller,
        revision: known(&rest.revision)?,
        capabilities: rest.capabilities.to_owned(),
        client_name: rest.client_name.into(),
        client_version: rest.client_version.into(),
        backends: backends.collect::<Option<_>>()?,
        issued_at: i64::from_be_bytes(*time),
    })
}
