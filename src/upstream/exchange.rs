//! One request, from a client of either era to a backend of either.
//!
//! | client | backend | way |
//! |---|---|---|
//! | modern | modern | as it is |
//! | legacy | legacy, stateless | as it is |
//! | legacy | legacy, sessions | `in_session`: under an id of the gateway's, in a session of the client's own |
//! | modern | legacy | `descend`: translated, in a session of the caller's |
//! | legacy | modern | `ascend`: translated; questions of the backend become requests |

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::flow::Flow;
use super::peer::{Facts, Legacy};
use super::turn::Turn;
use super::wire::{Letter, Response, Told};
use super::{Trail, Upstream, mirror};
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::raw::Unfit;
use crate::protocol::revision::Era;
use crate::protocol::{codes, jsonrpc};
use crate::registry::Backend;
use crate::session::Opened;

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
    /// As it lies in `message`.
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

/// The id of a request where it lies in its text, which an [`Ask`] names: for
/// requests whose text is not the client's any more.
///
/// # Errors
/// [`Reason::Internal`] when it is no request.
pub(crate) fn id_in(request: &Bytes) -> Result<&RawValue, Refusal> {
    let read = jsonrpc::parse(request)
        .map_err(|fault| Refusal::new(Reason::Internal, fault.to_string()))?;
    read.id.ok_or_else(|| Refusal::new(Reason::Internal, "a request without an id"))
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
        let otherwise = || {
            Refusal::new(Reason::BackendError, "the backend does not speak as it introduced itself")
        };
        let answer = match self.go(client, ask, &facts, false).await {
            Ok(reply) => return Ok(reply),
            Err(Setback::Refused(refusal)) => return Err(refusal),
            Err(Setback::Contradicted(answer)) => answer,
        };
        let known = facts.ways();
        let facts = self.facts(client, ask.backend).await?;
        if facts.ways() == known {
            // It was an answer like any other, and the request may have been
            // carried out: it is not said twice.
            return answer.ok_or_else(otherwise);
        }
        // The request was refused at the backend's door, so it is safe to say
        // it again in other words.
        match self.go(client, ask, &facts, true).await {
            Ok(reply) => Ok(reply),
            Err(Setback::Refused(refusal)) => Err(refusal),
            Err(Setback::Contradicted(_)) => Err(otherwise()),
        }
    }

    /// The way of the two eras. `last` says that what the backend answers is
    /// passed on, even if it shows that the backend speaks otherwise.
    async fn go(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        facts: &Facts,
        last: bool,
    ) -> Result<Reply, Setback> {
        match (ask.era, &facts.modern, &facts.legacy) {
            (Era::Modern, Some(_), _) | (Era::Legacy, _, Some((Legacy::Stateless, _))) => {
                self.straight(client, ask, last).await
            }
            // On the heap, so that the usual way does not carry their size.
            (Era::Legacy, _, Some((Legacy::Sessions, _))) => {
                Box::pin(self.in_session(client, ask, last)).await
            }
            (Era::Modern, None, Some((legacy, _))) => {
                Box::pin(self.descend(client, ask, *legacy, facts.logs(), last)).await
            }
            (Era::Legacy, Some(_), None) => Box::pin(self.ascend(client, ask, last)).await,
            (_, None, None) => {
                Err(Refusal::new(Reason::BackendError, "the backend speaks no known revision")
                    .into())
            }
        }
    }

    /// As it is.
    async fn straight(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        last: bool,
    ) -> Result<Reply, Setback> {
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
        let mut response = self.post(client, letter, ask.message.clone()).await?;
        let code = response.refusal(self.max_reply_bytes).await?.map(|refusal| refusal.code);
        // A legacy backend without sessions that asks for one wants it now.
        let otherwise = matches!(code, Some(UNSUPPORTED_VERSION | REFUSED_AT_THE_DOOR));
        if otherwise && !last && self.doubt(ask.backend) {
            let answer = self.read(client, ask, response, Turn::straight(ask)).await.ok();
            return Err(Setback::Contradicted(answer));
        }
        Ok(self.read(client, ask, response, Turn::straight(ask)).await?)
    }

    /// Reads an answer as far as it must be known how to pass it on.
    pub(super) async fn read(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        response: Response,
        mut turn: Turn,
    ) -> Result<Reply, Refusal> {
        Ok(match response.told(self.max_reply_bytes, &turn).await? {
            Told::Events(events) => {
                Reply::Stream(Box::new(Flow::new(self, client, ask, Some(*events), turn)))
            }
            Told::Whole { status, message, is_error } => {
                turn.landed();
                Reply::Whole(Whole { status, message, is_error, took: Duration::ZERO })
            }
        })
    }
}

/// Why a request did not go its way.
pub(super) enum Setback {
    Refused(Refusal),
    /// The backend has refused it in a way that shows that it speaks
    /// otherwise than was thought; what was known of it is forgotten. With
    /// what it is if it does not.
    Contradicted(Option<Reply>),
}

impl From<Refusal> for Setback {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The code of a modern backend that does not know a revision, and of both
/// eras' where a message is not of theirs.
pub(super) const UNSUPPORTED_VERSION: i64 = codes::UNSUPPORTED_VERSION as i64;

/// The code with which legacy SDKs refuse what is no request of a session, by
/// HTTP status 400.
pub(super) const REFUSED_AT_THE_DOOR: i64 = -32000;

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unfit(fault: Unfit) -> Refusal {
    Refusal::new(Reason::InvalidRequest, fault.to_string())
}

pub(super) fn raw(text: &str) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(text.to_owned())
        .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
}

pub(super) fn lost() -> Refusal {
    Refusal::new(Reason::UnknownSession, "the backend has lost the session")
}
