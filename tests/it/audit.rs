//! What stands in the trail afterwards.

use serde_json::json;

use crate::harness::{Gateway, Script, Token, http};

fn developer() -> Token {
    Token::of("dora", &["developer"]).claim("workspace", "lab")
}

#[test]
fn a_call_is_one_row_with_who_what_where_and_how() {
    let gateway = Gateway::start();
    gateway.call(&developer(), "main", "echo", json!({ "text": "hi" }));
    let rows = gateway.audit_rows("user_id=dora", 1);
    let row = &rows[0];
    assert_eq!(row["tool_name"], "echo");
    assert_eq!(row["scope"], "main");
    assert_eq!(row["endpoint_path"], "/main/mcp");
    assert_eq!(row["tenant"], "lab");
    assert_eq!(row["decision"], "allow");
    assert_eq!(row["status"], "success");
    assert_eq!(row["rule_path"], "roles.developer.allowed_tools[0]");
    assert!(row["duration_ms"].is_number());
    assert!(row["error_code"].is_null());
}

#[test]
fn denials_are_rows_with_their_true_reason() {
    let gateway = Gateway::start();
    let reader = Token::of("rita", &["reader"]);
    gateway.call(&reader, "main", "wipe", json!({}));
    gateway.call(&reader, "main", "other", json!({}));
    gateway.call(&reader, "main", "absent", json!({}));
    gateway.call(&reader, "main", "echo", json!({ "text": 1 }));
    let rows = gateway.audit_rows("user_id=rita", 4);
    let mut seen: Vec<_> = rows
        .iter()
        .map(|row| {
            assert_eq!(
                (row["decision"].as_str(), row["status"].as_str()),
                (Some("deny"), Some("denied"))
            );
            [&row["tool_name"], &row["reason"], &row["error_code"]]
                .map(|v| v.as_str().unwrap().to_owned())
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            ["absent", "unknown_tool", "TOOL_NOT_FOUND"],
            ["echo", "invalid_arguments", "INVALID_ARGUMENTS"],
            ["other", "tool_not_in_scope", "TOOL_NOT_IN_SCOPE"],
            ["wipe", "tool_not_allowed", "TOOL_NOT_ALLOWED"],
        ]
    );
}

#[test]
fn refusals_before_a_tool_is_named_are_rows() {
    let gateway = Gateway::start();
    gateway
        .post_raw("/main/mcp", "Bearer a.b.c", &[], b"{}")
        .assert_refused(401, "InvalidTokenError");
    gateway.get("/admin/audit-logs", &developer()).assert_refused(403, "admin_required");
    gateway
        .post_raw("/other/mcp", &developer().bearer(), &[], b"{ nonsense")
        .assert_refused(400, "parse_error");
    for (reason, kind, path, user) in [
        ("invalid_token", "authentication", "/main/mcp", None),
        ("admin_required", "admin", "/admin/audit-logs", Some("dora")),
        ("parse_error", "request", "/other/mcp", Some("dora")),
    ] {
        let rows = gateway.audit_rows(&format!("reason={reason}"), 1);
        let row = &rows[0];
        assert_eq!((row["kind"].as_str(), row["status"].as_str()), (Some(kind), Some("denied")));
        assert_eq!(row["endpoint_path"], path);
        assert_eq!(row["client_addr"], "127.0.0.1");
        assert_eq!(row["user_id"].as_str(), user);
        assert!(row["tool_name"].is_null() && row["request_id"].is_string(), "{row}");
        // Of the administration, what was allowed is there, too.
        let refused = format!("kind={kind}&status=denied");
        assert_eq!(gateway.audit_rows(&refused, 1), rows);
    }
    let admin = Token::of("root", &["admin"]);
    gateway.get("/admin/audit-logs?kind=nonsense", &admin).assert_refused(400, "invalid_request");
}

/// Whatever is wrong with a call of REST, it is on record as one.
#[test]
fn a_call_that_is_refused_before_its_scope_is_found_is_one() {
    let gateway = Gateway::start();
    let long = "r".repeat(129);
    for (tool, more) in [
        ("echo", json!({ "scope": "main", "request_id": long })),
        ("wipe", json!({ "scope": "nowhere" })),
        ("both", json!({})),
    ] {
        let mut body = json!({ "tool_name": tool, "arguments": { "text": "hi" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        gateway.post("/mcp/invoke", &developer(), &body);
    }
    let rows = gateway.audit_rows("user_id=dora&kind=decision", 3);
    let told: Vec<_> = rows
        .iter()
        .rev()
        .map(|row| {
            assert!(row["arguments_digest"].is_string(), "{row}");
            (row["tool_name"].as_str().unwrap(), row["reason"].as_str().unwrap())
        })
        .collect();
    let expected =
        [("echo", "invalid_request"), ("wipe", "unknown_scope"), ("both", "ambiguous_tool")];
    assert_eq!(told, expected);
}

#[test]
fn outcomes_are_told_apart() {
    let gateway = Gateway::start();
    gateway.backend.answer(Script::Result(json!({ "content": [], "isError": true })));
    gateway.call(&developer(), "main", "wipe", json!({}));
    gateway.backend.answer(Script::Stall);
    gateway.call(&developer(), "main", "slow", json!({}));
    let rows = gateway.audit_rows("user_id=dora", 2);
    assert_eq!(
        (rows[1]["status"].as_str(), rows[1]["tool_name"].as_str()),
        (Some("error"), Some("wipe"))
    );
    assert_eq!(
        (rows[0]["status"].as_str(), rows[0]["error_code"].as_str()),
        (Some("timeout"), Some("BACKEND_TIMEOUT"))
    );
}

#[test]
fn v103_only_admins_read_the_trail() {
    let gateway = Gateway::start();
    gateway.get("/admin/audit-logs", &developer()).assert_refused(403, "admin_required");
    http::send(gateway.addr, "GET", "/admin/audit-logs", &[], b"")
        .assert_refused(401, "AuthenticationError");
    let admin = Token::of("root", &["admin"]);
    for query in
        ["limit=0", "limit=1001", "limit=x", "offset=-1", "start_time=yesterday", "usr_id=x"]
    {
        gateway
            .get(&format!("/admin/audit-logs?{query}"), &admin)
            .assert_refused(400, "invalid_request");
    }
    let page = gateway.get("/admin/audit-logs?user_id=%27%20OR%201%3D1--", &admin).json();
    assert_eq!(
        (page["total"].as_u64(), page["limit"].as_u64(), page["offset"].as_u64()),
        (Some(0), Some(100), Some(0))
    );
}

#[test]
fn secrets_in_arguments_are_masked_and_tokens_are_nowhere() {
    let gateway = Gateway::start();
    gateway.call(&developer(), "main", "wipe", json!({ "password": "hunter2", "target": "disk7" }));
    gateway.audit_rows("user_id=dora", 1);
    let journal_and_database: Vec<u8> = files_below(gateway.folder.path());
    let holds = |text: &str| journal_and_database.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("disk7"), "kept arguments are there");
    assert!(!holds("hunter2"), "a password is on disk");
    assert!(!holds("eyJ"), "a token is on disk");
}

#[test]
fn bodies_and_answers_are_not_quoted() {
    let gateway = Gateway::start();
    let message =
        |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call",{rest}}}"#);
    let cases = [
        ("/main/mcp", "canary".to_owned(), "parse_error"),
        ("/main/mcp", r#""canary""#.to_owned(), "invalid_request"),
        ("/main/mcp", message(r#""canary":1,"canary":2,"jsonrpc":"canary""#), "invalid_request"),
        ("/main/mcp", message(r#""params":"canary""#), "invalid_params"),
        ("/main/mcp", message(r#""params":{"name":["canary"]}"#), "invalid_params"),
        ("/main/mcp", message(r#""params":{"name":"echo","_meta":"canary"}"#), "invalid_params"),
        ("/mcp/invoke", "{\"canary".to_owned(), "parse_error"),
        ("/mcp/invoke", r#""canary""#.to_owned(), "invalid_request"),
        ("/mcp/invoke", r#"{"tool_name":{"canary":1}}"#.to_owned(), "invalid_request"),
        ("/mcp/invoke", r#"{"tool_name":"echo","scope":["canary"]}"#.to_owned(), "invalid_request"),
    ];
    for (number, (path, body, reason)) in cases.into_iter().enumerate() {
        let user = format!("user{number}");
        let token = Token::of(&user, &["developer"]);
        gateway.post_raw(path, &token.bearer(), &[], body.as_bytes());
        let rows = gateway.audit_rows(&format!("user_id={user}"), 1);
        assert_eq!(rows[0]["reason"], reason, "{body}");
        assert!(rows[0]["detail"].is_string(), "{body}");
    }
    let words = "<h1>canary</h1>".to_owned();
    gateway.backend.answer(Script::Plain(500, "text/html; x=canary", words));
    gateway.call(&developer(), "main", "echo", json!({ "text": "hi" }));
    let rows = gateway.audit_rows("user_id=dora", 1);
    let detail = rows[0]["detail"].as_str().unwrap();
    assert!(detail.contains("HTTP 500") && detail.contains(r#""text/html", 15 bytes"#), "{detail}");
    let kept = files_below(gateway.folder.path());
    assert!(!kept.windows(6).any(|w| w == b"canary"), "a body is on disk");
}

fn files_below(folder: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(files_below(&path));
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

#[test]
fn a_gateway_that_cannot_record_does_not_call() {
    let gateway = Gateway::builder()
        .set("SCOPEGATE__AUDIT__MAX_BACKLOG_BYTES", "4096")
        .set("SCOPEGATE__AUDIT__SEGMENT_BYTES", "4096")
        .set("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", "60000")
        .start();
    let refused = (0..50).find(|_| {
        let reply = gateway.call(&developer(), "main", "wipe", json!({}));
        reply.code().as_deref() == Some("audit_unavailable")
    });
    let before = refused.expect("the journal is full at some time");
    assert!(before > 0, "there was room at first");
    assert_eq!(gateway.backend.seen().len(), before);
    let ready = http::send(gateway.addr, "GET", "/ready", &[], b"");
    assert_eq!((ready.status, &ready.json()["checks"]["audit"]["ok"]), (503, &json!(false)));
}
