//! News of a modern backend for legacy sessions: a subscription of the
//! gateway's at the backend stands for the stream of the session, and for its
//! `resources/subscribe`.

use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::events::Events;
use super::exchange::{Ask, Reply, Whole, unfit};
use super::flow::Flow;
use super::news::{Origin, Source, Telling};
use super::seat::Seated;
use super::turn::Turn;
use super::wire::{Letter, Shape, in_time};
use super::{Trail, Upstream, mirror, nonce, told};
use crate::error::{Reason, Refusal};
use crate::protocol::mcp::meta;
use crate::protocol::raw;
use crate::protocol::revision::{self, Era};
use crate::registry::Backend;
use crate::session::{Opened, Uid};
use crate::translate::news::{Wanted, acknowledged};

/// Longest wait for a backend to say what it will tell.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Streams of sessions that want to hear when their session subscribes.
#[derive(Debug, Default)]
pub(super) struct Watches(DashMap<Uid, watch::Sender<()>>);

/// The subscription that stands for the stream of one session.
#[derive(Debug)]
pub(super) struct Subscribed {
    upstream: Arc<Upstream>,
    backend: Arc<Backend>,
    user: Box<str>,
    seat: Arc<Opened>,
    place: usize,
    /// None when it is dropped.
    changes: Option<watch::Receiver<()>>,
}

impl Subscribed {
    /// Waits until the session subscribes to something else.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.changes {
            Some(changes) => changes.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    }

    /// Subscribes to what the session wants to know by now. `None`: the
    /// backend tells nothing.
    pub(super) async fn open(
        &mut self,
        client: &awc::Client,
    ) -> Result<Option<(Events, Wanted)>, Refusal> {
        if let Some(changes) = &mut self.changes {
            changes.mark_unchanged();
        }
        let uris = self.upstream.sessions.subscribed(self.seat.uid(), self.place).await?;
        let wanted = Wanted { tools: true, prompts: true, resources: true, uris };
        let facts = self.upstream.facts(client, &self.backend).await?;
        let told = facts.modern.as_ref().and_then(|told| told.capabilities.as_deref());
        let wanted = told.map(|told| wanted.offered(told)).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(None);
        }
        let trail = Trail::INTERNAL;
        self.upstream.listen(client, &self.backend, (&self.user, trail), &wanted).await
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.changes = None;
        let watches = &self.upstream.watches.0;
        watches.remove_if(&self.seat.uid(), |_, changes| changes.receiver_count() == 0);
    }
}

impl Upstream {
    /// The news of a modern backend for a legacy session. `None`: it tells
    /// nothing, or there is nothing to be translated.
    pub(super) async fn hear_news(
        self: &Arc<Self>,
        client: &awc::Client,
        seated: Seated<'_>,
    ) -> Result<Option<Flow>, Refusal> {
        let Seated { caller, seat, backend, place, .. } = seated;
        let facts = self.facts(client, backend).await?;
        if facts.modern.is_none() || facts.legacy.is_some() {
            return Ok(None);
        }
        let changes = self.watches.0.entry(seat.uid()).or_default().subscribe();
        let user = caller.user_id();
        let mut subscribed = Subscribed {
            upstream: Arc::clone(self),
            backend: Arc::clone(backend),
            user: user.into(),
            seat: Arc::clone(seat),
            place,
            changes: Some(changes),
        };
        let Some((events, wanted)) = subscribed.open(client).await? else { return Ok(None) };
        let turn = Turn::news(Era::Legacy, place, None, Telling { subscription: None, wanted });
        let origin = Origin::Subscription(subscribed);
        let mut flow = Flow::hearing(self, client, backend, user, events, turn);
        flow.source = Some(Box::new(Source::new(origin, self.clock.monotonic())));
        Ok(Some(flow))
    }

    /// What a session has subscribed to has changed.
    pub(crate) fn resubscribe(&self, seat: Uid) {
        if let Some(changes) = self.watches.0.get(&seat) {
            changes.send_replace(());
        }
    }

    /// `resources/subscribe` and `resources/unsubscribe` of a legacy client at
    /// a modern backend. That the backend will tell is asked of it first: the
    /// client's stream may be at another replica, or still to be opened.
    pub(super) async fn subscribe_seat(
        &self,
        client: &awc::Client,
        ask: &Ask<'_>,
    ) -> Result<Reply, Refusal> {
        let facts = self.facts(client, ask.backend).await?;
        let told = facts.modern.as_ref().and_then(|told| told.capabilities.as_deref());
        let (Some(seat), Some(uri), Some(told)) = (ask.seat, ask.name, told) else {
            return Err(not_found());
        };
        let wanted = Wanted { uris: vec![uri.into()], ..Wanted::default() }.offered(told);
        if wanted.is_empty() {
            return Err(not_found());
        }
        if ask.method == "resources/unsubscribe" {
            self.sessions.unsubscribe(seat.uid(), ask.place, uri).await?;
        } else {
            let from = (ask.caller.user_id(), ask.trail);
            let opened = self.listen(client, ask.backend, from, &wanted).await?;
            if opened.is_none_or(|(_, told)| told.uris.is_empty()) {
                let detail = "the backend does not tell of changes of this resource";
                return Err(Refusal::telling(Reason::InvalidParams, detail));
            }
            self.sessions.subscribe(seat.uid(), ask.place, uri).await?;
        }
        Ok(Reply::Whole(Whole {
            status: 200,
            message: told::response(ask.id, "result", b"{}"),
            is_error: false,
            took: std::time::Duration::ZERO,
        }))
    }

    /// Subscribes at a modern backend: its news, and which of them it tells.
    /// `None`: none.
    async fn listen(
        &self,
        client: &awc::Client,
        backend: &Backend,
        (user, trail): (&str, Trail<'_>),
        wanted: &Wanted,
    ) -> Result<Option<(Events, Wanted)>, Refusal> {
        const METHOD: &str = "subscriptions/listen";
        let version = revision::MODERN[0];
        let message = json!({
            "jsonrpc": "2.0", "id": nonce::fresh()?, "method": METHOD,
            "params": {
                "notifications": wanted.to_json(),
                "_meta": {
                    meta::PROTOCOL_VERSION: version,
                    meta::CLIENT_CAPABILITIES: {},
                    meta::CLIENT_INFO: &self.server_info,
                },
            },
        });
        let letter = Letter {
            to: backend,
            user,
            trail,
            revision: Some(version),
            session: None,
            mirrored: mirror::of(METHOD, None, &[]),
        };
        let opening = async {
            let response = self.post(client, letter, Bytes::from(message.to_string())).await?;
            if (response.status, response.shape) != (200, Shape::Events) {
                return Ok(None);
            }
            let mut events = response.events(self.max_reply_bytes);
            while let Some(event) = events.next(None).await? {
                let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
                let honoured = acknowledged(&data).map(|told| Value::Object(told).to_string());
                let Some(honoured) = honoured else { return Ok(None) };
                let honoured = raw::value(honoured.as_bytes()).and_then(Wanted::read);
                return Ok(Some((events, honoured.map_err(unfit)?)));
            }
            Ok(None)
        };
        in_time(PATIENCE, opening).await
    }
}

fn not_found() -> Refusal {
    // The client was told by the capabilities.
    Refusal::telling(Reason::MethodNotFound, "Method not found")
}
