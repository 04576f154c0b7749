//! News of a legacy backend for one subscription of a modern client: in a
//! session of their own, which ends with the subscription. The caller's other
//! session there serves its requests, and has one stream at most.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::events::Events;
use super::flow::Flow;
use super::news::{Origin, Source, Telling};
use super::peer::{self, Legacy};
use super::pool::{Held, Owner};
use super::turn::Turn;
use super::wire::{Letter, Shape, in_time};
use super::{Trail, Upstream};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::revision::Era;
use crate::registry::Backend;
use crate::session::{Listener, Uid};
use crate::translate::news::Wanted;

/// Most resources that are subscribed to at once.
const AT_ONCE: usize = 8;

/// News, and which they are, as in an acknowledgement.
pub(crate) type Lodged = (Flow, Map<String, Value>);

/// Who subscribes, and where.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) caller: Caller,
    pub(crate) backend: Arc<Backend>,
    /// The backend's place in the scope.
    pub(crate) place: usize,
    /// The client's id of the subscription.
    pub(crate) id: Box<RawValue>,
    /// The caller's place among listeners, held until it is decided.
    pub(crate) listener: Arc<Listener>,
}

/// A session at a legacy backend for nothing but news. Dropped, it is ended.
#[derive(Debug)]
pub(super) struct Lodging(Option<Box<Inner>>);

struct Inner {
    upstream: Arc<Upstream>,
    client: awc::Client,
    backend: Arc<Backend>,
    user: Box<str>,
    owner: Owner,
    /// Once it is open.
    held: Held,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("backend", &self.backend.name).finish_non_exhaustive()
    }
}

impl Lodging {
    /// At no backend.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The session's stream, or the rest of it. `None`: the backend has none.
    pub(super) async fn open(
        &self,
        client: &awc::Client,
        last_event_id: Option<&str>,
    ) -> Result<Option<Events>, Refusal> {
        let Some(inner) = &self.0 else { return Ok(None) };
        let getting = inner.upstream.get(client, inner.letter(), last_event_id);
        let response = in_time(peer::PATIENCE, getting).await?;
        match (response.status, response.shape) {
            (200, Shape::Events) => Ok(Some(response.events(inner.upstream.max_reply_bytes))),
            (500.. | 408 | 429, _) => {
                let detail = format!("the backend is not ready: HTTP {}", response.status);
                Err(Refusal::new(Reason::BackendUnavailable, detail))
            }
            _ => Ok(None),
        }
    }

    /// Those of the resources whose changes the backend will tell.
    async fn subscribe(&self, client: &awc::Client, uris: Vec<Box<str>>) -> Vec<Box<str>> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let asking = uris.into_iter().enumerate().map(|(n, uri)| async move {
            let message = json!({
                "jsonrpc": "2.0", "id": format!("scopegate-subscribe-{n}"),
                "method": "resources/subscribe", "params": { "uri": uri },
            });
            let asking = async {
                let message = Bytes::from(message.to_string());
                peer::verdict(inner.upstream.post(client, inner.letter(), message).await?).await
            };
            let taken = in_time(peer::PATIENCE, asking).await.is_ok_and(|it| it.is_some());
            taken.then_some(uri)
        });
        let taken = futures_util::stream::iter(asking).buffered(AT_ONCE);
        // Those that take longer are not told of.
        let taken = taken.take_until(tokio::time::sleep(peer::PATIENCE));
        taken.filter_map(async |uri| uri).collect().await
    }
}

impl Inner {
    fn letter(&self) -> Letter<'_> {
        Letter {
            to: &self.backend,
            user: &self.user,
            trail: Trail::INTERNAL,
            revision: Some(self.held.revision),
            session: self.held.id.as_deref(),
            mirrored: Vec::new(),
        }
    }
}

impl Drop for Lodging {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        // On the worker that served the subscription; it outlives it.
        actix_web::rt::spawn(async move {
            let Inner { upstream, client, owner, .. } = *inner;
            upstream.end_owned(&client, &owner).await;
        });
    }
}

impl Upstream {
    /// Subscribes to the news of a legacy backend: the news, and which of them
    /// it tells, as in an acknowledgement. `None`: it tells nothing of what is
    /// wanted.
    ///
    /// # Errors
    /// As the backend cannot be asked.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        client: &awc::Client,
        subscriber: Subscriber,
        wanted: Wanted,
    ) -> Result<Option<Lodged>, Refusal> {
        // A session that is opened is ended, even when the client has left
        // meanwhile: nobody else would.
        let (tell, told) = oneshot::channel();
        let (upstream, client) = (Arc::clone(self), client.clone());
        actix_web::rt::spawn(async move {
            let has_left = || tell.is_closed();
            let lodged = upstream.lodge(&client, subscriber, wanted, has_left).await;
            // Nobody waits: the session ends with what is dropped here.
            let _ = tell.send(lodged);
        });
        let ended = |_| Err(Refusal::new(Reason::Internal, "a task has ended"));
        told.await.unwrap_or_else(ended)
    }

    async fn lodge(
        self: &Arc<Self>,
        client: &awc::Client,
        subscriber: Subscriber,
        wanted: Wanted,
        has_left: impl Fn() -> bool,
    ) -> Result<Option<Lodged>, Refusal> {
        let Subscriber { caller, backend, place, id, listener: _listener } = subscriber;
        let facts = self.facts(client, &backend).await?;
        let Some((Legacy::Sessions, told)) = &facts.legacy else { return Ok(None) };
        let told = told.capabilities.as_deref();
        let mut wanted = told.map(|told| wanted.offered(told)).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(None);
        }
        let uid = Uid::random().map_err(|_| Refusal::new(Reason::Internal, "no random numbers"))?;
        let owner = Owner { backend: backend.id, caller: caller.key().into(), seat: Some(uid) };
        let user = caller.user_id();
        let mut lodging = Lodging(Some(Box::new(Inner {
            upstream: Arc::clone(self),
            client: client.clone(),
            backend: Arc::clone(&backend),
            user: user.into(),
            owner: owner.clone(),
            held: Held::NONE,
        })));
        let held = self.session(client, &backend, &owner, user, Trail::INTERNAL, None).await?;
        if let Some(inner) = &mut lodging.0 {
            inner.held = held.clone();
        }
        if has_left() {
            return Ok(None);
        }
        // First the stream, so that nothing is missed.
        let Some(events) = lodging.open(client, None).await? else { return Ok(None) };
        if has_left() {
            return Ok(None);
        }
        wanted.uris = lodging.subscribe(client, wanted.uris).await;
        let honoured = wanted.to_json();
        let telling = Telling { subscription: Some(id), wanted };
        let turn = Turn::news(Era::Modern, place, Some(held), telling);
        let mut flow = Flow::hearing(self, client, &backend, user, Some(events), turn);
        flow.source = Some(Box::new(Source::new(Origin::Session(lodging))));
        Ok(Some((flow, honoured)))
    }
}
