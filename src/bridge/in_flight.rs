//! Requests that are not answered yet.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::watch;

use super::incoming::Id;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// None of its bytes has left; it can be dropped without a trace.
    Waiting,
    /// Its bytes are leaving.
    Leaving,
    /// All its bytes are with the system.
    Sent,
    /// It is over.
    Over,
}

/// Why a request is given up from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its client wants no answer any more.
    Cancelled,
    /// Its answer came on another stream.
    AnsweredElsewhere,
    /// The bridge ends.
    Stopping,
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: Id,
    pub(super) method: String,
    pub(super) modern: bool,
    answered: Cell<bool>,
    cancelled: Cell<bool>,
    stage: watch::Sender<Stage>,
    end: watch::Sender<Option<End>>,
}

/// All of them. Keyed by id, but an id may be there twice: nothing keeps a
/// client from using one again too early.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    tickets: RefCell<HashMap<String, Vec<Rc<Ticket>>>>,
    count: Cell<usize>,
}

impl Ticket {
    fn new(id: Id, method: String, modern: bool) -> Self {
        let (stage, end) = (watch::Sender::new(Stage::Waiting), watch::Sender::new(None));
        Self {
            id,
            method,
            modern,
            answered: Cell::new(false),
            cancelled: Cell::new(false),
            stage,
            end,
        }
    }

    /// Notes the answer; `false` when there was one already.
    pub(super) fn answer(&self) -> bool {
        !self.answered.replace(true)
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// Its client no longer waits: no answer is made up for it.
    pub(super) fn cancel(&self) {
        self.cancelled.set(true);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    pub(super) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Waits until all its bytes have left, or it is over.
    pub(super) async fn sent(&self) {
        let past = |stage: &Stage| matches!(stage, Stage::Sent | Stage::Over);
        let _ = self.stage.subscribe().wait_for(past).await;
    }

    /// Waits until it is over.
    pub(super) async fn over(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Over).await;
    }

    /// Gives it up; its connection is dropped.
    pub(super) fn give_up(&self, why: End) {
        self.end.send_if_modified(|end| end.is_none() && end.replace(why).is_none());
    }

    /// Waits until it is given up.
    pub(super) async fn given_up(&self) -> End {
        let mut end = self.end.subscribe();
        // The sender lives as long as the ticket.
        let found = end.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        found.unwrap_or(End::Stopping)
    }
}

impl InFlight {
    /// Enters a request.
    pub(super) fn enter(&self, id: Id, method: String, modern: bool) -> Rc<Ticket> {
        let ticket = Rc::new(Ticket::new(id, method, modern));
        let key = ticket.id.key().to_owned();
        self.tickets.borrow_mut().entry(key).or_default().push(Rc::clone(&ticket));
        self.count.set(self.count.get() + 1);
        ticket
    }

    /// Takes a request out again.
    pub(super) fn leave(&self, ticket: &Rc<Ticket>) {
        ticket.set_stage(Stage::Over);
        let mut tickets = self.tickets.borrow_mut();
        if let Some(same) = tickets.get_mut(ticket.id.key()) {
            let before = same.len();
            same.retain(|other| !Rc::ptr_eq(other, ticket));
            self.count.set(self.count.get() - (before - same.len()));
            if same.is_empty() {
                tickets.remove(ticket.id.key());
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    /// Those with an id.
    pub(super) fn find(&self, id: &Id) -> Vec<Rc<Ticket>> {
        self.tickets.borrow().get(id.key()).cloned().unwrap_or_default()
    }

    /// Gives up those that a condition holds for.
    pub(super) fn give_up(&self, why: End, condition: impl Fn(&Ticket) -> bool) {
        for ticket in self.tickets.borrow().values().flatten().filter(|ticket| condition(ticket)) {
            ticket.give_up(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn id(text: &str) -> Id {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        Id::of(&raw).unwrap()
    }

    #[tokio::test]
    async fn an_id_used_twice_is_two_requests() {
        let all = InFlight::default();
        let first = all.enter(id("1"), "a".to_owned(), false);
        let second = all.enter(id("1"), "b".to_owned(), false);
        assert_eq!((all.count(), all.find(&id("1")).len()), (2, 2));
        assert!(all.find(&id("\"1\"")).is_empty());
        assert!(first.answer() && !first.answer() && second.answer());
        all.leave(&first);
        all.leave(&first);
        assert_eq!((all.count(), all.find(&id("1"))[0].method.as_str()), (1, "b"));
        first.over().await;
        first.sent().await;
    }

    #[tokio::test]
    async fn the_first_reason_to_give_up_counts() {
        let all = InFlight::default();
        let ticket = all.enter(id("1"), "a".to_owned(), true);
        all.give_up(End::Cancelled, |ticket| ticket.modern);
        ticket.give_up(End::Stopping);
        assert_eq!(ticket.given_up().await, End::Cancelled);
    }
}
