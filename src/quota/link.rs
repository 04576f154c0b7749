//! A worker's connections to Redis.
//!
//! A connection is driven by the reactor of the worker that opened it, so each
//! worker has a pool of its own. Taking a connection out of a pool tests it,
//! which costs a round trip; so a connection is taken once, kept in a *lane*
//! and shared by all calls of the worker (they are multiplexed), and goes back
//! to the pool, to be tested, when something went wrong on it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use deadpool_redis::{Connection, Pool, PoolError};
use redis::aio::MultiplexedConnection;

/// What a worker needs to reach Redis.
pub(super) struct Link {
    pool: Pool,
    lanes: Box<[Lane]>,
    next: AtomicUsize,
}

/// One shared connection, or the place for it.
#[derive(Default)]
pub(super) struct Lane {
    open: Mutex<Option<(Connection, Ticket)>>,
    /// Held while the connection is opened, so that one call opens it and the
    /// others wait for it.
    opening: tokio::sync::Mutex<()>,
    opened: AtomicU64,
}

/// Which connection of a lane a call used: a failure is not blamed on the one
/// that has replaced it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Link {
    pub(super) fn new(pool: Pool, lanes: usize) -> Self {
        let lanes = (0..lanes).map(|_| Lane::default()).collect();
        Self { pool, lanes, next: AtomicUsize::new(0) }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The lane whose turn it is.
    pub(super) fn lane(&self) -> &Lane {
        &self.lanes[self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len()]
    }
}

impl Lane {
    /// The lane's connection, taken from `pool` if there is none.
    pub(super) async fn connection(
        &self,
        pool: &Pool,
    ) -> Result<(MultiplexedConnection, Ticket), PoolError> {
        if let Some(open) = self.share() {
            return Ok(open);
        }
        let _turn = self.opening.lock().await;
        if let Some(open) = self.share() {
            return Ok(open);
        }
        let connection = pool.get().await?;
        let shared = MultiplexedConnection::clone(&connection);
        let ticket = Ticket(self.opened.fetch_add(1, Ordering::Relaxed));
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((connection, ticket));
        Ok((shared, ticket))
    }

    /// Gives the connection back to the pool, if it is still the one that the
    /// ticket was for.
    pub(super) fn doubt(&self, ticket: Ticket) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(_, current)| *current == ticket) {
            *open = None;
        }
    }

    fn share(&self) -> Option<(MultiplexedConnection, Ticket)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref()
            .map(|(connection, ticket)| (MultiplexedConnection::clone(connection), *ticket))
    }
}
