//! Following a chain from one of its lines to the signature that vouches for it:
//! what a gateway does before it repeats anything that the database says.

use chrono::{DateTime, Utc};

use super::line::{Line, introduce, is_signed};
use crate::audit::chain::{genesis, kind};
use crate::audit::digest::Digest;
use crate::audit::keys::Trusted;

/// A place in a chain, and which line has to follow.
#[derive(Debug)]
pub(in crate::audit) struct Thread<'a> {
    trusted: &'a mut Trusted,
    chain_id: String,
    next: i64,
    /// Hash of the line before; `None`: not known.
    tip: Option<Digest>,
}

/// A line that follows as it should.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Followed {
    pub(in crate::audit) hash: Digest,
    pub(in crate::audit) time: DateTime<Utc>,
    /// Whether a good signature vouches for it, and so for all before.
    pub(in crate::audit) is_signed: bool,
}

/// What a line says of another chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Word {
    /// Where it ended.
    Found { chain_id: String, seq: i64, hash: Digest },
    /// Up to where it was removed: the last line's time, and the days in force.
    Removed { chain_id: String, seq: i64, hash: Digest, time: DateTime<Utc>, days: u32 },
    /// All of a chain without hashes.
    Adopted { chain_id: String, seq: i64, hash: Digest },
}

impl<'a> Thread<'a> {
    /// Before the first line of a chain.
    pub(in crate::audit) fn begin(chain_id: &str, trusted: &'a mut Trusted) -> Self {
        Self::at(chain_id, 1, Some(genesis(chain_id)), trusted)
    }

    /// Before line `next`, which follows a line with the hash `tip`.
    pub(in crate::audit) fn at(
        chain_id: &str,
        next: i64,
        tip: Option<Digest>,
        trusted: &'a mut Trusted,
    ) -> Self {
        Self { trusted, chain_id: chain_id.to_owned(), next, tip }
    }

    /// Goes on by a line.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(in crate::audit) fn follow(&mut self, bytes: &[u8]) -> Result<Followed, &'static str> {
        let line: Line<'_> = serde_json::from_slice(bytes).map_err(|_| "it cannot be read")?;
        if line.chain_id != self.chain_id || line.seq != self.next {
            return Err("it is not the next one");
        }
        let prev = line.prev.as_deref().and_then(Digest::from_hex).ok_or("it holds no hash")?;
        if self.tip.is_some_and(|tip| tip != prev) {
            return Err("it follows another line");
        }
        let time = line.time().ok_or("it holds no time")?;
        if matches!(&*line.kind, kind::CHAIN | kind::CHECKPOINT) {
            introduce(&line, self.trusted);
        }
        let mut followed = Followed { hash: Digest::of(bytes), time, is_signed: false };
        let id = line.key_id.as_deref().filter(|_| line.kind == kind::CHECKPOINT);
        if let Some(key) = id.and_then(|id| self.trusted.get(id)) {
            if !is_signed(&line, bytes, key) {
                return Err("its signature is not good");
            }
            followed.is_signed = true;
        }
        (self.next, self.tip) = (self.next.saturating_add(1), Some(followed.hash));
        Ok(followed)
    }
}

impl Word {
    /// What a line says, if it says such a thing.
    pub(in crate::audit) fn of(bytes: &[u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(bytes).ok()?;
        let hash = |text: Option<&str>| text.and_then(Digest::from_hex);
        Some(match &*line.kind {
            kind::FOUND => Self::Found {
                chain_id: line.found_chain_id.as_deref()?.to_owned(),
                seq: line.found_seq?,
                hash: hash(line.found_hash.as_deref())?,
            },
            kind::RETENTION => Self::Removed {
                chain_id: line.removed_chain_id.as_deref()?.to_owned(),
                seq: line.removed_seq?,
                hash: hash(line.removed_hash.as_deref())?,
                time: line.removed_time.as_deref().and_then(super::line::at)?,
                days: line.retention_days?,
            },
            kind::ADOPTED => Self::Adopted {
                chain_id: line.adopted_chain_id.as_deref()?.to_owned(),
                seq: line.adopted_seq?,
                hash: hash(line.adopted_hash.as_deref())?,
            },
            _ => return None,
        })
    }
}
