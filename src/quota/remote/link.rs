//! A worker's connections to Redis.
//!
//! A connection is driven by the reactor of the worker that opened it, so each
//! worker has its own. Taking a connection out of a pool tests it, which costs
//! a round trip; so a connection is opened once, kept in a *lane* and shared by
//! all calls of the worker (they are multiplexed), and is given up when
//! something went wrong on it: after a failover it may lead to a server that is
//! no master any more, and answers all the same.

//!
//! Opening one may take seconds, when the first sentinel or node of the list
//! hangs and others have to be asked. No call has so long, so a task opens it,
//! whatever becomes of the calls that wait for it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::redis_link::{Held, Opener, Unopened, Wire};

/// What comes of opening a connection, for all who wait for it.
type Opening = Shared<BoxFuture<'static, Result<(Wire, Ticket), Arc<Unopened>>>>;

/// What a worker needs to reach Redis.
pub(in crate::quota) struct Link {
    opener: Arc<Opener>,
    lanes: Box<[Arc<Lane>]>,
    next: AtomicUsize,
}

/// One shared connection, or the place for it.
#[derive(Default)]
pub(super) struct Lane {
    open: Mutex<Option<(Held, Ticket)>>,
    /// There while the connection is opened.
    opening: Mutex<Option<Opening>>,
    opened: AtomicU64,
}

/// Which connection of a lane a call used: a failure is not blamed on the one
/// that has replaced it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Link {
    pub(super) fn new(opener: Opener, lanes: usize) -> Self {
        let lanes = (0..lanes).map(|_| Arc::default()).collect();
        Self { opener: Arc::new(opener), lanes, next: AtomicUsize::new(0) }
    }

    pub(super) fn opener(&self) -> &Arc<Opener> {
        &self.opener
    }

    /// The lane whose turn it is.
    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lanes[self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len()]
    }
}

impl Lane {
    /// The lane's connection, opened if there is none.
    pub(super) async fn connection(
        lane: &Arc<Self>,
        source: &Arc<Opener>,
    ) -> Result<(Wire, Ticket), Arc<Unopened>> {
        if let Some(open) = lane.share() {
            return Ok(open);
        }
        let opening = {
            let mut opening = lock(&lane.opening);
            // It may have been opened just now.
            if let Some(open) = lane.share() {
                return Ok(open);
            }
            opening.get_or_insert_with(|| Self::open(lane, source)).clone()
        };
        let opened = opening.clone().await;
        if opened.is_err() {
            // A task that has ended without a word has left it here.
            let mut current = lock(&lane.opening);
            if current.as_ref().is_some_and(|current| current.ptr_eq(&opening)) {
                *current = None;
            }
        }
        opened
    }

    fn open(lane: &Arc<Self>, source: &Arc<Opener>) -> Opening {
        let (lane, source) = (Arc::clone(lane), Arc::clone(source));
        let task = tokio::spawn(async move {
            let opened = source.open().await;
            let mut opening = lock(&lane.opening);
            *opening = None;
            let (held, wire) = opened?;
            let ticket = Ticket(lane.opened.fetch_add(1, Ordering::Relaxed));
            *lock(&lane.open) = Some((held, ticket));
            Ok((wire, ticket))
        });
        let opened = async move { task.await.unwrap_or(Err(Unopened::Ended)).map_err(Arc::new) };
        opened.boxed().shared()
    }

    /// Gives the connection up, if it is still the one that the ticket was
    /// for.
    pub(super) fn doubt(&self, ticket: Ticket) {
        let mut open = lock(&self.open);
        if open.as_ref().is_some_and(|(_, current)| *current == ticket)
            && let Some((held, _)) = open.take()
        {
            held.abandon();
        }
    }

    fn share(&self) -> Option<(Wire, Ticket)> {
        let open = lock(&self.open);
        open.as_ref().map(|(held, ticket)| (held.share(), *ticket))
    }
}

/// What a panicking thread left is whole: connections are set in one go.
fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
