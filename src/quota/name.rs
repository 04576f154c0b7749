//! What counters are called.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::check::Key;
use crate::secret::hex;

/// A counter: of what kind, and whose. Any texts; they are hashed before they
/// become part of a key, so a key has a fixed length, nobody can choose
/// another's, and what identifies a person is not spread.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Name<'a> {
    /// Its place in a key, readable.
    pub(super) kind: &'static str,
    /// Further words of the kind: the mark of a limit.
    pub(super) mark: &'a str,
    pub(super) parts: [&'a str; 5],
}

/// The part of a key of Redis before its kind: prefix and hash tag.
///
/// All counters of one decision must lie in one slot of a Redis Cluster, which
/// the hash tag chooses.
#[derive(Debug)]
pub(super) struct Tag(String);

impl Tag {
    /// Where all limits count each caller for itself, a caller's counters have
    /// a slot of their own; otherwise all counters share one.
    pub(super) fn new(prefix: &str, caller: Option<&str>) -> Self {
        match caller {
            Some(caller) => Self(format!("{prefix}:quota:{{{}}}", shortened(caller))),
            None => Self(format!("{prefix}:quota:{{all}}")),
        }
    }

    /// The key of a counter.
    pub(super) fn key(&self, name: &Name<'_>) -> Key {
        let mut hash = Context::new(&SHA256);
        for part in std::iter::once(&name.mark).chain(&name.parts) {
            // With its length, so that no two lists of parts look alike.
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut key = String::with_capacity(self.0.len() + name.kind.len() + 34);
        // 128 bits, enough that nobody finds two names for one.
        let short = hex(&hash.finish().as_ref()[..16]);
        // Never fails: a String takes everything.
        let _ = write!(key, "{}:{}:{short}", self.0, name.kind);
        Key::There(key.into())
    }
}

/// 128 bits of a hash, in 32 characters.
pub(super) fn shortened(text: &str) -> String {
    hex(&digest(&SHA256, text.as_bytes()).as_ref()[..16])
}
