//! Bad input: a stable error, a count, and a service that stays healthy.

use serde_json::json;

use crate::harness::{Gateway, Token, http};

fn bearer() -> String {
    Token::of("dora", &["developer"]).bearer()
}

/// Body, status, JSON-RPC code, stable code.
fn cases() -> Vec<(String, u16, i64, &'static str)> {
    let deep = |n: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"wipe","arguments":{}{}}}}}"#,
            "[".repeat(n),
            "]".repeat(n)
        )
    };
    let case = |body: &str, status, number, code| (body.to_owned(), status, number, code);
    vec![
        case("", 400, -32700, "parse_error"),
        case("{", 400, -32700, "parse_error"),
        case("\u{feff}{}", 400, -32700, "parse_error"),
        case("nonsense", 400, -32700, "parse_error"),
        case(r#"{"jsonrpc":"2.0","id":1,"method":"x""#, 400, -32700, "parse_error"),
        case("[]", 400, -32600, "invalid_request"),
        case(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600, "invalid_request"),
        case("null", 400, -32600, "invalid_request"),
        case("\"text\"", 400, -32600, "invalid_request"),
        case("{}", 400, -32600, "invalid_request"),
        case(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, 400, -32600, "invalid_request"),
        case(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600, "invalid_request"),
        case(r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, 400, -32600, "invalid_request"),
        case(r#"{"jsonrpc":"2.0","id":1,"method":7}"#, 400, -32600, "invalid_request"),
        case(r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, 400, -32600, "invalid_request"),
        case(r#"{"jsonrpc":"2.0","id":1,"METHOD":"ping"}"#, 400, -32600, "invalid_request"),
        (deep(100_000), 400, -32600, "invalid_request"),
        case(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
            200,
            -32602,
            "invalid_params",
        ),
        case(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            200,
            -32602,
            "invalid_params",
        ),
        case(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}"#,
            200,
            -32602,
            "invalid_params",
        ),
        case(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe","name":"echo"}}"#,
            200,
            -32602,
            "invalid_params",
        ),
        case(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"wipe"}}"#,
            200,
            -32602,
            "invalid_params",
        ),
        case(r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#, 200, -32601, "method_not_found"),
    ]
}

#[test]
fn bodies() {
    let gateway = Gateway::start();
    for (body, status, number, code) in cases() {
        let shown = &body[..body.len().min(80)];
        let reply = gateway.post_raw("/main/mcp", &bearer(), &[], body.as_bytes());
        assert_eq!((reply.status, reply.code().as_deref()), (status, Some(code)), "{shown}");
        assert_eq!(reply.json()["error"]["code"], number, "{shown}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    let metrics = gateway.metrics();
    for code in ["parse_error", "invalid_request", "invalid_params", "method_not_found"] {
        assert!(
            metrics.contains(&format!(r#"scopegate_refusals_total{{code="{code}"}}"#)),
            "{code}"
        );
    }
    assert!(gateway.backend.seen().is_empty());
    assert_eq!(http::send(gateway.addr, "GET", "/ready", &[], b"").status, 200);
}

#[test]
fn invalid_utf8_is_a_parse_error() {
    let gateway = Gateway::start();
    let body = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}";
    gateway.post_raw("/main/mcp", &bearer(), &[], body).assert_refused(400, "parse_error");
}

#[test]
fn media_types() {
    let gateway = Gateway::start();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for wrong in ["text/plain", "application/xml", "", "application/json-seq"] {
        gateway
            .post_raw("/main/mcp", &bearer(), &[("Content-Type", wrong)], body)
            .assert_refused(415, "unsupported_media_type");
    }
    assert_eq!(
        gateway
            .post_raw(
                "/main/mcp",
                &bearer(),
                &[("Content-Type", "Application/JSON;charset=utf-8")],
                body
            )
            .status,
        200
    );
    for wrong in ["text/html", "application/json;q=0"] {
        gateway
            .post_raw("/main/mcp", &bearer(), &[("Accept", wrong)], body)
            .assert_refused(406, "not_acceptable");
    }
    let without = [("Authorization", bearer()), ("Content-Type", "application/json".to_owned())];
    let without: Vec<_> = without.iter().map(|(n, v)| (*n, v.as_str())).collect();
    http::send(gateway.addr, "POST", "/main/mcp", &without, body)
        .assert_refused(406, "not_acceptable");
}

#[test]
fn bodies_at_and_over_the_limit() {
    let gateway = Gateway::start();
    let limit = 4 * 1024 * 1024;
    let frame = r#"{"jsonrpc":"2.0","id":1,"method":"ping","x":""}"#.len();
    let body = |size: usize| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","x":"{}"}}"#, "x".repeat(size - frame))
    };
    assert_eq!(gateway.post_raw("/main/mcp", &bearer(), &[], body(limit).as_bytes()).status, 200);
    let over = gateway.post_raw("/main/mcp", &bearer(), &[], body(limit + 1).as_bytes());
    over.assert_refused(413, "PAYLOAD_TOO_LARGE");
    assert!(over.json()["error"]["message"].as_str().unwrap().contains("4194304"));
}

#[test]
fn paths_that_play_tricks_lead_nowhere() {
    let gateway = Gateway::start();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for path in [
        "/main/../side/mcp",
        "/main%2f..%2fside/mcp",
        "/main%2Fmcp",
        "//main/mcp",
        "/main//mcp",
        "/%6dain/mcp/",
        "/./main/mcp",
        "/main/mcp%00",
    ] {
        let reply = gateway.post_raw(path, &bearer(), &[], body);
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
    }
}

#[test]
fn foreign_hosts_and_origins_are_turned_away() {
    let gateway = Gateway::start();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let post = |name: &str, value: &str| {
        gateway.post_raw("/main/mcp", &bearer(), &[(name, value)], body.as_bytes())
    };
    post("Host", "evil.example.com").assert_refused(403, "forbidden_host");
    post("Origin", "http://evil.example.com").assert_refused(403, "forbidden_origin");
    assert_eq!(post("Host", "127.0.0.1:9999").status, 200);
}

#[test]
fn huge_headers_do_not_hurt() {
    let gateway = Gateway::start();
    let huge = "x".repeat(1024 * 1024);
    let reply = gateway.post_raw("/main/mcp", &bearer(), &[("X-Huge", &huge)], b"{}");
    assert!((400..500).contains(&reply.status), "{}", reply.status);
    assert_eq!(http::send(gateway.addr, "GET", "/health", &[], b"").status, 200);
}
