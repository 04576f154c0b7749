//! The JSON-RPC 2.0 envelope, read once, with parameters left as raw JSON.
//!
//! What is judged is exactly what is forwarded, so two parsers must never be
//! able to read one message differently: a member that appears twice, or a
//! second time in another case, is refused at every level the gateway looks
//! at (the envelope, `params`, `_meta`).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::codes;

/// Deepest nesting of arrays and objects accepted, counting the outermost.
pub const MAX_DEPTH: usize = 64;

/// Longest id of a request accepted, in bytes of its JSON text.
pub const MAX_ID_BYTES: usize = 256;

/// Longest id of a response accepted, in bytes of its JSON text: that of a
/// request after [`super::ids`] has put it into a string.
pub const MAX_WRAPPED_ID_BYTES: usize = 2 * MAX_ID_BYTES + 64;

/// A message whose `id` and `params` still lie in the buffer it was read from.
#[derive(Debug, Default)]
pub struct Envelope<'a> {
    /// Absent in notifications. The JSON text of a string or a number.
    pub id: Option<&'a RawValue>,
    /// Absent in responses.
    pub method: Option<Cow<'a, str>>,
    /// The parameters, unread.
    pub params: Option<&'a RawValue>,
    /// Present in successful responses.
    pub result: Option<&'a RawValue>,
    /// Present in failed responses.
    pub error: Option<&'a RawValue>,
}

/// What a well-formed envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `method` and `id`: wants an answer.
    Request,
    /// `method` without `id`.
    Notification,
    /// `result` or `error`.
    Response,
}

/// Why a text is not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text is not JSON.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// A JSON array: batches left the protocol with revision 2025-06-18.
    #[error("batches are not supported; send one message per request")]
    Batch,
    /// JSON, but not a JSON-RPC 2.0 message.
    #[error("{0}")]
    Shape(String),
}

impl Malformed {
    /// The code JSON-RPC 2.0 assigns to the fault.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Syntax(_) => codes::PARSE_ERROR,
            Self::Depth | Self::Batch | Self::Shape(_) => codes::INVALID_REQUEST,
        }
    }
}

/// Reads one message.
///
/// # Errors
/// [`Malformed`], naming the fault; the caller may still learn the id with
/// [`salvage_id`].
pub fn parse(text: &[u8]) -> Result<Envelope<'_>, Malformed> {
    match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') | None => {}
        Some(b'[') => {
            check_depth(text)?;
            return match serde_json::from_slice::<IgnoredAny>(text) {
                Ok(_) => Err(Malformed::Batch),
                Err(error) => Err(Malformed::Syntax(brief(&error))),
            };
        }
        Some(_) => {
            return match serde_json::from_slice::<IgnoredAny>(text) {
                Ok(_) => Err(Malformed::Shape("a message is a JSON object".to_owned())),
                Err(error) => Err(Malformed::Syntax(brief(&error))),
            };
        }
    }
    check_depth(text)?;
    // Members that nobody judges are skipped without a look at their text, and
    // would reach a backend that reads what is no UTF-8 in its own way.
    let text = std::str::from_utf8(text).map_err(|error| {
        Malformed::Syntax(format!("not UTF-8 from byte {}", error.valid_up_to()))
    })?;
    serde_json::from_str::<Envelope<'_>>(text).map_err(|error| {
        if error.is_data() {
            Malformed::Shape(brief(&error))
        } else {
            Malformed::Syntax(brief(&error))
        }
    })
}

/// The id of a message that could not be read in full, if a top-level `id`
/// can still be told, so that the error can echo it.
#[must_use]
pub fn salvage_id(text: &[u8]) -> Option<&RawValue> {
    #[derive(serde::Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let found = serde_json::from_slice::<OnlyId<'_>>(text).ok()?.id?;
    (valid_id(found) && found.get().len() <= MAX_ID_BYTES).then_some(found)
}

/// What a parser says, cut to a bearable length: it quotes the text it read.
#[must_use]
pub fn brief(error: &serde_json::Error) -> String {
    const LONGEST: usize = 200;
    let mut text = error.to_string();
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

/// Refuses nesting beyond [`MAX_DEPTH`] without building anything.
///
/// # Errors
/// [`Malformed::Depth`].
pub fn check_depth(text: &[u8]) -> Result<(), Malformed> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Malformed::Depth);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

impl Envelope<'_> {
    /// Tells requests, notifications and responses apart.
    ///
    /// # Errors
    /// [`Malformed::Shape`] when it is none of them.
    pub fn kind(&self) -> Result<Kind, Malformed> {
        let answers = self.result.is_some() || self.error.is_some();
        match (&self.method, self.id, answers) {
            (Some(_), Some(_), false) => Ok(Kind::Request),
            (Some(_), None, false) => Ok(Kind::Notification),
            (None, _, true) => Ok(Kind::Response),
            (Some(_), _, true) => {
                Err(Malformed::Shape("a message has a method or a result, not both".to_owned()))
            }
            (None, _, false) => Err(Malformed::Shape("`method` is missing".to_owned())),
        }
    }
}

/// Whether the text of an id is a string or a number.
fn valid_id(id: &RawValue) -> bool {
    id.get()
        .bytes()
        .next()
        .is_some_and(|byte| byte == b'"' || byte == b'-' || byte.is_ascii_digit())
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC 2.0 message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        let mut version = false;
        let mut seen = Members::new(&["jsonrpc", "id", "method", "params", "result", "error"]);
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            match seen.admit(&key).map_err(A::Error::custom)? {
                Some("jsonrpc") => {
                    let Key(text) = map.next_value()?;
                    if text != "2.0" {
                        return Err(A::Error::custom("`jsonrpc` must be \"2.0\""));
                    }
                    version = true;
                }
                Some("id") => {
                    let id: &'de RawValue = map.next_value()?;
                    if !valid_id(id) {
                        return Err(A::Error::custom("`id` must be a string or a number"));
                    }
                    envelope.id = Some(id);
                }
                Some("method") => envelope.method = Some(map.next_value::<Key<'de>>()?.0),
                Some("params") => envelope.params = Some(map.next_value()?),
                Some("result") => envelope.result = Some(map.next_value()?),
                Some("error") => envelope.error = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !version {
            return Err(A::Error::custom("`jsonrpc` must be \"2.0\""));
        }
        let longest = if envelope.method.is_some() { MAX_ID_BYTES } else { MAX_WRAPPED_ID_BYTES };
        if envelope.id.is_some_and(|id| id.get().len() > longest) {
            return Err(A::Error::custom(format_args!("`id` is longer than {longest} bytes")));
        }
        Ok(envelope)
    }
}

/// A string borrowed where it has no escapes.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Refuses members that a second parser could read differently: one of the
/// known names twice, or in another case.
pub(crate) struct Members {
    known: &'static [&'static str],
    seen: u32,
}

impl Members {
    /// At most 32 known names.
    pub(crate) fn new(known: &'static [&'static str]) -> Self {
        debug_assert!(known.len() <= 32);
        Self { known, seen: 0 }
    }

    /// The known name that `key` is, or `None` for a member nobody judges.
    pub(crate) fn admit(&mut self, key: &str) -> Result<Option<&'static str>, String> {
        for (index, name) in self.known.iter().enumerate() {
            if key == *name {
                let bit = 1 << index;
                if self.seen & bit != 0 {
                    return Err(format!("`{name}` appears twice"));
                }
                self.seen |= bit;
                return Ok(Some(name));
            }
            if folds_to(key, name) {
                return Err(format!("`{name}` must be spelled exactly so"));
            }
        }
        Ok(None)
    }
}

/// Whether a parser that ignores case could read `key` as `name`. Simple case
/// folding takes two letters outside ASCII into it: the long s (U+017F) and
/// the Kelvin sign (U+212A).
pub(crate) fn folds_to(key: &str, name: &str) -> bool {
    let folded = key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|letter| letter.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        match parse(text.as_bytes()) {
            Err(Malformed::Shape(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_keeps_its_parameters_as_they_were_written() {
        let text = br#"{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call","params":{"n":1e-400, "x":[ ]},"extra":true}"#;
        let envelope = parse(text).unwrap();
        assert_eq!(envelope.kind(), Ok(Kind::Request));
        assert_eq!(envelope.id.unwrap().get(), "12345678901234567890");
        assert_eq!(envelope.params.unwrap().get(), r#"{"n":1e-400, "x":[ ]}"#);
    }

    #[test]
    fn duplicates_and_case_variants_are_refused() {
        assert!(shape(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#).contains("twice"));
        assert!(shape(r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#).contains("exactly"));
        assert!(
            shape(r#"{"jsonrpc":"2.0","id":1,"method":"x","param\u017f":{}}"#).contains("exactly")
        );
        assert!(
            shape("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"paramſ\":{}}")
                .contains("exactly")
        );
        assert!(
            shape(r#"{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}"#).contains("twice")
        );
    }

    #[test]
    fn ids_are_strings_or_numbers() {
        for id in ["null", "true", "{}", "[]"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert!(shape(&text).contains("`id`"), "{id}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(300));
        assert!(shape(&long).contains("`id`"));
        let answer =
            |length| format!(r#"{{"jsonrpc":"2.0","id":"{}","result":1}}"#, "x".repeat(length));
        assert!(parse(answer(MAX_WRAPPED_ID_BYTES - 2).as_bytes()).is_ok());
        assert!(shape(&answer(MAX_WRAPPED_ID_BYTES)).contains("`id`"));
    }

    #[test]
    fn depth_is_bounded_before_anything_is_built() {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{}"#, "[".repeat(100_000));
        assert_eq!(parse(text.as_bytes()).unwrap_err(), Malformed::Depth);
        let brackets_in_text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "[".repeat(500));
        assert!(parse(brackets_in_text.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_not_an_object_is_named() {
        assert_eq!(parse(b"[]").unwrap_err(), Malformed::Batch);
        assert!(matches!(parse(b"42"), Err(Malformed::Shape(_))));
        assert!(matches!(parse(b"{"), Err(Malformed::Syntax(_))));
        assert!(matches!(parse(b""), Err(Malformed::Syntax(_))));
        assert!(matches!(parse(b"nonsense"), Err(Malformed::Syntax(_))));
        let skipped = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"other\":\"\xff\"}";
        assert!(matches!(parse(skipped), Err(Malformed::Syntax(_))), "also where nobody looks");
        assert_eq!(
            parse(b"{\"jsonrpc\":\"2.0\"}").unwrap().kind().unwrap_err().code(),
            codes::INVALID_REQUEST
        );
        assert!(shape(r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#).contains("2.0"));
    }

    #[test]
    fn an_id_is_salvaged_only_when_it_is_one() {
        assert_eq!(salvage_id(br#"{"id":"a","method":7}"#).unwrap().get(), "\"a\"");
        assert!(salvage_id(br#"{"id":{},"method":7}"#).is_none());
        assert!(salvage_id(b"{").is_none());
    }
}
