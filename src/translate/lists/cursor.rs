//! Where the next page of several backends' lists begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

use crate::protocol::raw::{Object, Unfit, elements, text, value};
use crate::protocol::splice::Edits;
use crate::translate::meta;

/// Most pages of one list; who sends more counts in circles.
const MAX_PAGES: u32 = 10_000;

/// The places where backends go on, as one opaque text for the client.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Pages given so far.
    pages: u32,
    /// Backends that have more, and their own cursors as JSON text.
    pending: Vec<(usize, Box<RawValue>)>,
}

impl Cursor {
    /// Reads what a client sent; `None` when no gateway wrote it. A cursor is
    /// no secret: it leads nowhere the caller could not go by itself.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let parts = elements(value(&json).ok()?).ok()?;
        let (pages, pending) = parts.split_first()?;
        let pages = pages.get().parse().ok().filter(|pages| *pages <= MAX_PAGES)?;
        let mut found: Vec<(usize, Box<RawValue>)> = Vec::new();
        for pair in pending {
            let [backend, cursor] = elements(pair).ok()?[..] else { return None };
            let backend = backend.get().parse().ok()?;
            let known = found.iter().any(|(known, _)| *known == backend);
            if known || !cursor.get().starts_with('"') {
                return None;
            }
            found.push((backend, cursor.to_owned()));
        }
        (!found.is_empty()).then_some(Self { pages, pending: found })
    }

    /// The text for the client.
    pub(crate) fn encode(&self) -> String {
        let mut parts = vec![self.pages.to_string()];
        parts.extend(
            self.pending.iter().map(|(backend, cursor)| format!("[{backend},{}]", cursor.get())),
        );
        URL_SAFE_NO_PAD.encode(meta::array(&parts))
    }

    /// The backends that have more, with their own cursors, which are JSON
    /// strings.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (usize, &RawValue)> {
        self.pending.iter().map(|(backend, cursor)| (*backend, &**cursor))
    }

    /// Where a backend was asked to go on.
    fn of(&self, backend: usize) -> Option<&RawValue> {
        self.pending().find(|(pending, _)| *pending == backend).map(|(_, cursor)| cursor)
    }

    /// The cursor after the page that was asked for by `asked`; the backends
    /// whose next page is the one they were just asked for are stuck, and left
    /// out. Results are given with the place of their backend in the scope.
    ///
    /// # Errors
    /// [`Unfit`] when a result is no object, or ambiguous.
    pub(super) fn after(
        asked: Option<&Self>,
        results: &[(usize, &RawValue)],
    ) -> Result<(Option<Self>, Vec<usize>), Unfit> {
        let pages = asked.map_or(0, |asked| asked.pages) + 1;
        let mut pending = Vec::new();
        let mut stuck = Vec::new();
        for &(backend, result) in results {
            let Some(next) = next_cursor(result)? else { continue };
            let before = asked.and_then(|asked| asked.of(backend));
            if pages > MAX_PAGES || before.is_some_and(|before| is_same(before, next)) {
                stuck.push(backend);
            } else {
                pending.push((backend, next.to_owned()));
            }
        }
        Ok(((!pending.is_empty()).then_some(Self { pages, pending }), stuck))
    }
}

/// A list request that asks for the page at this cursor, a JSON string, or for
/// the first page. `message` is the whole JSON-RPC message, the text of
/// `edits`.
///
/// # Errors
/// [`Unfit`] when message or parameters are no object, or ambiguous.
pub(crate) fn with_cursor<'t>(
    edits: Edits<'t>,
    message: &'t RawValue,
    cursor: Option<&RawValue>,
) -> Result<Edits<'t>, Unfit> {
    let cursor = cursor.map(|cursor| cursor.get().as_bytes().to_vec());
    Ok(match (meta::params(message)?, cursor) {
        (Some(params), Some(cursor)) => edits.set_member(params, "cursor", cursor),
        (Some(params), None) => edits.remove_member(params, "cursor"),
        (None, Some(cursor)) => {
            edits.set_member(message, "params", meta::object(&[("cursor", cursor)]))
        }
        (None, None) => edits,
    })
}

/// The next cursor, which may be the empty text; anything but a string is none.
fn next_cursor(result: &RawValue) -> Result<Option<&RawValue>, Unfit> {
    let next = Object::read(result)?.get("nextCursor")?;
    Ok(next.filter(|next| next.get().starts_with('"')))
}

fn is_same(a: &RawValue, b: &RawValue) -> bool {
    match (text(a), text(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.get() == b.get(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::raw::quote;
    use crate::translate::{raw, text as done};

    #[test]
    fn foreign_texts_are_no_cursors() {
        let encoded = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for json in [
            "",
            "{}",
            "[]",
            "[1]",
            "[1,[0]]",
            "[1,[0,7]]",
            r#"[1,[-1,"a"]]"#,
            r#"[1,[0,"a"],[0,"b"]]"#,
            r#"["1",[0,"a"]]"#,
            r#"[10001,[0,"a"]]"#,
            r#"[1,[0,"a"]"#,
        ] {
            assert!(Cursor::decode(&encoded(json)).is_none(), "{json}");
        }
        assert!(Cursor::decode("***").is_none());
        assert!(Cursor::decode("").is_none());
        let cursor = Cursor::decode(&encoded(r#"[3,[0,""],[2,"\ud800"]]"#)).unwrap();
        let pending: Vec<_> = cursor.pending().map(|(at, text)| (at, text.get())).collect();
        assert_eq!(pending, [(0, r#""""#), (2, r#""\ud800""#)]);
    }

    #[test]
    fn backends_that_do_not_advance_are_left_out() {
        let first =
            [(0, raw(r#"{"nextCursor":"a"}"#)), (1, raw(r#"{"nextCursor":""}"#)), (2, raw("{}"))];
        let (cursor, stuck) = Cursor::after(None, &first).unwrap();
        let cursor = cursor.unwrap();
        assert_eq!((cursor.pages, cursor.pending.len(), stuck.len()), (1, 2, 0));
        let second = [(0, raw(r#"{"nextCursor":"\u0061"}"#)), (1, raw(r#"{"nextCursor":"b"}"#))];
        let (cursor, stuck) = Cursor::after(Some(&cursor), &second).unwrap();
        let cursor = cursor.unwrap();
        assert_eq!(stuck, [0]);
        assert_eq!(cursor.pending().map(|(at, _)| at).collect::<Vec<_>>(), [1]);
        let last = [(1, raw(r#"{"nextCursor":null}"#))];
        assert!(Cursor::after(Some(&cursor), &last).unwrap().0.is_none());
        let late = Cursor { pages: MAX_PAGES, pending: cursor.pending };
        let (next, stuck) =
            Cursor::after(Some(&late), &[(1, raw(r#"{"nextCursor":"z"}"#))]).unwrap();
        assert!(next.is_none() && stuck == [1], "counting in circles ends");
    }

    #[test]
    fn requests_ask_for_the_page() {
        let ask = |message: &str, cursor| {
            let edits = with_cursor(Edits::new(message.as_bytes()), raw(message), cursor).unwrap();
            done(edits.finish())
        };
        let empty = Some(raw(r#""""#));
        assert_eq!(ask(r#"{"id":1}"#, empty), r#"{"params":{"cursor":""},"id":1}"#);
        assert_eq!(
            ask(r#"{"params":{"cursor":"x","n":1e-400}}"#, empty),
            r#"{"params":{"cursor":"","n":1e-400}}"#
        );
        assert_eq!(
            ask(r#"{"params":{"cursor":"x","n":1e-400}}"#, None),
            r#"{"params":{"n":1e-400}}"#
        );
        assert_eq!(ask("{}", None), "{}");
    }

    proptest! {
        #[test]
        fn cursors_come_back(pending in prop::collection::btree_map(any::<usize>(), any::<String>(), 1..5)) {
            let json: Vec<_> = pending.iter().map(|(at, text)| (*at, format!(r#"{{"nextCursor":{}}}"#, quote(text)))).collect();
            let results: Vec<_> = json.iter().map(|(at, text)| (*at, raw(text))).collect();
            let (cursor, _) = Cursor::after(None, &results).unwrap();
            let back = Cursor::decode(&cursor.unwrap().encode()).unwrap();
            let found: Vec<_> = back.pending().map(|(at, text)| (at, text.get().to_owned())).collect();
            let expected: Vec<_> = pending.iter().map(|(at, text)| (*at, quote(text))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
