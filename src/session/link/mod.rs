//! The Redis between replicas: what is kept there, and the background task
//! that talks to it. No call waits for it, or fails without it; only
//! `resources/subscribe` across the eras does.

mod listen;
mod patience;
mod speak;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use redis::{FromRedisValue, Pipeline, RedisError, RedisResult};
use tokio::sync::{Mutex, mpsc};

use super::Sessions;
use super::bus::Outgoing;
use super::error::SessionsError;
use super::ids::Uid;
use crate::redis_link::{Place, Wire};
use crate::settings::RedisSettings;
use patience::Fault;

/// Longest wait for Redis.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sessions asked about in one round trip.
const ASKED_AT_ONCE: usize = 500;

/// Where Redis is, and what is kept there under which name. Holds no
/// connection.
pub(super) struct Remote {
    place: Place,
    /// Channel of all notices.
    channel: String,
    /// Sorted set of the ends of sessions, for who was not there to hear.
    ended: String,
    prefix: String,
    listening: Fault,
    speaking: Fault,
    asking: Fault,
    keeping: Fault,
    shared: Mutex<Option<Shared>>,
}

/// A connection, and which one it is.
#[derive(Clone)]
struct Shared {
    number: u64,
    connection: Wire,
}

/// Redis did not answer, which is in the log.
#[derive(Debug)]
pub(super) struct Unanswered;

/// What keeps this replica in touch with the others.
pub(crate) struct Background {
    pub(super) sessions: Arc<Sessions>,
    pub(super) remote: Arc<Remote>,
    pub(super) waiting: mpsc::Receiver<Outgoing>,
}

impl Background {
    /// Runs for ever; to be spawned once, on a runtime that is not busy with
    /// calls. Drop it to end it.
    pub(crate) async fn run(self) {
        let Self { sessions, remote, waiting } = self;
        join(listen::listen(&sessions, &remote), speak::speak(&sessions, &remote, waiting)).await;
    }
}

/// Why Redis was of no use. Its text never holds the URL.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("no answer from Redis within {PATIENCE:?}")]
    Slow,
    #[error("Redis closed the connection")]
    Closed,
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
}

impl LinkError {
    /// Whether the connection is of no use any more.
    fn is_broken(&self) -> bool {
        match self {
            Self::Slow | Self::Closed => true,
            Self::Redis(error) => error.is_io_error() || error.is_unrecoverable_error(),
        }
    }
}

impl Remote {
    /// `None` where no Redis is configured. Nothing is connected yet.
    pub(super) fn new(settings: &RedisSettings) -> Result<Option<Self>, SessionsError> {
        let Some(url) = settings.url.as_ref().filter(|url| !url.expose().is_empty()) else {
            return Ok(None);
        };
        let prefix = settings.key_prefix.clone();
        Ok(Some(Self {
            place: Place::read(url.expose(), settings.ca_file.as_deref())?,
            channel: format!("{prefix}:bus"),
            ended: format!("{prefix}:sessions:ended"),
            prefix,
            listening: Fault::new("notices of other replicas cannot be heard"),
            speaking: Fault::new("other replicas cannot be told"),
            asking: Fault::new("the use of sessions at other replicas cannot be seen"),
            keeping: Fault::new("what sessions subscribe to cannot be kept"),
            shared: Mutex::default(),
        }))
    }

    /// Which of the sessions a replica has used lately; `None` when Redis
    /// does not say.
    pub(super) async fn in_use(&self, uids: &[Uid]) -> Option<Vec<bool>> {
        let asked = async {
            let mut connection = self.connect().await?;
            let mut in_use = Vec::with_capacity(uids.len());
            for some in uids.chunks(ASKED_AT_ONCE) {
                let mut pipe = redis::pipe();
                for uid in some {
                    pipe.cmd("EXISTS").arg(self.use_key(*uid));
                }
                let answers: Vec<bool> = within(pipe.query_async(&mut connection)).await?;
                in_use.extend(answers);
            }
            Ok::<_, LinkError>(in_use)
        };
        let in_use = self.asking.note(asked.await).ok()?;
        (in_use.len() == uids.len()).then_some(in_use)
    }

    /// Adds to what a session has subscribed to, which is kept for so many
    /// seconds. `false`: there are `most` others already.
    pub(super) async fn subscribe(
        &self,
        uid: Uid,
        entry: &str,
        most: usize,
        seconds: i64,
    ) -> Result<bool, Unanswered> {
        let key = self.subscribed_key(uid);
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("SADD").arg(&key).arg(entry).ignore();
        pipe.cmd("EXPIRE").arg(&key).arg(seconds).ignore().cmd("SCARD").arg(&key);
        let (count,): (usize,) = self.keep(&pipe).await?;
        if count > most {
            self.unsubscribe(uid, Some(entry)).await?;
        }
        Ok(count <= most)
    }

    /// Takes one thing out of what a session has subscribed to, or all.
    pub(super) async fn unsubscribe(
        &self,
        uid: Uid,
        entry: Option<&str>,
    ) -> Result<(), Unanswered> {
        let key = self.subscribed_key(uid);
        let mut pipe = redis::pipe();
        match entry {
            Some(entry) => pipe.cmd("SREM").arg(key).arg(entry).ignore(),
            None => pipe.cmd("DEL").arg(key).ignore(),
        };
        self.keep(&pipe).await
    }

    /// What a session has subscribed to.
    pub(super) async fn subscribed(&self, uid: Uid) -> Result<Vec<String>, Unanswered> {
        let mut pipe = redis::pipe();
        pipe.cmd("SMEMBERS").arg(self.subscribed_key(uid));
        let (entries,) = self.keep(&pipe).await?;
        Ok(entries)
    }

    /// Asks over the connection that all streams share. One that was idle may
    /// be dead without knowing it, so a new one is tried then: what is asked
    /// may be asked twice.
    async fn keep<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Unanswered> {
        let asked = async {
            let (mut shared, is_new) = self.shared(None).await?;
            let answer = within(pipe.query_async(&mut shared.connection)).await;
            match answer {
                Err(error) if !is_new && error.is_broken() => {
                    let (mut other, _) = self.shared(Some(shared.number)).await?;
                    within(pipe.query_async(&mut other.connection)).await
                }
                answer => answer,
            }
        };
        self.keeping.note(asked.await).map_err(|_| Unanswered)
    }

    /// The connection, and whether it was made just now; never the one that
    /// is broken.
    async fn shared(&self, broken: Option<u64>) -> Result<(Shared, bool), LinkError> {
        let waiting = tokio::time::timeout(PATIENCE, self.shared.lock());
        let mut shared = waiting.await.map_err(|_| LinkError::Slow)?;
        let last = shared.as_ref().map_or(0, |known| known.number);
        match &*shared {
            Some(known) if broken != Some(known.number) => Ok((known.clone(), false)),
            Some(_) | None => {
                *shared = None;
                let connection = self.connect().await?;
                let made = shared.insert(Shared { number: last + 1, connection });
                Ok((made.clone(), true))
            }
        }
    }

    fn subscribed_key(&self, uid: Uid) -> String {
        format!("{}:session:{uid}:resources", self.prefix)
    }

    /// The key that is there while a session is in use.
    fn use_key(&self, uid: Uid) -> String {
        format!("{}:session:{uid}", self.prefix)
    }

    async fn connect(&self) -> Result<Wire, LinkError> {
        // On the heap: the ways to a cluster are large, and seldom gone.
        within(Box::pin(self.place.connect(PATIENCE))).await
    }
}

/// Waits for an answer, but not for ever.
async fn within<T>(answer: impl Future<Output = RedisResult<T>>) -> Result<T, LinkError> {
    let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| LinkError::Slow)?;
    Ok(answer?)
}
