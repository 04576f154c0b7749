//! What is secret inside a text: in URLs, forms, headers, command lines, logs.
//!
//! One pass over the marks that stand before a secret: `://`, `=`, `:` and the
//! names of schemes. Nothing is taken apart by a grammar, since a text may be any
//! of them and several at once.

use std::borrow::Cow;
use std::ops::Range;

use super::names::{decoded, form, is_secret_parameter, is_secret_word};

/// Put in the place of a part of a text.
pub(super) const MARK: &str = "[redacted]";

/// Shortest credential after the name of a scheme, in bytes.
const SHORTEST: usize = 8;

/// Longest name before a `=` or `:` that is looked at, in bytes.
const MOST_NAME: usize = 128;

/// How many times a URL may stand encoded in another's parameter; what lies
/// deeper is hidden.
const MOST_LAYERS: usize = 3;

/// A text without what is secret in it. `None`: there is nothing to hide.
pub(super) fn without_secrets(text: &str) -> Option<String> {
    // Most texts have none of them.
    let marked = |byte: &u8| matches!(byte, b':' | b'=' | b' ');
    if !text.as_bytes().iter().any(marked) && !text.contains("eyJ") {
        return None;
    }
    shown(text, 0)
}

fn shown(text: &str, layer: usize) -> Option<String> {
    let mut finds = Finds { text, spans: Vec::new(), layer };
    finds.all();
    let Finds { mut spans, .. } = finds;
    if spans.is_empty() {
        return None;
    }
    spans.sort_by_key(|span| (span.start, span.end));
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        if span.end <= from {
            continue;
        }
        // Two that touch are one.
        if span.start > from || from == 0 {
            out.push_str(text.get(from..span.start).unwrap_or_default());
            out.push_str(MARK);
        }
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Some(out)
}

struct Finds<'a> {
    text: &'a str,
    spans: Vec<Range<usize>>,
    layer: usize,
}

impl Finds<'_> {
    fn all(&mut self) {
        let text = self.text;
        let bytes = text.as_bytes();
        for at in memchr::memchr3_iter(b':', b'=', b' ', bytes) {
            // What is hidden already has nothing further in it.
            if self.spans.last().is_some_and(|span| span.contains(&at)) {
                continue;
            }
            match bytes[at] {
                b' ' => self.scheme(at),
                b'=' => self.pair(at),
                _ if bytes[at..].starts_with(b"://") => self.userinfo(at + 3),
                _ => self.field(at),
            }
        }
        for at in memchr::memmem::find_iter(bytes, b"eyJ") {
            let begins = at == 0 || !is_token(bytes[at - 1]);
            let token = if begins { run(bytes, at, is_token) } else { 0 };
            if token >= SHORTEST && is_json_web_token(&text[at..at + token]) {
                self.spans.push(at..at + token);
            }
        }
    }

    /// `https://user:password@host`: either may be a token.
    fn userinfo(&mut self, from: usize) {
        let bytes = self.text.as_bytes();
        let ends = |byte: u8| matches!(byte, b'/' | b'?' | b'#') || ends_url(byte);
        let length = run(bytes, from, |byte| !ends(byte));
        if let Some(at) = memchr::memrchr(b'@', &bytes[from..from + length])
            && at > 0
        {
            self.spans.push(from..from + at);
        }
    }

    /// `Bearer x`, with the space at `at`.
    fn scheme(&mut self, at: usize) {
        let bytes = self.text.as_bytes();
        let word = bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_alphabetic());
        let length = word.take(7).count();
        let name = &bytes[at - length..at];
        let known = [&b"bearer"[..], b"basic", b"token"];
        if !known.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return;
        }
        let from = at + run(bytes, at, |byte| byte == b' ');
        let length = run(bytes, from, is_credential_byte);
        let credential = &bytes[from..from + length];
        // A word of prose has letters only.
        let is_word = credential.iter().all(u8::is_ascii_alphabetic);
        if length >= SHORTEST && (!is_word || length >= 3 * SHORTEST) {
            self.spans.push(from..from + length);
        }
    }

    /// `name=value`, of a URL, a form, a command line, a file of settings.
    fn pair(&mut self, at: usize) {
        let bytes = self.text.as_bytes();
        let Some(name) = name_before(bytes, at) else { return };
        let before = name.start.checked_sub(1).map(|before| bytes[before]);
        let is_parameter = matches!(before, Some(b'?' | b'&' | b'#' | b';'));
        let in_path = before == Some(b';');
        let text = &self.text[name];
        let secret =
            if is_parameter { is_secret_parameter(text) } else { is_secret_word(&decoded(text)) };
        let from = at + 1 + run(bytes, at + 1, |byte| matches!(byte, b'=' | b'>' | b' '));
        // A parameter of a path ends where the query begins.
        let ends = |byte: u8| {
            matches!(byte, b'&' | b';' | b'#') || ends_url(byte) || (in_path && byte == b'?')
        };
        let value = match bytes.get(from) {
            Some(quote @ (b'"' | b'\'')) => {
                let inside = from + 1;
                inside..inside + run(bytes, inside, |byte| byte != *quote && byte != b'\n')
            }
            _ => from..from + run(bytes, from, |byte| !ends(byte)),
        };
        if value.is_empty() {
            return;
        }
        if secret || self.holds_secret_url(value.clone()) {
            self.spans.push(value);
        }
    }

    /// Whether a parameter's value is another URL, encoded, with a secret in it.
    fn holds_secret_url(&self, value: Range<usize>) -> bool {
        let mut value = Cow::Borrowed(&self.text[value]);
        for _ in 0..MOST_LAYERS {
            let inner = if value.contains('%') { form(&value) } else { return false };
            if inner == *value {
                return false;
            }
            if self.layer >= MOST_LAYERS || shown(&inner, self.layer + 1).is_some() {
                return true;
            }
            value = Cow::Owned(inner);
        }
        value.contains('%')
    }

    /// `Name: value`, of a header, a file of settings, a log.
    fn field(&mut self, at: usize) {
        let bytes = self.text.as_bytes();
        let Some(name) = name_before(bytes, at) else { return };
        if !is_secret_word(&self.text[name.clone()]) {
            return;
        }
        let start = line_start(bytes, name.start);
        let is_margin = |byte: &u8| matches!(byte, b' ' | b'\t' | b'-' | b'*' | b'>' | b'<');
        let at_margin = bytes[start..name.start].iter().all(is_margin);
        let from = at + 1 + run(bytes, at + 1, |byte| byte == b' ' || byte == b'\t');
        let quote = name.start.checked_sub(1).map(|before| bytes[before]);
        let quote = quote.filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
        let closed = quote.is_some_and(|quote| bytes.get(name.end) == Some(&quote));
        let until = |stop: Option<u8>| {
            run(bytes, from, |byte| !matches!(byte, b'\n' | b'\r') && Some(byte) != stop)
        };
        let value = match (quote, bytes.get(from)) {
            // 'Name: value'
            (Some(quote), _) if !closed => from..from + until(Some(quote)),
            (_, Some(own @ (b'"' | b'\''))) => {
                let inside = from + 1;
                inside..inside + run(bytes, inside, |byte| byte != *own && byte != b'\n')
            }
            _ if at_margin => from..from + until(None),
            _ => {
                let word = |from: usize| run(bytes, from, |byte| !ends_url(byte));
                let mut end = from + word(from);
                // A scheme, and then the credential.
                let first = &self.text[from..end];
                let schemes = ["basic", "bearer", "digest", "token", "apikey"];
                if schemes.iter().any(|scheme| first.eq_ignore_ascii_case(scheme)) {
                    let next = end + run(bytes, end, |byte| byte == b' ');
                    end = next + word(next);
                }
                from..end
            }
        };
        if !value.is_empty() {
            self.spans.push(value);
        }
    }
}

/// How many bytes from `from` on fit. Bytes that end it are ASCII, so that no
/// character is cut in two.
fn run(bytes: &[u8], from: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().take_while(|byte| fits(**byte)).count()
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    // Only the margin before a name is of interest.
    let from = at.saturating_sub(MOST_NAME);
    memchr::memrchr(b'\n', &bytes[from..at]).map_or(from, |found| from + found + 1)
}

/// The name that ends before `at`, space and a quote between.
fn name_before(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut end = at;
    let mut gap = 0;
    while gap < 2 && end > 0 && matches!(bytes[end - 1], b' ' | b'\'' | b'`' | b']' | b'!' | b':') {
        end -= 1;
        gap += 1;
    }
    let letters = bytes[..end].iter().rev().take_while(|byte| is_name(**byte));
    let length = letters.take(MOST_NAME).count();
    (length > 0).then(|| {
        let start = (end - length..end).find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(end);
        start..end
    })
}

/// Bytes of names; all that is not ASCII is.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%' | b'+') || byte >= 0x80
}

fn ends_url(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'"' | b'<' | b'>')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// Bytes of the form `token68` (RFC 9110 §11.2).
fn is_credential_byte(byte: u8) -> bool {
    is_token(byte) || matches!(byte, b'~' | b'+' | b'/' | b'=')
}

fn is_json_web_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_who_may_and_secret_parameters() {
        for (text, shown) in [
            ("postgres://ann:canary@db/x", "postgres://[redacted]@db/x"),
            ("redis://:canary@db", "redis://[redacted]@db"),
            ("https://canary@h/p", "https://[redacted]@h/p"),
            ("https://canary:x@h", "https://[redacted]@h"),
            (
                "https://h/p?a=1&access_token=canary&b=2",
                "https://h/p?a=1&access_token=[redacted]&b=2",
            ),
            ("https://h?api%5Fkey=canary", "https://h?api%5Fkey=[redacted]"),
            ("https://h?api%255Fkey=canary", "https://h?api%255Fkey=[redacted]"),
            ("app://cb#token=canary", "app://cb#token=[redacted]"),
            (
                "app://cb?state=1#access_token=canary&x=2",
                "app://cb?state=1#access_token=[redacted]&x=2",
            ),
            ("https://h?a=1;token=canary;b=2", "https://h?a=1;token=[redacted];b=2"),
            ("https://h?a=1&amp;token=canary", "https://h?a=1&amp;token=[redacted]"),
            ("https://h?sig=canary&se=1", "https://h?sig=[redacted]&se=1"),
            ("https://h?X-Amz-Signature=canary", "https://h?X-Amz-Signature=[redacted]"),
            ("https://h?key=canary&code=canary", "https://h?key=[redacted]&code=[redacted]"),
            ("/callback?code=canary", "/callback?code=[redacted]"),
            ("https://h/a;jsessionid=canary?x=1", "https://h/a;jsessionid=[redacted]?x=1"),
            (
                "from https://a/?x=1 to ftp://canary@b/ or https://c?token=canary.",
                "from https://a/?x=1 to ftp://[redacted]@b/ or https://c?token=[redacted]",
            ),
            ("https://h?to=https%3A%2F%2Fi%2F%3Ftoken%3Dcanary&x=1", "https://h?to=[redacted]&x=1"),
            (
                "https://h?to=https%253A%252F%252Fcanary%2540i%252F&x=1",
                "https://h?to=[redacted]&x=1",
            ),
        ] {
            assert_eq!(without_secrets(text).as_deref(), Some(shown), "{text}");
        }
        for text in [
            "https://h/p?a=1",
            "no url",
            "https://h/@ann",
            "a://",
            "://@:?=",
            "x://h?token=",
            "?=&",
        ] {
            assert_eq!(without_secrets(text), None, "{text}");
        }
    }

    #[test]
    fn forms_headers_and_commands_lose_theirs() {
        for (text, shown) in [
            ("a=b&password=canary&c=d", "a=b&password=[redacted]&c=d"),
            ("grant_type=x&code=canary", "grant_type=x&code=[redacted]"),
            ("PASSWORD='ca na ry' run", "PASSWORD='[redacted]' run"),
            ("password = \"canary\"", "password = \"[redacted]\""),
            ("login --token=canary --x=1", "login --token=[redacted] --x=1"),
            ("Authorization: Bearer canary", "Authorization: [redacted]"),
            (
                "POST / HTTP/1.1\r\nX-Api-Key: canary x\r\nHost: h",
                "POST / HTTP/1.1\r\nX-Api-Key: [redacted]\r\nHost: h",
            ),
            (
                "curl -H 'Authorization: Token canary' https://h",
                "curl -H 'Authorization: [redacted]' https://h",
            ),
            (
                "it said Authorization: Bearer canary and left",
                "it said Authorization: [redacted] and left",
            ),
            ("{'password': 'canary', 'n': 1}", "{'password': '[redacted]', 'n': 1}"),
            ("user: ann\n  password: canary\n", "user: ann\n  password: [redacted]\n"),
            ("send Bearer canary-1234 there", "send Bearer [redacted] there"),
            ("jwt eyJhb.eyJz.c-a_n there", "jwt [redacted] there"),
            ("пароль: canary", "пароль: [redacted]"),
        ] {
            assert_eq!(without_secrets(text).as_deref(), Some(shown), "{text}");
        }
        for text in [
            "a = b and c: d",
            "the bearer certificates expired",
            "time 12:30, ratio=1:2",
            "https://h/p: done",
            "token:",
            "eyJust a word",
        ] {
            assert_eq!(without_secrets(text), None, "{text}");
        }
    }
}
