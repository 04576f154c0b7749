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
use serde_json::value::RawValue;

use super::flow::{Flow, Turn};
use super::peer::{Facts, Legacy, Presented};
use super::pool::{Held, Owner};
use super::wire::{Letter, Response, Shape};
use super::{Trail, Upstream, failure, mirror, nonce};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::revision::Era;
use crate::protocol::{ids, splice};
use crate::registry::Backend;
use crate::session::Opened;

/// A request as its client wrote it, on its way to one backend.
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
    /// Longest time for an answer, and longest silence of a stream.
    pub(crate) timeout: Duration,
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

/// How a request reaches its backend.
enum Way {
    Straight,
    /// In this session; whose it is in the pool, if it is there.
    Session(Held, Option<Owner>),
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
            (Era::Modern, None, Some(_)) => Box::pin(self.down(client, ask, &facts)).await,
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
        mut response: Response,
        turn: Turn,
    ) -> Result<Reply, Refusal> {
        let status = response.status;
        if status == 200 && response.shape == Shape::Events {
            let events = response.events(self.max_reply_bytes);
            let flow = Flow::new(self, client, ask, events, turn);
            return Ok(Reply::Stream(Box::new(flow)));
        }
        let message = response.whole(self.max_reply_bytes).await?;
        // Answers come with 200; modern ones also with 400 and 404, always with
        // a JSON-RPC error that the client needs. Any other status speaks to
        // the gateway: a 401 passed on would send the client to its issuer, a
        // legacy 404 would end its session.
        let expected = match status {
            200 => true,
            400 => response.shape == Shape::Json,
            404 => response.shape == Shape::Json && ask.era == Era::Modern,
            _ => false,
        };
        if expected && let Some((message, is_error)) = turn.whole(&message) {
            let status = match ask.era {
                Era::Legacy => 200,
                Era::Modern => status,
            };
            return Ok(Reply::Whole(Whole { status, message, is_error, took: Duration::ZERO }));
        }
        Err(failure::no_answer(status, &response.media_type, &message))
    }
}

fn raw(text: &str) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(text.to_owned())
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
}

fn lost() -> Refusal {
    Refusal::new(Reason::UnknownSession, "the backend has lost the session")
}

impl Upstream {
    /// From a modern client to a legacy backend.
    async fn down(
        self: &Arc<Self>,
        _client: &awc::Client,
        _ask: &Ask<'_>,
        _facts: &Facts,
    ) -> Result<Reply, Refusal> {
        Err(Refusal::new(Reason::BackendError, "no"))
    }

    /// From a legacy client to a modern backend.
    async fn up(self: &Arc<Self>, _client: &awc::Client, _ask: &Ask<'_>) -> Result<Reply, Refusal> {
        Err(Refusal::new(Reason::BackendError, "no"))
    }
}
