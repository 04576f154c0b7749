//! The backend's own name in a call that names its subject otherwise: clients
//! of a namespaced scope say `backend__tool` where the backend says `tool`.

use bytes::Bytes;

use crate::protocol::mcp::Method;
use crate::protocol::raw::{self, Object, Unfit, quote};
use crate::protocol::splice::Edits;

/// The message with `params.name`, or `params.ref.name` of a completion, as
/// the backend has it. The rest of the text stays as it is.
///
/// # Errors
/// When the message has no such member.
pub(super) fn renamed(message: &Bytes, method: Method, inner: &str) -> Result<Bytes, Unfit> {
    const MISSING: Unfit = Unfit::Missing("params");
    let whole = Object::read(raw::value(message)?)?;
    let params = whole.get("params")?.ok_or(MISSING)?;
    let holder = if method == Method::Complete {
        Object::read(params)?.get("ref")?.ok_or(MISSING)?
    } else {
        params
    };
    Edits::new(message).set_member(holder, "name", quote(inner).into_bytes()).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backends_name_takes_the_place_of_the_clients() {
        let call = |method, text: &'static str| {
            renamed(&Bytes::from_static(text.as_bytes()), method, "a\"b").unwrap()
        };
        assert_eq!(
            call(
                Method::ToolsCall,
                r#"{"id": 1,"params":{"arguments":{"name":"desk__x"}, "name":"desk__x"}}"#
            ),
            r#"{"id": 1,"params":{"arguments":{"name":"desk__x"}, "name":"a\"b"}}"#
        );
        assert_eq!(
            call(
                Method::Complete,
                r#"{"params":{"ref":{"type":"ref/prompt","name":"desk__x"},"argument":{"name":"n"}}}"#
            ),
            r#"{"params":{"ref":{"type":"ref/prompt","name":"a\"b"},"argument":{"name":"n"}}}"#
        );
    }

    #[test]
    fn a_message_without_a_subject_is_no_call() {
        for text in ["{}", r#"{"params":1}"#, r#"{"params":{"ref":1}}"#] {
            assert!(renamed(&Bytes::from_static(text.as_bytes()), Method::Complete, "x").is_err());
        }
    }
}
