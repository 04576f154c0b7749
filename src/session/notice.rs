//! What replicas tell each other, and its bytes on the channel.
//!
//! Signed with HMAC-SHA256, so that whoever can write to Redis can neither
//! answer for a client nor cancel its calls; dated, so that what was heard
//! once cannot be said again later. Not encrypted: `rediss://` does that.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;

use super::error::NoticeTooLarge;
use super::ids::Uid;
use super::keys::{ID, KeyRing};

/// Longest text or message of a notice, in bytes.
pub(super) const LONGEST: usize = 1024 * 1024;

/// Oldest notice that is believed, and how far clocks may differ. The end of
/// a session is believed whenever it is heard.
pub(super) const FRESH: Duration = Duration::from_mins(1);

const VERSION: u8 = 1;
pub(super) const TAG: usize = 32;

/// The kinds, as a byte.
const ENDED: u8 = 1;
const CANCEL: u8 = 2;
const ANSWER: u8 = 3;
const SUBSCRIBED: u8 = 4;

/// Something that another replica may have to act upon.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A session is over.
    Ended {
        /// Which one.
        uid: Uid,
    },
    /// The client cancels a request that it made in a session.
    Cancel {
        /// Which session.
        uid: Uid,
        /// The client's id of the request, as JSON text.
        request_id: Arc<str>,
    },
    /// What a session has subscribed to has changed.
    Subscribed {
        /// Which session.
        uid: Uid,
    },
    /// The client answers a request of a server.
    Answer {
        /// Which session.
        uid: Uid,
        /// By what the replica that waits for it knows it.
        key: Arc<str>,
        /// The JSON-RPC response as it came.
        message: Bytes,
    },
}

/// A notice from the channel, by a replica that has the key.
pub(super) struct Received {
    /// Which replica.
    pub(super) sender: [u8; 16],
    /// When, in milliseconds since the Unix epoch.
    pub(super) sent_at: i64,
    /// Tells it from all others.
    pub(super) tag: [u8; TAG],
    pub(super) notice: Notice,
}

/// What people say is not shown.
impl Debug for Notice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { uid } => write!(f, "session {uid} is over"),
            Self::Subscribed { uid } => write!(f, "session {uid} has subscribed"),
            Self::Cancel { uid, .. } => write!(f, "a request of session {uid} is cancelled"),
            Self::Answer { uid, message, .. } => {
                write!(f, "an answer of session {uid}, {} bytes", message.len())
            }
        }
    }
}

impl Notice {
    /// The session it is about.
    #[must_use]
    pub(crate) fn uid(&self) -> Uid {
        match self {
            Self::Ended { uid }
            | Self::Subscribed { uid }
            | Self::Cancel { uid, .. }
            | Self::Answer { uid, .. } => *uid,
        }
    }

    /// The bytes: version, key id, sender, time, kind, uid, the rest, tag.
    ///
    /// # Errors
    /// When the rest is longer than 1 MiB, or the key of an answer than 64 KiB.
    pub(super) fn encode(
        &self,
        ring: &KeyRing,
        sender: &[u8; 16],
        sent_at: i64,
    ) -> Result<Vec<u8>, NoticeTooLarge> {
        let (kind, head, body): (u8, &str, &[u8]) = match self {
            Self::Ended { .. } => (ENDED, "", b""),
            Self::Subscribed { .. } => (SUBSCRIBED, "", b""),
            Self::Cancel { request_id, .. } => (CANCEL, "", request_id.as_bytes()),
            Self::Answer { key, message, .. } => (ANSWER, key, message),
        };
        let size = head.len() + body.len();
        let too_large = NoticeTooLarge(size);
        if size > LONGEST {
            return Err(too_large);
        }
        let key = ring.current();
        let mut frame = Vec::with_capacity(size + 128);
        frame.push(VERSION);
        frame.extend_from_slice(&key.id);
        frame.extend_from_slice(sender);
        frame.extend_from_slice(&sent_at.to_be_bytes());
        frame.push(kind);
        frame.extend_from_slice(self.uid().as_bytes());
        if kind == ANSWER {
            let length = u16::try_from(head.len()).map_err(|_| too_large)?;
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(head.as_bytes());
        }
        frame.extend_from_slice(body);
        let tag = hmac::sign(&key.sign, &frame);
        frame.extend_from_slice(tag.as_ref());
        Ok(frame)
    }

    /// What the bytes say, if a replica that has one of the keys wrote them.
    pub(super) fn decode(frame: &[u8], ring: &KeyRing) -> Option<Received> {
        let (signed, &tag) = frame.split_last_chunk::<TAG>()?;
        let (&[VERSION], rest) = signed.split_first_chunk()? else { return None };
        let (&id, rest) = rest.split_first_chunk::<ID>()?;
        if !ring.with_id(id).any(|key| hmac::verify(&key.sign, signed, &tag).is_ok()) {
            return None;
        }
        let (&sender, rest) = rest.split_first_chunk()?;
        let (&time, rest) = rest.split_first_chunk()?;
        let (&[kind], rest) = rest.split_first_chunk()?;
        let (&uid, rest) = rest.split_first_chunk()?;
        let uid = Uid::from_bytes(uid);
        let notice = match kind {
            ENDED if rest.is_empty() => Self::Ended { uid },
            SUBSCRIBED if rest.is_empty() => Self::Subscribed { uid },
            CANCEL => Self::Cancel { uid, request_id: std::str::from_utf8(rest).ok()?.into() },
            ANSWER => {
                let (&length, rest) = rest.split_first_chunk()?;
                let (key, message) = rest.split_at_checked(u16::from_be_bytes(length).into())?;
                let key = std::str::from_utf8(key).ok()?.into();
                Self::Answer { uid, key, message: Bytes::copy_from_slice(message) }
            }
            _ => return None,
        };
        Some(Received { sender, sent_at: i64::from_be_bytes(time), tag, notice })
    }
}
