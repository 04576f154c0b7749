//! Event streams of bounded events.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::stream::LocalBoxStream;
use futures_util::{Stream, StreamExt};
use sse_stream::{Sse, SseByteStream};

/// The body of an answer, as it arrives.
pub(super) type Body = LocalBoxStream<'static, io::Result<Bytes>>;

/// The events of a body.
pub(super) struct Events {
    events: Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>>>>,
    burst: Rc<Cell<bool>>,
}

/// Why there are no more events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The body is at its end.
    Ended,
    /// An event is over the limit.
    TooLarge,
    /// The connection broke, or what came is no event stream.
    Broken(String),
}

impl Events {
    /// Reads events of at most `limit` bytes.
    pub(super) fn of(body: Body, limit: usize) -> Self {
        let burst = Rc::new(Cell::new(false));
        let (seen, mut pending, mut last) = (Rc::clone(&burst), 0_usize, 0_u8);
        let bounded = body.map(move |piece| {
            let piece = piece?;
            pending = pending_after(pending, last, &piece);
            last = piece.last().copied().unwrap_or(last);
            if pending > limit {
                seen.set(true);
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            Ok(piece)
        });
        Self { events: Box::pin(SseByteStream::new(bounded)), burst }
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> Result<Sse, Stopped> {
        match self.events.next().await {
            Some(Ok(event)) => Ok(event),
            Some(Err(_)) if self.burst.get() => Err(Stopped::TooLarge),
            Some(Err(error)) => Err(Stopped::Broken(error.to_string())),
            None => Err(Stopped::Ended),
        }
    }
}

/// The bytes since the last empty line, after one more piece.
fn pending_after(pending: usize, last: u8, piece: &[u8]) -> usize {
    let empty_line = |pair: &[u8]| matches!(pair, b"\n\n" | b"\r\r" | b"\n\r");
    if let Some(at) = piece.windows(2).rposition(empty_line) {
        return piece.len() - at - 2;
    }
    match piece.first() {
        Some(&first) if empty_line(&[last, first]) => piece.len() - 1,
        _ => pending + piece.len(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn events(pieces: &[&'static str], limit: usize) -> Events {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        Events::of(stream::iter(pieces).boxed_local(), limit)
    }

    #[tokio::test]
    async fn events_end_with_the_body() {
        let mut read =
            events(&["id: 1\ndata: {\"a\":", "1}\n", "\n: quiet\n\ndata:x\r\n\r\n"], 100);
        let first = read.next().await.unwrap();
        assert_eq!((first.id.as_deref(), first.data.as_deref()), (Some("1"), Some("{\"a\":1}")));
        assert_eq!(read.next().await.unwrap().data.as_deref(), Some("x"));
        assert_eq!(read.next().await, Err(Stopped::Ended));
    }

    #[tokio::test]
    async fn one_large_event_is_refused_and_many_small_ones_are_not() {
        let small = ["data: 1234\n\n"; 50];
        let mut read = events(&small, 20);
        for _ in small {
            assert!(read.next().await.is_ok());
        }
        let mut read = events(&["data: 1234567890", "1234567890", "1234567890\n\n"], 20);
        assert_eq!(read.next().await, Err(Stopped::TooLarge));
        let mut split = vec!["data: 1\n", "\ndata: 2"];
        split.extend(["\n\n"]);
        assert!(events(&split, 10).next().await.is_ok());
    }
}
