//! Sessions that are over because nobody uses them.

use std::sync::{Arc, PoisonError};

use super::Sessions;
use super::contents::Opened;
use super::tracker::Use;

impl Sessions {
    /// Ends the sessions that were not used for `sessions.idle_seconds` here
    /// or at another replica, or are too old, and returns them with those
    /// that had to give way to others since: what they hold at backends is
    /// theirs no longer and is to be ended there. To be called from time to
    /// time, in the background: it waits for Redis.
    ///
    /// While Redis does not say what other replicas use, sessions that are
    /// merely idle are left alone.
    pub(crate) async fn idle(&self) -> Vec<Arc<Opened>> {
        let mut over = std::mem::take(&mut *self.lock_departed());
        let found = self.tracker.select(self.clock.monotonic(), |session, unused_for| {
            unused_for >= self.idle || self.is_expired(session)
        });
        let (old, idle): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|it| self.is_expired(&it.session));
        let old = old.into_iter().filter(|it| self.tracker.forget(it.session.uid));
        let unused = self.unused_elsewhere(idle).await.into_iter();
        let unused = unused.filter(|it| self.tracker.forget_unused(it));
        for it in old.chain(unused) {
            // An old one is refused anyway, but its streams are to be closed,
            // and no other replica need end it at backends too.
            self.end(it.session.uid);
            over.push(it.session);
        }
        over
    }

    /// Those of the sessions that no other replica has used lately.
    async fn unused_elsewhere(&self, idle: Vec<Use>) -> Vec<Use> {
        let Some(remote) = self.bus.remote().filter(|_| !idle.is_empty()) else { return idle };
        let uids: Vec<_> = idle.iter().map(|it| it.session.uid).collect();
        let Some(in_use) = remote.in_use(&uids).await else { return Vec::new() };
        idle.into_iter().zip(in_use).filter(|(_, in_use)| !in_use).map(|(it, _)| it).collect()
    }

    /// Ends sessions that had to give way, to be returned by
    /// [`idle`](Self::idle).
    pub(super) fn depart(&self, sessions: Vec<Arc<Opened>>) {
        if sessions.is_empty() {
            return;
        }
        for session in &sessions {
            self.end(session.uid);
        }
        let mut departed = self.lock_departed();
        // Should nobody ask for them, they are not kept for ever.
        let room = self.max_departed.saturating_sub(departed.len());
        departed.extend(sessions.into_iter().take(room));
    }

    fn lock_departed(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Opened>>> {
        self.departed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
