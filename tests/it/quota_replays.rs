//! What goes on with a call that was charged is not charged again: looking at
//! its task, and fetching the rest of its stream.

use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, Script, Token, http};
use crate::quota_calls::{done, dora, left, on_both, wipe};

const LIMITS: &str = "quotas: [{ per: user_tool, rate: 1/min, burst: 50 }]\n\
                      budgets: { maxToolCallsPerTurn: 50, maxToolCallsPerDay: 50 }";

/// A message of 2026-07-28, from a client that knows tasks.
fn modern(gateway: &Gateway, method: &str, name: &str, mut params: Value) -> Reply {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let headers =
        [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", name)];
    gateway.post_raw("/main/mcp", &dora().bearer(), &headers, body.to_string().as_bytes())
}

/// What is left of every limit of dora's.
pub(crate) fn all_left(gateway: &Gateway) -> Vec<(String, u64)> {
    let admin = Token::of("root", &["admin"]);
    let shown = gateway.get("/admin/quotas?user=dora&roles=developer", &admin).json();
    let limits = shown["limits"].as_array().unwrap().iter();
    let left = |one: &Value| (one["limit"].to_string(), one["remaining"].as_u64().unwrap());
    // The default of a user is a thousand a minute, and regained meanwhile.
    limits.filter(|one| one["limit"] != "user").map(left).collect()
}

#[test]
fn looking_at_a_task_is_not_charged_however_often() {
    for gateway in on_both(LIMITS) {
        let task = json!({ "resultType": "task", "taskId": "t.1", "status": "working" });
        gateway.backend.answer(Script::Result(task));
        let begun =
            modern(&gateway, "tools/call", "wipe", json!({ "name": "wipe", "arguments": {} }));
        assert_eq!(left(&begun), 49, "the call itself is charged");
        let id = begun.json()["result"]["taskId"].as_str().unwrap().to_owned();
        let before = all_left(&gateway);
        for (method, more, result) in [
            ("tasks/get", Value::Null, json!({ "taskId": "t.1", "status": "working" })),
            ("tasks/get", Value::Null, json!({ "taskId": "t.1", "status": "input_required" })),
            ("tasks/update", json!({}), json!({ "resultType": "complete" })),
            ("tasks/get", Value::Null, json!({ "taskId": "t.1", "status": "completed" })),
            ("tasks/cancel", Value::Null, json!({ "resultType": "complete" })),
        ] {
            gateway.backend.answer(Script::Result(result));
            for _ in 0..3 {
                let mut params = json!({ "taskId": id });
                if !more.is_null() {
                    params["inputResponses"] = more.clone();
                }
                let reply = modern(&gateway, method, &id, params);
                assert_eq!((reply.status, reply.code()), (200, None), "{}", reply.text());
                assert_eq!(reply.header("x-ratelimit-remaining"), None, "{method}");
            }
        }
        assert_eq!(gateway.backend.seen().len(), 1 + 5 * 3, "each was asked");
        assert_eq!(all_left(&gateway), before, "and none was charged");
        gateway.backend.answer(done());
        assert_eq!(left(&wipe(&gateway)), 48);
    }
}

#[test]
fn the_rest_of_a_stream_is_not_charged_however_often_it_is_fetched() {
    for gateway in on_both(LIMITS) {
        gateway.backend.give_sessions();
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let opened = gateway.post("/main/mcp", &dora(), &hello);
        let session = opened.header("mcp-session-id").expect("a session").to_owned();
        let call = json!({
            "jsonrpc": "2.0", "id": "mine", "method": "tools/call",
            "params": { "name": "wipe", "arguments": {} },
        });
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
        // The stream breaks off before the answer.
        gateway.backend.answer(Script::Events(format!("id: e1\ndata: {log}\n\n")));
        let headers = [("Mcp-Session-Id", session.as_str())];
        let begun =
            gateway.post_raw("/main/mcp", &dora().bearer(), &headers, call.to_string().as_bytes());
        assert_eq!(left(&begun), 49, "{}", begun.text());
        let text = begun.text();
        let event = text.lines().find_map(|line| line.strip_prefix("id: "));
        let event = event.unwrap_or_else(|| panic!("no event id in {text}"));
        let before = all_left(&gateway);

        let seen = gateway.backend.seen();
        let sent = seen.iter().rfind(|seen| seen.body.contains("tools/call")).unwrap();
        let sent: Value = serde_json::from_str(&sent.body).unwrap();
        let answer = json!({ "jsonrpc": "2.0", "id": sent["id"], "result": { "content": [] } });
        gateway.backend.answer(Script::Events(format!("id: e2\ndata: {answer}\n\n")));
        for _ in 0..5 {
            let bearer = dora().bearer();
            let headers = [
                ("Authorization", bearer.as_str()),
                ("Accept", "text/event-stream"),
                ("Mcp-Session-Id", &session),
                ("Last-Event-ID", event),
            ];
            let rest = http::send(gateway.addr, "GET", "/main/mcp", &headers, b"");
            assert_eq!(rest.status, 200, "{}", rest.text());
            assert!(rest.text().contains(r#""id":"mine""#), "{}", rest.text());
            assert_eq!(rest.header("x-ratelimit-remaining"), None);
        }
        assert_eq!(all_left(&gateway), before);
        gateway.backend.answer(done());
        assert_eq!(left(&wipe(&gateway)), 48);
    }
}
