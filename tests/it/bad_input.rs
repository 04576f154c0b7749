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
        case(
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"paramſ\":{}}",
            400,
            -32600,
            "invalid_request",
        ),
        case(
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"wipe\",\"argumentſ\":{}}}",
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
        let shown = &body[..body.floor_char_boundary(80)];
        let reply = gateway.post_raw("/main/mcp", &bearer(), &[], body.as_bytes());
        assert_eq!((reply.status, reply.code().as_deref()), (status, Some(code)), "{shown}");
        assert_eq!(reply.json()["error"]["code"], number, "{shown}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    let metrics = gateway.metrics();
    for code in ["parse_error", "invalid_request", "invalid_params", "method_not_found"] {
        let name = format!(r#"scopegate_refusals_total{{code="{code}"}} "#);
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        assert!(line.parse::<f64>().unwrap() > 0.0, "{code}");
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

fn wipe_with(gateway: &Gateway, arguments: &str) -> http::Reply {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"wipe","arguments":{arguments}}}}}"#
    );
    gateway.post_raw("/main/mcp", &bearer(), &[], body.as_bytes())
}

#[test]
fn arguments_that_two_parsers_could_read_differently_are_refused() {
    let gateway = Gateway::start();
    for twins in [r#"{"a":1,"a":2}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
        wipe_with(&gateway, twins).assert_refused(200, "INVALID_ARGUMENTS");
    }
    wipe_with(&gateway, "null").assert_refused(200, "INVALID_ARGUMENTS");
    assert!(gateway.backend.seen().is_empty());
}

#[test]
fn bombs_of_arguments_are_refused_small() {
    let gateway = Gateway::start();
    let bomb = format!("[{}1]", "1,".repeat(1_900_000));
    let mut replies = Vec::new();
    for name in ["echo", "wipe", "shaped"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"n":{bomb}}}}}}}"#
        );
        replies.push(gateway.post_raw("/main/mcp", &bearer(), &[], body.as_bytes()));
    }
    for reply in replies {
        reply.assert_refused(413, "PAYLOAD_TOO_LARGE");
        assert!(reply.body.len() < 1000);
    }
    let many = format!(r#"{{"text":[{}1]}}"#, "1,".repeat(400_000));
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{many}}}}}"#
    );
    let reply = gateway.post_raw("/main/mcp", &bearer(), &[], body.as_bytes());
    reply.assert_refused(200, "INVALID_ARGUMENTS");
    assert!(reply.body.len() < 2000, "{}", reply.body.len());
}

#[test]
fn what_a_client_sent_is_told_back_only_in_part() {
    let gateway = Gateway::start();
    let body = format!("\"{}\"", "x".repeat(3_000_000));
    for path in ["/main/mcp", "/mcp/invoke"] {
        let reply = gateway.post_raw(path, &bearer(), &[], body.as_bytes());
        assert_eq!((reply.status, reply.body.len() < 1000), (400, true), "{path}");
    }
}

#[test]
fn a_modern_header_without_modern_metadata_is_400() {
    let gateway = Gateway::start();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let reply =
        gateway.post_raw("/main/mcp", &bearer(), &[("MCP-Protocol-Version", "2026-07-28")], body);
    reply.assert_refused(400, "invalid_params");
}

#[test]
fn a_refusal_before_the_body_keeps_the_connection() {
    use std::io::{Read, Write};
    let gateway = Gateway::start();
    let mut stream = std::net::TcpStream::connect(gateway.addr).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    for turn in 0..20 {
        let head = "POST /main/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x.y.z\r\n\
                    Content-Type: application/json\r\nAccept: */*\r\nContent-Length: 46\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).unwrap();
        let mut reply = Vec::new();
        while !is_whole(&reply) {
            let read = stream.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "turn {turn}: the connection was closed");
            reply.extend_from_slice(&buffer[..read]);
        }
        assert!(reply.starts_with(b"HTTP/1.1 401"), "turn {turn}");
    }
}

/// Whether a reply has come with all of the body it announces.
fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    reply.len() >= end + 4 + length.unwrap().parse::<usize>().unwrap()
}
