//! The pass over the text.

use std::borrow::Cow;

use super::names::{is_count, is_secret};
use super::pairs::{self, Part, Siblings};
use super::text::without_secrets;
use super::values::is_credential;
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
    /// Places of values that another member says are secret.
    meant: Vec<usize>,
    /// How many bytes may still be read to find them.
    budget: usize,
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
        let budget = raw.len().saturating_mul(4).saturating_add(4096);
        Self {
            raw,
            out,
            at: 0,
            most,
            most_value,
            layer,
            masked: false,
            meant: Vec::new(),
            budget,
            walk: None,
        }
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
            let value = skip_space(bytes, self.at);
            if self.is_secret_member(inside, value) {
                return self.mask();
            }
            self.name(inside);
        } else if self.walk.as_ref().is_some_and(|walk| walk.next.is_meant()) {
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

    /// Whether a member's value, which begins at `value`, is secret by its name,
    /// or by what other members of its object say.
    fn is_secret_member(&mut self, name: &str, value: usize) -> bool {
        let bytes = self.raw.as_bytes();
        if is_secret(name) {
            let is_number = bytes.get(value).is_some_and(u8::is_ascii_digit);
            return !(is_number && is_count(name));
        }
        if !self.meant.is_empty() && self.meant.contains(&value) {
            return true;
        }
        let Some(part) = Part::of(name) else { return false };
        match pairs::look(bytes, self.raw, value, part, &mut self.budget) {
            Siblings::Nothing => false,
            Siblings::Secret => true,
            Siblings::Values(places) => {
                self.meant.retain(|place| *place > value);
                self.meant.extend(places);
                false
            }
            // A label's values lie ahead: nobody knows which.
            Siblings::Unknown => part == Part::Value,
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
        if inside.len() < 4 {
            return None;
        }
        let text = if inside.contains('\\') {
            match decoded(quoted, inside) {
                Some(text) => Cow::Owned(text),
                // What cannot be looked into is not trusted.
                None => return inside.contains([':', '=']).then(|| MASK.to_owned()),
            }
        } else {
            Cow::Borrowed(inside)
        };
        if is_credential(&text) {
            return Some(MASK.to_owned());
        }
        let json = match self.json_within(&text) {
            Ok(json) => json,
            Err(TooDeep) => return Some(MASK.to_owned()),
        };
        let plain = without_secrets(json.as_deref().unwrap_or(&text));
        let written = serde_json::to_string(&plain.or(json)?).ok()?;
        let inside = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
        Some(format!("\"{}\"", within_limit(inside, self.most_value)))
    }

    /// The text with what is secret in the JSON in it hidden. The JSON may stand
    /// behind other words.
    fn json_within(&self, text: &str) -> Result<Option<String>, TooDeep> {
        let begin = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let at = if begin.starts_with('"') {
            text.len() - begin.len()
        } else {
            match memchr::memchr2(b'{', b'[', text.as_bytes()) {
                Some(at) => at,
                None => return Ok(None),
            }
        };
        let (before, json) = text.split_at(at);
        if !json.contains('"') {
            return Ok(None);
        }
        if self.layer >= MOST_LAYERS {
            return Err(TooDeep);
        }
        let mut scan = Scan::new(json, (self.most_value, self.most_value), self.layer + 1);
        scan.run();
        Ok(scan.masked.then(|| format!("{before}{}", scan.out)))
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

/// JSON in strings of JSON, too often.
struct TooDeep;

/// What a string of JSON means; `None`: it cannot be read.
fn decoded(quoted: &str, inside: &str) -> Option<String> {
    if let Ok(text) = serde_json::from_str(quoted) {
        return Some(text);
    }
    // Half a surrogate pair is no character, and no reason to look away.
    let mut patched = String::with_capacity(inside.len() + 2);
    let mut rest = inside;
    patched.push('"');
    while let Some(at) = rest.find('\\') {
        let escape = rest.get(at..at + 6).filter(|escape| escape.starts_with("\\u"));
        let is_half = escape.is_some_and(
            |it| matches!(it.as_bytes(), [_, _, b'd' | b'D', second, ..] if *second >= b'8'),
        );
        let length = if is_half { 6 } else { 2 };
        patched.push_str(&rest[..at]);
        patched.push_str(if is_half { "\\ufffd" } else { rest.get(at..at + 2)? });
        rest = rest.get(at + length..)?;
    }
    patched.push_str(rest);
    patched.push('"');
    serde_json::from_str(&patched).ok()
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
pub(super) fn string_end(bytes: &[u8], start: usize) -> usize {
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

pub(super) fn skip_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that begins at `start` is over.
pub(super) fn value_end(bytes: &[u8], start: usize) -> usize {
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
