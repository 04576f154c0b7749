//! An answer that comes event by event, on its way to the client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::events::Events;
use super::exchange::Ask;
use super::flight::Flying;
use super::pool::Held;
use super::told::{self, Told};
use super::wire::Letter;
use super::{Trail, Upstream};
use crate::error::{Reason, Refusal};
use crate::protocol::revision::Era;
use crate::protocol::sse::Event;
use crate::protocol::{ids, splice};
use crate::registry::Backend;

/// What a stream is made of.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Something on the way to the answer.
    Event(Event),
    /// The answer, after which nothing comes.
    Answer {
        /// With the answer as its data.
        event: Event,
        /// Whether it is an error, or a result with `isError`.
        is_error: bool,
    },
}

/// What becomes of a backend's messages.
#[derive(Debug)]
pub(super) struct Turn {
    era: Era,
    place: usize,
    /// The client's id; `None` on streams outside of requests.
    id: Option<Box<RawValue>>,
    /// The backend's, where it is another.
    theirs: Option<Box<RawValue>>,
    /// The client has a session, and so a way to answer questions.
    answers: bool,
    /// Where answers to questions that the client cannot answer are sent.
    held: Option<Held>,
    flight: Option<Flying>,
}

/// The stream of one request. Dropping it closes the connection to the
/// backend.
pub(crate) struct Flow {
    upstream: Arc<Upstream>,
    client: awc::Client,
    backend: Arc<Backend>,
    user: Box<str>,
    events: Events,
    turn: Turn,
    /// Longest silence; none where silence is usual.
    idle: Option<Duration>,
    pending: VecDeque<Piece>,
    /// The backend can go on with this stream on another connection.
    resumable: bool,
    ended: bool,
    began: Duration,
}

impl Turn {
    /// Messages pass as they are.
    pub(super) fn straight(ask: &Ask<'_>) -> Self {
        Self {
            era: ask.era,
            place: ask.place,
            id: Some(ask.id.to_owned()),
            theirs: None,
            answers: ask.seat.is_some(),
            held: None,
            flight: None,
        }
    }

    /// Ids are put back.
    pub(super) fn in_session(
        ask: &Ask<'_>,
        theirs: Box<RawValue>,
        held: &Held,
        flight: Option<Flying>,
    ) -> Self {
        Self { theirs: Some(theirs), held: Some(held.clone()), flight, ..Self::straight(ask) }
    }

    /// What a backend says outside of requests, and the rest of streams that
    /// broke off.
    pub(super) fn overheard(place: usize, held: Held) -> Self {
        Self {
            era: Era::Legacy,
            place,
            id: None,
            theirs: None,
            answers: true,
            held: Some(held),
            flight: None,
        }
    }

    /// The answer in a whole body, and whether it is an error; `None` when it
    /// is not the answer.
    pub(super) fn whole(&self, message: &Bytes) -> Option<(Bytes, bool)> {
        let Told::Answer { id, result, .. } = Told::read(message) else { return None };
        let own = self.id.as_deref()?;
        if !told::same_id(id, self.theirs.as_deref().unwrap_or(own)) {
            return None;
        }
        let is_error = told::is_error(result);
        let message = match &self.theirs {
            None => message.clone(),
            Some(_) => splice::with_id(message, id, own.get()).ok()?,
        };
        Some((message, is_error))
    }

    /// What the client gets of an event; `None`: nothing.
    fn turned(&self, mut event: Event) -> Option<Turned> {
        event.id = match self.era {
            // Modern streams cannot be resumed.
            Era::Modern => None,
            Era::Legacy => event.id.map(|id| ids::event_to_client(self.place, &id)),
        };
        let Some(data) = event.data.as_ref().filter(|data| !data.is_empty()) else {
            return (self.era == Era::Legacy).then_some(Turned::Piece(Piece::Event(event)));
        };
        match Told::read(data) {
            Told::Answer { id, .. } if self.id.is_none() => {
                let own = ids::restore(id)?;
                event.data = Some(splice::with_id(data, id, own.get()).ok()?);
                Some(Turned::Piece(Piece::Event(event)))
            }
            Told::Answer { .. } => {
                let (message, is_error) = self.whole(data)?;
                event.data = Some(message);
                Some(Turned::Piece(Piece::Answer { event, is_error }))
            }
            Told::Notification { .. } => Some(Turned::Piece(Piece::Event(event))),
            Told::Request { id, .. } if self.era == Era::Legacy && self.answers => {
                let marked = ids::to_client(self.place, id);
                event.data = Some(splice::with_id(data, id, &marked).ok()?);
                Some(Turned::Piece(Piece::Event(event)))
            }
            Told::Request { id, .. } => Some(Turned::Unanswerable(id.to_owned())),
            Told::Noise => None,
        }
    }
}

enum Turned {
    Piece(Piece),
    /// A question of the backend that the client cannot be asked.
    Unanswerable(Box<RawValue>),
}

impl Flow {
    pub(super) fn new(
        upstream: &Arc<Upstream>,
        client: &awc::Client,
        ask: &Ask<'_>,
        events: Events,
        turn: Turn,
    ) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            client: client.clone(),
            backend: Arc::clone(ask.backend),
            user: ask.caller.user_id().into(),
            events,
            turn,
            idle: Some(ask.timeout),
            pending: VecDeque::new(),
            resumable: false,
            ended: false,
            began: upstream.clock.monotonic(),
        }
    }

    /// A stream outside of requests.
    pub(super) fn hearing(
        upstream: &Arc<Upstream>,
        client: &awc::Client,
        backend: &Arc<Backend>,
        user: &str,
        events: Events,
        turn: Turn,
    ) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            client: client.clone(),
            backend: Arc::clone(backend),
            user: user.into(),
            events,
            turn,
            idle: None,
            pending: VecDeque::new(),
            resumable: true,
            ended: false,
            began: upstream.clock.monotonic(),
        }
    }

    /// The next piece; `None` when the stream has ended, after its answer or
    /// to be gone on with elsewhere. May be dropped while waiting and asked
    /// again.
    ///
    /// # Errors
    /// The last thing that comes: the stream broke, fell silent, or the client
    /// called the request back.
    pub(crate) async fn next(&mut self) -> Option<Result<Piece, Refusal>> {
        loop {
            if let Some(piece) = self.pending.pop_front() {
                self.ended |= matches!(piece, Piece::Answer { .. });
                return Some(Ok(piece));
            }
            if self.ended {
                return None;
            }
            let arrived = match &self.turn.flight {
                None => self.events.next(self.idle).await,
                Some(flight) => tokio::select! {
                    arrived = self.events.next(self.idle) => arrived,
                    () = flight.called_back() => Err(called_back()),
                },
            };
            match arrived {
                Err(refusal) => {
                    self.ended = true;
                    return Some(Err(refusal));
                }
                Ok(None) => {
                    self.ended = true;
                    return (!self.resumable).then(|| {
                        Err(Refusal::new(
                            Reason::BackendError,
                            "the event stream ended without an answer",
                        ))
                    });
                }
                Ok(Some(event)) => {
                    self.resumable |= event.id.is_some() && self.turn.era == Era::Legacy;
                    match self.turn.turned(event) {
                        None => {}
                        Some(Turned::Piece(piece)) => self.pending.push_back(piece),
                        Some(Turned::Unanswerable(id)) => self.decline(&id).await,
                    }
                }
            }
        }
    }

    /// The answer, whatever comes before it left out.
    ///
    /// # Errors
    /// As [`next`](Self::next), and when the stream ends without an answer.
    pub(crate) async fn answer(mut self) -> Result<(Bytes, bool, Duration), Refusal> {
        while let Some(piece) = self.next().await {
            if let Piece::Answer { event, is_error } = piece? {
                let took = self.upstream.clock.monotonic().saturating_sub(self.began);
                return Ok((event.data.unwrap_or_default(), is_error, took));
            }
        }
        Err(Refusal::new(Reason::BackendError, "the event stream ended without an answer"))
    }

    /// Tells the backend that nobody will answer its question: silence would
    /// leave its tool waiting.
    async fn decline(&self, id: &RawValue) {
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\
             \"message\":\"This client cannot be asked.\"}}}}"
        );
        let letter = Letter {
            to: &self.backend,
            user: &self.user,
            trail: Trail::INTERNAL,
            revision: self.turn.held.as_ref().map(|held| held.revision),
            session: self.turn.held.as_ref().and_then(|held| held.id.as_deref()),
            mirrored: Vec::new(),
        };
        if let Err(refusal) = self.upstream.post(&self.client, letter, message.into()).await {
            tracing::debug!(detail = &*refusal.detail, "a question could not be declined");
        }
    }
}

/// The client took its request back.
fn called_back() -> Refusal {
    Refusal::new(Reason::Cancelled, "called back by the client")
}
