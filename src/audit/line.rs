//! One event as one line of JSON.
//!
//! Written by hand, since every call pays for it twice, and in the canonical
//! form of RFC 8785 at once: members in its order, absent ones left out, no
//! space between. What is known only when the order of lines is settled (the
//! sequence number, the hash of the line before, a signature) has its place kept
//! free, and the journal puts it in.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::digest::Digest;
use crate::clock::rfc3339;

/// Largest number that survives every reader of JSON: 2⁵³ − 1 (RFC 7493 §2.2).
const MOST_NUMBER: u64 = (1 << 53) - 1;

/// Digits of a signature.
pub(super) const SIGNATURE_DIGITS: usize = 128;

/// A line without its number.
#[derive(Debug, Default)]
pub(super) struct Body {
    bytes: Vec<u8>,
    prev_at: Option<usize>,
    seq_at: usize,
    signature_at: Option<usize>,
}

/// Where a line lies among others, and what is to be put into it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    /// Its first byte, and the one after its last, which is the newline.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The digits of the hash of the line before.
    pub(super) prev_at: Option<usize>,
    /// The digits of its own signature.
    pub(super) signature_at: Option<usize>,
}

impl Body {
    /// Begins a new line in the same memory.
    pub(super) fn begin(&mut self) -> Writer<'_> {
        self.bytes.clear();
        self.bytes.push(b'{');
        (self.prev_at, self.seq_at, self.signature_at) = (None, 1, None);
        Writer { body: self }
    }

    /// The line with its number and its newline, appended to `lines`. The other
    /// places hold zeros.
    pub(super) fn complete(&self, seq: i64, lines: &mut Vec<u8>) -> Hole {
        let start = lines.len();
        let (before, after) = self.bytes.split_at(self.seq_at);
        lines.extend_from_slice(before);
        push_number(lines, seq.unsigned_abs());
        let shift = lines.len() - start - self.seq_at;
        lines.extend_from_slice(after);
        let end = lines.len();
        lines.push(b'\n');
        let place = |at: usize| start + at + if at > self.seq_at { shift } else { 0 };
        Hole {
            start,
            end,
            prev_at: self.prev_at.map(place),
            signature_at: self.signature_at.map(place),
        }
    }
}

/// Adds members. The caller keeps them in order; a test looks.
pub(super) struct Writer<'a> {
    body: &'a mut Body,
}

impl Writer<'_> {
    /// Text, cut to `most` bytes.
    pub(super) fn text(&mut self, name: &str, value: Option<&str>, most: usize) {
        if let Some(value) = value {
            self.name(name);
            self.body.bytes.push(b'"');
            push_escaped(&mut self.body.bytes, bounded(value, most));
            self.body.bytes.extend_from_slice(b"\",");
        }
    }

    /// A number, no larger than the canonical form of RFC 8785 keeps exact.
    pub(super) fn number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.name(name);
            push_number(&mut self.body.bytes, value.min(MOST_NUMBER));
            self.body.bytes.push(b',');
        }
    }

    /// A truth value.
    pub(super) fn flag(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.name(name);
            self.body.bytes.extend_from_slice(if value { b"true," } else { b"false," });
        }
    }

    /// An identifier.
    pub(super) fn id(&mut self, name: &str, value: Option<Uuid>) {
        if let Some(value) = value {
            let mut text = Uuid::encode_buffer();
            let text: &str = value.hyphenated().encode_lower(&mut text);
            self.plain(name, text.as_bytes());
        }
    }

    /// A digest, in hexadecimal.
    pub(super) fn digest(&mut self, name: &str, value: Option<&Digest>) {
        if let Some(value) = value {
            self.plain(name, &value.to_hex());
        }
    }

    /// A point in time: RFC 3339 in UTC with six digits, which sorts.
    pub(super) fn time(&mut self, name: &str, value: DateTime<Utc>) {
        self.plain(name, rfc3339(value).as_str().as_bytes());
    }

    /// The place of the sequence number.
    pub(super) fn seq(&mut self) {
        self.name("seq");
        self.body.seq_at = self.body.bytes.len();
        self.body.bytes.push(b',');
    }

    /// The place of the hash of the line before.
    pub(super) fn prev(&mut self) {
        self.body.prev_at = Some(self.body.bytes.len() + "\"prev\":\"".len());
        self.plain("prev", &[b'0'; 64]);
    }

    /// The place of the signature; of events that have one.
    pub(super) fn signature(&mut self) {
        self.body.signature_at = Some(self.body.bytes.len() + "\"signature\":\"".len());
        self.plain("signature", &[b'0'; SIGNATURE_DIGITS]);
    }

    /// The line is complete.
    pub(super) fn end(self) {
        self.body.bytes.pop();
        self.body.bytes.push(b'}');
    }

    fn name(&mut self, name: &str) {
        self.body.bytes.push(b'"');
        self.body.bytes.extend_from_slice(name.as_bytes());
        self.body.bytes.extend_from_slice(b"\":");
    }

    /// Text that needs no escape.
    fn plain(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.body.bytes.push(b'"');
        self.body.bytes.extend_from_slice(text);
        self.body.bytes.extend_from_slice(b"\",");
    }
}

/// As much of `text` as fits into `most` bytes.
pub(super) fn bounded(text: &str, most: usize) -> &str {
    if text.len() <= most { text } else { &text[..text.floor_char_boundary(most)] }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Escapes as RFC 8785 §3.2.2.2 does. NUL becomes U+FFFD: PostgreSQL has no
/// place for it, and one event it refused would hold up all that follow.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    // Most texts have nothing to escape. Without an early end, many bytes are
    // looked at at once.
    if !rest.iter().fold(false, |found, byte| found | special(byte)) {
        out.extend_from_slice(rest);
        return;
    }
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut body = Body::default();
        let mut writer = body.begin();
        write(&mut writer);
        writer.seq();
        writer.end();
        let mut line = Vec::new();
        body.complete(7, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_is_compact_json_with_its_number() {
        let written = line(|writer| {
            writer.flag("a", Some(true));
            writer.digest("b", Some(&Digest::of(b"")));
            writer.id("c", Some(Uuid::from_u128(1)));
            writer.number("d", Some(u64::MAX));
            writer.number("e", Some(0));
            writer.text("f", None, 9);
            writer.prev();
        });
        assert_eq!(
            written,
            "{\"a\":true,\"b\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\
             \"c\":\"00000000-0000-0000-0000-000000000001\",\"d\":9007199254740991,\"e\":0,\
             \"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\",\
             \"seq\":7}\n"
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(bounded("grün", 3), "gr");
        assert_eq!(bounded("grün", 4), "grü");
        assert_eq!(bounded("grün", 99), "grün");
    }

    #[test]
    fn places_are_where_they_say_between_other_lines() {
        let mut body = Body::default();
        let mut writer = body.begin();
        writer.prev();
        writer.seq();
        writer.signature();
        writer.text("z", Some("z"), 9);
        writer.end();
        let mut lines = b"before\n".to_vec();
        let hole = body.complete(1_234_567, &mut lines);
        assert_eq!((hole.start, hole.end), (7, lines.len() - 1));
        let at = |at: usize, name: &str| lines[at - name.len() - 4..at].to_vec();
        assert_eq!(at(hole.prev_at.unwrap(), "prev"), br#""prev":""#);
        let place = hole.signature_at.unwrap();
        assert_eq!(at(place, "signature"), br#""signature":""#);
        assert_eq!(lines[place..place + SIGNATURE_DIGITS], [b'0'; SIGNATURE_DIGITS]);
        assert_eq!(&lines[place + SIGNATURE_DIGITS..], b"\",\"z\":\"z\"}\n");
    }

    proptest! {
        #[test]
        fn any_text_survives_but_for_nul(text: String) {
            let written = line(|writer| writer.text("detail", Some(&text), usize::MAX));
            prop_assert_eq!(written.matches('\n').count(), 1);
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            let expected = text.replace('\0', "\u{fffd}");
            prop_assert_eq!(read["detail"].as_str(), Some(expected.as_str()));
            // As somebody else canonicalizes it (RFC 8785).
            let canonical = canon_json::CanonJsonSerialize::to_canon_json_vec(&read).unwrap();
            prop_assert_eq!(written.trim_end_matches('\n').as_bytes(), &canonical[..]);
        }
    }
}
