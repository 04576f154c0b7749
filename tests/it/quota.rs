//! Limits over HTTP, counted in memory and in Redis.

use serde_json::json;

use crate::harness::{Builder, Gateway, Token};

fn limited(builder: Builder) -> Gateway {
    builder
        .set("SCOPEGATE__QUOTA__USER_TOOL__PER_MINUTE", "60")
        .set("SCOPEGATE__QUOTA__USER_TOOL__BURST", "3")
        .start()
}

fn in_redis() -> Builder {
    Gateway::builder()
        .set("REDIS_URL", &support::redis::shared_url())
        .set("SCOPEGATE__REDIS__KEY_PREFIX", &support::redis::unique_prefix())
        .set("SCOPEGATE__REDIS__TIMEOUT_MS", "20000")
}

fn exhausts(gateway: &Gateway) {
    let dora = Token::of("dora", &["developer"]);
    for left in [2, 1, 0] {
        let reply = gateway.call(&dora, "main", "wipe", json!({}));
        assert_eq!(reply.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
        assert_eq!(reply.header("x-ratelimit-limit"), Some("60"));
        assert!(reply.header("ratelimit").is_some() && reply.header("ratelimit-policy").is_some());
    }
    let refused = gateway.call(&dora, "main", "wipe", json!({}));
    refused.assert_refused(200, "RATE_LIMIT_EXCEEDED");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let error = &refused.json()["result"]["structuredContent"]["error"];
    assert!(error["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(refused.json()["result"]["isError"], true);
    let rest = gateway.post("/mcp/invoke", &dora, &json!({ "tool_name": "wipe" }));
    rest.assert_refused(429, "RATE_LIMIT_EXCEEDED");
    assert!(rest.header("retry-after").is_some());
    greets_all_the_same(gateway, &dora);
    // Another tool, and another caller, have counters of their own.
    assert_eq!(
        gateway.call(&dora, "main", "echo", json!({ "text": "x" })).header("x-ratelimit-remaining"),
        Some("2")
    );
    let eve = Token::of("eve", &["developer"]);
    assert_eq!(
        gateway.call(&eve, "main", "wipe", json!({})).header("x-ratelimit-remaining"),
        Some("2")
    );
    assert_eq!(gateway.backend.seen().len(), 5);
    let rows = gateway.audit_rows("status=rate_limited", 2);
    assert_eq!(rows[0]["decision"], "rateLimited");
}

/// Quotas never touch the handshakes of either era, nor lists.
fn greets_all_the_same(gateway: &Gateway, token: &Token) {
    let modern = |method: &str| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "_meta": meta } });
        let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)];
        gateway.post_raw("/main/mcp", &token.bearer(), &headers, body.to_string().as_bytes())
    };
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    for _ in 0..5 {
        let replies = [
            modern("server/discover"),
            modern("tools/list"),
            gateway.post("/main/mcp", token, &hello),
        ];
        for reply in replies {
            assert_eq!((reply.status, reply.code()), (200, None), "{}", reply.text());
            assert!(reply.json()["result"].is_object());
            assert_eq!(reply.header("x-ratelimit-remaining"), None);
        }
    }
}

#[test]
fn in_memory() {
    exhausts(&limited(Gateway::builder()));
}

#[test]
fn on_redis() {
    exhausts(&limited(in_redis()));
}

#[test]
fn denied_calls_cost_nothing_and_discovery_is_never_limited() {
    let gateway = limited(Gateway::builder());
    let reader = Token::of("rita", &["reader"]);
    for _ in 0..10 {
        gateway.call(&reader, "main", "wipe", json!({})).assert_refused(200, "TOOL_NOT_FOUND");
        gateway.call(&reader, "main", "echo", json!({})).assert_refused(200, "INVALID_ARGUMENTS");
        let list = gateway.post(
            "/main/mcp",
            &reader,
            &json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}),
        );
        assert_eq!(list.status, 200);
    }
    let reply = gateway.call(&reader, "main", "echo", json!({ "text": "x" }));
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("2"));
}

/// What the registry says of headers is judged before anything is charged, or
/// written down as going on.
#[test]
fn a_call_whose_headers_say_something_else_is_not_charged() {
    let tools = r"
backends: { main: { url: BACKEND } }
tools:
  - name: echo
    scope: main
    backend: main
    input_schema:
      type: object
      properties: { text: { type: string, x-mcp-header: Text } }
";
    let gateway = limited(Gateway::builder().tools(tools));
    let dora = Token::of("dora", &["developer"]);
    let say = |text: &str| {
        let body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": {
                "name": "echo", "arguments": { "text": "x" },
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "echo"),
            ("Mcp-Param-Text", text),
        ];
        gateway.post_raw("/main/mcp", &dora.bearer(), &headers, body.to_string().as_bytes())
    };
    for _ in 0..5 {
        let refused = say("y");
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()["error"]["code"], -32020, "{}", refused.text());
        assert_eq!(refused.header("x-ratelimit-remaining"), None);
    }
    assert!(gateway.backend.seen().is_empty());
    let rows = gateway.audit_rows("reason=header_mismatch", 5);
    assert!(
        rows.iter().all(|row| row["decision"] == "deny" && row["kind"] == "decision"),
        "{rows:?}"
    );
    assert_eq!(say("x").header("x-ratelimit-remaining"), Some("2"));
}

#[test]
fn without_redis_calls_are_refused_unless_told_otherwise() {
    let dead = format!("redis://127.0.0.1:{}", support::ports::free());
    let dora = Token::of("dora", &["developer"]);
    let strict = Gateway::builder().set("REDIS_URL", &dead).start();
    strict.call(&dora, "main", "wipe", json!({})).assert_refused(200, "quota_unavailable");
    strict
        .post("/mcp/invoke", &dora, &json!({ "tool_name": "wipe" }))
        .assert_refused(503, "quota_unavailable");
    assert!(strict.backend.seen().is_empty());
    let lenient = Gateway::builder()
        .set("REDIS_URL", &dead)
        .set("SCOPEGATE__QUOTA__ON_FAILURE", "allow")
        .start();
    assert!(lenient.call(&dora, "main", "wipe", json!({})).json()["result"]["content"].is_array());
}
