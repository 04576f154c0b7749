//! A worker's connections to Redis.
//!
//! A connection is driven by the reactor of the worker that opened it, so each
//! worker has its own. Taking a connection out of a pool tests it, which costs
//! a round trip; so a connection is opened once, kept in a *lane* and shared by
//! all calls of the worker (they are multiplexed), and is given up when
//! something went wrong on it: after a failover it may lead to a server that is
//! no master any more, and answers all the same.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::redis_link::{Held, Opener, Unopened, Wire};

/// What a worker needs to reach Redis.
pub(in crate::quota) struct Link {
    opener: Opener,
    lanes: Box<[Lane]>,
    next: AtomicUsize,
}

/// One shared connection, or the place for it.
#[derive(Default)]
pub(super) struct Lane {
    open: Mutex<Option<(Held, Ticket)>>,
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
    pub(super) fn new(opener: Opener, lanes: usize) -> Self {
        let lanes = (0..lanes).map(|_| Lane::default()).collect();
        Self { opener, lanes, next: AtomicUsize::new(0) }
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    /// The lane whose turn it is.
    pub(super) fn lane(&self) -> &Lane {
        &self.lanes[self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len()]
    }
}

impl Lane {
    /// The lane's connection, opened if there is none.
    pub(super) async fn connection(&self, opener: &Opener) -> Result<(Wire, Ticket), Unopened> {
        if let Some(open) = self.share() {
            return Ok(open);
        }
        let _turn = self.opening.lock().await;
        if let Some(open) = self.share() {
            return Ok(open);
        }
        let (held, wire) = opener.open().await?;
        let ticket = Ticket(self.opened.fetch_add(1, Ordering::Relaxed));
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((held, ticket));
        Ok((wire, ticket))
    }

    /// Gives the connection up, if it is still the one that the ticket was
    /// for.
    pub(super) fn doubt(&self, ticket: Ticket) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(_, current)| *current == ticket)
            && let Some((held, _)) = open.take()
        {
            held.abandon();
        }
    }

    fn share(&self) -> Option<(Wire, Ticket)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|(held, ticket)| (held.share(), *ticket))
    }
}
