//! Bytes of a repository as text for JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset};
use gix_hash::oid;
use gix_object::CommitRef;
use serde::Serialize;

/// How much of a file is looked at to tell whether it is text, as git does.
const SNIFFED_BYTES: usize = 8000;

/// A path for JSON. One that is not UTF-8 is shown with replacement
/// characters, and whole as base64 beside it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PathText {
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_base64: Option<String>,
}

impl PathText {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            path: String::from_utf8_lossy(bytes).into_owned(),
            path_base64: std::str::from_utf8(bytes).is_err().then(|| STANDARD.encode(bytes)),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        weight(&self.path) + self.path_base64.as_deref().map_or(0, str::len)
    }
}

/// Who did something, and when.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    /// RFC 3339, with the offset of where it was written.
    pub(crate) time: String,
}

impl Person {
    /// Who wrote a commit.
    pub(crate) fn author_of(commit: &CommitRef<'_>) -> Self {
        Self::read(commit.author, encoding(commit))
    }

    /// Reads `name <email> seconds offset`, as commits and tags have it; what
    /// cannot be read is empty.
    pub(crate) fn read(line: &[u8], encoding: Option<&[u8]>) -> Self {
        let open = line.iter().position(|byte| *byte == b'<');
        let close = line.iter().rposition(|byte| *byte == b'>');
        let (name, email, rest) = match (open, close) {
            (Some(open), Some(close)) if open < close => {
                (&line[..open], &line[open + 1..close], &line[close + 1..])
            }
            _ => (line, &b""[..], &b""[..]),
        };
        Self {
            name: decode(name.trim_ascii(), encoding),
            email: decode(email.trim_ascii(), encoding),
            time: time(rest),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        weight(&self.name) + weight(&self.email) + 64
    }
}

/// `seconds offset` in RFC 3339. What cannot be read is the beginning of
/// time, as for git.
fn time(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut words = text.split_ascii_whitespace();
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let offset = words.next().and_then(offset).unwrap_or(0);
    let zone = FixedOffset::east_opt(offset).or_else(|| FixedOffset::east_opt(0));
    let moment = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    match zone {
        Some(zone) => moment.with_timezone(&zone).to_rfc3339(),
        None => moment.to_rfc3339(),
    }
}

/// `+hhmm` in seconds.
fn offset(word: &str) -> Option<i32> {
    let (sign, digits) = word.split_at_checked(1)?;
    let number: i32 = digits.parse().ok().filter(|number| (0..10_000).contains(number))?;
    let seconds = (number / 100) * 3600 + (number % 100) * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// A commit's message in its two parts, as git's `%s` and `%b` show them.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first paragraph on one line.
    pub(crate) subject: String,
    /// All behind it.
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn of(commit: &CommitRef<'_>) -> Self {
        Self::read(commit.message, encoding(commit))
    }

    pub(crate) fn read(message: &[u8], encoding: Option<&[u8]>) -> Self {
        let text = decode(message, encoding);
        let mut rest = text.as_str();
        let mut subject = String::new();
        while !rest.is_empty() {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let line = line.trim_ascii_end();
            if line.is_empty() && !subject.is_empty() {
                break;
            }
            if !line.is_empty() {
                if !subject.is_empty() {
                    subject.push(' ');
                }
                subject.push_str(line);
            }
            rest = after;
        }
        while let Some((line, after)) = rest.split_once('\n') {
            if !line.trim_ascii_end().is_empty() {
                break;
            }
            rest = after;
        }
        let body = if rest.trim_ascii_end().is_empty() { "" } else { rest.trim_end_matches('\n') };
        Self { subject, body: body.to_owned() }
    }
}

/// The encoding a commit names.
pub(crate) fn encoding<'a>(commit: &CommitRef<'a>) -> Option<&'a [u8]> {
    commit.encoding.map(|name| &**name)
}

/// Text in the encoding a commit names, UTF-8 without one. What does not fit
/// becomes replacement characters.
pub(crate) fn decode(bytes: &[u8], encoding: Option<&[u8]>) -> String {
    match encoding.and_then(encoding_rs::Encoding::for_label) {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Whether git takes a file for binary: a NUL byte in its beginning.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, &bytes[..bytes.len().min(SNIFFED_BYTES)]).is_some()
}

/// A whole id in hexadecimal digits.
pub(crate) fn hex(id: &oid) -> String {
    id.to_hex().to_string()
}

/// The length of a text in JSON, in bytes, without its quotation marks.
pub(crate) fn weight(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

/// The beginning of a text, at most so many characters, and whether that is
/// all of it.
pub(crate) fn shorten(text: &str, most: usize) -> (&str, bool) {
    match text.char_indices().nth(most) {
        Some((end, _)) => (&text[..end], false),
        None => (text, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_parted_as_git_does() {
        let read = |text: &str| {
            let message = Message::read(text.as_bytes(), None);
            (message.subject, message.body)
        };
        assert_eq!(read("One\n"), ("One".into(), String::new()));
        assert_eq!(
            read("\n\nOne \ntwo\n\n\nBody\n\nmore\n"),
            ("One two".into(), "Body\n\nmore".into())
        );
        assert_eq!(read(""), (String::new(), String::new()));
        assert_eq!(read("a\n \n"), ("a".into(), String::new()));
    }

    #[test]
    fn people_and_times_are_read() {
        let person = Person::read(b"A U Thor <a@b> 1700000000 -0730", None);
        assert_eq!((person.name.as_str(), person.email.as_str()), ("A U Thor", "a@b"));
        assert_eq!(person.time, "2023-11-14T14:43:20-07:30");
        assert_eq!(Person::read(b"nobody", None).time, "1970-01-01T00:00:00+00:00");
        assert_eq!(Person::read(b"\xe9 <> 0 +9999", Some(b"ISO-8859-1")).name, "é");
        assert_eq!(Person::read(b"x <y> 99999999999999999999 +0000", None).time.len(), 25);
    }

    #[test]
    fn a_weight_is_the_length_in_json() {
        for text in ["", "plain", "\"\\\n\r\t", "\u{1}", "größe"] {
            let json = serde_json::to_string(text).unwrap();
            assert!(weight(text) >= json.len() - 2, "{text:?}");
        }
    }
}
