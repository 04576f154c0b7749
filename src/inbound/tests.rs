use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::stream;

use super::*;
use crate::protocol::call::SubjectKind;
use crate::protocol::headers::encode_mirrored;
use crate::protocol::mcp::Method;
use crate::protocol::revision::Era;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    map
}

/// Era, revision and method; or the reason, and the era the refusal is told in.
fn read_message(
    pairs: &[(&'static str, &str)],
    body: &str,
) -> Result<(Era, &'static str, Method), (Reason, Era)> {
    let map = headers(pairs);
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut partial = Partial::default();
    match Message::read(Head::new(&map), &body, &mut partial) {
        Ok(message) => Ok((message.spoken.era, message.spoken.revision, message.method)),
        Err(refusal) => Err((refusal.reason, partial.era)),
    }
}

fn call(meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":{{}},{meta}}}}}"#
    )
}

const MODERN: [(&str, &str); 3] =
    [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "add")];

#[test]
fn a_modern_call_whose_headers_agree() {
    let expected = Ok((Era::Modern, "2026-07-28", Method::ToolsCall));
    assert_eq!(read_message(&MODERN, &call(META)), expected);
    let mut encoded = MODERN;
    encoded[2].1 = "=?base64?YWRk?=";
    assert_eq!(read_message(&encoded, &call(META)), expected, "sentinel");
    encoded[2].1 = "  add ";
    assert_eq!(read_message(&encoded, &call(META)), expected, "white space around");
}

#[test]
fn a_modern_call_whose_headers_disagree() {
    let refused = Err((Reason::HeaderMismatch, Era::Modern));
    for missing in MODERN {
        let mut some = MODERN.to_vec();
        some.retain(|pair| *pair != missing);
        assert_eq!(read_message(&some, &call(META)), refused, "without {}", missing.0);
    }
    for (at, value) in
        [(0, "2025-11-25"), (1, "TOOLS/CALL"), (1, "tools/list"), (2, "Add"), (2, "=?base64?***?=")]
    {
        let mut wrong = MODERN;
        wrong[at].1 = value;
        assert_eq!(read_message(&wrong, &call(META)), refused, "{value}");
    }
    for twice in MODERN {
        let mut pairs = MODERN.to_vec();
        pairs.push(twice);
        assert_eq!(read_message(&pairs, &call(META)), refused, "{} twice", twice.0);
    }
}

#[test]
fn modern_requests_mirror_what_they_name() {
    for (method, member, name) in [
        ("tools/call", "name", "add"),
        ("prompts/get", "name", "grüß"),
        ("resources/read", "uri", "file:///a b"),
        ("tasks/get", "taskId", "t-1"),
        ("tasks/update", "taskId", "t-1"),
        ("tasks/cancel", "taskId", "t-1"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{member}":"{name}",{META}}}}}"#
        );
        let read = |mirrored: Option<&str>, body: &str| {
            let mut pairs = vec![MODERN[0], ("mcp-method", method)];
            pairs.extend(mirrored.map(|value| ("mcp-name", value)));
            read_message(&pairs, body).map(|(_, _, found)| found)
        };
        let encoded = encode_mirrored(name);
        assert_eq!(read(Some(&encoded), &body), Ok(Method::of(method)), "{method}");
        let refused = Err((Reason::HeaderMismatch, Era::Modern));
        assert_eq!(read(None, &body), refused, "{method} without");
        assert_eq!(read(Some("other"), &body), refused, "{method} with another");
        let unnamed = body.replace(member, "other");
        assert_eq!(read(Some(&encoded), &unnamed), refused, "{method} naming nothing");
    }
    // These name nothing, or what they name is not mirrored.
    for (method, params) in [
        ("prompts/list", ""),
        ("subscriptions/listen", r#""notifications":{},"#),
        ("completion/complete", r#""ref":{"type":"ref/prompt","name":"p"},"#),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{META}}}}}"#
        );
        let pairs = [MODERN[0], ("mcp-method", method)];
        assert_eq!(read_message(&pairs, &body).map(|(_, _, m)| m), Ok(Method::of(method)));
    }
}

#[test]
fn a_message_becomes_a_call_of_what_it_names() {
    use SubjectKind::{Prompt, Resource, Tool};
    for (method, params, expected) in [
        ("tools/call", r#"{"name":"t"}"#, Ok((Tool, "t"))),
        ("prompts/get", r#"{"name":"p"}"#, Ok((Prompt, "p"))),
        ("resources/subscribe", r#"{"uri":"u:r"}"#, Ok((Resource, "u:r"))),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","uri":"u:{id}"}}"#,
            Ok((Resource, "u:{id}")),
        ),
        ("tools/call", "{}", Err(Reason::InvalidParams)),
        ("resources/read", r#"{"name":"t"}"#, Err(Reason::InvalidParams)),
        ("completion/complete", r#"{"ref":{"type":"x"}}"#, Err(Reason::InvalidParams)),
        ("tools/list", r#"{"name":"t"}"#, Err(Reason::MethodNotFound)),
        ("vendor/do", r#"{"name":"t"}"#, Err(Reason::MethodNotFound)),
    ] {
        let map = headers(&[]);
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let body = Bytes::from(text);
        let head = Head::new(&map);
        let message = Message::read(head, &body, &mut Partial::default()).unwrap();
        let call = message.into_call(head, &body).map_err(|refusal| refusal.reason);
        let found = call.map(|call| {
            assert_eq!((call.method, &call.message), (Method::of(method), &body));
            (call.kind, call.name.into_owned())
        });
        assert_eq!(found, expected.map(|(kind, name)| (kind, name.to_owned())), "{method}");
    }
}

#[test]
fn modern_metadata_is_required_in_full() {
    let only_version = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    assert_eq!(
        read_message(&MODERN, &call(only_version)),
        Err((Reason::InvalidParams, Era::Modern))
    );
    let unknown = META.replace("2026-07-28", "2031-01-01");
    let mut pairs = MODERN;
    pairs[0].1 = "2031-01-01";
    assert_eq!(
        read_message(&pairs, &call(&unknown)),
        Err((Reason::UnsupportedVersion, Era::Modern))
    );
}

#[test]
fn legacy_revisions_come_from_the_header_or_are_assumed() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let version = |v: &str| read_message(&[("mcp-protocol-version", v)], body);
    assert_eq!(version("2025-06-18"), Ok((Era::Legacy, "2025-06-18", Method::ToolsList)));
    assert_eq!(read_message(&[], body), Ok((Era::Legacy, "2025-03-26", Method::ToolsList)));
    assert_eq!(version("2026-07-28"), Err((Reason::InvalidParams, Era::Modern)));
    assert_eq!(version("1999-01-01"), Err((Reason::UnsupportedVersion, Era::Legacy)));
}

#[test]
fn initialize_is_legacy_whatever_it_asks_for() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2026-07-28"}}"#;
    for pairs in [&[][..], &[("mcp-protocol-version", "2026-07-28")][..]] {
        assert_eq!(read_message(pairs, body), Ok((Era::Legacy, "2025-11-25", Method::Initialize)));
    }
}

#[test]
fn malformed_bodies_are_told_apart() {
    let reason = |body: &str| read_message(&[], body).unwrap_err().0;
    assert_eq!(reason(""), Reason::ParseError);
    assert_eq!(reason("{"), Reason::ParseError);
    assert_eq!(reason("[]"), Reason::InvalidRequest);
    assert_eq!(reason("7"), Reason::InvalidRequest);
    assert_eq!(reason(r#"{"jsonrpc":"2.0","id":1}"#), Reason::InvalidRequest);
    assert_eq!(reason(r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"x"}"#), Reason::InvalidRequest);
    assert_eq!(
        reason(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]}"#),
        Reason::InvalidParams
    );
    assert_eq!(
        reason(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#
        ),
        Reason::InvalidParams
    );
}

#[test]
fn the_id_is_kept_for_the_refusal() {
    let map = headers(&[("mcp-protocol-version", "1999-01-01")]);
    let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"seven","method":"tools/list"}"#);
    let mut partial = Partial::default();
    assert!(Message::read(Head::new(&map), &body, &mut partial).is_err());
    assert_eq!(partial.id.unwrap().get(), "\"seven\"");
}

#[test]
fn content_type_and_accept() {
    let json = |value: &str| Head::new(&headers(&[("content-type", value)])).expect_json().is_ok();
    assert!(json("application/json"));
    assert!(json("Application/JSON; charset=utf-8"));
    assert!(!json("text/plain"));
    assert!(Head::new(&headers(&[])).expect_json().is_err());
    let twice = headers(&[("content-type", "application/json"), ("content-type", "text/plain")]);
    assert!(Head::new(&twice).expect_json().is_err());
    assert!(Head::new(&headers(&[])).accepts().is_err());
    assert!(Head::new(&headers(&[("accept", "text/html")])).accepts().is_err());
    let split = headers(&[("accept", "application/json"), ("accept", "text/event-stream")]);
    let accepts = Head::new(&split).accepts().unwrap();
    assert!(accepts.json && accepts.event_stream);
}

const LIMITS: BodyLimits = BodyLimits { bytes: 10, time: Duration::from_millis(50) };

fn chunks(
    parts: &[&'static str],
) -> impl futures_util::Stream<Item = Result<Bytes, String>> + Unpin + use<> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
    stream::iter(parts)
}

#[actix_web::test]
async fn bodies_are_joined_up_to_the_limit() {
    assert_eq!(read(chunks(&[]), LIMITS).await.unwrap(), "");
    assert_eq!(read(chunks(&["0123456789"]), LIMITS).await.unwrap(), "0123456789");
    assert_eq!(read(chunks(&["01234", "", "56789"]), LIMITS).await.unwrap(), "0123456789");
    for parts in [&["01234567890"][..], &["01234", "567890"][..]] {
        assert_eq!(read(chunks(parts), LIMITS).await.unwrap_err().reason, Reason::PayloadTooLarge);
    }
}

#[actix_web::test]
async fn bodies_that_stall_or_break_are_refused() {
    let stalled = stream::pending::<Result<Bytes, String>>();
    assert_eq!(read(stalled, LIMITS).await.unwrap_err().reason, Reason::RequestTimeout);
    let broken = stream::iter([Ok(Bytes::from_static(b"0")), Err("gone".to_owned())]);
    assert_eq!(read(broken, LIMITS).await.unwrap_err().reason, Reason::InvalidRequest);
}
