//! One request from its place in the queue to its one answer.

use std::rc::Rc;
use std::time::Duration;

use awc::http::StatusCode;
use awc::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use serde::Deserialize;
use sse_stream::Sse;

use super::answer;
use super::backoff::Backoff;
use super::desk::Desk;
use super::events::{Events, Stopped};
use super::fault::Fault;
use super::gate::{Gate, Key};
use super::in_flight::{End, Ticket};
use super::incoming::Peek;
use super::road::{Headers, Reply};
use super::session::reopen_in_background;

/// Where to go on in an event stream.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a stream is read on after its answer, so that the connection can
/// serve again.
const AFTERMATH: Duration = Duration::from_secs(1);
/// Attempts to resume a stream that bring no event.
const FRUITLESS: u32 = 10;
/// Pauses between them, where the server names none.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A request that may leave when its turn comes.
pub(super) struct Exchange {
    pub(super) desk: Rc<Desk>,
    pub(super) ticket: Rc<Ticket>,
    pub(super) message: Bytes,
    pub(super) way: Way,
    /// Kept until it is over: later messages wait for it.
    pub(super) key: Option<Key>,
}

/// How a request goes.
pub(super) enum Way {
    /// `initialize`: no session, no gate.
    Opening,
    /// Within the session, behind the gate.
    Legacy(Gate),
    /// On its own, with these headers.
    Modern(Headers),
}

impl Exchange {
    /// Runs it to its end.
    pub(super) async fn run(mut self) {
        let outcome = tokio::select! {
            biased;
            end = self.ticket.given_up() => match end {
                End::Cancelled | End::AnsweredElsewhere => Ok(()),
                End::Stopping => Err(Fault::Stopping),
            },
            outcome = self.carry() => outcome,
        };
        if let Err(fault) = outcome {
            self.desk.refuse(&self.ticket, &fault).await;
        }
        self.desk.in_flight.leave(&self.ticket);
        drop(self.key.take());
    }

    async fn carry(&self) -> Result<(), Fault> {
        if let Way::Legacy(gate) = &self.way {
            gate.clone().passed().await;
        }
        // A subscription lasts; it must not keep a place from the others.
        let _place = match self.ticket.method.as_str() {
            "subscriptions/listen" => None,
            _ => self.desk.places.acquire().await.ok(),
        };
        let headers = match &self.way {
            Way::Opening => Headers::new(),
            Way::Legacy(_) => self.desk.session.enter(&self.desk).await?,
            Way::Modern(headers) => headers.clone(),
        };
        let ticket = Some(Rc::clone(&self.ticket));
        let reply = self.desk.road.post(&headers, self.message.clone(), ticket).await?;
        if reply.status == StatusCode::NOT_FOUND
            && matches!(self.way, Way::Legacy(_))
            && self.desk.session.lost(&headers, true)
        {
            reopen_in_background(&self.desk);
            return Err(Fault::SessionEnded);
        }
        if reply.status.is_success() && reply.is_event_stream() {
            return self.stream(reply, &headers).await;
        }
        self.single(reply).await
    }

    /// Takes an answer that is one text, or none.
    async fn single(&self, reply: Reply) -> Result<(), Fault> {
        let status = reply.status;
        if !reply.is_json() {
            return Err(Fault::Http(status, None));
        }
        let answer_headers = reply.headers.clone();
        let text = reply.read(self.desk.max_message_bytes).await?;
        let Some(peek) = Peek::read(&text) else { return Err(Fault::Http(status, detail(&text))) };
        if let Some(error) = peek.nameless_error() {
            if self.desk.answers(&self.ticket) {
                self.desk.output.send(answer::with_id(self.ticket.id.text(), error)).await;
            }
            return Ok(());
        }
        if !self.answers(&peek) {
            return Err(Fault::Http(status, detail(&text)));
        }
        self.note_opening(&peek, &answer_headers);
        self.desk.deliver(text, Some(&self.ticket)).await;
        Ok(())
    }

    /// Relays a stream until the answer has come, through as many connections
    /// as it takes where the server lets streams be resumed.
    async fn stream(&self, reply: Reply, headers: &Headers) -> Result<(), Fault> {
        let limit = self.desk.max_message_bytes;
        let answer_headers = reply.headers.clone();
        let mut events = Events::of(reply.body, limit);
        let mut place = Place::default();
        loop {
            match events.next().await {
                Ok(event) => {
                    place.note(&event);
                    if let Some(message) = message_of(event) {
                        if let Some(peek) = Peek::read(&message).filter(|peek| self.answers(peek)) {
                            self.note_opening(&peek, &answer_headers);
                        }
                        self.desk.deliver(message, Some(&self.ticket)).await;
                    }
                    if self.ticket.is_answered() {
                        tokio::task::spawn_local(read_on(Rc::clone(&self.desk), events));
                        return Ok(());
                    }
                }
                Err(Stopped::TooLarge) => return Err(Fault::AnswerTooLarge(limit)),
                Err(stopped) if !matches!(self.way, Way::Legacy(_)) || !place.is_known() => {
                    return Err(match stopped {
                        Stopped::Broken(why) => Fault::Broken(why),
                        Stopped::Ended | Stopped::TooLarge => Fault::StreamEnded,
                    });
                }
                Err(_) => events = self.resume(&mut place, headers).await?,
            }
        }
    }

    /// Opens a stream again where it broke off.
    async fn resume(&self, place: &mut Place, headers: &Headers) -> Result<Events, Fault> {
        loop {
            let Some(pause) = place.pause() else { return Err(Fault::StreamEnded) };
            tokio::time::sleep(pause).await;
            let reply = match self.desk.road.get(&place.headers(headers)).await {
                Ok(reply) => reply,
                Err(Fault::Unreachable(_) | Fault::Broken(_)) => continue,
                Err(fault) => return Err(fault),
            };
            if reply.status == StatusCode::OK && reply.is_event_stream() {
                tracing::debug!("a stream goes on");
                return Ok(Events::of(reply.body, self.desk.max_message_bytes));
            }
            if reply.status == StatusCode::NOT_FOUND && self.desk.session.lost(headers, true) {
                reopen_in_background(&self.desk);
                return Err(Fault::StreamEnded);
            }
            if !reply.status.is_server_error() && reply.status != StatusCode::TOO_MANY_REQUESTS {
                return Err(Fault::StreamEnded);
            }
        }
    }

    fn answers(&self, peek: &Peek<'_>) -> bool {
        peek.is_response() && peek.id().as_ref() == Some(&self.ticket.id)
    }

    /// The session must be known before the client hears that it is open.
    fn note_opening(&self, peek: &Peek<'_>, answer_headers: &awc::http::header::HeaderMap) {
        if let (Way::Opening, Some(result)) = (&self.way, peek.result()) {
            self.desk.session.opened(answer_headers, result.get());
        }
    }
}

/// Reads a stream on for a moment after its answer; a server ends it soon.
async fn read_on(desk: Rc<Desk>, mut events: Events) {
    let rest = async {
        while let Ok(event) = events.next().await {
            if let Some(message) = message_of(event) {
                desk.deliver(message, None).await;
            }
        }
    };
    let _ = tokio::time::timeout(AFTERMATH, rest).await;
}

/// How far a stream was read.
pub(super) struct Place {
    last: Option<String>,
    retry: Option<Duration>,
    backoff: Backoff,
    fruitless: u32,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            last: None,
            retry: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            fruitless: 0,
        }
    }
}

impl Place {
    /// Notes an event.
    pub(super) fn note(&mut self, event: &Sse) {
        if let Some(id) = &event.id {
            self.last = Some(id.clone()).filter(|id| !id.is_empty());
        }
        if let Some(retry) = event.retry {
            self.retry = Some(Duration::from_millis(retry).min(LONGEST_PAUSE));
        }
        self.backoff.reset();
        self.fruitless = 0;
    }

    fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// How long to wait before the next attempt, if there should be one. The
    /// server's own wish counts for the first.
    fn pause(&mut self) -> Option<Duration> {
        self.fruitless += 1;
        let own = self.backoff.pause();
        let pause = if self.fruitless == 1 { self.retry.unwrap_or(own) } else { own };
        (self.fruitless <= FRUITLESS).then_some(pause)
    }

    /// The pause that the server asked for, once.
    pub(super) fn take_retry(&mut self) -> Option<Duration> {
        self.retry.take()
    }

    /// The headers that ask for what comes next.
    pub(super) fn headers(&self, headers: &Headers) -> Headers {
        let mut headers = headers.clone();
        if let Some(last) = self.last.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.push((LAST_EVENT_ID, last));
        }
        headers
    }
}

/// The message in an event, if it is one.
pub(super) fn message_of(event: Sse) -> Option<Bytes> {
    if event.event.as_deref().is_some_and(|name| name != "message") {
        return None;
    }
    event.data.filter(|data| !data.is_empty()).map(Bytes::from)
}

/// What a REST error says of itself: `{"error": CODE, "message": TEXT}`.
fn detail(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Rest {
        error: String,
        message: String,
    }
    const LONGEST: usize = 500;
    let rest: Rest = serde_json::from_slice(text).ok()?;
    let mut detail = format!("{}: {}", rest.error, rest.message);
    detail.truncate(detail.floor_char_boundary(LONGEST));
    Some(detail)
}
