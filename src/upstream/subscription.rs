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
use super::news::{Look, Origin, Source, Telling};
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
    /// What it listens to; none before it does.
    wanted: Option<Wanted>,
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

    /// Listens to what the session wants to know by now, unless it does.
    pub(super) async fn look(
        &mut self,
        client: &awc::Client,
        is_open: bool,
    ) -> Result<Look, Refusal> {
        if let Some(changes) = &mut self.changes {
            changes.mark_unchanged();
        }
        let sessions = &self.upstream.sessions;
        if !sessions.is_live(&self.seat) {
            return Ok(Look::Over);
        }
        let facts = self.upstream.facts(client, &self.backend).await?;
        let Some(told) = facts.modern.as_ref().filter(|_| facts.legacy.is_none()) else {
            // It speaks otherwise by now: the client is to come back.
            return Ok(Look::Over);
        };
        let Some(told) = told.capabilities.as_deref() else {
            let detail = "the backend does not say what it offers";
            return Err(Refusal::new(Reason::BackendError, detail));
        };
        let mut unread = None;
        let uris = if Wanted::default().with("").offered(told).is_empty() {
            Vec::new()
        } else {
            // While they cannot be read, those that are known stay.
            let known = self.wanted.as_ref().map(|wanted| wanted.uris.clone());
            let uris = sessions.subscribed(self.seat.uid(), self.place).await;
            uris.or_else(|refusal| {
                unread = Some(refusal);
                Ok::<_, Refusal>(known.unwrap_or_default())
            })?
        };
        let all = Wanted { tools: true, prompts: true, resources: true, uris };
        let wanted = all.offered(told);
        if self.wanted.as_ref() == Some(&wanted) && is_open {
            return unread.map_or(Ok(Look::Same), Err);
        }
        if wanted.is_empty() {
            self.wanted = Some(wanted);
            return unread.map_or(Ok(Look::Nothing), Err);
        }
        let from = (&*self.user, Trail::INTERNAL);
        let (events, told) = self.upstream.listen(client, &self.backend, from, &wanted).await?;
        self.wanted = Some(wanted);
        Ok(Look::Opened { events: Box::new(events), wanted: Some(told), goes_on: false })
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
        let told = facts.modern.as_ref().and_then(|told| told.capabilities.as_deref());
        let Some(told) = told.filter(|_| facts.legacy.is_none()) else { return Ok(None) };
        let all = Wanted { tools: true, prompts: true, resources: true, uris: vec!["".into()] };
        if all.offered(told).is_empty() {
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
            wanted: None,
        };
        // A backend that is away for a moment is listened to when it is back:
        // clients take a refusal for its last word.
        let (events, wanted, is_late) = match subscribed.look(client, false).await {
            Ok(Look::Opened { events, wanted, .. }) => (Some(*events), wanted, false),
            Ok(Look::Over) => return Ok(None),
            Ok(Look::Same | Look::Nothing) => (None, None, false),
            Err(refusal) => {
                tracing::warn!(
                    backend = &*backend.name,
                    detail = &*refusal.detail,
                    "news cannot be had yet"
                );
                (None, None, true)
            }
        };
        let telling = Telling { subscription: None, wanted: wanted.unwrap_or_default() };
        let turn = Turn::news(Era::Legacy, place, None, telling);
        let origin = Origin::Subscription(subscribed);
        let source = if is_late { Source::later(origin) } else { Source::new(origin) };
        let mut flow = Flow::hearing(self, client, backend, user, events, turn);
        flow.source = Some(Box::new(source));
        Ok(Some(flow))
    }

    /// What a session has subscribed to has changed, or the session is over.
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
        let wanted = Wanted::default().with(uri).offered(told);
        if wanted.is_empty() {
            return Err(not_found());
        }
        if ask.method == "resources/unsubscribe" {
            self.sessions.unsubscribe(seat.uid(), ask.place, uri).await?;
        } else {
            let from = (ask.caller.user_id(), ask.trail);
            let (_, told) = self.listen(client, ask.backend, from, &wanted).await?;
            if told.uris.is_empty() {
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
    async fn listen(
        &self,
        client: &awc::Client,
        backend: &Backend,
        (user, trail): (&str, Trail<'_>),
        wanted: &Wanted,
    ) -> Result<(Events, Wanted), Refusal> {
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
                return Err(untold(response.status));
            }
            let mut events = response.events(self.max_reply_bytes);
            while let Some(event) = events.next(None).await? {
                let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
                let honoured = acknowledged(&data).map(|told| Value::Object(told).to_string());
                let Some(honoured) = honoured else { break };
                let honoured = raw::value(honoured.as_bytes()).and_then(Wanted::read);
                return Ok((events, honoured.map_err(unfit)?));
            }
            Err(Refusal::new(Reason::BackendError, "the backend does not say what it tells"))
        };
        in_time(PATIENCE, opening).await
    }
}

/// Why a backend does not listen.
fn untold(status: u16) -> Refusal {
    match status {
        408 | 429 | 500.. => Refusal::new(
            Reason::BackendUnavailable,
            format!("the backend is not ready: HTTP {status}"),
        ),
        401 | 403 => Refusal::new(
            Reason::BackendError,
            format!("the backend refuses the gateway's credentials: HTTP {status}"),
        ),
        _ => Refusal::new(
            Reason::BackendError,
            format!("the backend takes no subscription: HTTP {status}"),
        ),
    }
}

fn not_found() -> Refusal {
    // The client was told by the capabilities.
    Refusal::telling(Reason::MethodNotFound, "Method not found")
}
