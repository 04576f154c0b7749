//! Requests in the air, so that their clients can call them back.

use std::sync::Arc;

use dashmap::DashMap;
use futures_util::future::join_all;
use serde_json::value::RawValue;
use tokio::sync::Notify;

use super::exchange::Ask;
use super::pool::Held;
use super::recall::PATIENCE;
use super::wire::Letter;
use super::{Trail, Upstream};
use crate::error::{Reason, Refusal};
use crate::registry::Backend;
use crate::session::Uid;

/// A client's session, and the id of a request in it.
type Key = (Uid, Box<str>);

/// Requests of legacy clients. Clients that give every request the same id
/// have several under one key.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flying: DashMap<Key, Vec<Arc<Flight>>>,
}

/// One request.
#[derive(Debug)]
struct Flight {
    backend: Arc<Backend>,
    user: Box<str>,
    /// The backend's session, and the request's id in it.
    at: Option<(Held, Box<RawValue>)>,
    called_back: Notify,
}

/// Lands when it is dropped.
#[derive(Debug)]
pub(crate) struct Flying {
    upstream: Arc<Upstream>,
    key: Key,
    flight: Arc<Flight>,
}

/// What comes, unless the client calls the request back before.
///
/// # Errors
/// [`Reason::Cancelled`], and those of what comes.
pub(super) async fn unless_called_back<T>(
    flight: Option<&Flying>,
    coming: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    match flight {
        None => coming.await,
        Some(flight) => tokio::select! {
            biased;
            () = flight.called_back() => Err(called_back()),
            came = coming => came,
        },
    }
}

/// The client took its request back.
fn called_back() -> Refusal {
    Refusal::new(Reason::Cancelled, "called back by the client")
}

impl Flying {
    /// Waits until the client calls the request back.
    pub(super) async fn called_back(&self) {
        self.flight.called_back.notified().await;
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        let flights = &self.upstream.flights.flying;
        if let Some(mut flying) = flights.get_mut(&self.key) {
            flying.retain(|flight| !Arc::ptr_eq(flight, &self.flight));
        }
        flights.remove_if(&self.key, |_, flying| flying.is_empty());
    }
}

impl Upstream {
    /// Notes a request that is about to go out.
    pub(super) fn take_off(
        self: &Arc<Self>,
        seat: Uid,
        ask: &Ask<'_>,
        at: Option<(&Held, &RawValue)>,
    ) -> Flying {
        let key: Key = (seat, ask.id.get().into());
        let flight = Arc::new(Flight {
            backend: Arc::clone(ask.backend),
            user: ask.caller.user_id().into(),
            at: at.map(|(held, id)| (held.clone(), id.to_owned())),
            called_back: Notify::new(),
        });
        self.flights.flying.entry(key.clone()).or_default().push(Arc::clone(&flight));
        Flying { upstream: Arc::clone(self), key, flight }
    }

    /// Calls a client's request back: its backend is told, in the words it
    /// knows the request by. `false` when this process has no such request.
    pub(crate) async fn call_back(
        &self,
        client: &awc::Client,
        seat: Uid,
        id: &RawValue,
        reason: Option<&RawValue>,
    ) -> bool {
        let key: Key = (seat, id.get().into());
        let Some(flying) = self.flights.flying.get(&key).map(|flying| flying.clone()) else {
            return false;
        };
        // The client first: its stream must not end with the backend's, as if
        // it were to be gone on with. A modern backend notices by itself that
        // nobody reads its answer any more.
        for flight in &flying {
            flight.called_back.notify_one();
        }
        join_all(flying.iter().map(|flight| self.take_back(client, flight, reason))).await;
        true
    }

    /// Tells a legacy backend, which does not take a closed connection for it.
    async fn take_back(&self, client: &awc::Client, flight: &Flight, reason: Option<&RawValue>) {
        let Some((held, id)) = &flight.at else { return };
        let reason = reason.map_or(String::new(), |reason| format!(",\"reason\":{}", reason.get()));
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
             \"params\":{{\"requestId\":{id}{reason}}}}}"
        );
        let letter = Letter {
            to: &flight.backend,
            user: &flight.user,
            trail: Trail::INTERNAL,
            revision: Some(held.revision),
            session: held.id.as_deref(),
            mirrored: Vec::new(),
        };
        let telling = self.post(client, letter, message.into());
        let detail = match tokio::time::timeout(PATIENCE, telling).await {
            Ok(Ok(_)) => return,
            Ok(Err(refusal)) => refusal.detail,
            Err(_) => "no answer in time".into(),
        };
        tracing::warn!(
            backend = &*flight.backend.name,
            detail = &*detail,
            "a cancelled call could not be called back"
        );
    }
}
