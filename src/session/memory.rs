//! What a gateway remembers of session ids: the ones it has opened, so that
//! it need not decrypt them each time, and the ones that are over.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::contents::Opened;
use super::ids::Uid;

/// Most session ids kept open. A session takes about half a kilobyte, and at
/// most some three.
const MOST_OPENED: u64 = 10_000;

/// Most sessions remembered as over. Beyond, the one that ended first is
/// forgotten; what it held at backends has been ended there.
pub(super) const MOST_ENDED: usize = 100_000;

/// Opened sessions, by SHA-256 of the session id. What is found here is not
/// yet accepted: caller, scope, age and end are looked at on every use.
pub(super) struct OpenedCache(Cache<[u8; 32], Arc<Opened>>);

/// Sessions that are over before their time.
pub(super) struct Ended(Cache<Uid, ()>);

impl OpenedCache {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST_OPENED))
    }

    pub(super) fn key(token: &str) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        key
    }

    pub(super) fn get(&self, key: &[u8; 32]) -> Option<Arc<Opened>> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: [u8; 32], session: Arc<Opened>) {
        self.0.insert(key, session);
    }
}

impl Ended {
    /// Remembers until no session that had begun before could still live.
    pub(super) fn new(max_age: Duration) -> Self {
        let most = u64::try_from(MOST_ENDED).unwrap_or(u64::MAX);
        // The default policy would rather keep what is asked for often than
        // what is new.
        let lru = EvictionPolicy::lru();
        let ended =
            Cache::builder().max_capacity(most).time_to_live(max_age).eviction_policy(lru).build();
        Self(ended)
    }

    pub(super) fn contains(&self, uid: Uid) -> bool {
        self.0.contains_key(&uid)
    }

    /// Whether it was news.
    pub(super) fn insert(&self, uid: Uid) -> bool {
        self.0.entry(uid).or_insert(()).is_fresh()
    }
}
