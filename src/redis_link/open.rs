//! Connections: what opens them, and what is done with open ones.

use std::time::Duration;

use deadpool_redis::Pool;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisFuture, Value};

/// How long opening a kept connection may take: some of the hosts may hang,
/// each of which is given up after [`STEP`].
pub(super) const OPENING: Duration = Duration::from_secs(10);
pub(super) const STEP: Duration = Duration::from_secs(1);

/// After so long an answer is taken for lost; a cluster's client then asks
/// again. Much longer than anybody waits for a decision: asked twice, it would
/// be charged twice, and what it charged too late is to be taken back.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// What opens connections to a place; belongs to one worker.
pub(crate) enum Opener {
    One(Pool),
    Sentinels(tokio::sync::Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

/// An open connection, kept.
pub(crate) enum Held {
    Pooled(deadpool_redis::Connection),
    Own(Wire),
}

/// An open connection, to be used by many at once.
#[derive(Clone)]
pub(crate) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// For a connection that is kept.
pub(super) fn kept() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(STEP))
        .set_response_timeout(Some(ANSWER))
}

/// Why there is no connection. Its text never holds the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    /// From a pool.
    #[error("{0}")]
    Pool(#[from] deadpool_redis::PoolError),
    /// From Redis, or the network.
    #[error("{0}")]
    Redis(#[from] RedisError),
    /// It took too long.
    #[error("not opened within {0:?}")]
    Slow(Duration),
    /// Whoever opened it has ended.
    #[error("this worker is leaving")]
    Ended,
}

impl Opener {
    /// Opens a connection.
    pub(crate) async fn open(&self) -> Result<(Held, Wire), Unopened> {
        let opened = tokio::time::timeout(OPENING, self.opened()).await;
        opened.unwrap_or(Err(Unopened::Slow(OPENING)))
    }

    async fn opened(&self) -> Result<(Held, Wire), Unopened> {
        Ok(match self {
            Self::One(pool) => {
                let connection = pool.get().await?;
                let wire = Wire::One(MultiplexedConnection::clone(&connection));
                (Held::Pooled(connection), wire)
            }
            Self::Sentinels(client) => {
                let wire =
                    Wire::One(client.lock().await.get_async_connection_with_config(&kept()).await?);
                (Held::Own(wire.clone()), wire)
            }
            Self::Cluster(client) => {
                let wire = Wire::Cluster(client.get_async_connection().await?);
                (Held::Own(wire.clone()), wire)
            }
        })
    }
}

impl Held {
    /// The connection is of no use: it is not to be lent again.
    pub(crate) fn abandon(self) {
        match self {
            Self::Pooled(connection) => drop(deadpool_redis::Connection::take(connection)),
            Self::Own(wire) => drop(wire),
        }
    }

    pub(crate) fn share(&self) -> Wire {
        match self {
            Self::Pooled(connection) => Wire::One(MultiplexedConnection::clone(connection)),
            Self::Own(wire) => wire.clone(),
        }
    }
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
