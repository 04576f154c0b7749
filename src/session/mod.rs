//! Sessions of legacy clients, and the bus between replicas.
//!
//! A session lies sealed in its own id (`token.rs`), so any replica that has
//! the key can serve it and none needs to store it. The id is of use only to
//! the caller and for the scope that it was made for. What a replica keeps is
//! what it needs to end sessions: which it has seen and when (`tracker.rs`),
//! and which are over (`memory.rs`).
//!
//! With Redis, replicas tell each other which sessions are over and in use,
//! and pass on what concerns a stream that another replica holds
//! (`notice.rs`, `bus.rs`, `link/`). Without it, or while it is down, each
//! replica goes on by itself; no call fails. What sessions subscribe to across
//! the eras is kept there as well (`subscriptions.rs`); that does fail.

mod bus;
mod capabilities;
mod contents;
mod conversations;
mod error;
mod ids;
mod keys;
mod link;
mod listeners;
mod memory;
mod notice;
mod reap;
mod subscriptions;
mod tasks;
mod token;
mod tracker;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::broadcast;

pub(crate) use contents::{BackendSession, Contents, Opened};
pub(crate) use conversations::{Conversations, Named, Post};
pub(crate) use error::{NoticeTooLarge, SealError, SessionsError};
pub(crate) use ids::{CallerKey, Uid};
pub(crate) use link::Background;
pub(crate) use listeners::Listener;
pub(crate) use notice::Notice;
pub(crate) use tasks::{Tasks, place_of};

use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::settings::{RedisSettings, SessionSettings, UpstreamSettings};
use bus::Bus;
use keys::KeyRing;
use listeners::Listeners;
use memory::{Ended, OpenedCache};
use subscriptions::Subscriptions;
use tracker::{SHARE_EVERY, Tracker};

/// The sessions. One for all workers.
pub(crate) struct Sessions {
    ring: KeyRing,
    opened: OpenedCache,
    ended: Ended,
    tracker: Tracker,
    listeners: Listeners,
    subscriptions: Subscriptions,
    /// Sessions that had to give way, until [`Sessions::idle`] returns them.
    departed: Mutex<Vec<Arc<Opened>>>,
    max_departed: usize,
    bus: Bus,
    idle: Duration,
    max_age: i64,
    clock: Clock,
}

/// A session that has begun.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its `Mcp-Session-Id`: at most 4096 visible ASCII characters.
    pub(crate) id: String,
    /// The session, as [`Sessions::open`] would give it.
    pub(crate) session: Arc<Opened>,
    /// Sessions of the same caller that had to give way. They are over; what
    /// they hold at backends is to be ended there.
    pub(crate) evicted: Vec<Arc<Opened>>,
}

/// Keys and contents are not shown.
impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Reads the settings. Nothing is connected yet.
    ///
    /// # Errors
    /// When there is no secret to derive keys from, or the URL of Redis
    /// cannot be read.
    pub(crate) fn new(
        settings: &SessionSettings,
        upstream: &UpstreamSettings,
        redis: &RedisSettings,
        clock: Clock,
    ) -> Result<Self, SessionsError> {
        let idle = Duration::from_secs(settings.idle_seconds);
        let share_every = idle.min(SHARE_EVERY);
        Ok(Self {
            ring: KeyRing::new(settings, upstream)?,
            opened: OpenedCache::new(),
            ended: Ended::new(Duration::from_secs(settings.max_age_seconds)),
            listeners: Listeners::new(settings.max_streams_per_caller),
            subscriptions: Subscriptions::default(),
            tracker: Tracker::new(settings.max_per_caller, settings.max_tracked, share_every),
            departed: Mutex::default(),
            max_departed: settings.max_tracked,
            bus: Bus::new(redis)?,
            idle,
            max_age: i64::try_from(settings.max_age_seconds).unwrap_or(i64::MAX),
            clock,
        })
    }

    /// Begins a session. A caller that has `sessions.max_per_caller` already
    /// loses the one it did not use for longest.
    ///
    /// # Errors
    /// When the contents do not make a session.
    pub(crate) fn start(&self, contents: Contents<'_>) -> Result<Started, SealError> {
        let uid = Uid::random().map_err(|_| SealError::Seal)?;
        let mut session = Opened::new(uid, contents, self.clock.unix_seconds())?;
        let id = token::seal(&self.ring, &mut session)?;
        let session = Arc::new(session);
        self.opened.insert(OpenedCache::key(&id), Arc::clone(&session));
        let (evicted, others): (Vec<_>, Vec<_>) =
            self.note_use(&session).into_iter().partition(|it| it.caller == session.caller);
        for it in &evicted {
            self.end(it.uid);
        }
        self.depart(others);
        Ok(Started { id, session, evicted })
    }

    /// The session of a session id that a caller presents on a scope.
    ///
    /// # Errors
    /// [`Reason::UnknownSession`] for one that was not made for both, is too
    /// old, or is over. The caller cannot tell which.
    pub(crate) fn open(
        &self,
        id: &str,
        scope: &str,
        caller: &CallerKey,
    ) -> Result<Arc<Opened>, Refusal> {
        let refused = |detail: &'static str| Refusal::new(Reason::UnknownSession, detail);
        if id.len() > token::LONGEST {
            return Err(refused("the session id is too long"));
        }
        let key = OpenedCache::key(id);
        let session = match self.opened.get(&key) {
            Some(session) if session.caller == *caller && *session.scope == *scope => session,
            Some(_) => return Err(refused("the session belongs to another caller or scope")),
            None => {
                let session = token::open(&self.ring, id, scope, *caller)
                    .map(Arc::new)
                    .ok_or_else(|| refused("the session id does not open for this caller"))?;
                self.opened.insert(key, Arc::clone(&session));
                session
            }
        };
        if self.is_expired(&session) {
            return Err(refused("the session is too old"));
        }
        if self.ended.contains(session.uid) {
            return Err(refused("the session is over"));
        }
        Ok(session)
    }

    /// Lets a caller hold a stream open, as long as what is returned lives.
    ///
    /// # Errors
    /// [`Reason::TooManyStreams`] when it holds `sessions.max_streams_per_caller`
    /// on this replica already.
    pub(crate) fn listen(&self, caller: &CallerKey) -> Result<Listener, Refusal> {
        self.listeners.enter(*caller)
    }

    /// Notes that a session is used: it is not idle, here or elsewhere.
    pub(crate) fn touch(&self, session: &Arc<Opened>) {
        let evicted = self.note_use(session);
        self.depart(evicted);
    }

    /// Whether a session that was opened is not over since.
    pub(crate) fn is_live(&self, session: &Opened) -> bool {
        !self.is_expired(session) && !self.ended.contains(session.uid)
    }

    /// Ends a session: its id is refused from now on, here and at all
    /// replicas. What it holds at backends is not touched. [`Notice::Ended`]
    /// goes to the listeners of this replica too.
    pub(crate) fn end(&self, uid: Uid) {
        if self.end_here(uid) {
            // Never too large: it has no text.
            let _told = self.publish(&Notice::Ended { uid });
        }
    }

    /// Tells the other replicas, in the background; nobody on this one. It is
    /// lost when Redis stays away for a minute; without Redis there is
    /// nobody to tell.
    ///
    /// # Errors
    /// When it is larger than 1 MiB.
    pub(crate) fn publish(&self, notice: &Notice) -> Result<(), NoticeTooLarge> {
        self.bus.tell_others(notice, &self.ring, self.wall_millis())
    }

    /// What other replicas tell from now on, and which sessions are over, on
    /// whichever replica they ended. A listener that lags by more than 1024
    /// notices misses the oldest.
    pub(crate) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.bus.subscribe()
    }

    /// What keeps this replica in touch with the others; once, and only where
    /// there is a Redis.
    pub(crate) fn take_background(self: &Arc<Self>) -> Option<Background> {
        let remote = Arc::clone(self.bus.remote()?);
        let waiting = self.bus.take_waiting()?;
        Some(Background { sessions: Arc::clone(self), remote, waiting })
    }

    /// How many sessions this replica keeps an eye on.
    #[cfg(test)]
    pub(crate) fn tracked(&self) -> usize {
        self.tracker.len()
    }

    /// Acts upon what came by the channel.
    fn hear(&self, frame: &[u8]) {
        match self.bus.receive(frame, &self.ring, self.wall_millis()) {
            None => {}
            Some(Notice::Ended { uid }) => {
                self.end_here(uid);
            }
            Some(notice) => self.bus.tell_here(notice),
        }
    }

    /// Ends a session on this replica. Whether it was news.
    fn end_here(&self, uid: Uid) -> bool {
        let news = self.ended.insert(uid);
        self.tracker.forget(uid);
        self.subscriptions.forget(uid);
        if news {
            self.bus.tell_here(Notice::Ended { uid });
        }
        news
    }

    fn note_use(&self, session: &Arc<Opened>) -> Vec<Arc<Opened>> {
        // A stream that goes on must not bring an ended session back.
        if self.ended.contains(session.uid) {
            return Vec::new();
        }
        let touched = self.tracker.touch(session, self.clock.monotonic());
        if touched.share {
            self.bus.share_use(session.uid);
        }
        touched.evicted
    }

    fn is_expired(&self, session: &Opened) -> bool {
        self.clock.unix_seconds().saturating_sub(session.issued_at) >= self.max_age
    }

    fn wall_millis(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn idle_for(&self) -> Duration {
        self.idle
    }

    fn max_age_seconds(&self) -> i64 {
        self.max_age
    }
}

#[cfg(test)]
mod tests;
