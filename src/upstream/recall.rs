//! Calling a request back when its modern client leaves: a legacy backend does
//! not take a closed connection for that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::pool::Held;
use super::wire::Letter;
use super::{Trail, Upstream};
use crate::registry::Backend;

/// Longest time for a backend to take note.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Calls the request back when it is dropped, unless it was disarmed.
pub(super) struct Recall {
    armed: Option<Box<Order>>,
}

struct Order {
    upstream: Arc<Upstream>,
    client: awc::Client,
    backend: Arc<Backend>,
    user: Box<str>,
    held: Held,
    /// The request's id, as the backend knows it.
    id: Box<RawValue>,
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall").field("armed", &self.armed.is_some()).finish()
    }
}

impl Recall {
    /// For a request that is about to go out.
    pub(super) fn of(
        upstream: &Arc<Upstream>,
        client: &awc::Client,
        backend: &Arc<Backend>,
        user: &str,
        held: &Held,
        id: &RawValue,
    ) -> Self {
        let order = Order {
            upstream: Arc::clone(upstream),
            client: client.clone(),
            backend: Arc::clone(backend),
            user: user.into(),
            held: held.clone(),
            id: id.to_owned(),
        };
        Self { armed: Some(Box::new(order)) }
    }

    /// For nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { armed: None }
    }

    /// The request has ended.
    pub(super) fn disarm(&mut self) {
        self.armed = None;
    }
}

impl Drop for Recall {
    fn drop(&mut self) {
        let Some(order) = self.armed.take() else { return };
        // On the worker that served the request; it outlives the request.
        actix_web::rt::spawn(async move {
            let Order { upstream, client, backend, user, held, id } = *order;
            let message = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                 \"params\":{{\"requestId\":{id},\"reason\":\"The client left.\"}}}}"
            );
            let letter = Letter {
                to: &backend,
                user: &user,
                trail: Trail::INTERNAL,
                revision: Some(held.revision),
                session: held.id.as_deref(),
                mirrored: Vec::new(),
            };
            let telling = upstream.post(&client, letter, message.into());
            let detail = match tokio::time::timeout(PATIENCE, telling).await {
                Ok(Ok(_)) => return,
                Ok(Err(refusal)) => refusal.detail,
                Err(_) => "no answer in time".into(),
            };
            tracing::warn!(
                backend = &*backend.name,
                detail = &*detail,
                "a call whose client left could not be called back"
            );
        });
    }
}
