//! Which calls of this process hold places in Redis.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::check::Key;

/// Leases remembered that could not be returned.
const MOST_LOST: usize = 1 << 14;

/// The calls in progress that have leases in Redis.
#[derive(Debug)]
pub(super) struct Leases {
    /// This process, of all that there are and were.
    process: u64,
    next: AtomicU64,
    held: Mutex<HashMap<u64, Arc<[Key]>>>,
    /// Those of calls that are over, of which nobody knows whether Redis does.
    lost: Mutex<Vec<(u64, Arc<[Key]>)>>,
}

impl Leases {
    pub(super) fn new(process: u64) -> Self {
        Self { process, next: AtomicU64::new(1), held: Mutex::default(), lost: Mutex::default() }
    }

    /// One that no other call has.
    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// What Redis knows it by.
    pub(super) fn name(&self, lease: u64) -> String {
        format!("{:016x}-{lease}", self.process)
    }

    /// How many calls hold one.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn take(&self, lease: u64, keys: Arc<[Key]>) {
        self.lock().insert(lease, keys);
    }

    /// Redis may hold it, though its call is over: it is to be returned later.
    /// So many at most; those beyond end by themselves.
    pub(super) fn lose(&self, lease: u64, keys: Arc<[Key]>) {
        let mut lost = self.lost();
        if !keys.is_empty() && lost.len() < MOST_LOST {
            lost.push((lease, keys));
        }
    }

    #[cfg(test)]
    pub(super) fn lost_count(&self) -> usize {
        self.lost().len()
    }

    pub(super) fn lost(&self) -> MutexGuard<'_, Vec<(u64, Arc<[Key]>)>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn give_up(&self, lease: u64) {
        self.lock().remove(&lease);
    }

    pub(super) fn holds(&self, lease: u64) -> bool {
        self.lock().contains_key(&lease)
    }

    pub(super) fn all(&self) -> Vec<(u64, Arc<[Key]>)> {
        self.lock().iter().map(|(lease, keys)| (*lease, Arc::clone(keys))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<[Key]>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
