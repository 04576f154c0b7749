//! What all parts of a conversation share, and the one way back to the client.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::answer;
use super::fault::Fault;
use super::in_flight::{End, InFlight, Ticket};
use super::incoming::Peek;
use super::mirror::Mirrors;
use super::road::Road;
use super::session::Session;
use super::stdio::Output;

/// The parts.
pub(super) struct Desk {
    pub(super) road: Road,
    pub(super) session: Session,
    pub(super) in_flight: InFlight,
    pub(super) mirrors: RefCell<Mirrors>,
    pub(super) output: Output,
    /// How many requests may be on the road at once.
    pub(super) places: Semaphore,
    pub(super) max_message_bytes: usize,
}

impl Desk {
    /// Passes a message of the endpoint's to the client. `own` is the request
    /// on whose stream it came. An answer that nobody waits for is dropped.
    pub(super) async fn deliver(&self, message: Bytes, own: Option<&Rc<Ticket>>) {
        let Some(peek) = Peek::read(&message) else {
            tracing::warn!(bytes = message.len(), "dropped: not a JSON-RPC message");
            return;
        };
        if !peek.is_response() {
            self.output.send(message).await;
            return;
        }
        let Some(id) = peek.id() else {
            tracing::warn!("dropped: an answer without an id");
            return;
        };
        let mine = own.filter(|ticket| ticket.id == id).cloned();
        let others = || self.in_flight.find(&id).into_iter();
        let Some(ticket) = mine.into_iter().chain(others()).find(|one| self.answers(one)) else {
            tracing::debug!(id = id.text(), "dropped: nobody waits for this answer");
            return;
        };
        if own.is_none_or(|own| !Rc::ptr_eq(own, &ticket)) {
            ticket.give_up(End::AnsweredElsewhere);
        }
        let shortened = if ticket.modern && ticket.method == "tools/list" {
            self.mirrors.borrow_mut().learn(&message)
        } else {
            None
        };
        self.output.send(shortened.unwrap_or(message)).await;
    }

    /// Takes the one answer of a request, which is over with it; `false` when
    /// it has had one.
    pub(super) fn answers(&self, ticket: &Rc<Ticket>) -> bool {
        let first = ticket.answer();
        self.in_flight.leave(ticket);
        first
    }

    /// Gives a request the answer that the endpoint did not give.
    pub(super) async fn refuse(&self, ticket: &Rc<Ticket>, fault: &Fault) {
        if ticket.is_cancelled() || !self.answers(ticket) {
            return;
        }
        tracing::warn!(method = ticket.method, id = ticket.id.text(), "{fault}");
        self.output.send(answer::error(Some(ticket.id.text()), fault)).await;
    }
}
