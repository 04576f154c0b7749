//! Reading an event stream as it arrives.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::{Event, Item};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event is larger than the parser was told to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {limit} bytes")]
pub struct Oversized {
    /// The limit, in bytes of the lines of one event.
    pub limit: usize,
}

/// Takes chunks in and gives events out, as an iterator that may go on after
/// `None`: `None` asks for the next chunk.
///
/// Every byte is looked at once. An event that lies in one chunk is a slice of
/// it; one that spans chunks is copied once, and once more where it has
/// several `data` lines.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// What was fed and not yet read; no chunk in it is empty.
    chunks: VecDeque<Bytes>,
    /// The beginning of a line whose end has not come.
    partial: BytesMut,
    /// The last line ended in CR: a LF that comes next belongs to it.
    after_cr: bool,
    /// No line has been read yet, so a byte order mark may lead it.
    at_start: bool,
    event: Building,
    oversized: bool,
}

/// An event whose blank line has not come.
#[derive(Debug, Default)]
struct Building {
    fields: Event,
    /// Two or more `data` lines; then `fields.data` is empty.
    lines: Option<BytesMut>,
    /// Bytes of its lines so far.
    size: usize,
}

impl Parser {
    /// A parser that holds events of at most `max_event_bytes`, counting the
    /// bytes of an event's lines without their ends.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            limit: max_event_bytes,
            chunks: VecDeque::new(),
            partial: BytesMut::new(),
            after_cr: false,
            at_start: true,
            event: Building::default(),
            oversized: false,
        }
    }

    /// Takes the next chunk in. Nothing is lost when earlier ones are not read
    /// to their end, but they are kept until they are.
    pub fn feed(&mut self, chunk: Bytes) {
        if !chunk.is_empty() && !self.oversized {
            self.chunks.push_back(chunk);
        }
    }

    /// Ends the stream; to be called when the iterator has nothing left. What
    /// comes back is an event that broke off, its last line as far as it came.
    /// The standard says to discard it.
    pub fn finish(&mut self) -> Option<Event> {
        self.chunks.clear();
        let line = mem::take(&mut self.partial).freeze();
        if !line.is_empty() {
            self.line(line);
        }
        self.event.take()
    }

    /// Bytes of the event that has begun and not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.event.size + self.partial.len()
    }

    /// The next line, without its end; `None` when its end has not come.
    fn next_line(&mut self) -> Result<Option<Bytes>, Oversized> {
        while let Some(chunk) = self.chunks.front_mut() {
            if mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
                chunk.advance(1);
                if chunk.is_empty() {
                    self.chunks.pop_front();
                    continue;
                }
            }
            let end = memchr2(b'\n', b'\r', chunk);
            let room = self.limit.saturating_sub(self.event.size + self.partial.len());
            if end.unwrap_or(chunk.len()) > room {
                return Err(Oversized { limit: self.limit });
            }
            let Some(end) = end else {
                self.partial.extend_from_slice(chunk);
                self.chunks.pop_front();
                continue;
            };
            let mut line = chunk.split_to(end);
            self.after_cr = chunk.first() == Some(&b'\r');
            chunk.advance(1);
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            if !self.partial.is_empty() {
                let mut whole = mem::take(&mut self.partial);
                whole.extend_from_slice(&line);
                line = whole.freeze();
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    /// Acts on a line; a comment or the blank line of an event is an item.
    fn line(&mut self, mut line: Bytes) -> Option<Item> {
        if mem::take(&mut self.at_start) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            return self.event.take().map(Item::Event);
        }
        match memchr(b':', &line) {
            Some(0) => Some(Item::Comment(value_after(line, 0))),
            colon => {
                self.event.size += line.len();
                let name = line.slice(..colon.unwrap_or(line.len()));
                let value = colon.map_or_else(Bytes::new, |colon| value_after(line, colon));
                self.event.field(&name, value);
                None
            }
        }
    }
}

impl Iterator for Parser {
    type Item = Result<Item, Oversized>;

    /// The next item; an error is the last one.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_line() {
                Ok(Some(line)) => {
                    if let Some(item) = self.line(line) {
                        return Some(Ok(item));
                    }
                }
                Ok(None) => return None,
                Err(fault) => {
                    *self = Self { oversized: true, ..Self::new(self.limit) };
                    return Some(Err(fault));
                }
            }
        }
    }
}

/// What follows the colon, without the one space that may follow it.
fn value_after(mut line: Bytes, colon: usize) -> Bytes {
    line.advance(colon + 1);
    if line.first() == Some(&b' ') {
        line.advance(1);
    }
    line
}

impl Building {
    fn field(&mut self, name: &[u8], value: Bytes) {
        match name {
            b"data" => self.data(value),
            b"event" => self.fields.name = Some(value),
            b"id" if memchr(0, &value).is_none() => self.fields.id = Some(value),
            b"retry" => self.fields.retry = milliseconds(&value).or(self.fields.retry),
            _ => {}
        }
    }

    fn data(&mut self, value: Bytes) {
        match (&mut self.lines, self.fields.data.take()) {
            (None, None) => self.fields.data = Some(value),
            (None, Some(first)) => {
                let mut lines = BytesMut::with_capacity(first.len() + value.len() + 1);
                lines.extend_from_slice(&first);
                append(&mut lines, &value);
                self.lines = Some(lines);
            }
            (Some(lines), _) => append(lines, &value),
        }
    }

    /// The event, if there is one, and a new beginning.
    fn take(&mut self) -> Option<Event> {
        let Self { mut fields, lines, .. } = mem::take(self);
        if let Some(lines) = lines {
            fields.data = Some(lines.freeze());
        }
        (!fields.is_empty()).then_some(fields)
    }
}

fn append(lines: &mut BytesMut, line: &[u8]) {
    lines.extend_from_slice(b"\n");
    lines.extend_from_slice(line);
}

/// ASCII digits and nothing else, in the range of the type.
fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
