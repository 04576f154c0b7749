//! Ids that say where an answer belongs, so that any replica can send it there
//! without having seen the question.
//!
//! | from | to | id on the way |
//! |---|---|---|
//! | a client's request | a legacy backend | the string `<nonce>:<id>` |
//! | a backend's request | a client | the string `b<index>:<id>` |
//! | a backend's event | a client | `<index>.<id>`, or `s<index>.<id>` on the stream of a session |
//!
//! `<id>` is the JSON text of the id, so that `1`, `"1"` and `1.0` stay three,
//! and a number keeps all its digits. `<index>` is the backend's place in the
//! scope. Two clients that both count from 1 cannot meet in a backend's
//! session, since each exchange has a nonce of its own.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::raw::{quote, text};

/// The id of a client's request on its way to a backend, as JSON text. The
/// nonce is at least one character and has no `:`.
#[must_use]
pub fn outgoing(nonce: &str, id: &RawValue) -> String {
    debug_assert!(!nonce.is_empty() && !nonce.contains(':'));
    quote(&format!("{nonce}:{}", id.get()))
}

/// The client's id inside one that [`outgoing`] made; `None` for any other.
#[must_use]
pub fn restore(id: &RawValue) -> Option<Box<RawValue>> {
    let id = text(id)?;
    let (nonce, inner) = id.split_once(':')?;
    (!nonce.is_empty()).then(|| inner_id(inner)).flatten()
}

/// The nonce inside an id that [`outgoing`] made.
#[must_use]
pub fn nonce(id: &RawValue) -> Option<Cow<'_, str>> {
    let id = text(id)?;
    let length = id.find(':').filter(|length| *length > 0)?;
    Some(match id {
        Cow::Borrowed(id) => Cow::Borrowed(&id[..length]),
        Cow::Owned(id) => Cow::Owned(id[..length].to_owned()),
    })
}

/// The id of a backend's request on its way to the client, as JSON text.
#[must_use]
pub fn to_client(index: usize, id: &RawValue) -> String {
    quote(&format!("b{index}:{}", id.get()))
}

/// The backend and its id inside an id that [`to_client`] made; `None` for any
/// other.
#[must_use]
pub fn from_client(id: &RawValue) -> Option<(usize, Box<RawValue>)> {
    let id = text(id)?;
    let (index, inner) = id.strip_prefix('b')?.split_once(':')?;
    Some((plain_index(index)?, inner_id(inner)?))
}

/// Which stream an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// That of a request.
    Request,
    /// That of a session, outside of requests.
    Session,
}

/// The id of a backend's event on its way to the client.
#[must_use]
pub fn event_to_client(index: usize, stream: Stream, id: &[u8]) -> Bytes {
    let mark = if stream == Stream::Session { "s" } else { "" };
    let mut out = format!("{mark}{index}.").into_bytes();
    out.extend_from_slice(id);
    out.into()
}

/// The backend and its id inside a `Last-Event-ID` that [`event_to_client`]
/// made; `None` for any other.
#[must_use]
pub fn event_from_client(id: &[u8]) -> Option<(usize, Stream, &[u8])> {
    let dot = memchr::memchr(b'.', id)?;
    let place = std::str::from_utf8(&id[..dot]).ok()?;
    let (stream, index) = match place.strip_prefix('s') {
        Some(index) => (Stream::Session, index),
        None => (Stream::Request, place),
    };
    Some((plain_index(index)?, stream, &id[dot + 1..]))
}

/// An index in its only spelling, so that no second text means the same.
fn plain_index(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
}

/// A string or a number, with no white space around it.
fn inner_id(text: &str) -> Option<Box<RawValue>> {
    let first = text.bytes().next()?;
    if first != b'"' && first != b'-' && !first.is_ascii_digit() {
        return None;
    }
    RawValue::from_string(text.to_owned()).ok().filter(|raw| raw.get().len() == text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::jsonrpc::{self, MAX_ID_BYTES, MAX_WRAPPED_ID_BYTES};

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_shapes_of_the_design() {
        assert_eq!(outgoing("AbC_-0123456", &raw("7")), r#""AbC_-0123456:7""#);
        assert_eq!(outgoing("n", &raw(r#""a:\"b""#)), r#""n:\"a:\\\"b\"""#);
        assert_eq!(to_client(2, &raw(r#""7""#)), r#""b2:\"7\"""#);
        assert_eq!(event_to_client(1, Stream::Request, b"e.7"), "1.e.7");
        assert_eq!(event_to_client(1, Stream::Session, b"e.7"), "s1.e.7");
        assert_eq!(nonce(&raw(r#""n:1""#)).as_deref(), Some("n"));
        assert_eq!(nonce(&raw(r#"":1""#)), None);
    }

    #[test]
    fn ids_of_others_are_not_taken_apart() {
        for id in [
            "7",
            r#""abc""#,
            r#"":1""#,
            r#""n:""#,
            r#""n:null""#,
            r#""n:{}""#,
            r#""n: 1""#,
            r#""n:1 ""#,
            r#""n:01""#,
            r#""n:\"""#,
            "null",
        ] {
            assert!(restore(&raw(id)).is_none(), "{id}");
        }
        for id in [
            "7",
            r#""b:1""#,
            r#""c1:1""#,
            r#""b01:1""#,
            r#""b+1:1""#,
            r#""b1:""#,
            r#""b99999999999999999999:1""#,
        ] {
            assert!(from_client(&raw(id)).is_none(), "{id}");
        }
        for id in ["", ".1", "x.1", "1", "01.1", "+1.x", "s.1", "ss1.1", "s01.1"] {
            assert!(event_from_client(id.as_bytes()).is_none(), "{id}");
        }
        assert_eq!(event_from_client(b"0."), Some((0, Stream::Request, &b""[..])));
    }

    #[test]
    fn the_longest_id_still_fits_on_its_way_back() {
        let longest = raw(&format!("\"{}\"", "\\\\".repeat((MAX_ID_BYTES - 2) / 2)));
        assert_eq!(longest.get().len(), MAX_ID_BYTES);
        for id in [outgoing("AbC_-0123456", &longest), to_client(usize::MAX, &longest)] {
            assert!(id.len() <= MAX_WRAPPED_ID_BYTES, "{}", id.len());
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
            assert!(jsonrpc::parse(answer.as_bytes()).is_ok());
        }
    }

    /// JSON texts of ids, odd ones too.
    fn ids() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            "-?[1-9][0-9]{0,40}",
            "-?[0-9]\\.[0-9]{1,9}([eE][+-]?[0-9]{1,4})?",
            any::<String>().prop_map(|text| quote(&text)),
            "\"(\\\\u[0-9a-f]{4}|\\\\[nrt\"\\\\/]|[:a-z]){0,9}\"",
        ]
    }

    proptest! {
        #[test]
        fn every_id_comes_back_as_it_was_written(
            id in ids(),
            nonce_text in "[A-Za-z0-9_-]{12}",
            index in any::<usize>(),
            event in any::<Vec<u8>>(),
        ) {
            let id = raw(&id);
            let sent = raw(&outgoing(&nonce_text, &id));
            let back = restore(&sent).unwrap();
            prop_assert_eq!(back.get(), id.get());
            prop_assert_eq!(nonce(&sent).unwrap(), nonce_text);
            let (from, inner) = from_client(&raw(&to_client(index, &id))).unwrap();
            prop_assert_eq!((from, inner.get()), (index, id.get()));
            for stream in [Stream::Request, Stream::Session] {
                let event_id = event_to_client(index, stream, &event);
                prop_assert_eq!(event_from_client(&event_id), Some((index, stream, &event[..])));
            }
        }
    }
}
