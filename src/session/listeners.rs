//! Streams that callers hold open: each costs a connection here and one at a
//! backend, for as long as it lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use super::CallerKey;
use crate::error::{Reason, Refusal};

/// How many streams each caller holds on this replica.
#[derive(Debug)]
pub(super) struct Listeners {
    most: usize,
    held: Arc<DashMap<CallerKey, AtomicUsize>>,
}

/// A place among them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    caller: CallerKey,
    held: Arc<DashMap<CallerKey, AtomicUsize>>,
}

impl Listeners {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Reason::TooManyStreams`] when the caller has all of them.
    pub(super) fn enter(&self, caller: CallerKey) -> Result<Listener, Refusal> {
        let held = self.held.entry(caller).or_default();
        if held.fetch_add(1, Ordering::Relaxed) >= self.most {
            held.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::new(Reason::TooManyStreams, "the caller holds too many streams"));
        }
        Ok(Listener { caller, held: Arc::clone(&self.held) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(held) = self.held.get(&self.caller) {
            held.fetch_sub(1, Ordering::Relaxed);
        }
        let unused = |_: &CallerKey, held: &AtomicUsize| held.load(Ordering::Relaxed) == 0;
        self.held.remove_if(&self.caller, unused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_so_many_places_and_gets_them_back() {
        let listeners = Listeners::new(2);
        let (ann, bob) = (CallerKey::of("ann"), CallerKey::of("bob"));
        let first = listeners.enter(ann).unwrap();
        let _second = listeners.enter(ann).unwrap();
        assert_eq!(listeners.enter(ann).unwrap_err().reason, Reason::TooManyStreams);
        let other = listeners.enter(bob).unwrap();
        drop(first);
        assert!(listeners.enter(ann).is_ok());
        drop(other);
        assert!(!listeners.held.contains_key(&bob), "nothing is kept of those who left");
    }
}
