//! Counters in Redis, shared by all gateways: one script call decides.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{ConnectionInfo, IntoConnectionInfo, Script};

use super::error::QuotaError;
use super::gcra::Gcra;
use super::link::Link;
use super::standing::Outcome;
use super::{Charge, MOST_LIMITS};
use crate::secret::hex;
use crate::settings::RedisSettings;

/// Longest key prefix, in bytes.
const LONGEST_PREFIX: usize = 64;

/// Where the counters are and how they are reached. Holds no connection.
#[derive(Debug)]
pub(super) struct Remote {
    connection: ConnectionInfo,
    connections: usize,
    timeout: Duration,
    pub(super) prefix: String,
    script: Script,
}

/// Why Redis did not decide. Its text never holds the URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("no answer from Redis within {0:?}")]
    Slow(Duration),
    #[error("no connection to Redis: {0}")]
    Connection(#[from] deadpool_redis::PoolError),
    #[error("Redis: {0}")]
    Command(#[from] redis::RedisError),
    #[error("Redis answered something that is no decision")]
    Answer,
    #[error("this worker has no connections to Redis")]
    NoLink,
}

impl Remote {
    /// Reads the settings; nothing is connected yet.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub(super) fn new(url: &str, settings: &RedisSettings) -> Result<Self, QuotaError> {
        let prefix = settings.key_prefix.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.bytes().all(plain) {
            return Err(QuotaError::Prefix);
        }
        if settings.connections_per_worker == 0 {
            return Err(QuotaError::Zero("connections_per_worker"));
        }
        if settings.timeout_ms == 0 {
            return Err(QuotaError::Zero("timeout_ms"));
        }
        let unreadable = |error: redis::RedisError| QuotaError::Url(error.category().to_owned());
        let connection = url.into_connection_info().map_err(unreadable)?;
        // Without this a small request may wait for the answer to another.
        let connection = connection.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        redis::Client::open(connection.clone()).map_err(unreadable)?;
        Ok(Self {
            connection,
            connections: settings.connections_per_worker,
            timeout: Duration::from_millis(settings.timeout_ms),
            prefix: prefix.to_owned(),
            script: Script::new(include_str!("decide.lua")),
        })
    }

    /// Connections for the calling worker, opened when first needed.
    pub(super) fn link(&self) -> Option<Link> {
        let pool = Pool::builder(Manager::new(self.connection.clone()).ok()?)
            .max_size(self.connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.timeout))
            .create_timeout(Some(self.timeout))
            // Half of the time to find out that a connection is dead leaves
            // the other half to open a new one.
            .recycle_timeout(Some(self.timeout / 2))
            .build()
            .ok()?;
        Some(Link::new(pool, self.connections))
    }

    /// Charges all limits, or none. Without `now`, which is for tests, by
    /// the server's clock.
    pub(super) async fn decide(
        &self,
        link: Option<&Link>,
        charge: &Charge<'_>,
        limits: &[Gcra],
        now: Option<u64>,
    ) -> Result<Outcome, RemoteError> {
        let keys = self.keys(charge);
        let mut call = self.script.prepare_invoke();
        call.arg(now.map(|now| now.to_string()).unwrap_or_default());
        for (gcra, key) in limits.iter().zip(&keys) {
            call.key(key).arg(gcra.interval()).arg(gcra.tolerance());
        }
        let decided = |mut connection| async move {
            let answer: Vec<u64> = call.invoke_async(&mut connection).await?;
            Ok(answer)
        };
        let answer = self.within(link, decided).await?;
        let (admitted, backlogs) = match answer.split_first() {
            Some((admitted @ 0..=1, backlogs)) if backlogs.len() == limits.len() => {
                (*admitted == 1, backlogs)
            }
            Some(_) | None => return Err(RemoteError::Answer),
        };
        let mut outcome = Outcome { admitted, backlogs: [0; MOST_LIMITS] };
        outcome.backlogs[..backlogs.len()].copy_from_slice(backlogs);
        Ok(outcome)
    }

    /// Whether Redis answers.
    pub(super) async fn ping(&self, link: Option<&Link>) -> Result<(), RemoteError> {
        let asked = |mut connection| async move {
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        self.within(link, asked).await
    }

    /// Does `work` with a connection, all within the time limit. A connection
    /// on which something went wrong is tested before it is used again.
    async fn within<T, F: Future<Output = redis::RedisResult<T>>>(
        &self,
        link: Option<&Link>,
        work: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, RemoteError> {
        let link = link.ok_or(RemoteError::NoLink)?;
        let lane = link.lane();
        let mut used = None;
        let working = async {
            let (connection, ticket) = lane.connection(link.pool()).await?;
            used = Some(ticket);
            Ok(work(connection).await?)
        };
        let result = tokio::time::timeout(self.timeout, working)
            .await
            .unwrap_or(Err(RemoteError::Slow(self.timeout)));
        if let (Err(_), Some(ticket)) = (&result, used) {
            lane.doubt(ticket);
        }
        result
    }

    /// The counters of a charge, in the order of the limits. Names are hashed:
    /// a key has a fixed length, nobody can choose another's, and what
    /// identifies a person is not spread. The user's is the hash tag, so that
    /// all of them share one slot of a cluster.
    pub(super) fn keys(&self, charge: &Charge<'_>) -> [String; MOST_LIMITS] {
        let prefix = &self.prefix;
        let user = shortened(charge.user);
        let tool = charge.tool.map(shortened).unwrap_or_default();
        [
            format!("{prefix}:quota:{{{user}}}:user"),
            format!("{prefix}:quota:{{{user}}}:tool:{tool}"),
        ]
    }
}

/// 128 bits of a hash, enough that nobody finds two names for one.
fn shortened(name: &str) -> String {
    hex(&digest(&SHA256, name.as_bytes()).as_ref()[..16])
}
