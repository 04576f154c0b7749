//! The way between replicas: what goes out waits in a bounded queue for the
//! background task (`link/`), so that nobody waits for Redis; what comes in is
//! judged and handed to everybody on this replica who listens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};

use super::error::{NoticeTooLarge, SessionsError};
use super::ids::Uid;
use super::keys::KeyRing;
use super::link::Remote;
use super::notice::{FRESH, LONGEST, Notice, TAG};
use crate::settings::RedisSettings;

/// Notices that a listener may lag behind before it misses some.
const HEARD: usize = 1024;

/// Most things that wait to be told, and most bytes of them.
const MOST_WAITING: usize = 8192;
const MOST_WAITING_BYTES: usize = 16 * LONGEST;

/// Most notices remembered so that each is heard once.
const MOST_REMEMBERED: u64 = 10_000;

/// A replica's end of the bus.
pub(super) struct Bus {
    /// This replica, among the others.
    sender: [u8; 16],
    listeners: broadcast::Sender<Notice>,
    heard: Cache<[u8; TAG], ()>,
    outside: Option<Outside>,
}

/// The way out, where there is a Redis.
struct Outside {
    remote: Arc<Remote>,
    queue: mpsc::Sender<Outgoing>,
    /// The other end, until the background task takes it.
    waiting: Mutex<Option<mpsc::Receiver<Outgoing>>>,
    room: Arc<Semaphore>,
    /// Whether the last thing found no room, to log changes only.
    full: AtomicBool,
}

/// Something that waits to be told.
pub(super) enum Outgoing {
    /// A notice, ready to be published.
    Notice {
        frame: Vec<u8>,
        /// Ends are kept for replicas that do not listen now.
        is_end: bool,
        /// In milliseconds since the Unix epoch.
        sent_at: i64,
        /// Its place in the queue.
        _room: OwnedSemaphorePermit,
    },
    /// A session was used here.
    Used(Uid),
}

impl Bus {
    pub(super) fn new(redis: &RedisSettings) -> Result<Self, SessionsError> {
        let sender = Uid::random().map_err(|_| SessionsError::Keys)?;
        let outside = Remote::new(redis)?.map(|remote| {
            let (queue, waiting) = mpsc::channel(MOST_WAITING);
            Outside {
                remote: Arc::new(remote),
                queue,
                waiting: Mutex::new(Some(waiting)),
                room: Arc::new(Semaphore::new(MOST_WAITING_BYTES)),
                full: AtomicBool::new(false),
            }
        });
        Ok(Self {
            sender: *sender.as_bytes(),
            listeners: broadcast::Sender::new(HEARD),
            heard: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_live(FRESH * 2)
                .eviction_policy(moka::policy::EvictionPolicy::lru())
                .build(),
            outside,
        })
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.listeners.subscribe()
    }

    /// Tells this replica's listeners; nobody needs to listen.
    pub(super) fn tell_here(&self, notice: Notice) {
        let _listeners = self.listeners.send(notice);
    }

    /// Tells the other replicas, later. Where there is no room, it is lost,
    /// as it would be with Redis down.
    pub(super) fn tell_others(
        &self,
        notice: &Notice,
        ring: &KeyRing,
        now: i64,
    ) -> Result<(), NoticeTooLarge> {
        let Some(outside) = &self.outside else { return Ok(()) };
        let frame = notice.encode(ring, &self.sender, now)?;
        let size = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let queued = Arc::clone(&outside.room).try_acquire_many_owned(size).is_ok_and(|room| {
            let is_end = matches!(notice, Notice::Ended { .. });
            let waiting = Outgoing::Notice { frame, is_end, sent_at: now, _room: room };
            outside.queue.try_send(waiting).is_ok()
        });
        if outside.full.swap(!queued, Ordering::Relaxed) == queued {
            if queued {
                tracing::info!("there is room again for what replicas tell each other");
            } else {
                tracing::warn!("too much waits to be told to other replicas; some of it is lost");
            }
        }
        Ok(())
    }

    /// Lets the other replicas know that a session is in use; where there is
    /// no room for that, the next use will.
    pub(super) fn share_use(&self, uid: Uid) {
        if let Some(outside) = &self.outside {
            let _queued = outside.queue.try_send(Outgoing::Used(uid));
        }
    }

    /// Judges what came by the channel: nothing for what is forged, old, told
    /// before, or this replica's own.
    pub(super) fn receive(&self, frame: &[u8], ring: &KeyRing, now: i64) -> Option<Notice> {
        let received = Notice::decode(frame, ring)?;
        let age = u128::from(now.abs_diff(received.sent_at));
        let is_end = matches!(received.notice, Notice::Ended { .. });
        let believed = is_end || age <= FRESH.as_millis();
        let own = received.sender == self.sender;
        // These make no difference the second time.
        let repeats = is_end || matches!(received.notice, Notice::Subscribed { .. });
        let news = || repeats || self.heard.entry(received.tag).or_insert(()).is_fresh();
        (believed && !own && news()).then_some(received.notice)
    }

    /// The Redis that replicas share.
    pub(super) fn remote(&self) -> Option<&Arc<Remote>> {
        self.outside.as_ref().map(|outside| &outside.remote)
    }

    /// What waits to be told; once.
    pub(super) fn take_waiting(&self) -> Option<mpsc::Receiver<Outgoing>> {
        let waiting = &self.outside.as_ref()?.waiting;
        waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
