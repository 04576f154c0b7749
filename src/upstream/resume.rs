//! Going on with the stream of a legacy backend for clients that cannot: those
//! of the modern era, and those that read no streams. A backend may close a
//! stream at any time and expect its client to come back with the id of the
//! last event (MCP 2025-11-25, "Resumability and Redelivery").

use std::time::Duration;

use bytes::Bytes;

use super::Trail;
use super::flight::unless_called_back;
use super::flow::Flow;
use super::wire::{Letter, Shape, in_time};
use crate::error::Refusal;
use crate::protocol::sse::Event;

/// Most connections for a stream on which nothing new is told.
const MOST: u32 = 5;

/// Pause before coming back where the backend asks for none.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause before coming back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where to go on with a stream.
#[derive(Debug, Default)]
pub(super) struct Thread {
    /// The gateway goes on with it, and nobody else.
    held: bool,
    last: Option<Bytes>,
    pause: Option<Duration>,
    /// Connections since something new was told.
    tries: u32,
}

impl Thread {
    /// Of a stream that the gateway goes on with.
    pub(super) fn held() -> Self {
        Self { held: true, ..Self::default() }
    }

    /// Notes an event as it comes from the backend.
    pub(super) fn note(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            // One that is empty takes the ids before it back.
            self.last = Some(id.clone()).filter(|id| !id.is_empty());
        }
        if let Some(retry) = event.retry {
            self.pause = Some(Duration::from_millis(retry).min(LONGEST_PAUSE));
        }
        if event.is_message() {
            self.tries = 0;
        }
    }

    /// The event to go on after.
    pub(super) fn last(&self) -> Option<String> {
        std::str::from_utf8(self.last.as_ref()?).ok().map(ToOwned::to_owned)
    }

    /// The pause before coming back.
    pub(super) fn pause(&self) -> Duration {
        self.pause.unwrap_or(PAUSE)
    }

    /// The event to go on after, and the pause before; nothing when there is
    /// no going on.
    fn next(&mut self) -> Option<(String, Duration)> {
        let last = self.last.as_ref().filter(|_| self.held && self.tries < MOST)?;
        let last = std::str::from_utf8(last).ok()?.to_owned();
        self.tries += 1;
        Some((last, self.pause()))
    }
}

impl Flow {
    /// Goes on with a stream that has ended before its answer came. `false`:
    /// it cannot be gone on with.
    pub(super) async fn resume(&mut self) -> Result<bool, Refusal> {
        let Some((last, pause)) = self.thread.next() else { return Ok(false) };
        let (Some(held), flight) = (self.turn.held(), self.turn.flight()) else {
            return Ok(false);
        };
        let letter = Letter {
            to: &self.backend,
            user: &self.user,
            trail: Trail::INTERNAL,
            revision: Some(held.revision),
            session: held.id.as_deref(),
            mirrored: Vec::new(),
        };
        let coming_back = async {
            tokio::time::sleep(pause).await;
            let getting = self.upstream.get(&self.client, letter, Some(&last));
            in_time(super::peer::PATIENCE, getting).await
        };
        let response = unless_called_back(flight, coming_back).await?;
        if (response.status, response.shape) != (200, Shape::Events) {
            return Ok(false);
        }
        self.events = Some(response.events(self.upstream.max_reply_bytes));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&'static str>, retry: Option<u64>, data: &'static str) -> Event {
        Event {
            id: id.map(|id| Bytes::from_static(id.as_bytes())),
            retry,
            ..Event::message(Bytes::from_static(data.as_bytes()))
        }
    }

    #[test]
    fn it_goes_on_after_the_last_event() {
        let mut thread = Thread::held();
        assert_eq!(thread.next(), None, "nothing to go on after");
        thread.note(&event(Some("e1"), None, ""));
        assert_eq!(thread.next(), Some(("e1".to_owned(), PAUSE)));
        thread.note(&event(Some("e2"), Some(200), "{}"));
        thread.note(&event(None, None, "{}"));
        assert_eq!(thread.next(), Some(("e2".to_owned(), Duration::from_millis(200))));
        thread.note(&event(None, Some(u64::MAX), ""));
        assert_eq!(thread.next(), Some(("e2".to_owned(), LONGEST_PAUSE)));
        thread.note(&event(Some(""), None, ""));
        assert_eq!(thread.next(), None, "the ids were taken back");
    }

    #[test]
    fn it_does_not_go_on_for_ever() {
        let mut thread = Thread::held();
        for _ in 0..3 {
            thread.note(&event(Some("e1"), None, "{}"));
            let tries = std::iter::from_fn(|| thread.next()).take(100).count();
            assert_eq!(tries, usize::try_from(MOST).unwrap());
        }
    }

    #[test]
    fn others_go_on_themselves() {
        let mut thread = Thread::default();
        thread.note(&event(Some("e1"), None, "{}"));
        assert_eq!(thread.next(), None);
    }
}
