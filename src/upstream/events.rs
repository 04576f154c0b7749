//! An event stream of a backend, event by event.

use std::time::Duration;

use futures_util::StreamExt;

use super::failure;
use super::wire::Chunks;
use crate::error::{Reason, Refusal};
use crate::protocol::sse::{Event, Item, Parser};

/// Events in the order they arrive. Pulls only what is asked for, so a client
/// that reads slowly slows its backend down.
pub(super) struct Events {
    chunks: Chunks,
    parser: Parser,
    limit: usize,
    ended: bool,
}

impl Events {
    pub(super) fn new(chunks: Chunks, limit: usize) -> Self {
        Self { chunks, parser: Parser::new(limit), limit, ended: false }
    }

    /// The next event; `None` when the stream has ended. May be dropped while
    /// waiting and asked again.
    ///
    /// # Errors
    /// [`Reason::BackendTimeout`] when nothing, not even a comment, arrives
    /// for as long as `idle`; [`Reason::ReplyTooLarge`];
    /// [`Reason::BackendError`] when the stream breaks.
    pub(super) async fn next(&mut self, idle: Option<Duration>) -> Result<Option<Event>, Refusal> {
        loop {
            for item in self.parser.by_ref() {
                match item {
                    Ok(Item::Event(event)) => return Ok(Some(event)),
                    Ok(Item::Comment(_)) => {}
                    Err(_) => return Err(failure::too_large(self.limit)),
                }
            }
            if self.ended {
                return Ok(None);
            }
            let chunk = match idle {
                None => self.chunks.next().await,
                Some(idle) => {
                    tokio::time::timeout(idle, self.chunks.next()).await.map_err(|_| {
                        Refusal::new(Reason::BackendTimeout, "the event stream fell silent")
                    })?
                }
            };
            match chunk {
                Some(Ok(chunk)) => self.parser.feed(chunk),
                Some(Err(error)) => {
                    self.ended = true;
                    return Err(failure::broken(&error));
                }
                None => {
                    self.ended = true;
                    self.parser.finish();
                }
            }
        }
    }
}
