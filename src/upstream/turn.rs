//! What becomes of a backend's messages on their way to the client.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::exchange::Ask;
use super::flight::Flying;
use super::flow::Piece;
use super::pool::Held;
use super::recall::Recall;
use super::told::{self, Told};
use crate::protocol::revision::Era;
use crate::protocol::sse::Event;
use crate::protocol::{ids, splice};
use crate::translate::to_modern;

/// How messages are turned.
#[derive(Debug)]
pub(super) struct Turn {
    /// The client's.
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
    /// A legacy backend answers a modern client.
    down: Option<Down>,
}

/// What a legacy backend's answer to a modern client needs.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) method: Box<str>,
    pub(super) server_info: Box<RawValue>,
    /// The client asked for log messages.
    pub(super) logs: bool,
    /// Tells the backend when the client leaves.
    pub(super) recall: Recall,
}

/// A message turned.
pub(super) enum Turned {
    Piece(Piece),
    /// A question of the backend that the client cannot be asked.
    Unanswerable(Box<RawValue>),
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
            down: None,
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
            theirs: Some(theirs),
            held: Some(held.clone()),
            answers: false,
            down: Some(down),
            ..Self::straight(ask)
        }
    }

    /// Answers are translated elsewhere, for a legacy client.
    pub(super) fn up(ask: &Ask<'_>, flight: Option<Flying>) -> Self {
        Self { flight, answers: false, ..Self::straight(ask) }
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
            down: None,
        }
    }

    pub(super) fn era(&self) -> Era {
        self.era
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

    /// The answer has come: there is nothing left to call back.
    pub(super) fn landed(&mut self) {
        self.flight = None;
        if let Some(down) = &mut self.down {
            down.recall.disarm();
        }
    }

    /// The answer in a whole body, and whether it is an error; `None` when it
    /// is not the answer.
    pub(super) fn whole(&self, message: &Bytes) -> Option<(Bytes, bool)> {
        let Told::Answer { id, result, error } = Told::read(message) else { return None };
        let own = self.id.as_deref()?;
        if !told::same_id(id, self.theirs.as_deref().unwrap_or(own)) {
            return None;
        }
        let is_error = told::is_error(result);
        let message = match (&self.down, &self.theirs) {
            (Some(down), _) => down.translated(own, result, error)?,
            (None, None) => message.clone(),
            (None, Some(_)) => splice::with_id(message, id, own.get()).ok()?,
        };
        Some((message, is_error))
    }

    /// What the client gets of an event; `None`: nothing.
    pub(super) fn turned(&self, mut event: Event) -> Option<Turned> {
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
            Told::Notification { method } => {
                let passes = self.down.as_ref().is_none_or(|down| match &*method {
                    "notifications/progress" => true,
                    "notifications/message" => down.logs,
                    _ => false,
                });
                passes.then_some(Turned::Piece(Piece::Event(event)))
            }
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

impl Down {
    /// The response a modern client gets.
    fn translated(
        &self,
        id: &RawValue,
        result: Option<&RawValue>,
        error: Option<&RawValue>,
    ) -> Option<Bytes> {
        let (member, value) = match (result, error) {
            (Some(result), _) => {
                ("result", to_modern::result(&self.method, result, &self.server_info).ok()?)
            }
            (None, Some(error)) => match to_modern::error(error, &self.server_info).ok()? {
                to_modern::Answer::Error(error) => ("error", error),
                to_modern::Answer::InputRequired(result) => ("result", result),
            },
            (None, None) => return None,
        };
        Some(told::response(id, member, &value))
    }
}
