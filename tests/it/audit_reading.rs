//! The trail over HTTP: pages, filters, exports, and that asking is on record.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::wait_until;

use crate::harness::{Gateway, Reply, Token};

fn admin() -> Token {
    Token::of("root", &["admin"])
}

fn developer() -> Token {
    Token::of("dora", &["developer"]).claim("workspace", "lab")
}

/// So many calls of dora, all of them on record.
fn calls(gateway: &Gateway, count: usize) {
    for number in 0..count {
        let text = format!("number {number}");
        let reply = gateway.call(&developer(), "main", "echo", json!({ "text": text }));
        assert_eq!(reply.status, 200);
    }
    gateway.audit_rows("user_id=dora", count);
}

fn ask(gateway: &Gateway, query: &str) -> Reply {
    gateway.get(&format!("/admin/audit-logs?{query}"), &admin())
}

/// Relative times mean on every page what they meant on the first.
const FILTERS: &str = "user_id=dora&start_time=1h&end_time=0s";

#[test]
fn pages_go_on_where_the_last_one_ended_whatever_arrives_meanwhile() {
    let gateway = Gateway::start();
    calls(&gateway, 7);
    let first = ask(&gateway, &format!("{FILTERS}&limit=3")).json();
    assert_eq!((first["total"].as_u64(), first["items"].as_array().unwrap().len()), (Some(7), 3));
    let mut cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let mut seen: Vec<Value> = first["items"].as_array().unwrap().clone();
    // An offset would show a row twice now.
    gateway.call(&developer(), "main", "echo", json!({ "text": "later" }));
    gateway.audit_rows("user_id=dora", 8);
    for expected in [3, 1] {
        let page = ask(&gateway, &format!("{FILTERS}&limit=3&cursor={cursor}")).json();
        let items = page["items"].as_array().unwrap();
        assert_eq!((page["total"].as_u64(), items.len()), (Some(7), expected));
        seen.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => assert_eq!(expected, 1, "the last page"),
        }
    }
    let calls: BTreeSet<&str> = seen.iter().map(|row| row["call_id"].as_str().unwrap()).collect();
    assert_eq!((seen.len(), calls.len()), (7, 7));
    assert!(seen.is_sorted_by(|one, next| one["timestamp"].as_str() >= next["timestamp"].as_str()));

    let mut changed = cursor.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    for (query, says) in [
        (format!("{FILTERS}&cursor={changed}"), "none of this gateway's"),
        (format!("user_id=rita&cursor={cursor}"), "other filters"),
        (format!("user_id=dora&start_time=2h&end_time=0s&cursor={cursor}"), "other filters"),
        (format!("{FILTERS}&cursor={cursor}&offset=1"), "leave out `offset`"),
        (format!("{FILTERS}&cursor={}", "A".repeat(5000)), "none of this gateway's"),
        ("cursor=".to_owned(), "none of this gateway's"),
    ] {
        let reply = ask(&gateway, &query);
        reply.assert_refused(400, "invalid_request");
        assert!(reply.text().contains(says), "{query}: {}", reply.text());
    }
}

#[test]
fn a_wrong_filter_is_told_with_what_to_do() {
    let gateway = Gateway::start();
    for (query, says) in [
        ("usr_id=dora", "`usr_id` is no filter; there are kind, user_id"),
        ("status=bad", "`status` must be one of success, "),
        ("kind=outcome", "`kind` must be one of decision, "),
        ("start_time=yesterday", "such as 2026-11-25T08:30:00Z"),
        ("limit=0", "limit must be between 1 and 1000"),
        ("limit=x", "`limit` must be a whole number"),
        ("limit=1&limit=2", "`limit` is given twice"),
        ("user_id=", "`user_id` must have 1 to 1024 bytes"),
        ("user_id=a&user_id=b", "`user_id` is given twice"),
        ("format=xml", "`format` must be one of jsonl, csv, cef"),
        ("format=csv&limit=5", "an export has no pages"),
    ] {
        let reply = ask(&gateway, query);
        reply.assert_refused(400, "invalid_request");
        assert!(reply.text().contains(says), "{query}: {}", reply.text());
    }
    let many = vec!["a=1"; 65].join("&");
    ask(&gateway, &many).assert_refused(400, "invalid_request");
    // A relative time is one, too.
    assert_eq!(ask(&gateway, "start_time=2h&end_time=2026-12-31").status, 200);
}

#[test]
fn an_export_is_the_whole_selection() {
    let gateway = Gateway::start();
    calls(&gateway, 5);
    gateway.call(&developer(), "main", "absent", json!({}));
    gateway.audit_rows("user_id=dora", 6);

    let reply = ask(&gateway, "format=csv&user_id=dora");
    assert_eq!((reply.status, reply.header("transfer-encoding")), (200, Some("chunked")));
    assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    assert!(reply.header("content-type").unwrap().starts_with("text/csv"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let text = reply.text();
    assert_eq!(text.matches("\r\n").count(), 7, "{text}");
    assert!(text.contains(",dora,lab,"), "{text}");

    let text = ask(&gateway, "format=jsonl&user_id=dora").text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5 * 2 + 1);
    assert!(lines.iter().all(|line| line["seq"].is_number() && line["chain_id"].is_string()));

    // Without filters: everything there is, without holes.
    let text = ask(&gateway, "format=jsonl").text();
    let seqs: Vec<i64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());

    let text = ask(&gateway, "format=cef&status=denied&user_id=dora").text();
    assert_eq!(text.lines().count(), 1);
    assert!(
        text.starts_with("CEF:0|Scopegate|") && text.contains(" reason=unknown_tool "),
        "{text}"
    );

    for format in ["jsonl", "csv", "cef"] {
        gateway
            .get(&format!("/admin/audit-logs?format={format}"), &developer())
            .assert_refused(403, "admin_required");
    }
}

#[test]
fn asking_is_on_record_with_its_filters_and_without_secrets() {
    let gateway = Gateway::start();
    ask(&gateway, "user_id=dora&reason=x").json();
    ask(&gateway, "format=csv&tenant=lab");
    ask(&gateway, "api_key=canary&cursor=canary-cursor");
    ask(&gateway, "request_id=Bearer%20canary-token-1234");
    let admin_events = || {
        let text = ask(&gateway, "format=jsonl").text();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["kind"] == "admin").collect::<Vec<_>>()
    };
    wait_until(Duration::from_secs(10), "the questions on record", || admin_events().len() >= 4);
    let events = admin_events();
    let asked: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event["arguments"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(asked[0], json!({ "user_id": "dora", "reason": "x" }));
    assert_eq!(asked[1], json!({ "format": "csv", "tenant": "lab" }));
    assert_eq!(asked[2], json!({ "api_key": "[redacted]" }));
    assert_eq!(asked[3], json!({ "request_id": "[redacted]" }));
    for (event, decision) in events.iter().zip(["allow", "allow", "deny", "allow"]) {
        assert_eq!((&event["user_id"], &event["decision"]), (&"root".into(), &decision.into()));
        assert_eq!(event["method"], "audit-logs");
    }
    assert!(!ask(&gateway, "format=jsonl").text().contains("canary"));
}

#[test]
fn so_many_exports_run_at_a_time() {
    // Large enough that the sockets between do not hold it.
    let gateway = Gateway::builder().set("SCOPEGATE__AUDIT__REFUSALS_PER_MINUTE", "0").start();
    let text = "x".repeat(15_000);
    let count = 600;
    for _ in 0..count {
        gateway.call(&developer(), "main", "wipe", json!({ "text": text }));
    }
    wait_until(Duration::from_secs(30), "all calls on record", || {
        ask(&gateway, "user_id=dora&limit=1").json()["total"] == count
    });
    // Clients that ask and do not read.
    let request = format!(
        "GET /admin/audit-logs?format=csv HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n",
        admin().bearer()
    );
    let mut slow: Vec<std::net::TcpStream> = (0..4)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(gateway.addr).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            // It has begun.
            stream.read_exact(&mut [0; 1]).unwrap();
            stream
        })
        .collect();
    ask(&gateway, "format=csv").assert_refused(429, "too_many_streams");
    // Pages are answered all the same.
    assert_eq!(ask(&gateway, "limit=1").status, 200);
    slow.pop();
    wait_until(Duration::from_secs(10), "a place to be free", || {
        ask(&gateway, "format=cef&user_id=nobody").status == 200
    });
}

#[test]
fn what_administrators_asked_for_is_shown() {
    let gateway = Gateway::start();
    ask(&gateway, "user_id=nobody");
    let rows = gateway.audit_rows("kind=admin&user_id=root&end_time=2099-01-01", 1);
    let asked = rows.iter().find(|row| row["arguments"].to_string().contains("nobody")).unwrap();
    assert_eq!((&asked["status"], &asked["decision"]), (&"success".into(), &"allow".into()));
}

#[test]
fn a_call_that_is_refused_for_want_of_a_scope_is_on_record_as_one() {
    let gateway = Gateway::start();
    let body = json!({
        "tool_name": "echo", "scope": "absent", "arguments": { "text": "x", "pin": "canary" },
    });
    let bearer = developer().bearer();
    let refused = gateway.post_raw("/mcp/invoke", &bearer, &[], body.to_string().as_bytes());
    assert!(refused.status >= 400, "{}", refused.text());
    let rows = gateway.audit_rows("user_id=dora&reason=unknown_scope", 1);
    assert_eq!((&rows[0]["kind"], &rows[0]["tool_name"]), (&"decision".into(), &"echo".into()));
    assert_eq!(rows[0]["arguments"], r#"{"pin":"[redacted]","text":"x"}"#);
    assert!(rows[0]["arguments_digest"].is_string());
    // A method that nobody knows may be called anything.
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"canary-method"}"#;
    gateway.post_raw("/main/mcp", &bearer, &[], body);
    let rows = gateway.audit_rows("user_id=dora&reason=method_not_found", 1);
    assert_eq!(rows[0]["method"], "other");
    assert!(!rows[0].to_string().contains("canary"), "{}", rows[0]);
}
