//! Filters in words, CSV, CEF, cursors, and text on a terminal.

use super::*;
use crate::secret::Secret;
use crate::store::{AuditCall, AuditQuery, CallKind, CallPlace, CallStatus, Paging};
use crate::trail::filters::{NAMES, when};
use crate::trail::text::shown;
use crate::trail::{Cursor, Cursors, Filters, Format, cef, csv};

const NOW: &str = "2026-11-25T12:00:00Z";

fn call() -> AuditCall {
    AuditCall {
        timestamp: time("2026-11-25T08:00:00.000001Z"),
        kind: "decision".to_owned(),
        request_id: Some("r".to_owned()),
        call_id: Some("c".to_owned()),
        trace_id: None,
        user_id: Some("=cmd|'/C calc'!A0".to_owned()),
        tenant: Some("a,b".to_owned()),
        issuer: None,
        agent: Some("say \"hi\"".to_owned()),
        session: None,
        turn: Some("t-1".to_owned()),
        client_name: Some("+1".to_owned()),
        client_version: None,
        client_addr: Some("192.0.2.7".to_owned()),
        surface: Some("mcp".to_owned()),
        endpoint_path: Some("/a/mcp".to_owned()),
        method: Some("tools/call".to_owned()),
        scope: Some("x=1".to_owned()),
        backend: None,
        tool_name: Some("a|b\\c".to_owned()),
        decision: Some("deny".to_owned()),
        status: "denied".to_owned(),
        reason: Some("tool_not_allowed".to_owned()),
        error_code: None,
        detail: Some("one\r\ntwo".to_owned()),
        rule_path: None,
        policy_digest: None,
        policy_generation: Some(3),
        arguments_digest: None,
        arguments: Some("{\"a\":-1}".to_owned()),
        duration_ms: Some(1.5),
        quota_ms: None,
        upstream_ms: None,
        http_status: Some(200),
        is_error: None,
        result_bytes: None,
        result_digest: None,
        chain_id: "chain".to_owned(),
        seq: 7,
    }
}

/// The fields of one record, as RFC 4180 has them.
fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut field)),
            ('\r', false) => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => field.push(c),
        }
    }
    assert!(!quoted && field.is_empty() && row.is_empty(), "ends with a line");
    rows
}

#[test]
fn csv_can_be_read_and_is_no_formula() {
    let mut bytes = Vec::new();
    csv::header(&mut bytes);
    csv::row(&call(), &mut bytes);
    let rows = parse(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(rows.len(), 2);
    let value = |name: &str| {
        let at = rows[0].iter().position(|column| column == name).unwrap();
        rows[1][at].as_str()
    };
    assert_eq!(value("timestamp"), "2026-11-25T08:00:00.000001Z");
    assert_eq!(value("user_id"), "'=cmd|'/C calc'!A0");
    assert_eq!(value("client_name"), "'+1");
    assert_eq!((value("tenant"), value("agent")), ("a,b", "say \"hi\""));
    assert_eq!((value("detail"), value("scope")), ("one\r\ntwo", "x=1"));
    assert_eq!((value("duration_ms"), value("issuer"), value("seq")), ("1.5", "", "7"));
    let mut columns = csv::COLUMNS.to_vec();
    columns.sort_unstable();
    let all = serde_json::to_value(call()).unwrap();
    let mut all: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    all.sort_unstable();
    assert_eq!(columns, all, "every column of a call");
    for text in ["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "＝1", "%1", "\u{a0}@a"] {
        let mut out = Vec::new();
        csv::field(text, &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("\"'"), "{text:?}: {out:?}");
    }
}

#[test]
fn cef_is_escaped() {
    let mut bytes = Vec::new();
    cef::row(&call(), &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let head = format!(
        "CEF:0|Scopegate|scopegate|{version}|decision:denied|decision denied: a\\|b\\\\c|6|rt=1795593600000 externalId=c outcome=denied src=192.0.2.7 "
    );
    assert!(text.starts_with(&head), "{text}");
    assert_eq!(text.matches('\n').count(), 1);
    assert!(text.contains(" cs2=x\\=1 cs2Label=scope "), "{text}");
    assert!(text.contains(" msg=one\\r\\ntwo "), "{text}");
    assert!(text.contains(" cs1=a|b\\\\c cs1Label=tool "), "{text}");
    let from = |address: &str| {
        let mut bytes = Vec::new();
        let call = AuditCall { client_addr: Some(address.to_owned()), ..call() };
        cef::row(&call, &mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    assert!(from("2001:db8::1").contains(" c6a2=2001:db8::1 "));
    assert!(!from("2001:db8::/64").contains("c6a2"), "a network is no address");
}

fn filters(pairs: &[(&str, &str)]) -> Result<Filters, String> {
    let mut filters = Filters::default();
    for (name, value) in pairs {
        filters.add(name, value, time(NOW)).map_err(|error| error.to_string())?;
    }
    Ok(filters)
}

#[test]
fn every_filter_is_known_and_narrows() {
    for name in NAMES {
        let value = match name {
            "kind" => "folded",
            "status" => "denied",
            "start_time" | "end_time" => "2h",
            _ => "x",
        };
        let filters = filters(&[(name, value)]).unwrap();
        assert_ne!(filters.query, AuditQuery::default(), "{name}");
    }
    let some = filters(&[("kind", "admin"), ("status", "rate_limited")]).unwrap().query;
    assert_eq!((some.kind, some.status), (Some(CallKind::Admin), Some(CallStatus::RateLimited)));
    for (pairs, says) in [
        (&[("usr_id", "x")][..], "`usr_id` is no filter; there are kind, user_id, "),
        (&[("\u{1b}[2J", "x")], "`2J` is no filter"),
        (&[("user_id", "")], "`user_id` must have 1 to 1024 bytes"),
        (&[("user_id", "a"), ("user_id", "b")], "`user_id` is given twice"),
        (&[("kind", "outcome")], "`kind` must be one of decision, authentication, "),
        (&[("status", "bad")], "`status` must be one of success, "),
        (&[("start_time", "yesterday")], "`start_time` must be a time such as "),
    ] {
        let error = filters(pairs).unwrap_err();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn times_are_absolute_or_so_long_ago() {
    let now = time(NOW);
    for (text, expected) in [
        ("2026-11-25T08:30:00Z", "2026-11-25T08:30:00Z"),
        ("2026-11-25T08:30:00.5+01:00", "2026-11-25T07:30:00.5Z"),
        ("2026-11-25", "2026-11-25T00:00:00Z"),
        ("45s", "2026-11-25T11:59:15Z"),
        ("15m", "2026-11-25T11:45:00Z"),
        ("2h", "2026-11-25T10:00:00Z"),
        ("30d", "2026-10-26T12:00:00Z"),
        ("4w", "2026-10-28T12:00:00Z"),
    ] {
        assert_eq!(when(text, now), Some(time(expected)), "{text}");
    }
    let none =
        ["", "d", "-1d", "1y", "1.5h", "99999999999999999999d", "9999999999w", "now", "ü", "1 d"];
    for text in none {
        assert_eq!(when(text, now), None, "{text}");
    }
}

#[test]
fn cursors_are_their_makers_own() {
    let cursors = Cursors::new(&Secret::new("a-key-of-some-length-0123456789abcdef"));
    let asked = |given: &[(&str, &str)], at: &str| {
        let mut filters = Filters::default();
        for (name, value) in given {
            filters.add(name, value, time(at)).unwrap();
        }
        filters
    };
    let query = asked(&[("user_id", "ann"), ("start_time", "2h")], NOW);
    let place = CallPlace { timestamp: time(NOW), seq: 7, chain_id: "chain".to_owned() };
    let cursor = Cursor::at(place, Some(99), &query.query);
    let text = cursors.write(&cursor, &query);
    assert_eq!(cursors.read(&text, &query), Ok(cursor.clone()));
    // Asked later, it still is the same selection, with the times of the first page.
    let mut later = asked(&[("start_time", "2h"), ("user_id", "ann")], "2026-12-24T00:00:00Z");
    cursors.read(&text, &later).unwrap().restore(&mut later.query);
    assert_eq!((later.query.start_time, later.query.end_time), (query.query.start_time, None));
    let mut paged = query.clone();
    // A page of another size is, too.
    paged.query.paging = Paging::new(Some(7), None).unwrap();
    assert!(cursors.read(&text, &paged).is_ok());
    let hour = asked(&[("user_id", "ann"), ("start_time", "1h")], NOW);
    assert!(cursors.read(&text, &hour).unwrap_err().contains("other filters"));
    let other = cursors.read(&text, &Filters::default()).unwrap_err();
    assert!(other.contains("other filters"), "{other}");
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(cursors.read(&changed, &query).is_err(), "{at}");
    }
    for text in ["", "A", "!", &"A".repeat(10_000), &text[..text.len() - 4]] {
        assert!(cursors.read(text, &query).is_err(), "{text}");
    }
    let others = Cursors::new(&Secret::new("another-key-of-some-length-0123456789"));
    assert!(others.read(&text, &query).is_err());
}

#[test]
fn json_cannot_control_a_terminal_and_means_the_same() {
    let json = "{\"a\":\"plain \u{9b}2J \u{202e}x\u{200b} \u{7f}ü\"}";
    let shown = crate::trail::text::shown_json(json);
    assert_eq!(shown, r#"{"a":"plain \u009b2J \u202ex\u200b \u007fü"}"#);
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&shown), read(json));
}

#[test]
fn text_cannot_control_a_terminal() {
    assert_eq!(shown("plain ü 🦀"), "plain ü 🦀");
    assert_eq!(shown("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\u{a}c");
    assert_eq!(shown("a\u{202e}b\u{9b}"), "a\\u{202e}b\\u{9b}");
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(Format::named(format.name()), Some(format));
    }
    assert_eq!(Format::named("xml"), None);
}
