//! A secret that goes in by every door comes out by none but the one to the
//! tool it was meant for.

use serde_json::{Value, json};

use crate::http::{Answer, ask};
use crate::leak::{self, CANARY, Written};
use crate::stack::{Stack, call};

/// Arguments, each with a secret that another rule hides.
fn arguments() -> Vec<(&'static str, Value)> {
    let inner = json!({ "user": "ann", "password": "c4nary-in-a-string" }).to_string();
    vec![
        ("a name", json!({ "password": "c4nary-password" })),
        ("a name in another spelling", json!({ "X-Api-Key": "c4nary-api-key" })),
        ("a deep name", json!({ "a": [{ "b": { "clientSecret": ["c4nary-deep"] } }] })),
        ("JSON in a string", json!({ "body": inner })),
        ("JSON in a string in a string", json!({ "body": json!([inner]).to_string() })),
        ("a path of the registry", json!({ "card": { "number": "c4nary-card" } })),
        ("a path through a list", json!({ "items": [{ "note": "c4nary-note" }] })),
        ("a path at any depth", json!({ "a": { "b": [{ "IBAN": "c4nary-iban" }] } })),
        ("a credential by its looks", json!({ "text": "Bearer c4nary-bearer" })),
        ("a token by its looks", json!({ "text": "eyJc4nary.eyJc4nary.c4nary" })),
        ("a URL with a password", json!({ "text": "postgres://ann:c4nary@db/x" })),
        ("a URL with a token", json!({ "text": "https://h/?access_token=c4nary" })),
        ("the end of a long value", json!({ "text": format!("{}c4nary", "x".repeat(3000)) })),
        ("the end of a long whole", json!({ "list": vec!["y".repeat(100); 200], "z": "c4nary" })),
        ("a name in a text", json!({ "text": "X-Api-Key: c4nary" })),
        ("a form in a text", json!({ "text": "a=b&password=c4nary" })),
        ("a name in another member", json!({ "h": [{ "name": "X-Api-Key", "value": "c4nary" }] })),
        ("who may, in a URL", json!({ "text": "https://c4nary@h/" })),
    ]
}

/// Arguments as no serializer writes them: what is secret shows only when the
/// escapes are read.
const ESCAPED: [(&str, &str); 6] = [
    ("an escaped name", r#"{"pa\u0073sword":"c4nary"}"#),
    ("an escaped ampersand", r#"{"text":"https://h/?a=1\u0026token=c4nary"}"#),
    ("escaped slashes", r#"{"text":"https:\/\/ann:c4nary@h\/x"}"#),
    ("an escaped colon", r#"{"text":"https\u003a//h/?sig=c4nary"}"#),
    ("an escaped scheme", r#"{"text":"\u0042earer c4nary-bearer"}"#),
    ("JSON in an escaped string", r#"{"text":"\u007b\"pa\u0073sword\":\"c4nary\"}"}"#),
];

fn modern(tool: &str, arguments: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": tool, "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "turnId": "https://c4nary@turn/",
            },
        },
    })
}

#[test]
fn a_secret_is_nowhere_but_at_its_tool_on_sqlite() {
    hunt(&[], "scopegate.db");
}

#[test]
fn a_secret_is_nowhere_but_at_its_tool_on_postgres() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(support::postgres::database());
    hunt(&[("DATABASE_URL", database.url())], "table audit_events");
}

/// `place` is where the database's events are found.
fn hunt(settings: &[(&str, &str)], place: &str) {
    let metrics = support::ports::free();
    let listen = format!("127.0.0.1:{metrics}");
    let own = [
        ("SCOPEGATE__SERVER__METRICS_LISTEN", listen.as_str()),
        ("SCOPEGATE__TELEMETRY__LOG_LEVEL", "debug"),
    ];
    let mut stack = Stack::with(&[&own[..], settings].concat());
    let (token, port) = (stack.token("ann", "developer"), stack.nginx.port());
    let viewer = stack.token("vic", "viewer");
    let mut answers: Vec<(String, Answer)> = Vec::new();
    let mut sent = 0;
    for (what, arguments) in &arguments() {
        // Doors that lead to the tool.
        let answer = stack.post("/git/mcp", &token, &call("record", arguments.clone()));
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        answers.push((format!("{what}, legacy"), answer));
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "record"),
        ];
        let bearer = format!("Bearer {token}");
        let usual = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        let body = modern("record", arguments).to_string();
        let line = "POST /git/sse";
        let answer = ask(port, line, &[&usual[..], &headers].concat(), body.as_bytes());
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        answers.push((format!("{what}, modern"), answer));
        let body = json!({ "tool_name": "record", "scope": "git", "arguments": arguments });
        let answer = ask(port, "POST /mcp/invoke", &usual, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        answers.push((format!("{what}, REST"), answer));
        sent += 3;
        // Doors that do not: not allowed, another scope, no such tool, arguments
        // that do not fit.
        for (path, token, tool) in
            [("/git/mcp", &viewer, "record"), ("/calculator/mcp", &token, "record")]
        {
            let answer = stack.post(path, token, &call(tool, arguments.clone()));
            answers.push((format!("{what}, refused at {path}"), answer));
        }
        // The registry hides nothing of this tool's by path.
        if !what.starts_with("a path") {
            let message = call("exact_calculate", arguments.clone());
            let answer = stack.post("/calculator/mcp", &token, &message);
            answers.push((format!("{what}, arguments that do not fit"), answer));
        }
    }
    for (what, arguments) in ESCAPED {
        let message = |tool: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
            )
        };
        let bearer = format!("Bearer {token}");
        let usual = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        for (line, body) in [
            ("POST /git/mcp", message("record")),
            (
                "POST /mcp/invoke",
                format!(r#"{{"tool_name":"record","scope":"git","arguments":{arguments}}}"#),
            ),
        ] {
            let answer = ask(port, line, &usual, body.as_bytes());
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            answers.push((format!("{what}, {line}"), answer));
            sent += 1;
        }
        let answer =
            ask(port, "POST /calculator/mcp", &usual, message("exact_calculate").as_bytes());
        answers.push((format!("{what}, arguments that do not fit"), answer));
    }
    // A value that the schema complains of is kept, under such a name, but not
    // repeated.
    for operand in [json!(["0perand"]), json!([["0perand"]]), json!("0perand")] {
        let arguments = json!({ "operator": "add", "operands": operand });
        let answer = stack.post("/calculator/mcp", &token, &call("exact_calculate", arguments));
        assert!(answer.body.contains("INVALID_ARGUMENTS"), "{answer:?}");
        assert!(!answer.body.contains("0perand"), "{answer:?}");
    }
    knock(&stack, &token, &mut answers);
    // What was meant for the tool has reached it.
    let reached =
        stack.recorder.seen().iter().filter(|seen| seen.body.to_string().contains(CANARY)).count();
    assert_eq!(reached, sent);
    // Everything is on record.
    stack.audited("user_id=ann&tool_name=record&status=success&limit=1000", sent);
    let exposition = ask(metrics, "GET /metrics", &[], b"");
    assert!(exposition.body.contains("scopegate_requests_total"), "{exposition:?}");
    answers.push(("metrics".to_owned(), exposition));
    assert_nowhere(&mut stack, &answers, place);
}

/// Headers, tokens, queries and what is no message.
fn knock(stack: &Stack, token: &str, answers: &mut Vec<(String, Answer)>) {
    let port = stack.nginx.port();
    let message = call("exact_calculate", json!({ "operator": "add", "operands": ["1"] }));
    let mut header = |name: &str, value: &str| {
        let answer = stack.post_with("/calculator/mcp", token, &[(name, value)], &message);
        answers.push((format!("header {name}"), answer));
    };
    header("X-Api-Key", "c4nary");
    header("Cookie", "session=c4nary");
    header("X-Gateway-Auth", "c4nary");
    header("X-User-ID", "c4nary");
    header("Proxy-Authorization", "Basic c4nary");
    header("Mcp-Session-Id", "c4nary");
    header("Last-Event-ID", "c4nary");
    header("X-Mcp-Turn-Id", "token=c4nary");
    for authorization in
        ["Bearer c4nary", "Bearer eyJc4nary.eyJc4nary.c4nary", "Basic c4nary", "c4nary"]
    {
        let headers = [("Authorization", authorization), ("Content-Type", "application/json")];
        let answer = ask(port, "POST /git/mcp", &headers, b"{}");
        assert_eq!(answer.status, 401, "{answer:?}");
        answers.push((authorization.to_owned(), answer));
    }
    let bearer = format!("Bearer {token}");
    let known = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    for line in [
        "POST /git/mcp?access_token=c4nary",
        "GET /mcp/tools?api_key=c4nary",
        "GET /health?token=c4nary",
    ] {
        answers.push((line.to_owned(), ask(port, line, &known, b"{}")));
    }
    for body in ["c4nary", "\"c4nary\"", "{\"c4nary\":", "{\"jsonrpc\":\"c4nary\"}"] {
        let answer = ask(port, "POST /git/mcp", &known, body.as_bytes());
        answers.push((format!("body {body}"), answer));
    }
    let auditor = format!("Bearer {}", stack.token("auditor", "admin"));
    for query in
        ["password=c4nary", "cursor=c4nary", "user_id=Bearer%20c4nary-1234", "x-api-key=c4nary"]
    {
        let line = format!("GET /admin/audit-logs?{query}");
        answers.push((line.clone(), ask(port, &line, &[("Authorization", &auditor)], b"")));
    }
}

/// Looks into everything that was written and every answer, also after a stop, when
/// counts of floods are there.
fn assert_nowhere(stack: &mut Stack, answers: &[(String, Answer)], place: &str) {
    let mut found: Vec<Written> = stack.written();
    stack.restart(&[]);
    found.extend(stack.written());
    for name in ["jsonl", place, "access.log", "the gateway's log"] {
        let mut places = found.iter().filter(|(file, _)| file.contains(name));
        assert!(places.any(|(_, bytes)| !bytes.is_empty()), "{name} was looked at");
    }
    let kept = |(file, bytes): &Written| {
        file.contains(place) && memchr::memmem::find(bytes, b"[redacted]").is_some()
    };
    assert!(found.iter().any(kept), "the trail holds arguments");
    leak::assert_in_none(&found, &[CANARY]);
    for (what, answer) in answers {
        assert!(!answer.body.contains(CANARY), "{what}: {answer:?}");
    }
}

/// Whoever looks finds what is there.
#[test]
#[should_panic(expected = "a secret is in ")]
fn a_secret_in_a_file_is_found() {
    let scratch = support::scratch::Scratch::new("sg-leak");
    std::fs::create_dir(scratch.path().join("deep")).unwrap();
    std::fs::write(scratch.path().join("deep/file"), "before c4nary after").unwrap();
    let mut found = Vec::new();
    leak::files(scratch.path(), &mut found);
    leak::assert_in_none(&found, &["absent", CANARY]);
}
