//! Resources that a legacy session has subscribed to at backends which keep no
//! such thing: those of MCP 2026-07-28 are told with each subscription anew.
//!
//! With Redis the set lies there, since the replica that holds the session's
//! stream is seldom the one that is asked; without it, in memory.

use std::collections::BTreeSet;

use dashmap::DashMap;

use super::{Notice, Sessions, Uid};
use crate::error::{Reason, Refusal};

/// Most resources a session subscribes to at all its backends together.
const MOST: usize = 256;

/// Longest URI of one, in bytes.
const LONGEST: usize = 2048;

/// What sessions of this replica have subscribed to, where there is no Redis:
/// `<place of the backend> <URI>`.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(DashMap<Uid, BTreeSet<Box<str>>>);

impl Subscriptions {
    /// Whether there is room.
    fn insert(&self, uid: Uid, entry: &str) -> bool {
        let mut entries = self.0.entry(uid).or_default();
        entries.contains(entry) || (entries.len() < MOST && entries.insert(entry.into()))
    }

    fn remove(&self, uid: Uid, entry: &str) {
        if let Some(mut entries) = self.0.get_mut(&uid) {
            entries.remove(entry);
        }
        self.0.remove_if(&uid, |_, entries| entries.is_empty());
    }

    fn of(&self, uid: Uid) -> Vec<String> {
        self.0.get(&uid).map_or_else(Vec::new, |all| all.iter().map(ToString::to_string).collect())
    }

    /// Forgets a session that is over.
    pub(super) fn forget(&self, uid: Uid) {
        self.0.remove(&uid);
    }
}

impl Sessions {
    /// Notes that a session wants to know when a resource at the backend at
    /// `place` changes. Whoever holds its stream hears of it by
    /// [`Notice::Subscribed`], on this replica too.
    ///
    /// # Errors
    /// [`Reason::InvalidParams`] when it has too many, or the URI is too long;
    /// [`Reason::BackendUnavailable`] while Redis does not answer.
    pub(crate) async fn subscribe(&self, uid: Uid, place: usize, uri: &str) -> Result<(), Refusal> {
        if uri.len() > LONGEST {
            return Err(Refusal::telling(Reason::InvalidParams, "the URI is too long"));
        }
        let entry = format!("{place} {uri}");
        let taken = match self.bus.remote() {
            Some(remote) => {
                remote.subscribe(uid, &entry, MOST, self.max_age).await.map_err(unanswered)?
            }
            None => self.subscriptions.insert(uid, &entry),
        };
        if !taken {
            let detail = format!("a session subscribes to {MOST} resources at most");
            return Err(Refusal::telling(Reason::InvalidParams, detail));
        }
        if self.ended.contains(uid) {
            // It has ended meanwhile, and would be remembered for nothing.
            self.subscriptions.forget(uid);
            self.forget_subscribed(uid).await;
            return Err(Refusal::new(Reason::UnknownSession, "the session is over"));
        }
        self.tell_subscribed(uid);
        Ok(())
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`] while Redis does not answer.
    pub(crate) async fn unsubscribe(
        &self,
        uid: Uid,
        place: usize,
        uri: &str,
    ) -> Result<(), Refusal> {
        let entry = format!("{place} {uri}");
        match self.bus.remote() {
            Some(remote) => remote.unsubscribe(uid, Some(&entry)).await.map_err(unanswered)?,
            None => self.subscriptions.remove(uid, &entry),
        }
        self.tell_subscribed(uid);
        Ok(())
    }

    /// The resources at the backend at `place` that a session wants to know
    /// of.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`] while Redis does not answer.
    pub(crate) async fn subscribed(
        &self,
        uid: Uid,
        place: usize,
    ) -> Result<Vec<Box<str>>, Refusal> {
        let entries = match self.bus.remote() {
            Some(remote) => remote.subscribed(uid).await.map_err(unanswered)?,
            None => self.subscriptions.of(uid),
        };
        let uri = |entry: &str| {
            let (at, uri) = entry.split_once(' ')?;
            (at.parse() == Ok(place)).then(|| uri.into())
        };
        Ok(entries.iter().filter_map(|entry| uri(entry)).take(MOST).collect())
    }

    /// Forgets what a session that is over has subscribed to. What Redis does
    /// not forget now, it forgets when no such session could live any more.
    pub(crate) async fn forget_subscribed(&self, uid: Uid) {
        if let Some(remote) = self.bus.remote() {
            let _logged = remote.unsubscribe(uid, None).await;
        }
    }

    fn tell_subscribed(&self, uid: Uid) {
        let notice = Notice::Subscribed { uid };
        // Never too large: it has no text.
        let _told = self.publish(&notice);
        self.bus.tell_here(notice);
    }
}

fn unanswered<E>(_: E) -> Refusal {
    Refusal::new(Reason::BackendUnavailable, "subscriptions cannot be kept: Redis does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_subscribes_to_so_many_and_no_more() {
        let subscriptions = Subscriptions::default();
        let [ann, bob] = [(); 2].map(|()| Uid::random().unwrap());
        for n in 0..MOST {
            assert!(subscriptions.insert(ann, &format!("0 a://{n}")));
        }
        assert!(!subscriptions.insert(ann, "0 a://one-more"));
        assert!(subscriptions.insert(ann, "0 a://0"), "it has that one already");
        assert!(subscriptions.insert(bob, "0 a://one-more"));
        subscriptions.remove(ann, "0 a://0");
        assert!(subscriptions.insert(ann, "0 a://one-more"));
        subscriptions.remove(bob, "0 a://one-more");
        subscriptions.forget(ann);
        assert!(subscriptions.0.is_empty(), "nothing is kept of those who left");
    }
}
