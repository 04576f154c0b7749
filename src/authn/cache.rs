//! Verified tokens, remembered so that a signature is checked once.
//!
//! The key is the SHA-256 of the whole token, signature included, so a token
//! differing in one bit is another token. Only successes are kept. What is
//! found here is not yet accepted: the times, and the generation of the
//! issuer's keys, are looked at again on every use.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;

use super::identity::Identity;

/// SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(fingerprint)
    }
}

/// A token that was verified, and with what.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub(super) identity: Arc<Identity>,
    /// Which of the configured issuers.
    pub(super) issuer: usize,
    /// The generation of that issuer's keys at the time.
    pub(super) generation: u64,
    /// When it was verified, on the monotonic clock.
    pub(super) at: Duration,
}

/// A bounded number of verified tokens for a bounded time.
#[derive(Debug)]
pub(super) struct TokenCache {
    tokens: Cache<Fingerprint, Verified>,
    keep: Duration,
}

impl TokenCache {
    /// Keeps up to `entries` tokens for up to `seconds`; nothing when either
    /// is 0.
    pub(super) fn new(entries: u64, seconds: u64) -> Self {
        let keep = Duration::from_secs(seconds.min(MAX_SECONDS));
        let entries = if keep.is_zero() { 0 } else { entries };
        // This time to live only frees memory; the rule is `keep`, by our
        // own clock.
        let tokens = Cache::builder().max_capacity(entries).time_to_live(keep).build();
        Self { tokens, keep }
    }

    pub(super) fn get(&self, token: &Fingerprint, now: Duration) -> Option<Verified> {
        let found = self.tokens.get(token)?;
        (now.saturating_sub(found.at) < self.keep).then_some(found)
    }

    pub(super) fn insert(&self, token: Fingerprint, verified: Verified) {
        self.tokens.insert(token, verified);
    }

    pub(super) fn remove(&self, token: &Fingerprint) {
        self.tokens.invalidate(token);
    }

    /// Does now what the cache otherwise puts off.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        self.tokens.run_pending_tasks();
    }

    #[cfg(test)]
    pub(super) fn holds(&self, token: &Fingerprint) -> bool {
        self.tokens.contains_key(token)
    }
}

/// A day; longer than any token should live.
const MAX_SECONDS: u64 = 86_400;
