//! Answers that come event by event: the audit entry rides with them and is
//! sealed at their end, whichever that is.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::time::Sleep;

use super::respond::{ACCEL_BUFFERING, EVENT_STREAM, Surroundings, count};
use super::{Site, render};
use crate::audit::{Digest, Entry, Outcome, Surface};
use crate::error::Refusal;
use crate::pipeline::{self, Changes, Known, Listening};
use crate::protocol::sse::{self, Event};
use crate::quota::Credit;
use crate::session::Opened;
use crate::telemetry::InFlight;
use crate::upstream::{Flow, Piece};

/// Longest silence towards a client: proxies on the way cut quiet
/// connections, the strictest after half a minute.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Longest time of a stream: beyond that, no timer counts.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Pieces as they come.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<Piece, Refusal>>>>;

/// The body of a streamed answer.
pub(super) struct Streaming {
    pieces: Pieces,
    seat: Option<Arc<Opened>>,
    /// Until it is sealed. One that is dropped has been aborted.
    entry: Option<Entry>,
    /// The end of its record, while that is written.
    sealing: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// What is said when that is done.
    last: Option<Bytes>,
    known: Known,
    site: web::Data<Site>,
    surface: Surface,
    endpoint: Box<str>,
    scope: Box<str>,
    quiet: Pin<Box<Sleep>>,
    began: Duration,
    bytes: u64,
    /// Whether the request wants an answer, so that an end without one has to
    /// be told.
    wants_answer: bool,
    _in_flight: Option<InFlight>,
}

/// What a stream begins with.
pub(super) struct Start {
    pub(super) pieces: Pieces,
    /// The session that is in use while the stream is open.
    pub(super) seat: Option<Arc<Opened>>,
    pub(super) entry: Entry,
    pub(super) known: Known,
    pub(super) site: web::Data<Site>,
    pub(super) surface: Surface,
    pub(super) endpoint: Box<str>,
    pub(super) scope: Box<str>,
    pub(super) wants_answer: bool,
    pub(super) in_flight: Option<InFlight>,
}

/// The pieces of one stream. Boxed, so that a waiting stream holds it once: what
/// is moved into a future lies there twice.
pub(super) fn of(flow: Box<Flow>) -> Pieces {
    Box::pin(futures_util::stream::unfold(flow, |mut flow| async {
        let piece = flow.next().await?;
        Some((piece, flow))
    }))
}

/// The pieces of a call's stream. A question in its answer is noted before the
/// client learns of it.
pub(super) fn of_call(flow: Box<Flow>, credit: Option<Box<Credit>>) -> Pieces {
    let Some(credit) = credit else { return of(flow) };
    Box::pin(futures_util::stream::unfold((flow, credit), |(mut flow, credit)| async {
        let piece = flow.next().await?;
        if let Ok(Piece::Answer { event, .. }) = &piece
            && let Some(message) = &event.data
        {
            pipeline::remember(&credit, message).await;
        }
        Some((piece, (flow, credit)))
    }))
}

/// What the gateway itself tells, message by message.
pub(super) fn of_changes(changes: Changes) -> Pieces {
    let told = futures_util::stream::unfold(changes, |mut changes| async {
        let messages = changes.next().await?;
        Some((futures_util::stream::iter(messages), changes))
    });
    Box::pin(told.flatten().map(|text| Ok(Piece::Event(Event::message(text)))))
}

/// The pieces of several streams, as they come, until one of them ends: whoever
/// hears nothing more of one backend is to come back.
pub(super) fn of_all(flows: Vec<Flow>, changes: Changes) -> Pieces {
    let end = || futures_util::stream::iter([None]);
    let all = flows.into_iter().map(Box::new).map(of).chain([of_changes(changes)]);
    let all = all.map(|pieces| pieces.map(Some).chain(end()).boxed_local());
    let pieces = futures_util::stream::select_all(all.collect::<Vec<_>>());
    pieces.take_while(|piece| ready(piece.is_some())).filter_map(ready).boxed_local()
}

/// The pieces of subscriptions that are held together: what is told, then what
/// changes, and the end as soon as one backend ends.
pub(super) fn of_listening(listening: Listening) -> Pieces {
    let Listening { acknowledged, flows, changes, ended, at_most, listener } = listening;
    let is_told = |piece: &Result<Piece, Refusal>| ready(matches!(piece, Ok(Piece::Event(_))));
    let news = of_all(flows, changes).take_while(is_told).boxed_local();
    let news = for_a_time(news, at_most);
    let first = acknowledged.map(|text| Ok(Piece::Event(Event::message(text))));
    let first = futures_util::stream::iter(first);
    let last = Piece::Answer { event: Event::message(ended), is_error: false };
    let all = first.chain(news).chain(futures_util::stream::iter([Ok(last)]));
    held_by(all.boxed_local(), listener)
}

/// The pieces, with the caller's place among listeners, which it keeps as long
/// as they last.
pub(super) fn held_by<L: 'static>(pieces: Pieces, listener: L) -> Pieces {
    Box::pin(pieces.inspect(move |_| _ = &listener))
}

/// The pieces as long as the caller may listen.
pub(super) fn for_a_time(pieces: Pieces, at_most: Duration) -> Pieces {
    Box::pin(pieces.take_until(tokio::time::sleep(at_most.min(LONGEST))))
}

/// The response whose body it is.
pub(super) fn response(mut head: actix_web::HttpResponseBuilder, start: Start) -> HttpResponse {
    head.insert_header((CONTENT_TYPE, EVENT_STREAM))
        .insert_header((CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .streaming(body(start))
}

/// The body.
pub(super) fn body(start: Start) -> Streaming {
    let Start {
        pieces,
        seat,
        entry,
        known,
        site,
        surface,
        endpoint,
        scope,
        wants_answer,
        in_flight,
    } = start;
    let began = known.sent.unwrap_or_else(|| site.gateway.clock.monotonic());
    Streaming {
        pieces,
        seat,
        entry: Some(entry),
        sealing: None,
        last: None,
        known,
        site,
        surface,
        endpoint,
        scope,
        quiet: Box::pin(tokio::time::sleep(KEEP_ALIVE)),
        began,
        bytes: 0,
        wants_answer,
        _in_flight: in_flight,
    }
}

impl Streaming {
    /// Writes an event and remembers that something was said.
    fn say(&mut self, event: &Event) -> Bytes {
        self.quiet.as_mut().reset(tokio::time::Instant::now() + KEEP_ALIVE);
        let mut text = BytesMut::new();
        sse::write(event, &mut text);
        self.bytes += text.len() as u64;
        text.freeze()
    }

    /// Whether the stream's session is over, in which nothing is told any
    /// more; it is in use otherwise.
    fn is_over(&self) -> bool {
        let Some(seat) = &self.seat else { return false };
        let sessions = &self.site.gateway.sessions;
        sessions.touch(seat);
        !self.wants_answer && !sessions.is_live(seat)
    }

    /// Seals the entry, and then says the last there is to say.
    fn end(
        &mut self,
        outcome: Outcome,
        refusal: Option<&Refusal>,
        last: Option<Bytes>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, actix_web::Error>>> {
        let Some(entry) = self.entry.take() else { return Poll::Ready(None) };
        self.last = last;
        let took = self.site.gateway.clock.monotonic().saturating_sub(self.began);
        count(
            &self.site,
            self.surface,
            &self.known,
            (200, outcome.is_error == Some(true)),
            refusal,
            Some(took),
        );
        // A call that went through has its intent on record and its effect cannot
        // be taken back: that its end is not there is the journal's trouble, and the
        // next request's.
        self.sealing = Some(Box::pin(async move {
            let _ = entry.seal(&outcome).await;
        }));
        self.poll_end(context)
    }

    fn poll_end(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, actix_web::Error>>> {
        if let Some(sealing) = &mut self.sealing {
            std::task::ready!(sealing.as_mut().poll(context));
            self.sealing = None;
        }
        Poll::Ready(self.last.take().map(Ok))
    }

    fn outcome(&self, is_error: Option<bool>, message: Option<&Bytes>) -> Outcome {
        Outcome {
            is_error,
            result_bytes: Some(message.map_or(self.bytes, |message| message.len() as u64)),
            result_digest: message.map(|message| Digest::of(message)),
            upstream_took: Some(self.site.gateway.clock.monotonic().saturating_sub(self.began)),
            ..Outcome::done(200)
        }
    }
}

impl Stream for Streaming {
    type Item = Result<Bytes, actix_web::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.entry.is_none() {
            return this.poll_end(context);
        }
        match this.pieces.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(Piece::Event(event)))) => {
                if this.is_over() {
                    let outcome = this.outcome(None, None);
                    return this.end(outcome, None, None, context);
                }
                Poll::Ready(Some(Ok(this.say(&event))))
            }
            Poll::Ready(Some(Ok(Piece::Answer { event, is_error }))) => {
                let text = this.say(&event);
                let outcome = this.outcome(Some(is_error), event.data.as_ref());
                this.end(outcome, None, Some(text), context)
            }
            Poll::Ready(Some(Err(refusal))) => {
                let outcome = Outcome::refused(&refusal, 200);
                let told = this.wants_answer.then(|| {
                    let around = Surroundings {
                        surface: this.surface,
                        endpoint: &this.endpoint,
                        scope: &this.scope,
                        site: &this.site,
                        allow: "",
                    };
                    let rendered = render::refusal(&refusal, &this.known, around);
                    this.say(&Event::message(rendered.body))
                });
                this.end(outcome, Some(&refusal), told, context)
            }
            Poll::Ready(None) => {
                let outcome = this.outcome(None, None);
                this.end(outcome, None, None, context)
            }
            Poll::Pending => {
                if this.quiet.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.quiet.as_mut().reset(tokio::time::Instant::now() + KEEP_ALIVE);
                if this.is_over() {
                    let outcome = this.outcome(None, None);
                    return this.end(outcome, None, None, context);
                }
                // The new silence has to be waited for as well.
                let _ = this.quiet.as_mut().poll(context);
                Poll::Ready(Some(Ok(Bytes::from_static(b": keep-alive\n\n"))))
            }
        }
    }
}
