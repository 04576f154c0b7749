//! What a client asks, for a backend of the other era. The edits can be made
//! together with others of the same message, a new id above all.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::meta;
use crate::protocol::mcp::meta as names;
use crate::protocol::raw::{Member, Object, Unfit, quote};
use crate::protocol::splice::Edits;

/// What a modern request says of its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// The revision the request is to speak.
    pub(crate) revision: &'a str,
    /// The client's capabilities, an object.
    pub(crate) capabilities: &'a RawValue,
    /// Name and version of the client, an object.
    pub(crate) client_info: Option<&'a RawValue>,
    /// What `logging/setLevel` asked for last.
    pub(crate) log_level: Option<&'a str>,
}

/// A legacy request for a modern backend: with the metadata that every modern
/// request carries. Other members of `_meta` stay, a progress token above all.
/// `message` is the whole JSON-RPC message, the text of `edits`.
///
/// # Errors
/// [`Unfit`] when message or parameters are no object, or ambiguous.
pub(crate) fn stamp<'t>(
    edits: Edits<'t>,
    message: &'t RawValue,
    stamp: &Stamp<'_>,
) -> Result<Edits<'t>, Unfit> {
    let owned = |text: &str| -> Cow<'t, [u8]> { Cow::Owned(text.as_bytes().to_vec()) };
    let mut members = vec![
        (names::PROTOCOL_VERSION, owned(&quote(stamp.revision))),
        (names::CLIENT_CAPABILITIES, owned(stamp.capabilities.get())),
    ];
    if let Some(info) = stamp.client_info {
        members.push((names::CLIENT_INFO, owned(info.get())));
    }
    if let Some(level) = stamp.log_level {
        members.push((names::LOG_LEVEL, owned(&quote(level))));
    }
    meta::set_in_params(edits, message, members)
}

/// A modern request for a legacy backend: without the metadata of the modern
/// era and without the answers of an earlier round, which no legacy backend
/// asked for. Other members of `_meta` stay; an empty `_meta` goes.
/// `message` is the whole JSON-RPC message, the text of `edits`.
///
/// # Errors
/// [`Unfit`] when message or parameters are no object, or ambiguous.
pub(crate) fn strip<'t>(edits: Edits<'t>, message: &'t RawValue) -> Result<Edits<'t>, Unfit> {
    let Some(params) = meta::params(message)? else { return Ok(edits) };
    let mut edits =
        edits.remove_member(params, "inputResponses").remove_member(params, "requestState");
    let Some(found) = meta::of(&Object::read(params)?)? else { return Ok(edits) };
    let object = Object::read(found)?;
    let (modern, others): (Vec<_>, Vec<_>) =
        object.members().iter().map(Member::name).partition(|name| name.starts_with(names::PREFIX));
    if others.is_empty() {
        return Ok(edits.remove_member(params, "_meta"));
    }
    for name in modern {
        edits = edits.remove_member(found, name);
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw, text};

    const STAMPED: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/logLevel":"info""#;

    fn stamped(message: &str) -> Result<String, Unfit> {
        let edits = stamp(
            Edits::new(message.as_bytes()),
            raw(message),
            &Stamp {
                revision: "2026-07-28",
                capabilities: raw(r#"{"roots":{}}"#),
                client_info: Some(raw(r#"{"name":"c"}"#)),
                log_level: Some("info"),
            },
        )?;
        Ok(text(edits.finish()))
    }

    fn stripped(message: &str) -> String {
        text(strip(Edits::new(message.as_bytes()), raw(message)).unwrap().finish())
    }

    #[test]
    fn a_stamp_is_added_and_all_else_stays() {
        let legacy = r#"{"id":12345678901234567890,"method":"tools/call","params":{"arguments":{"x":1e-400},"_meta":{"progressToken":1.0}}}"#;
        assert_eq!(
            stamped(legacy).unwrap(),
            legacy.replace(r#""_meta":{"#, &format!(r#""_meta":{{{STAMPED},"#))
        );
        assert_eq!(
            stamped(r#"{"params":{"name":"a"}}"#).unwrap(),
            format!(r#"{{"params":{{"_meta":{{{STAMPED}}},"name":"a"}}}}"#)
        );
        for bare in ["{}", r#"{"params":null}"#] {
            assert_eq!(
                stamped(bare).unwrap(),
                format!(r#"{{"params":{{"_meta":{{{STAMPED}}}}}}}"#)
            );
        }
        assert_eq!(stamped(r#"{"params":[]}"#), Err(Unfit::NotObject));
    }

    #[test]
    fn a_stamp_of_the_clients_own_is_replaced() {
        let message = r#"{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"9","io.modelcontextprotocol/logLevel":"x","k":1}}}"#;
        let done = stamped(message).unwrap();
        assert!(done.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#));
        assert!(done.contains(r#""io.modelcontextprotocol/logLevel":"info","k":1"#));
        let again: serde_json::Value = serde_json::from_str(&done).unwrap();
        assert_eq!(again["params"]["_meta"].as_object().unwrap().len(), 5);
    }

    #[test]
    fn a_stamp_goes_together_with_a_new_id() {
        let message = r#"{"id":7,"params":{"name":"a"}}"#;
        let whole = raw(message);
        let id = Object::read(whole).unwrap().get("id").unwrap().unwrap();
        let edits = Edits::new(message.as_bytes()).replace(id, &b"\"n:7\""[..]);
        assert_eq!(
            text(strip(edits, whole).unwrap().finish()),
            message.replace(":7,", ":\"n:7\",")
        );
    }

    #[test]
    fn stripping_leaves_what_legacy_backends_know() {
        assert_eq!(
            stripped(&format!(
                r#"{{"params":{{"name":"a","_meta":{{{STAMPED},"progressToken":"p","traceparent":"t"}},"arguments":{{"requestState":1}},"inputResponses":{{}},"requestState":"s"}}}}"#
            )),
            r#"{"params":{"name":"a","_meta":{"progressToken":"p","traceparent":"t"},"arguments":{"requestState":1}}}"#
        );
        assert_eq!(
            stripped(&format!(r#"{{"params":{{"_meta":{{{STAMPED}}}}}}}"#)),
            r#"{"params":{}}"#
        );
        for same in ["{}", r#"{"params":null}"#, r#"{"params":{"_meta":null,"x":1e-400}}"#] {
            assert_eq!(stripped(same), same);
        }
    }

    #[test]
    fn a_stamp_can_be_taken_off_again() {
        for message in [
            r#"{"params":{"name":"a","n":9223372036854775808}}"#,
            r#"{"params":{"_meta":{"progressToken":1.0},"name":"a"}}"#,
        ] {
            assert_eq!(stripped(&stamped(message).unwrap()), message);
        }
    }
}
