//! Legacy clients that leave have not taken their request back (MCP
//! 2025-11-25, "Disconnection SHOULD NOT be interpreted as the client
//! cancelling its request"), but a modern backend would take it so. The gateway
//! reads such an answer to its end in their place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::events::Events;
use super::exchange::Ask;
use super::flight::{Flying, unless_called_back};
use super::flow::Flow;
use super::rounds::Rounds;
use super::told::Told;
use super::wire::{Response, Shape};
use super::{Trail, Upstream};
use crate::error::{Reason, Refusal};
use crate::protocol::revision::Era;

/// Longest time for an answer that nobody waits for.
const PATIENCE: Duration = Duration::from_mins(10);

impl Upstream {
    /// Posts a message for a legacy client, and waits until its answer begins.
    /// When the client leaves meanwhile, the answer is read all the same; when
    /// it calls its request back, it is not.
    pub(super) async fn post_and_linger(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        rounds: &Rounds,
        message: Bytes,
        flight: Option<&Flying>,
    ) -> Result<Response, Refusal> {
        let (tell, told) = oneshot::channel();
        let (upstream, client) = (Arc::clone(self), client.clone());
        let (backend, user) = (Arc::clone(ask.backend), ask.caller.user_id().to_owned());
        let envelope = rounds.envelope();
        let request_id = ask.trail.request_id.to_owned();
        let [parent, state] =
            [ask.trail.traceparent, ask.trail.tracestate].map(|it| it.map(ToOwned::to_owned));
        let (timeout, idle) = (ask.timeout, ask.idle);
        let posting = actix_web::rt::spawn(async move {
            let mut letter = envelope.letter(&backend, &user);
            letter.trail = Trail {
                request_id: &request_id,
                traceparent: parent.as_deref(),
                tracestate: state.as_deref(),
            };
            let posting = tokio::time::timeout(timeout, upstream.post(&client, letter, message));
            let response = posting
                .await
                .unwrap_or_else(|_| Err(Refusal::new(Reason::BackendTimeout, "no answer in time")));
            if let Err(Ok(response)) = tell.send(response) {
                read(response, upstream.max_reply_bytes, idle).await;
            }
        });
        let arrived = unless_called_back(flight, async {
            told.await.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "a task has ended")))
        })
        .await;
        if arrived.is_err() {
            posting.abort();
        }
        arrived
    }
}

/// Reads a body that nobody waits for.
async fn read(mut response: Response, limit: usize, idle: Option<Duration>) {
    if response.shape == Shape::Events {
        drain(response.events(limit), idle).await;
    } else {
        // There is nobody to be told what went wrong.
        let _ = tokio::time::timeout(PATIENCE, response.whole(limit)).await;
    }
}

/// Reads a stream up to its answer.
async fn drain(mut events: Events, idle: Option<Duration>) {
    let answer = async {
        while let Ok(Some(event)) = events.next(idle).await {
            let data = event.data.unwrap_or_default();
            if matches!(Told::read(&data), Told::Answer { .. }) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, answer).await;
}

impl Drop for Flow {
    fn drop(&mut self) {
        let eras = (self.turn.era(), self.turn.backend());
        // News have no end to wait for.
        if self.is_over() || self.source.is_some() || eras != (Era::Legacy, Era::Modern) {
            return;
        }
        if let Some(events) = self.events.take() {
            actix_web::rt::spawn(drain(events, self.idle));
        }
    }
}
