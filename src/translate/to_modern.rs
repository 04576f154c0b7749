//! What a legacy backend answers, for a modern client.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{is_cacheable, meta};
use crate::protocol::codes;
use crate::protocol::mcp::meta as names;
use crate::protocol::number;
use crate::protocol::raw::{Object, Unfit, elements, text};
use crate::protocol::splice::Edits;

/// A result with what modern clients require: its type; on lists and
/// resources that it is not to be kept, since a legacy backend says nothing
/// of that; and who answers, where it does not say so itself.
///
/// # Errors
/// [`Unfit`] when the result is no object, or ambiguous where it is read.
pub(crate) fn result(
    method: &str,
    result: &RawValue,
    server_info: &RawValue,
) -> Result<Bytes, Unfit> {
    let object = Object::read(result)?;
    let mut edits =
        Edits::new(result.get().as_bytes()).set_member(result, "resultType", &b"\"complete\""[..]);
    if is_cacheable(method) {
        edits = edits.set_member(result, "ttlMs", &b"0"[..]).set_member(
            result,
            "cacheScope",
            &b"\"private\""[..],
        );
    }
    let named = match meta::of(&object)? {
        Some(found) => Object::read(found)?.get(names::SERVER_INFO)?.is_some(),
        None => false,
    };
    if !named {
        let info = Cow::Borrowed(server_info.get().as_bytes());
        edits = meta::set(edits, result, vec![(names::SERVER_INFO, info)])?;
    }
    edits.finish()
}

/// What a legacy error is to a modern client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An error, perhaps with another code.
    Error(Bytes),
    /// A result that asks for input instead: the backend wants the user to
    /// visit an address before the call is repeated. Whether the client can do
    /// so is to be judged as for every such result ([`super::mrtr`]).
    InputRequired(Bytes),
}

/// Translates an error. Codes that the modern era does not allow become those
/// it has: a resource that does not exist is an invalid parameter; a call that
/// wants addresses visited asks for that, and is an internal error where it
/// names none.
///
/// # Errors
/// [`Unfit`] when the error is no object, or ambiguous.
pub(crate) fn error(error: &RawValue, server_info: &RawValue) -> Result<Answer, Unfit> {
    let object = Object::read(error)?;
    let edits = Edits::new(error.get().as_bytes());
    let code = object.get("code")?.ok_or(Unfit::Missing("code"))?;
    let known = number::integer(code.get()).and_then(|code| i32::try_from(code).ok());
    let coded = |new: i32| -> Result<Answer, Unfit> {
        let edits = Edits::new(error.get().as_bytes());
        edits.replace(code, new.to_string().into_bytes()).finish().map(Answer::Error)
    };
    match known {
        Some(codes::RESOURCE_NOT_FOUND) => coded(codes::INVALID_PARAMS),
        Some(codes::URL_ELICITATION_REQUIRED) => match addresses(&object)? {
            asks if asks.is_empty() => coded(codes::INTERNAL_ERROR),
            asks => Ok(Answer::InputRequired(input_required(&asks, server_info))),
        },
        _ => edits.finish().map(Answer::Error),
    }
}

/// The addresses an error wants visited, as parameters of modern elicitations.
fn addresses(error: &Object<'_>) -> Result<Vec<Bytes>, Unfit> {
    let Some(data) = error.get("data")?.filter(|data| data.get().starts_with('{')) else {
        return Ok(Vec::new());
    };
    let Some(asked) = Object::read(data)?.get("elicitations")? else { return Ok(Vec::new()) };
    let mut asks = Vec::new();
    for ask in elements(asked)? {
        let Ok(object) = Object::read(ask) else { continue };
        let mode = object.get("mode")?.and_then(text);
        if mode.is_some_and(|mode| mode == "url") && object.get("url")?.is_some() {
            let edits = Edits::new(ask.get().as_bytes());
            asks.push(edits.remove_member(ask, "elicitationId").finish()?);
        }
    }
    Ok(asks)
}

fn input_required(asks: &[Bytes], server_info: &RawValue) -> Bytes {
    let requests: Vec<(String, Vec<u8>)> = asks
        .iter()
        .enumerate()
        .map(|(index, ask)| {
            let request =
                meta::object(&[("method", &b"\"elicitation/create\""[..]), ("params", ask)]);
            (format!("url-{}", index + 1), request)
        })
        .collect();
    let requests = meta::object(&requests);
    let info = meta::object(&[(names::SERVER_INFO, server_info.get())]);
    meta::object(&[
        ("resultType", &b"\"input_required\""[..]),
        ("inputRequests", &requests),
        ("_meta", &info),
    ])
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw, text};

    const INFO: &str = r#"{"name":"s","version":"1"}"#;
    const META: &str =
        r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}"#;

    fn modern(method: &str, legacy: &str) -> String {
        text(result(method, raw(legacy), raw(INFO)))
    }

    #[test]
    fn results_get_what_the_era_requires() {
        assert_eq!(
            modern(
                "tools/call",
                r#"{"content":[ ],"structuredContent":null,"n":9223372036854775808}"#
            ),
            format!(
                r#"{{"resultType":"complete",{META},"content":[ ],"structuredContent":null,"n":9223372036854775808}}"#
            )
        );
        assert_eq!(
            modern("prompts/list", r#"{"prompts":[],"nextCursor":""}"#),
            format!(
                r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private",{META},"prompts":[],"nextCursor":""}}"#
            )
        );
        assert_eq!(
            modern("completion/complete", "{}"),
            format!(r#"{{"resultType":"complete",{META}}}"#)
        );
        for method in [
            "server/discover",
            "tools/list",
            "resources/list",
            "resources/templates/list",
            "resources/read",
        ] {
            assert!(
                modern(method, "{}").contains(r#""ttlMs":0,"cacheScope":"private""#),
                "{method}"
            );
        }
    }

    #[test]
    fn what_a_backend_says_of_itself_stays() {
        let own = r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"own"},"k":1}}"#;
        let expected = format!(r#"{{"resultType":"complete",{}"#, &own[1..]);
        assert_eq!(modern("tools/call", own), expected);
        assert_eq!(
            modern("tools/call", r#"{"_meta":{ "k":1}}"#),
            r#"{"resultType":"complete","_meta":{ "io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"k":1}}"#
        );
        assert_eq!(
            modern(
                "resources/read",
                r#"{"resultType":"odd","ttlMs":9,"cacheScope":"public","_meta":null}"#
            ),
            format!(r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private",{META}}}"#)
        );
    }

    #[test]
    fn codes_of_the_legacy_era_are_replaced() {
        let of = |code: &str| {
            let legacy =
                format!(r#"{{"code":{code},"message":"m","data":{{"uri":"x","n":1e-400}}}}"#);
            match error(raw(&legacy), raw(INFO)).unwrap() {
                Answer::Error(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Answer::InputRequired(_) => panic!("{code}"),
            }
        };
        assert_eq!(of("-32002"), r#"{"code":-32602,"message":"m","data":{"uri":"x","n":1e-400}}"#);
        assert_eq!(of("-32042"), r#"{"code":-32603,"message":"m","data":{"uri":"x","n":1e-400}}"#);
        assert_eq!(
            of("-32603.0"),
            r#"{"code":-32603.0,"message":"m","data":{"uri":"x","n":1e-400}}"#
        );
        assert_eq!(error(raw(r#"{"message":"m"}"#), raw(INFO)), Err(Unfit::Missing("code")));
    }

    #[test]
    fn addresses_to_visit_become_asked_for_input() {
        let legacy = r#"{"code":-32042,"message":"m","data":{"elicitations":[
            {"mode":"url","elicitationId":"e1","url":"https://x/1","message":"one"},
            {"mode":"form","message":"no"}, 7,
            {"elicitationId":"e2", "mode":"url","url":"https://x/2","message":"two","n":1e-400}]}}"#;
        let expected = format!(
            "{{\"resultType\":\"input_required\",\"inputRequests\":{{\
             \"url-1\":{{\"method\":\"elicitation/create\",\"params\":{{\"mode\":\"url\",\"url\":\"https://x/1\",\"message\":\"one\"}}}},\
             \"url-2\":{{\"method\":\"elicitation/create\",\"params\":{{\"mode\":\"url\",\"url\":\"https://x/2\",\"message\":\"two\",\"n\":1e-400}}}}}},{META}}}"
        );
        assert_eq!(
            error(raw(legacy), raw(INFO)).unwrap(),
            Answer::InputRequired(Bytes::from(expected))
        );
    }
}
