//! Writing events.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::Event;

/// Wraps a JSON text as a single `message` event. JSON has no raw line
/// breaks inside strings; those between tokens become further `data:` lines.
#[must_use]
pub fn message_event(json: &[u8]) -> Vec<u8> {
    let mut event = BytesMut::with_capacity(json.len() + 32);
    field(&mut event, b"event", b"message");
    data(&mut event, json);
    event.extend_from_slice(b"\n");
    event.into()
}

/// Appends an event. What [`super::Parser`] gave is read back the same. Line
/// breaks in the data start further `data` lines, so that CR and CRLF are read
/// back as LF. In the name and the id they are left out, and NUL in the id,
/// since neither can be said. An event without any field writes nothing.
pub fn write(event: &Event, out: &mut BytesMut) {
    if event.is_empty() {
        return;
    }
    out.reserve(event.data.as_ref().map_or(0, Bytes::len) + 64);
    if let Some(id) = &event.id {
        line_of(out, b"id", id);
    }
    if let Some(name) = &event.name {
        line_of(out, b"event", name);
    }
    if let Some(retry) = event.retry {
        field(out, b"retry", retry.to_string().as_bytes());
    }
    if let Some(text) = &event.data {
        data(out, text);
    }
    out.extend_from_slice(b"\n");
}

/// Appends a comment, which readers skip; it keeps a quiet connection alive.
/// A comment of several lines becomes several.
pub fn comment(text: &[u8], out: &mut BytesMut) {
    for line in lines(text) {
        field(out, b"", line);
    }
    out.extend_from_slice(b"\n");
}

fn data(out: &mut BytesMut, text: &[u8]) {
    for line in lines(text) {
        field(out, b"data", line);
    }
}

/// A field of one line.
fn line_of(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    let unsayable = |byte: &u8| matches!(byte, b'\n' | b'\r') || (*byte == 0 && name == b"id");
    if value.iter().any(unsayable) {
        let said: Vec<u8> = value.iter().copied().filter(|byte| !unsayable(byte)).collect();
        field(out, name, &said);
    } else {
        field(out, name, value);
    }
}

fn field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\n");
}

/// The lines of a text, whichever way they end; at least one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr2(b'\n', b'\r', text) else {
            rest = None;
            return Some(text);
        };
        let broken = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&text[end + broken..]);
        Some(&text[..end])
    })
}
