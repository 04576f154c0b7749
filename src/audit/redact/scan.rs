//! The pass over the text.

use std::borrow::Cow;

use super::names::is_secret;
use super::values::{is_credential, url_without_secrets};
use super::{CUT, bounded};
use crate::protocol::json_path::{JsonPaths, Place};

/// Put in the place of a value.
const MASK: &str = "\"[redacted]\"";

/// Deepest nesting that paths are followed into; what lies deeper is hidden.
const DEEPEST: usize = 128;

/// How many times JSON may stand in a string of JSON; what lies deeper is
/// hidden.
const MOST_LAYERS: usize = 3;

/// The text without space between tokens and with masked values. Ends early
/// once it is longer than the first of `limits`; strings longer than the second
/// are cut.
pub(super) fn redacted(raw: &str, hidden: Option<&JsonPaths>, limits: (usize, usize)) -> String {
    let mut scan = Scan::new(raw, limits, 0);
    scan.walk = hidden.map(|paths| Walk { paths, next: paths.start(), frames: Vec::new() });
    scan.run();
    scan.out
}

struct Scan<'a> {
    raw: &'a str,
    out: String,
    at: usize,
    most: usize,
    most_value: usize,
    /// How many strings it is in.
    layer: usize,
    /// Whether anything was hidden.
    masked: bool,
    walk: Option<Walk<'a>>,
}

/// Follows the paths.
struct Walk<'a> {
    paths: &'a JsonPaths,
    /// Where the next value stands.
    next: Place,
    frames: Vec<Frame>,
}

/// An object or array that is open.
struct Frame {
    place: Place,
    /// The place of the current item; `None` in an object.
    index: Option<usize>,
}

impl<'a> Scan<'a> {
    fn new(raw: &'a str, (most, most_value): (usize, usize), layer: usize) -> Self {
        let out = String::with_capacity(raw.len().min(most) + MASK.len());
        Self { raw, out, at: 0, most, most_value, layer, masked: false, walk: None }
    }

    fn run(&mut self) {
        let bytes = self.raw.as_bytes();
        while self.at < bytes.len() && self.out.len() <= self.most {
            match bytes[self.at] {
                b'"' => self.string(),
                byte if byte.is_ascii_whitespace() => self.at += 1,
                _ if self.walk.is_some() => self.token(),
                _ => {
                    let plain = |byte: &u8| *byte != b'"' && !byte.is_ascii_whitespace();
                    let run = bytes[self.at..].iter().take_while(|byte| plain(byte)).count();
                    self.out.push_str(&self.raw[self.at..self.at + run]);
                    self.at += run;
                }
            }
        }
    }

    /// A token that is no string, where paths are followed.
    fn token(&mut self) {
        let Some(walk) = &mut self.walk else { return };
        let bytes = self.raw.as_bytes();
        let byte = bytes[self.at];
        let opens = matches!(byte, b'{' | b'[');
        let is_value = opens || !matches!(byte, b'}' | b']' | b',' | b':');
        if is_value && (walk.next.is_meant() || (opens && walk.frames.len() >= DEEPEST)) {
            return self.mask();
        }
        if is_value && !opens {
            let plain = |byte: &u8| {
                !matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':')
                    && !byte.is_ascii_whitespace()
            };
            let run = bytes[self.at..].iter().take_while(|byte| plain(byte)).count();
            self.out.push_str(&self.raw[self.at..self.at + run]);
            self.at += run;
            return;
        }
        match byte {
            b'{' | b'[' => {
                let place = std::mem::take(&mut walk.next);
                let index = (byte == b'[').then_some(0);
                if index.is_some() {
                    walk.next = place.item(walk.paths, 0);
                }
                walk.frames.push(Frame { place, index });
            }
            b'}' | b']' => {
                walk.frames.pop();
                walk.next = Place::default();
            }
            b',' => {
                if let Some(Frame { place, index: Some(index) }) = walk.frames.last_mut() {
                    *index += 1;
                    walk.next = place.item(walk.paths, *index);
                }
            }
            _ => {}
        }
        self.out.push(char::from(byte));
        self.at += 1;
    }

    fn string(&mut self) {
        let (bytes, start) = (self.raw.as_bytes(), self.at);
        let end = string_end(bytes, start);
        let inside = self.raw.get(start + 1..end.max(start + 2) - 1).unwrap_or_default();
        let colon = skip_space(bytes, end);
        // In JSON, only a name is followed by a colon.
        if bytes.get(colon) == Some(&b':') {
            self.at = colon + 1;
            self.put(&self.raw[start..end], inside);
            self.out.push(':');
            if is_secret(inside) {
                return self.mask();
            }
            self.name(inside);
        } else if self.walk.as_ref().is_some_and(|walk| walk.next.is_meant())
            || is_credential(inside)
        {
            self.mask();
        } else {
            self.at = end;
            match self.within(&self.raw[start..end], inside) {
                Some(text) => {
                    self.masked = true;
                    self.out.push_str(&text);
                }
                None => self.put(&self.raw[start..end], inside),
            }
        }
    }

    /// A member's name: its value stands next.
    fn name(&mut self, inside: &str) {
        let Some(Walk { paths, next, frames }) = &mut self.walk else { return };
        let Some(frame) = frames.last() else { return };
        let name = if inside.contains('\\') {
            let decoded = serde_json::from_str::<String>(&format!("\"{inside}\""));
            Cow::Owned(decoded.unwrap_or_default())
        } else {
            Cow::Borrowed(inside)
        };
        *next = frame.place.member(paths, &name);
    }

    /// A string's text in JSON with what is secret in it hidden; `None`: there
    /// is nothing.
    fn within(&self, quoted: &str, inside: &str) -> Option<String> {
        if let Some(shown) = url_without_secrets(inside) {
            return Some(format!("\"{}\"", within_limit(&shown, self.most_value)));
        }
        let first = inside.trim_start_matches([' ', '\n', '\r', '\t']).as_bytes().first();
        if !matches!(first, Some(b'{' | b'[' | b'\\')) || inside.len() < 4 {
            return None;
        }
        let Ok(text) = serde_json::from_str::<String>(quoted) else {
            // What cannot be looked into is not trusted.
            return (matches!(first, Some(b'{' | b'[')) && inside.contains(':'))
                .then(|| MASK.to_owned());
        };
        if !text.trim_start().starts_with(['{', '[', '"']) {
            return None;
        }
        if self.layer >= MOST_LAYERS {
            return Some(MASK.to_owned());
        }
        let mut scan = Scan::new(&text, (self.most_value, self.most_value), self.layer + 1);
        scan.run();
        if !scan.masked {
            return None;
        }
        let written = serde_json::to_string(&scan.out).ok()?;
        let written = written.trim_start_matches('"');
        let inside = &written[..written.len().saturating_sub(1)];
        Some(format!("\"{}\"", within_limit(inside, self.most_value)))
    }

    /// Puts a string as it stands, or the beginning of a long one.
    fn put(&mut self, quoted: &str, inside: &str) {
        if inside.len() <= self.most_value {
            self.out.push_str(quoted);
        } else {
            self.out.push('"');
            self.out.push_str(&within_limit(inside, self.most_value));
            self.out.push('"');
        }
    }

    /// Passes over the value that begins here, or after space.
    fn mask(&mut self) {
        let bytes = self.raw.as_bytes();
        self.at = value_end(bytes, skip_space(bytes, self.at));
        self.out.push_str(MASK);
        self.masked = true;
    }
}

/// The beginning of a string's inside, no escape of it cut in two.
fn within_limit(inside: &str, most: usize) -> Cow<'_, str> {
    if inside.len() <= most {
        return Cow::Borrowed(inside);
    }
    let mut end = bounded(inside, most).len();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'\\', &inside.as_bytes()[from..end]) {
        let escape = from + found;
        let length = if inside.as_bytes().get(escape + 1) == Some(&b'u') { 6 } else { 2 };
        from = escape + length;
        if from > end {
            end = escape;
            break;
        }
    }
    Cow::Owned(format!("{}{CUT}", &inside[..end]))
}

/// Where the string that begins at `start` is over.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that begins at `start` is over.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return at + 1,
            // A number, `true`, `false` or `null` ends before these.
            b'}' | b']' | b',' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
