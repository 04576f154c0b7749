//! One message of a backend, read as far as it is judged.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::protocol::number;
use crate::protocol::raw::Object;

/// The members of a message that are judged; all others pass.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The member of a tool's result that is judged.
#[derive(Deserialize)]
struct ToolResult {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

/// What a backend says.
pub(super) enum Told<'a> {
    /// The end of a request.
    Answer { id: &'a RawValue, result: Option<&'a RawValue>, error: Option<&'a RawValue> },
    /// The backend wants something of the client.
    Request { id: &'a RawValue, method: std::borrow::Cow<'a, str> },
    /// It tells something.
    Notification { method: std::borrow::Cow<'a, str> },
    /// It is none of these.
    Noise,
}

impl<'a> Told<'a> {
    /// Reads a message. One that names a member twice is noise: two readers
    /// could take it for two different ones.
    pub(super) fn read(text: &'a [u8]) -> Self {
        match serde_json::from_slice::<Members<'a>>(text) {
            Ok(Members { id: Some(id), method: None, result, error })
                if result.is_some() != error.is_some() =>
            {
                Self::Answer { id, result, error }
            }
            // An answer with `result: null` reads as one with neither.
            Ok(Members { id: Some(id), method: Some(method), result: None, error: None }) => {
                Self::Request { id, method }
            }
            Ok(Members { id: None, method: Some(method), result: None, error: None }) => {
                Self::Notification { method }
            }
            Ok(_) | Err(_) => Self::Noise,
        }
    }
}

/// Whether an answer says that something failed.
pub(super) fn is_error(result: Option<&RawValue>) -> bool {
    result.is_none_or(|result| {
        result.get().contains("\"isError\"")
            && serde_json::from_str::<ToolResult>(result.get()).is_ok_and(|r| r.is_error)
    })
}

/// The code of an error.
pub(super) fn code(error: &RawValue) -> Option<i64> {
    let code = Object::read(error).ok()?.get("code").ok()??;
    number::integer(code.get())
}

/// A response with this `result` or `error`.
pub(super) fn response(id: &RawValue, member: &str, value: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(value.len() + id.get().len() + 48);
    text.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    text.extend_from_slice(id.get().as_bytes());
    text.extend_from_slice(b",\"");
    text.extend_from_slice(member.as_bytes());
    text.extend_from_slice(b"\":");
    text.extend_from_slice(value);
    text.push(b'}');
    text.into()
}

/// Whether two ids are the same value, however they are spelled.
pub(super) fn same_id(a: &RawValue, b: &RawValue) -> bool {
    a.get() == b.get()
        || match (serde_json::from_str::<Value>(a.get()), serde_json::from_str::<Value>(b.get())) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    fn judged(text: &str) -> Option<bool> {
        match Told::read(text.as_bytes()) {
            Told::Answer { id, result, .. } if same_id(id, &raw("7")) => Some(is_error(result)),
            Told::Answer { .. }
            | Told::Request { .. }
            | Told::Notification { .. }
            | Told::Noise => None,
        }
    }

    #[test]
    fn only_the_answer_with_the_id_of_the_call_counts() {
        assert_eq!(judged(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Some(false));
        assert_eq!(judged(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#), None);
        assert_eq!(judged(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#), None);
        assert_eq!(judged(r#"{"jsonrpc":"2.0","result":{}}"#), None);
        assert_eq!(judged(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#), None);
        assert_eq!(judged(r#"{"id":7,"id":7,"result":{}}"#), None);
        assert_eq!(judged("<html>"), None);
    }

    #[test]
    fn errors_are_told_from_results() {
        assert_eq!(judged(r#"{"id":7,"error":{"code":-32602,"message":"x"}}"#), Some(true));
        assert_eq!(judged(r#"{"id":7,"result":{"isError":true}}"#), Some(true));
        assert_eq!(judged(r#"{"id":7,"result":{"isError":false}}"#), Some(false));
        assert_eq!(
            judged(r#"{"id":7,"result":{"content":[{"text":"\"isError\":true"}]}}"#),
            Some(false)
        );
        assert_eq!(judged(r#"{"id":7,"result":null,"error":{}}"#), Some(true));
        assert_eq!(judged(r#"{"id":7}"#), None);
    }

    #[test]
    fn a_response_is_put_together() {
        let text = response(&raw(r#""a""#), "result", b"{\"n\":1e-400}");
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":"a","result":{"n":1e-400}}"#);
    }

    #[test]
    fn requests_and_notifications_are_told_apart() {
        assert!(matches!(
            Told::read(br#"{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{}}"#),
            Told::Request { id, method } if id.get() == "3" && method == "elicitation/create"
        ));
        assert!(matches!(
            Told::read(br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#),
            Told::Notification { method } if method == "notifications/progress"
        ));
        assert!(matches!(Told::read(br#"{"id":1,"method":"x","result":{}}"#), Told::Noise));
        assert!(matches!(Told::read(b"[]"), Told::Noise));
    }

    #[test]
    fn errors_have_codes() {
        assert_eq!(code(&raw(r#"{"message":"m","code":-32022}"#)), Some(-32022));
        assert_eq!(code(&raw(r#"{"code":-32022.0}"#)), Some(-32022));
        for none in ["{}", "7", r#"{"code":"x"}"#, r#"{"code":1,"code":1}"#] {
            assert_eq!(code(&raw(none)), None, "{none}");
        }
    }

    #[test]
    fn ids_are_compared_as_values() {
        assert!(same_id(&raw(r#""a""#), &raw(r#""\u0061""#)));
        assert!(!same_id(&raw("1"), &raw(r#""1""#)));
        assert!(same_id(&raw("12345678901234567890123"), &raw("12345678901234567890123")));
    }
}
