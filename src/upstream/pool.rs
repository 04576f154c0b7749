//! Legacy sessions the gateway holds at backends.
//!
//! A session belongs to one caller, and to one of its own sessions if it has
//! any: it is never lent to another. They are opened when first needed and
//! ended when nobody has used them for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::OnceCell;

use super::exchange::Ask;
use super::peer::{PATIENCE, Presented};
use super::wire::Letter;
use super::{Trail, Upstream};
use crate::error::{Reason, Refusal};
use crate::protocol::revision;
use crate::registry::Backend;
use crate::session::{Opened, Uid};

/// Most sessions held at all backends together.
const MOST: usize = 50_000;

/// How long an unused session is held.
const IDLE: Duration = Duration::from_mins(10);

/// Time between two looks for unused sessions.
const SWEEP: Duration = Duration::from_mins(1);

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    /// The backend's place in the registry.
    pub(super) backend: usize,
    /// Issuer and user.
    pub(super) caller: Box<str>,
    /// The caller's own session; none for those without.
    pub(super) seat: Option<Uid>,
}

/// A session at a backend. `id` is `None` where the backend gave none.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) id: Option<Arc<str>>,
    pub(super) revision: &'static str,
}

impl Held {
    /// None at all, for backends that want none.
    pub(super) const NONE: Self = Self { id: None, revision: revision::LATEST_LEGACY };

    /// Whether others hold it too: requests that are under way.
    fn is_lent(&self) -> bool {
        self.id.as_ref().is_some_and(|id| Arc::strong_count(id) > 1)
    }

    /// The session at a backend that a client's own session holds.
    pub(super) fn sealed(seat: &Opened, place: usize) -> Option<Self> {
        let session = seat.backend(u8::try_from(place).ok()?)?;
        Some(Self { id: session.id.as_deref().map(Arc::from), revision: session.revision })
    }
}

#[derive(Debug)]
struct Slot {
    held: OnceCell<Held>,
    backend: Arc<Backend>,
    user: Box<str>,
    /// Seconds of the monotonic clock.
    used: AtomicU64,
    /// The backend has been told to log everything.
    hears_all: OnceCell<()>,
}

impl Slot {
    /// Whether nobody has used it for long; whoever is at it uses it now.
    fn is_idle(&self, now: u64) -> bool {
        let in_use = self.held.get().is_some_and(Held::is_lent);
        if in_use {
            self.used.store(now, Ordering::Relaxed);
        }
        now.saturating_sub(self.used.load(Ordering::Relaxed)) > IDLE.as_secs()
    }
}

/// The sessions of this process.
#[derive(Debug, Default)]
pub(super) struct Pool {
    slots: DashMap<Owner, Arc<Slot>>,
}

impl Upstream {
    /// The owner's session at a backend, opened if need be.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`] and the like; also when there are too
    /// many sessions.
    pub(super) async fn session(
        &self,
        client: &awc::Client,
        backend: &Arc<Backend>,
        owner: &Owner,
        user: &str,
        trail: Trail<'_>,
        presented: Option<Presented<'_>>,
    ) -> Result<Held, Refusal> {
        let now = self.clock.monotonic().as_secs();
        let known = self.pool.slots.get(owner).map(|slot| Arc::clone(&slot));
        let slot = if let Some(slot) = known {
            slot
        } else {
            if self.pool.slots.len() >= MOST {
                return Err(Refusal::new(
                    Reason::BackendUnavailable,
                    "too many sessions at backends are open",
                ));
            }
            let made = || {
                Arc::new(Slot {
                    held: OnceCell::new(),
                    backend: Arc::clone(backend),
                    user: user.into(),
                    used: AtomicU64::new(now),
                    hears_all: OnceCell::new(),
                })
            };
            Arc::clone(&self.pool.slots.entry(owner.clone()).or_insert_with(made))
        };
        slot.used.store(now, Ordering::Relaxed);
        let opening = async || {
            let opening = self.initialize(client, backend, user, trail, presented);
            let opened = tokio::time::timeout(PATIENCE, opening).await.map_err(|_| {
                Refusal::new(Reason::BackendTimeout, "the backend opened no session in time")
            })??;
            let opened = opened.ok_or_else(|| {
                Refusal::new(Reason::BackendError, "the backend opened no session")
            })?;
            Ok(Held { id: opened.session.map(Arc::from), revision: opened.revision })
        };
        slot.held.get_or_try_init(opening).await.cloned()
    }

    /// Lets a backend log everything in a session of the gateway's own: each
    /// request says which messages it wants, and gets no others.
    pub(super) async fn hear_all(
        &self,
        client: &awc::Client,
        ask: &Ask<'_>,
        owner: &Owner,
        held: &Held,
    ) {
        const MESSAGE: &[u8] = br#"{"jsonrpc":"2.0","id":"scopegate-level","method":"logging/setLevel","params":{"level":"debug"}}"#;
        let slot = self.pool.slots.get(owner).map(|slot| Arc::clone(&slot));
        let Some(slot) = slot.filter(|_| owner.seat.is_none()) else { return };
        let telling = async || {
            let letter = Letter {
                to: ask.backend,
                user: ask.caller.user_id(),
                trail: ask.trail,
                revision: Some(held.revision),
                session: held.id.as_deref(),
                mirrored: Vec::new(),
            };
            // One that refuses logs what it likes.
            let _ = self.post(client, letter, Bytes::from_static(MESSAGE)).await;
        };
        slot.hears_all.get_or_init(telling).await;
    }

    /// Whether the owner has a session here.
    pub(super) fn has(&self, owner: &Owner) -> bool {
        self.pool.slots.contains_key(owner)
    }

    /// Forgets a session its backend has lost.
    pub(super) fn forget(&self, owner: &Owner) {
        self.pool.slots.remove(owner);
    }

    /// Ends all sessions opened for a client's session.
    pub(crate) async fn end_seat(&self, client: &awc::Client, seat: Uid) {
        self.levels.remove(&seat);
        self.end(client, |owner, _| owner.seat == Some(seat)).await;
    }

    /// Ends the session of one owner.
    pub(super) async fn end_owned(&self, client: &awc::Client, owner: &Owner) {
        let Some((_, slot)) = self.pool.slots.remove(owner) else { return };
        if let Some(Held { id: Some(id), revision }) = slot.held.get() {
            self.end_one(client, &slot.backend, &slot.user, id, revision).await;
        }
    }

    /// Ends unused sessions from time to time, for ever. To be run once, in
    /// the background.
    pub(crate) async fn keep_tidy(&self) {
        let client = self.client();
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            let now = self.clock.monotonic().as_secs();
            self.end(&client, |_, slot| slot.is_idle(now)).await;
        }
    }

    /// Ends everything, when the gateway stops.
    pub(crate) async fn end_all(&self, client: &awc::Client) {
        self.end(client, |_, _| true).await;
    }

    async fn end(&self, client: &awc::Client, which: impl Fn(&Owner, &Slot) -> bool) {
        let mut ended = Vec::new();
        self.pool.slots.retain(|owner, slot| {
            let end = which(owner, slot);
            if end {
                ended.push(Arc::clone(slot));
            }
            !end
        });
        let endings = ended.iter().filter_map(|slot| {
            let held = slot.held.get()?;
            let id = held.id.as_deref()?;
            Some(self.end_one(client, &slot.backend, &slot.user, id, held.revision))
        });
        futures_util::future::join_all(endings).await;
    }

    /// Tells a backend that a session has ended.
    pub(crate) async fn end_one(
        &self,
        client: &awc::Client,
        backend: &Backend,
        user: &str,
        session: &str,
        revision: &str,
    ) {
        let letter = Letter {
            to: backend,
            user,
            trail: Trail::INTERNAL,
            revision: Some(revision),
            session: Some(session),
            mirrored: Vec::new(),
        };
        let ending = tokio::time::timeout(Duration::from_secs(5), self.delete(client, letter));
        // A backend that does not listen ends it by itself some day.
        let _ = ending.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_in_use_is_not_idle_however_long_it_takes() {
        let held = Held { id: Some(Arc::from("s")), revision: revision::LATEST_LEGACY };
        let slot = Slot {
            held: OnceCell::new_with(Some(held)),
            backend: Arc::new(Backend {
                id: 0,
                name: Arc::from("b"),
                identity: "b".into(),
                url: "http://127.0.0.1/".parse().unwrap(),
                era: crate::registry::EraSetting::Legacy,
                stateless: false,
                timeout: Duration::from_secs(1),
            }),
            user: "u".into(),
            used: AtomicU64::new(0),
            hears_all: OnceCell::new(),
        };
        let long = IDLE.as_secs() + 1;
        assert!(!slot.is_idle(long - 1) && slot.is_idle(long));
        let lent = slot.held.get().cloned();
        assert!(!slot.is_idle(2 * long));
        drop(lent);
        assert!(!slot.is_idle(2 * long + 1), "it was in use a moment ago");
        assert!(slot.is_idle(4 * long));
    }
}
