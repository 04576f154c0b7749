//! Server-sent events: reading a stream piece by piece, and writing events.
//!
//! Source: the HTML Living Standard §9.2 ("Server-sent events"). MCP sends
//! one JSON-RPC message per event; the name of the event is `message` or
//! left out, and events without data carry an id to resume from (revision
//! 2025-11-25, "priming").

mod parse;
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;

pub use parse::{Oversized, Parser};
pub use write::{comment, message_event, write};

/// One event, as its fields came. A field is bytes and not text: what is no
/// UTF-8 passes as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id`; empty where a stream takes its id back.
    pub id: Option<Bytes>,
    /// The last `event`; absent means `message`.
    pub name: Option<Bytes>,
    /// The last `retry`, in milliseconds.
    pub retry: Option<u64>,
    /// The `data` lines, joined by line feeds. Absent when there were none,
    /// which is not the same as one that is empty.
    pub data: Option<Bytes>,
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event, complete.
    Event(Event),
    /// A comment line without its colon: a keep-alive, most often.
    Comment(Bytes),
}

impl Event {
    /// An event with a JSON-RPC message.
    #[must_use]
    pub fn message(data: Bytes) -> Self {
        Self { name: Some(Bytes::from_static(b"message")), data: Some(data), ..Self::default() }
    }

    /// Whether the event carries a message, by its name: a name of its own
    /// makes it something else (`endpoint` in revision 2024-11-05).
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.data.as_ref().is_some_and(|data| !data.is_empty())
            && self.name.as_ref().is_none_or(|name| name.is_empty() || name == "message")
    }

    /// Whether no field came at all.
    fn is_empty(&self) -> bool {
        self.id.is_none() && self.name.is_none() && self.retry.is_none() && self.data.is_none()
    }
}
