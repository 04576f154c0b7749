//! One request, from a client of either era to a backend of either.
//!
//! | client | backend | way |
//! |---|---|---|
//! | modern | modern | as it is |
//! | legacy | legacy, stateless | as it is |
//! | legacy | legacy, sessions | under an id of the gateway's, in a session of the client's own |
//! | modern | legacy | translated, in a session of the caller's |
//! | legacy | modern | translated; questions of the backend become requests |

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;

use super::flow::Flow;
use super::peer::{Legacy, Presented};
use super::pool::{Held, Owner};
use super::recall::Recall;
use super::rounds::Rounds;
use super::turn::{Down, Turn};
use super::wire::{Letter, Response, Told};
use super::{Trail, Upstream, mirror, nonce};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::ids;
use crate::protocol::mcp::meta;
use crate::protocol::raw::{self as json_text, Object, Unfit};
use crate::protocol::revision::{self, Era};
use crate::protocol::splice::{self, Edits};
use crate::protocol::sse::Event;
use crate::registry::Backend;
use crate::session::Opened;
use crate::translate::request::{self, Stamp};

/// A request as its client wrote it, on its way to one backend.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) backend: &'a Arc<Backend>,
    /// The backend's place in the scope.
    pub(crate) place: usize,
    pub(crate) caller: &'a Caller,
    /// The client's own session, legacy only.
    pub(crate) seat: Option<&'a Arc<Opened>>,
    pub(crate) era: Era,
    pub(crate) revision: &'static str,
    pub(crate) id: &'a RawValue,
    pub(crate) method: &'a str,
    /// What it names, as the backend calls it.
    pub(crate) name: Option<&'a str>,
    pub(crate) message: Bytes,
    /// `Mcp-Param-*` headers of a modern client.
    pub(crate) mirrored: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// Longest time for an answer to begin.
    pub(crate) timeout: Duration,
    /// Longest silence of a stream; none where silence is usual.
    pub(crate) idle: Option<Duration>,
    /// The client can read an event stream, and so be asked.
    pub(crate) streams: bool,
    pub(crate) trail: Trail<'a>,
}

/// A backend's answer.
pub(crate) enum Reply {
    /// In one piece.
    Whole(Whole),
    /// Event by event.
    Stream(Box<Flow>),
}

impl Reply {
    /// The answer in one piece, whatever came before it left out.
    ///
    /// # Errors
    /// As [`Flow::answer`].
    pub(crate) async fn whole(self) -> Result<Whole, Refusal> {
        match self {
            Self::Whole(whole) => Ok(whole),
            Self::Stream(flow) => {
                let (message, is_error, took) = flow.answer().await?;
                Ok(Whole { status: 200, message, is_error, took })
            }
        }
    }
}

/// An answer in one piece.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The backend's status: 200, or 4xx with a JSON-RPC error.
    pub(crate) status: u16,
    /// One JSON-RPC response with the id of the request.
    pub(crate) message: Bytes,
    /// Whether it is an error, or a result with `isError`.
    pub(crate) is_error: bool,
    /// Time from the first byte sent to the last byte read.
    pub(crate) took: Duration,
}

impl Upstream {
    /// Sends a request, and waits until its answer begins.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: Ask<'_>,
    ) -> Result<Reply, Refusal> {
        let started = self.clock.monotonic();
        let timeout = ask.timeout;
        let mut reply = tokio::time::timeout(timeout, self.begin(client, &ask))
            .await
            .map_err(|_| Refusal::new(Reason::BackendTimeout, "no complete answer in time"))??;
        if let Reply::Whole(whole) = &mut reply {
            whole.took = self.clock.monotonic().saturating_sub(started);
        }
        Ok(reply)
    }

    async fn begin(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
    ) -> Result<Reply, Refusal> {
        let facts = self.facts(client, ask.backend).await?;
        match (ask.era, &facts.modern, &facts.legacy) {
            (Era::Modern, Some(_), _) | (Era::Legacy, _, Some((Legacy::Stateless, _))) => {
                self.straight(client, ask).await
            }
            (Era::Legacy, _, Some((Legacy::Sessions, _))) => {
                // On the heap, so that the usual way does not carry its size.
                Box::pin(self.in_session(client, ask)).await
            }
            (Era::Modern, None, Some((legacy, _))) => {
                Box::pin(self.down(client, ask, *legacy)).await
            }
            (Era::Legacy, Some(_), None) => Box::pin(self.up(client, ask)).await,
            (_, None, None) => {
                Err(Refusal::new(Reason::BackendError, "the backend speaks no known revision"))
            }
        }
    }

    /// As it is.
    async fn straight(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
    ) -> Result<Reply, Refusal> {
        let letter = Letter {
            to: ask.backend,
            user: ask.caller.user_id(),
            trail: ask.trail,
            revision: Some(ask.revision),
            session: None,
            mirrored: match ask.era {
                Era::Legacy => Vec::new(),
                Era::Modern => mirror::of(ask.method, ask.name, ask.mirrored),
            },
        };
        let response = self.post(client, letter, ask.message.clone()).await?;
        let turn = Turn::straight(ask);
        self.read(client, ask, response, turn).await
    }

    /// In the client's own session at the backend.
    async fn in_session(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
    ) -> Result<Reply, Refusal> {
        let mut again = true;
        loop {
            let (held, owner) = self.held(client, ask).await?;
            let id = raw(&ids::outgoing(&nonce::fresh()?, ask.id))?;
            let message = splice::with_id(&ask.message, ask.id, id.get())
                .map_err(|fault| Refusal::new(Reason::Internal, fault.to_string()))?;
            let flight = ask.seat.map(|seat| self.take_off(seat.uid(), ask, Some((&held, &id))));
            let letter = Letter {
                to: ask.backend,
                user: ask.caller.user_id(),
                trail: ask.trail,
                revision: Some(held.revision),
                session: held.id.as_deref(),
                mirrored: Vec::new(),
            };
            let response = self.post(client, letter, message).await?;
            if response.status == 404 {
                // The backend has lost the session, and with it whatever the
                // client had there.
                match owner {
                    Some(owner) => self.forget(&owner),
                    None => return Err(lost()),
                }
                if std::mem::take(&mut again) && (ask.backend.stateless || ask.seat.is_none()) {
                    continue;
                }
                return Err(lost());
            }
            let turn = Turn::in_session(ask, id, &held, flight);
            return self.read(client, ask, response, turn).await;
        }
    }

    /// The session a legacy request goes in: that of the client's own session,
    /// or one of the pool.
    async fn held(
        &self,
        client: &awc::Client,
        ask: &Ask<'_>,
    ) -> Result<(Held, Option<Owner>), Refusal> {
        if let Some(held) = ask.seat.and_then(|seat| Held::sealed(seat, ask.place)) {
            return Ok((held, None));
        }
        let owner = Owner {
            backend: ask.backend.id,
            caller: ask.caller.key().into(),
            seat: ask.seat.map(|seat| seat.uid()),
        };
        let presented = ask.seat.map(|seat| Presented::of(seat.as_ref()));
        let user = ask.caller.user_id();
        let held = self.session(client, ask.backend, &owner, user, ask.trail, presented).await?;
        Ok((held, Some(owner)))
    }

    /// Reads an answer as far as it must be known how to pass it on.
    async fn read(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        response: Response,
        mut turn: Turn,
    ) -> Result<Reply, Refusal> {
        Ok(match response.told(self.max_reply_bytes, &turn).await? {
            Told::Events(events) => {
                Reply::Stream(Box::new(Flow::new(self, client, ask, Some(events), turn)))
            }
            Told::Whole { status, message, is_error } => {
                turn.landed();
                Reply::Whole(Whole { status, message, is_error, took: Duration::ZERO })
            }
        })
    }

    /// From a modern client to a legacy backend: in a session of the caller's,
    /// which declares nothing, so that the backend asks nothing.
    async fn down(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        legacy: Legacy,
    ) -> Result<Reply, Refusal> {
        let mut again = true;
        loop {
            let (held, owner) = match legacy {
                Legacy::Sessions => self.held(client, ask).await?,
                Legacy::Stateless => (Held::NONE, None),
            };
            let id = raw(&ids::outgoing(&nonce::fresh()?, ask.id))?;
            let whole = json_text::value(&ask.message).map_err(unfit)?;
            let edits = Edits::new(&ask.message).replace(ask.id, id.get().as_bytes().to_vec());
            let message = request::strip(edits, whole).and_then(Edits::finish).map_err(unfit)?;
            let user = ask.caller.user_id();
            let recall = Recall::of(self, client, ask.backend, user, &held, &id);
            let letter = Letter {
                to: ask.backend,
                user,
                trail: ask.trail,
                revision: Some(held.revision),
                session: held.id.as_deref(),
                mirrored: Vec::new(),
            };
            let response = self.post(client, letter, message).await?;
            if response.status == 404
                && let Some(owner) = owner
            {
                // The session was the gateway's own: nothing of the client's
                // is lost with it.
                self.forget(&owner);
                if std::mem::take(&mut again) {
                    continue;
                }
            }
            let down = Down {
                method: ask.method.into(),
                server_info: self.server_info.clone(),
                logs: wants_logs(whole),
                recall,
            };
            return self.read(client, ask, response, Turn::down(ask, id, &held, down)).await;
        }
    }

    /// From a legacy client to a modern backend.
    async fn up(self: &Arc<Self>, client: &awc::Client, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        if matches!(ask.method, "resources/subscribe" | "resources/unsubscribe") {
            // The client was told by the capabilities.
            return Err(Refusal::telling(Reason::MethodNotFound, "Method not found"));
        }
        let whole = json_text::value(&ask.message).map_err(unfit)?;
        let nothing = raw("{}")?;
        let info = ask.seat.map(|seat| {
            json!({ "name": seat.client_name(), "version": seat.client_version() }).to_string()
        });
        let info = info.map(|info| raw(&info)).transpose()?;
        let level = ask.seat.and_then(|seat| self.level(seat.uid()));
        let stamp = Stamp {
            revision: revision::MODERN[0],
            capabilities: ask.seat.filter(|_| ask.streams).map_or(&nothing, |s| s.capabilities()),
            client_info: info.as_deref(),
            log_level: level.as_deref(),
        };
        let message = request::stamp(Edits::new(&ask.message), whole, &stamp)
            .and_then(Edits::finish)
            .map_err(unfit)?;
        let arguments = self.annotated(client, ask, whole).await?;
        let mirrored = mirror::of(ask.method, ask.name, &arguments);
        let flight = ask.seat.map(|seat| self.take_off(seat.uid(), ask, None));
        let rounds = Rounds::new(ask, message.clone(), mirrored);
        let mut letter = rounds.letter(ask.backend, ask.caller.user_id());
        letter.trail = ask.trail;
        let response = self.post(client, letter, message).await?;
        let turn = Turn::up(ask, flight);
        let mut flow = match response.told(self.max_reply_bytes, &turn).await? {
            Told::Events(events) => Flow::new(self, client, ask, Some(events), turn),
            Told::Whole { message, is_error, .. } => {
                let mut flow = Flow::new(self, client, ask, None, turn);
                flow.rounds = Some(Box::new(rounds));
                flow.answered(Event::message(message), is_error)?;
                return match flow.only_answer() {
                    Ok((message, is_error)) => Ok(Reply::Whole(Whole {
                        status: 200,
                        message,
                        is_error,
                        took: Duration::ZERO,
                    })),
                    Err(flow) => Ok(Reply::Stream(flow)),
                };
            }
        };
        flow.rounds = Some(Box::new(rounds));
        Ok(Reply::Stream(Box::new(flow)))
    }
}

/// Whether a modern request asks for log messages.
fn wants_logs(message: &RawValue) -> bool {
    fn inner<'a>(raw: &'a RawValue, name: &str) -> Option<&'a RawValue> {
        Object::read(raw).ok()?.get(name).ok()?
    }
    inner(message, "params")
        .and_then(|params| inner(params, "_meta"))
        .is_some_and(|meta| inner(meta, meta::LOG_LEVEL).is_some())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(fault: Unfit) -> Refusal {
    Refusal::new(Reason::InvalidRequest, fault.to_string())
}

fn raw(text: &str) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(text.to_owned())
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
}

fn lost() -> Refusal {
    Refusal::new(Reason::UnknownSession, "the backend has lost the session")
}
