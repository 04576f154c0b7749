//! What becomes of a backend's messages on their way to the client.

use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::down::Down;
use super::exchange::Ask;
use super::flight::Flying;
use super::flow::Piece;
use super::news::{Permits, Telling};
use super::nonce;
use super::pool::Held;
use super::told::{self, Told};
use crate::protocol::ids::{self, Stream};
use crate::protocol::revision::Era;
use crate::protocol::splice;
use crate::protocol::sse::Event;
use crate::translate::news;

/// How messages are turned.
pub(super) struct Turn {
    /// The client's.
    era: Era,
    /// The one its backend is spoken to in.
    backend: Era,
    place: usize,
    /// What event ids say of the stream.
    stream: Stream,
    /// The client's id; `None` on streams outside of requests.
    id: Option<Box<RawValue>>,
    /// The backend's, where it is another.
    theirs: Option<Box<RawValue>>,
    /// The client has a session, and so a way to answer questions.
    answers: bool,
    /// Where answers to questions that the client cannot answer are sent.
    held: Option<Held>,
    flight: Option<Flying>,
    /// A legacy backend answers a modern client.
    down: Option<Down>,
    /// News for a client of the other era.
    telling: Option<Box<Telling>>,
    /// Which resources the client may know of; all without.
    permits: Option<Permits>,
}

/// A message turned.
pub(super) enum Turned {
    Piece(Piece),
    /// A question of the backend that the client cannot be asked.
    Unanswerable {
        id: Box<RawValue>,
        method: Box<str>,
    },
}

/// An answer turned.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) message: Bytes,
    /// Whether it is an error, or a result with `isError`.
    pub(super) is_error: bool,
    /// The status it has in one piece; `None`: the backend's own.
    pub(super) status: Option<u16>,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { era, backend, place, id, .. } = self;
        let mut shown = f.debug_struct("Turn");
        shown.field("era", era).field("backend", backend).field("place", place).field("id", id);
        shown.finish_non_exhaustive()
    }
}

impl Turn {
    /// Messages pass as they are.
    pub(super) fn straight(ask: &Ask<'_>) -> Self {
        Self {
            era: ask.era,
            backend: ask.era,
            place: ask.place,
            stream: Stream::Request,
            id: Some(ask.id.to_owned()),
            theirs: None,
            answers: ask.seat.is_some() && ask.streams,
            held: None,
            flight: None,
            down: None,
            telling: None,
            permits: None,
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

    /// Ids are put back, and answers translated for a modern client.
    pub(super) fn down(ask: &Ask<'_>, theirs: Box<RawValue>, held: &Held, down: Down) -> Self {
        Self {
            backend: Era::Legacy,
            theirs: Some(theirs),
            held: Some(held.clone()),
            answers: false,
            down: Some(down),
            ..Self::straight(ask)
        }
    }

    /// Answers are translated elsewhere, for a legacy client.
    pub(super) fn up(ask: &Ask<'_>, flight: Option<Flying>) -> Self {
        Self { backend: Era::Modern, flight, answers: false, ..Self::straight(ask) }
    }

    /// What a backend says outside of requests, and the rest of streams that
    /// broke off.
    pub(super) fn overheard(place: usize, stream: Stream, held: Held) -> Self {
        Self {
            era: Era::Legacy,
            backend: Era::Legacy,
            place,
            stream,
            id: None,
            theirs: None,
            answers: true,
            held: Some(held),
            flight: None,
            down: None,
            telling: None,
            permits: None,
        }
    }

    /// News, from a backend of the other era than the client's.
    pub(super) fn news(era: Era, place: usize, held: Option<Held>, telling: Telling) -> Self {
        Self {
            era,
            backend: if era == Era::Legacy { Era::Modern } else { Era::Legacy },
            place,
            stream: Stream::Session,
            id: None,
            theirs: None,
            answers: false,
            held,
            flight: None,
            down: None,
            telling: Some(Box::new(telling)),
            permits: None,
        }
    }

    /// The same without news of resources that the client may not know of.
    pub(super) fn judge(&mut self, permits: Permits) {
        self.permits = Some(permits);
    }

    pub(super) fn permits(&self) -> Option<&Permits> {
        self.permits.as_ref()
    }

    /// Whether a notification is about a resource that the client may not know
    /// of.
    fn withholds(&self, method: &str, message: &[u8]) -> bool {
        let permits = self.permits.as_ref().filter(|_| method == news::RESOURCE_UPDATED);
        permits.is_some_and(|permits| news::updated(message).is_none_or(|uri| !permits(&uri)))
    }

    /// News for a client of the other era.
    pub(super) fn telling(&mut self) -> Option<&mut Telling> {
        self.telling.as_deref_mut()
    }

    pub(super) fn era(&self) -> Era {
        self.era
    }

    /// The era the backend is spoken to in.
    pub(super) fn backend(&self) -> Era {
        self.backend
    }

    pub(super) fn id(&self) -> Option<&RawValue> {
        self.id.as_deref()
    }

    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    pub(super) fn flight(&self) -> Option<&Flying> {
        self.flight.as_ref()
    }

    /// The request is asked again, under this id.
    pub(super) fn asked_as(&mut self, theirs: Box<RawValue>) {
        self.theirs = Some(theirs);
    }

    /// The answer has come: there is nothing left to call back.
    pub(super) fn landed(&mut self) {
        self.flight = None;
        if let Some(down) = &mut self.down {
            down.landed();
        }
    }

    /// The answer in a whole body; `None` when it is not the answer.
    pub(super) fn whole(&self, message: &Bytes) -> Option<Answered> {
        let Told::Answer { id, result, error } = Told::read(message) else { return None };
        let own = self.id.as_deref()?;
        if !told::same_id(id, self.theirs.as_deref().unwrap_or(own)) {
            return None;
        }
        let is_error = told::is_error(result);
        let (message, status) = match (&self.down, &self.theirs) {
            (Some(down), _) => {
                let (message, status) = down.translated(own, result, error)?;
                (message, Some(status))
            }
            (None, None) => (message.clone(), None),
            (None, Some(_)) => (splice::with_id(message, id, own.get()).ok()?, None),
        };
        // Legacy clients read answers on HTTP 200 alone.
        let status = if self.era == Era::Legacy { Some(200) } else { status };
        Some(Answered { message, is_error, status })
    }

    /// What the client gets of an event; `None`: nothing.
    pub(super) fn turned(&self, mut event: Event) -> Option<Turned> {
        // Only streams between legacy ends can be gone on with elsewhere.
        if (self.era, self.backend) == (Era::Legacy, Era::Legacy) {
            event.id = event.id.map(|id| ids::event_to_client(self.place, self.stream, &id));
        } else {
            (event.id, event.retry) = (None, None);
        }
        let Some(data) = event.data.as_ref().filter(|data| !data.is_empty()) else {
            let tells = event.id.is_some() || event.retry.is_some();
            return tells.then_some(Turned::Piece(Piece::Event(event)));
        };
        match Told::read(data) {
            // The end of a subscription; and nothing was asked of the others.
            Told::Answer { .. } if self.telling.is_some() => None,
            Told::Answer { id, .. } if self.id.is_none() => {
                // The rest of a list would pass the policy by.
                let unread = ids::nonce(id).is_some_and(|nonce| nonce::is_for_whole(&nonce));
                let own = ids::restore(id).filter(|_| !unread)?;
                event.data = Some(splice::with_id(data, id, own.get()).ok()?);
                Some(Turned::Piece(Piece::Event(event)))
            }
            Told::Answer { .. } => {
                let Answered { message, is_error, .. } = self.whole(data)?;
                event.data = Some(message);
                Some(Turned::Piece(Piece::Answer { event, is_error }))
            }
            Told::Notification { method } if self.withholds(&method, data) => None,
            Told::Notification { method } => {
                if let Some(telling) = &self.telling {
                    event.data = Some(telling.told(&method, data)?);
                    return Some(Turned::Piece(Piece::Event(event)));
                }
                let passes = self.down.as_ref().is_none_or(|down| down.passes(&method, data));
                passes.then_some(Turned::Piece(Piece::Event(event)))
            }
            // Modern backends ask in their answers, and never so.
            Told::Request { .. } if self.backend == Era::Modern => None,
            Told::Request { id, .. } if self.answers => {
                let marked = ids::to_client(self.place, id);
                event.data = Some(splice::with_id(data, id, &marked).ok()?);
                Some(Turned::Piece(Piece::Event(event)))
            }
            Told::Request { id, method } => {
                Some(Turned::Unanswerable { id: id.to_owned(), method: (&*method).into() })
            }
            Told::Noise => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    /// A turn without anything around it.
    fn turn(era: Era, backend: Era) -> Turn {
        Turn {
            era,
            backend,
            place: 2,
            stream: Stream::Request,
            id: Some(raw("7")),
            theirs: None,
            answers: era == Era::Legacy && backend == Era::Legacy,
            held: None,
            flight: None,
            down: None,
            telling: None,
            permits: None,
        }
    }

    fn event(data: &'static str) -> Event {
        Event {
            id: Some(Bytes::from_static(b"e1")),
            retry: Some(10),
            ..Event::message(Bytes::from_static(data.as_bytes()))
        }
    }

    const QUESTION: &str = r#"{"jsonrpc":"2.0","id":3,"method":"elicitation/create"}"#;
    const TOLD: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;

    #[test]
    fn only_streams_between_legacy_ends_can_be_gone_on_with() {
        for (era, backend, kept) in [
            (Era::Legacy, Era::Legacy, true),
            (Era::Legacy, Era::Modern, false),
            (Era::Modern, Era::Modern, false),
        ] {
            let turn = turn(era, backend);
            let Some(Turned::Piece(Piece::Event(told))) = turn.turned(event(TOLD)) else {
                panic!("a notification passes")
            };
            let expected = kept.then(|| Bytes::from_static(b"2.e1"));
            assert_eq!((told.id, told.retry), (expected, kept.then_some(10)));
            let primed = turn.turned(event("")).is_some();
            assert_eq!(primed, kept, "an event without a message");
        }
    }

    #[test]
    fn questions_reach_those_who_can_answer() {
        let Some(Turned::Piece(Piece::Event(asked))) =
            turn(Era::Legacy, Era::Legacy).turned(event(QUESTION))
        else {
            panic!("a question passes")
        };
        let expected = QUESTION.replace('3', r#""b2:3""#);
        assert_eq!(asked.data.unwrap(), expected);
        let mut alone = turn(Era::Legacy, Era::Legacy);
        alone.answers = false;
        let Some(Turned::Unanswerable { id, method }) = alone.turned(event(QUESTION)) else {
            panic!("nobody is there to answer")
        };
        assert_eq!((id.get(), &*method), ("3", "elicitation/create"));
        // A modern backend must not ask so, and there is no way to tell it.
        for era in [Era::Legacy, Era::Modern] {
            assert!(turn(era, Era::Modern).turned(event(QUESTION)).is_none());
        }
    }

    #[test]
    fn the_rest_of_a_stream_has_no_answer_that_is_judged_first() {
        let overheard = Turn { id: None, ..turn(Era::Legacy, Era::Legacy) };
        let answer = |nonce: &str| {
            let id = ids::outgoing(nonce, &raw("7"));
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#);
            overheard.turned(Event::message(Bytes::from(text)))
        };
        assert!(answer(&nonce::for_whole().unwrap()).is_none(), "a list");
        let Some(Turned::Piece(Piece::Event(told))) = answer(&nonce::fresh().unwrap()) else {
            panic!("the answer to a call passes")
        };
        assert_eq!(told.data.unwrap(), r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#);
    }

    #[test]
    fn answers_under_another_id_get_the_clients() {
        let mut turn = turn(Era::Legacy, Era::Modern);
        turn.asked_as(raw(r#""n:7""#));
        let answer = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"n:7","result":{}}"#);
        let Answered { message, is_error, status } = turn.whole(&answer).unwrap();
        assert_eq!(message, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        assert_eq!((is_error, status), (false, Some(200)));
        let stale = Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        assert!(turn.whole(&stale).is_none());
    }

    #[test]
    fn the_status_is_the_backends_between_modern_ends() {
        let answer = Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        let status = |era| turn(era, Era::Modern).whole(&answer).unwrap().status;
        assert_eq!((status(Era::Modern), status(Era::Legacy)), (None, Some(200)));
    }
}
