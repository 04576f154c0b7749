//! An answer that comes event by event, on its way to the client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::events::Events;
use super::exchange::Ask;
use super::flight::unless_called_back;
use super::news::{Permits, Source};
use super::resume::Thread;
use super::rounds::{Next, Rounds};
use super::turn::{Turn, Turned};
use super::wire::{Letter, in_time};
use super::{Trail, Upstream};
use crate::error::{Reason, Refusal};
use crate::protocol::revision::Era;
use crate::protocol::sse::Event;
use crate::registry::Backend;
use crate::session::Tasks;

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

/// The stream of one request, or of what a backend says outside of requests.
/// Dropping it closes the connection to the backend.
pub(crate) struct Flow {
    pub(super) upstream: Arc<Upstream>,
    pub(super) client: awc::Client,
    pub(super) backend: Arc<Backend>,
    pub(super) user: Box<str>,
    /// None between two rounds of questions.
    pub(super) events: Option<Events>,
    pub(super) turn: Turn,
    /// Questions of a modern backend to a legacy client.
    pub(super) rounds: Option<Box<Rounds>>,
    /// How to come back for news from the other era.
    pub(super) source: Option<Box<Source>>,
    /// Whose tasks it may tell of; ids pass as they are without.
    pub(super) tasks: Option<Tasks>,
    /// Longest silence; none where silence is usual.
    pub(super) idle: Option<Duration>,
    pending: VecDeque<Piece>,
    /// The client can go on with this stream on another connection.
    resumable: bool,
    /// Where the gateway goes on with it itself.
    pub(super) thread: Thread,
    ended: bool,
    began: Duration,
}

impl Flow {
    /// The stream of a request.
    pub(super) fn new(
        upstream: &Arc<Upstream>,
        client: &awc::Client,
        ask: &Ask<'_>,
        events: Option<Events>,
        turn: Turn,
    ) -> Self {
        let in_session = turn.held().is_some_and(|held| held.id.is_some());
        let thread = if in_session && (ask.era == Era::Modern || !ask.streams) {
            Thread::held()
        } else {
            Thread::default()
        };
        Self {
            upstream: Arc::clone(upstream),
            client: client.clone(),
            backend: Arc::clone(ask.backend),
            user: ask.caller.user_id().into(),
            events,
            turn,
            rounds: None,
            source: None,
            tasks: None,
            idle: ask.idle,
            pending: VecDeque::new(),
            resumable: false,
            thread,
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
        events: Option<Events>,
        turn: Turn,
    ) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            client: client.clone(),
            backend: Arc::clone(backend),
            user: user.into(),
            events,
            turn,
            rounds: None,
            source: None,
            tasks: None,
            idle: None,
            pending: VecDeque::new(),
            resumable: true,
            thread: Thread::default(),
            ended: false,
            began: upstream.clock.monotonic(),
        }
    }

    /// Leaves out news of resources that the client may not know of.
    pub(crate) fn judge(&mut self, permits: Permits) {
        self.turn.judge(permits);
    }

    /// The same without such news.
    pub(crate) fn judged(mut self, permits: Permits) -> Self {
        self.judge(permits);
        self
    }

    /// Adds to what comes next.
    pub(super) fn push(&mut self, events: impl Iterator<Item = Event>) {
        self.pending.extend(events.map(Piece::Event));
    }

    /// Whether its answer has come, or never will.
    pub(super) fn is_over(&self) -> bool {
        self.ended || self.pending.iter().any(|piece| matches!(piece, Piece::Answer { .. }))
    }

    /// The next piece; `None` when the stream has ended, after its answer or
    /// to be gone on with elsewhere.
    ///
    /// # Errors
    /// The last thing that comes: the stream broke, fell silent, or the client
    /// called the request back.
    pub(crate) async fn next(&mut self) -> Option<Result<Piece, Refusal>> {
        loop {
            if let Some(piece) = self.pending.pop_front() {
                self.ended |= matches!(piece, Piece::Answer { .. });
                if self.ended {
                    self.turn.landed();
                }
                let piece = self.marked(piece);
                self.ended |= piece.is_err();
                return Some(piece);
            }
            if self.ended {
                return None;
            }
            match self.step().await {
                Ok(true) => {}
                Ok(false) => {
                    self.ended = true;
                    return (!self.resumable).then(|| {
                        Err(Refusal::new(
                            Reason::BackendError,
                            "the event stream ended without an answer",
                        ))
                    });
                }
                Err(refusal) => {
                    self.ended = true;
                    return Some(Err(refusal));
                }
            }
        }
    }

    /// Goes on by one event, or one round of questions. `false`: the stream
    /// has ended.
    async fn step(&mut self) -> Result<bool, Refusal> {
        if self.source.is_some() {
            return Box::pin(self.step_news()).await;
        }
        let Some(events) = &mut self.events else {
            return Box::pin(self.ask_again()).await.map(|()| true);
        };
        let arrived = unless_called_back(self.turn.flight(), events.next(self.idle)).await;
        let event = match arrived {
            Ok(Some(event)) => event,
            // On the heap: most streams never do, and there are many.
            Ok(None) => return Box::pin(self.resume()).await,
            Err(refusal) if refusal.reason == Reason::BackendError => {
                return if Box::pin(self.resume()).await? { Ok(true) } else { Err(refusal) };
            }
            Err(refusal) => return Err(refusal),
        };
        self.take(event).await?;
        Ok(true)
    }

    /// Takes an event in as it comes from the backend.
    pub(super) async fn take(&mut self, event: Event) -> Result<(), Refusal> {
        self.thread.note(&event);
        let both = (self.turn.era(), self.turn.backend());
        self.resumable |= event.id.is_some() && both == (Era::Legacy, Era::Legacy);
        match self.turn.turned(event) {
            None => {}
            Some(Turned::Piece(Piece::Answer { event, is_error })) if self.rounds.is_some() => {
                self.answered(event, is_error)?;
            }
            Some(Turned::Piece(piece)) => self.pending.push_back(piece),
            Some(Turned::Unanswerable { id, method }) => Box::pin(self.decline(&id, &method)).await,
        }
        Ok(())
    }

    /// A modern backend has answered a legacy client's request: with the
    /// answer, or with questions.
    pub(super) fn answered(&mut self, mut event: Event, is_error: bool) -> Result<(), Refusal> {
        let Some(rounds) = &mut self.rounds else { return Ok(()) };
        let message = event.data.take().unwrap_or_default();
        match rounds.next(&self.upstream, &message, self.turn.id())? {
            Next::Answer(message) => {
                event.data = Some(message);
                self.pending.push_back(Piece::Answer { event, is_error });
            }
            Next::Questions(questions) => {
                self.events = None;
                let told = questions.into_iter().map(|it| Piece::Event(Event::message(it)));
                self.pending.extend(told);
            }
        }
        Ok(())
    }

    /// The answer, where it is all there is; the stream otherwise.
    pub(super) fn only_answer(mut self) -> Result<(Bytes, bool), Box<Self>> {
        match self.pending.pop_front() {
            Some(Piece::Answer { event, is_error }) => {
                self.turn.landed();
                Ok((event.data.unwrap_or_default(), is_error))
            }
            Some(piece) => {
                self.pending.push_front(piece);
                Err(Box::new(self))
            }
            None => Err(Box::new(self)),
        }
    }

    /// Waits for the client's answers, and asks the backend again.
    async fn ask_again(&mut self) -> Result<(), Refusal> {
        let Some(rounds) = &mut self.rounds else {
            return Err(Refusal::new(Reason::Internal, "a stream without a source"));
        };
        let retry = unless_called_back(self.turn.flight(), rounds.answers()).await?;
        self.turn.asked_as(retry.id);
        let letter = rounds.envelope().letter(&self.backend, &self.user);
        let asking = in_time(self.idle.unwrap_or(self.backend.timeout), async {
            let response = self.upstream.post(&self.client, letter, retry.message).await?;
            response.told(self.upstream.max_reply_bytes, &self.turn).await
        });
        match unless_called_back(self.turn.flight(), asking).await? {
            super::wire::Told::Events(events) => self.events = Some(*events),
            super::wire::Told::Whole { message, is_error, .. } => {
                self.answered(Event::message(message), is_error)?;
            }
        }
        Ok(())
    }

    /// The answer, whatever comes before it left out; and how long it took.
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
    async fn decline(&self, id: &RawValue, method: &str) {
        let answer = match method {
            "ping" => "\"result\":{}",
            _ => "\"error\":{\"code\":-32601,\"message\":\"This client cannot be asked.\"}",
        };
        let message = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}");
        let held = self.turn.held();
        let letter = Letter {
            to: &self.backend,
            user: &self.user,
            trail: Trail::INTERNAL,
            revision: held.map(|held| held.revision),
            session: held.and_then(|held| held.id.as_deref()),
            mirrored: Vec::new(),
        };
        let declining = self.upstream.post(&self.client, letter, message.into());
        if let Err(refusal) = in_time(super::peer::PATIENCE, declining).await {
            tracing::debug!(detail = &*refusal.detail, "a question could not be declined");
        }
    }
}
