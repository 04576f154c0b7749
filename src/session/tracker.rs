//! Which sessions this gateway has seen, when each was used last, and how
//! many a caller has.
//!
//! Locks are taken in the order callers, sessions, and none is held across
//! anything that waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;

use super::contents::Opened;
use super::ids::{CallerKey, Uid};

/// Shortest time between two messages to the other replicas that a session
/// was used here; shorter where sessions are idle sooner.
pub(super) const SHARE_EVERY: Duration = Duration::from_mins(1);

/// What part of all sessions is given up at once when there are too many: to
/// find the oldest ones means to look at all.
const GIVEN_UP: usize = 100;

/// The sessions in use.
pub(super) struct Tracker {
    sessions: DashMap<Uid, Tracked>,
    callers: DashMap<CallerKey, Vec<Uid>>,
    max_per_caller: usize,
    max_tracked: usize,
    share_every: Duration,
    /// Held while room is made, so that only one thread looks at all.
    making_room: Mutex<()>,
}

struct Tracked {
    session: Arc<Opened>,
    /// When it was used last; milliseconds of the monotonic clock.
    used: AtomicU64,
    /// When the other replicas were last told so.
    shared: AtomicU64,
}

/// A session and when it was used last.
pub(super) struct Use {
    pub(super) session: Arc<Opened>,
    used: u64,
}

/// What came of a use.
pub(super) struct Touched {
    /// Whether the other replicas should be told.
    pub(super) share: bool,
    /// Sessions that had to give way; they are no longer tracked.
    pub(super) evicted: Vec<Arc<Opened>>,
}

impl Tracker {
    pub(super) fn new(max_per_caller: usize, max_tracked: usize, share_every: Duration) -> Self {
        Self {
            sessions: DashMap::new(),
            callers: DashMap::new(),
            max_per_caller,
            max_tracked,
            share_every,
            making_room: Mutex::new(()),
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Notes that a session is used.
    pub(super) fn touch(&self, session: &Arc<Opened>, now: Duration) -> Touched {
        let now = millis(now);
        if let Some(tracked) = self.sessions.get(&session.uid) {
            tracked.used.fetch_max(now, Ordering::Relaxed);
            return Touched {
                share: tracked.is_to_share(now, self.share_every),
                evicted: Vec::new(),
            };
        }
        let mut evicted = self.make_room();
        evicted.extend(self.insert(session, now));
        Touched { share: true, evicted }
    }

    /// Takes a session out. Whether it was there.
    pub(super) fn forget(&self, uid: Uid) -> bool {
        let removed = self.sessions.remove(&uid);
        removed.map(|(_, tracked)| self.forget_owner(&tracked.session)).is_some()
    }

    /// Takes a session out unless it was used since. Whether it was taken.
    pub(super) fn forget_unused(&self, last: &Use) -> bool {
        let unused = |_: &Uid, it: &Tracked| it.used.load(Ordering::Relaxed) == last.used;
        let removed = self.sessions.remove_if(&last.session.uid, unused);
        removed.map(|(_, tracked)| self.forget_owner(&tracked.session)).is_some()
    }

    /// The sessions that `is_over` says so of, told the time since their last
    /// use.
    pub(super) fn select(
        &self,
        now: Duration,
        is_over: impl Fn(&Opened, Duration) -> bool,
    ) -> Vec<Use> {
        let now = millis(now);
        let over = self.sessions.iter().filter_map(|entry| {
            let used = entry.used.load(Ordering::Relaxed);
            let unused_for = Duration::from_millis(now.saturating_sub(used));
            let session = &entry.session;
            is_over(session, unused_for).then(|| Use { session: Arc::clone(session), used })
        });
        over.collect()
    }

    /// Adds a session, and takes out those that its caller used least
    /// recently and has too many of.
    fn insert(&self, session: &Arc<Opened>, now: u64) -> Vec<Arc<Opened>> {
        let mut evicted = Vec::new();
        let mut uids = self.callers.entry(session.caller).or_default();
        while uids.len() >= self.max_per_caller && !uids.contains(&session.uid) {
            let used = |uid: &Uid| {
                self.sessions.get(uid).map_or(0, |tracked| tracked.used.load(Ordering::Relaxed))
            };
            let oldest = (0..uids.len()).min_by_key(|&at| used(&uids[at]));
            let Some(oldest) = oldest.map(|at| uids.remove(at)) else { break };
            evicted.extend(self.sessions.remove(&oldest).map(|(_, tracked)| tracked.session));
        }
        if !uids.contains(&session.uid) {
            uids.push(session.uid);
        }
        let tracked = Tracked {
            session: Arc::clone(session),
            used: AtomicU64::new(now),
            shared: AtomicU64::new(now),
        };
        self.sessions.insert(session.uid, tracked);
        evicted
    }

    /// When there are as many sessions as there may be, takes out some of
    /// those that were not used for longest.
    fn make_room(&self) -> Vec<Arc<Opened>> {
        if self.sessions.len() < self.max_tracked {
            return Vec::new();
        }
        let _turn = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        let tracked = self.sessions.len();
        if tracked < self.max_tracked {
            return Vec::new();
        }
        let mut uses: Vec<(u64, Uid)> = self
            .sessions
            .iter()
            .map(|entry| (entry.used.load(Ordering::Relaxed), *entry.key()))
            .collect();
        let wanted = (tracked - self.max_tracked + 1).max(self.max_tracked / GIVEN_UP);
        let wanted = wanted.min(uses.len());
        if wanted < uses.len() {
            uses.select_nth_unstable_by_key(wanted, |&(used, _)| used);
        }
        let oldest = uses[..wanted].iter().filter_map(|(_, uid)| self.sessions.remove(uid));
        let sessions: Vec<_> = oldest.map(|(_, tracked)| tracked.session).collect();
        for session in &sessions {
            self.forget_owner(session);
        }
        sessions
    }

    fn forget_owner(&self, session: &Opened) {
        if let Some(mut uids) = self.callers.get_mut(&session.caller) {
            uids.retain(|uid| *uid != session.uid);
        }
        self.callers.remove_if(&session.caller, |_, uids| uids.is_empty());
    }
}

impl Tracked {
    /// Whether it is time to tell the others; true for one caller only.
    fn is_to_share(&self, now: u64, every: Duration) -> bool {
        let shared = self.shared.load(Ordering::Relaxed);
        now.saturating_sub(shared) >= millis(every)
            && self
                .shared
                .compare_exchange(shared, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
