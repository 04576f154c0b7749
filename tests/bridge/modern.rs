//! The modern era: no session, mirrored headers, closing means cancelling.

use serde_json::{Value, json};

use crate::client::Bridge;
use crate::server::{Server, standard};

/// A modern request.
fn request(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

#[test]
fn members_are_mirrored_in_headers_and_there_is_no_session() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        // No client of this era listens to it.
        "POST server/discover" => reply.text(
            200,
            "application/json",
            &[("Mcp-Session-Id", "s")],
            &json!({ "jsonrpc": "2.0", "id": seen.id(), "result": {} }).to_string(),
        ),
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.send(request(1, "server/discover", json!({})));
    assert_eq!(bridge.next()["id"], json!(1));
    bridge.send(request(2, "tools/call", json!({ "name": "größe", "arguments": {} })));
    assert_eq!(bridge.next()["id"], json!(2));
    bridge.send(request(3, "resources/read", json!({ "uri": "file:///a b" })));
    assert_eq!(bridge.next()["id"], json!(3));
    bridge.close();
    assert_eq!(bridge.wait(), 0);

    let mirrored: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| {
            assert_eq!(seen.header("mcp-protocol-version"), "2026-07-28");
            assert!(seen.header("mcp-session-id").is_empty());
            (seen.header("mcp-method").to_owned(), seen.header("mcp-name").to_owned())
        })
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        mirrored,
        [
            pair("server/discover", ""),
            pair("tools/call", "=?base64?Z3LDtsOfZQ==?="),
            pair("resources/read", "file:///a b"),
        ]
    );
}

#[test]
fn annotated_arguments_are_mirrored_once_the_list_has_passed() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST tools/list" => {
            let properties = json!({
                "region": { "type": "string", "x-mcp-header": "Region" },
                "size": { "type": "integer", "x-mcp-header": "Size" },
            });
            let illegal = json!({ "x": { "type": "object", "x-mcp-header": "X" } });
            let tools = json!([
                { "name": "place", "inputSchema": { "type": "object", "properties": properties } },
                { "name": "illegal", "inputSchema": { "type": "object", "properties": illegal } },
            ]);
            reply.result(seen, json!({ "tools": tools, "ttlMs": 0, "cacheScope": "private" }))
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.send(request(1, "tools/list", json!({})));
    let listed = bridge.next();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(listed["result"]["cacheScope"], json!("private"));
    let arguments = json!({ "region": " west", "size": 9_007_199_254_740_993_u64 });
    bridge.send(request(2, "tools/call", json!({ "name": "place", "arguments": arguments })));
    bridge.next();
    let call = &server.wait_for("POST tools/call", 1)[0];
    assert_eq!(call.header("mcp-param-region"), "=?base64?IHdlc3Q=?=");
    assert_eq!(call.header("mcp-param-size"), "9007199254740993");
}

#[test]
fn a_cancelled_request_loses_its_connection_and_nothing_is_posted() {
    let server = Server::start(|seen, reply| match seen.json()["params"]["name"].as_str() {
        Some("silent") => reply.abandoned(),
        Some("streaming") => {
            let stream = reply.events(&[]);
            stream.message(json!({ "jsonrpc": "2.0", "method": "notifications/progress" }));
            stream.abandoned()
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    for (id, tool) in [(1, "silent"), (2, "streaming")] {
        bridge.send(request(id, "tools/call", json!({ "name": tool })));
        server.wait_for("POST tools/call", usize::try_from(id).unwrap());
        if tool == "streaming" {
            assert_eq!(bridge.next()["method"], json!("notifications/progress"));
        }
        bridge.notify("notifications/cancelled", json!({ "requestId": id }));
    }
    // Both scripts end only when the connection does.
    bridge.send(request(3, "tools/call", json!({ "name": "echo" })));
    assert_eq!(bridge.next()["id"], json!(3));
    bridge.assert_silent();
    assert!(!server.whats().contains(&"POST notifications/cancelled".to_owned()));
    bridge.close();
    assert_eq!(bridge.wait(), 0);
}

#[test]
fn errors_with_a_status_arrive_as_they_are() {
    let server = Server::start(|seen, reply| {
        match seen.what().as_str() {
        "POST server/discover" => reply.json(
            404,
            &json!({ "jsonrpc": "2.0", "id": seen.id(), "error": { "code": -32601, "message": "no" } }),
        ),
        _ => standard(seen, reply),
    }
    });
    let mut bridge = Bridge::to(&server);
    bridge.send(request(1, "server/discover", json!({})));
    assert_eq!(bridge.next()["error"], json!({ "code": -32601, "message": "no" }));
    // So that a client of both eras goes on with the other one.
    bridge.open();
    bridge.call(2, "echo", json!({}));
    assert_eq!(bridge.next()["id"], json!(2));
}

#[test]
fn a_subscription_lasts_and_does_not_keep_the_bridge() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST subscriptions/listen" => {
            let stream = reply.events(&[]);
            let method = "notifications/subscriptions/acknowledged";
            stream.message(json!({ "jsonrpc": "2.0", "method": method }));
            stream.abandoned()
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::with(&server, &["--max-in-flight", "1"]);
    bridge.send(request(1, "subscriptions/listen", json!({ "notifications": {} })));
    assert_eq!(bridge.next()["method"], json!("notifications/subscriptions/acknowledged"));
    bridge.send(request(2, "tools/call", json!({ "name": "echo" })));
    assert_eq!(bridge.next()["id"], json!(2));
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    let rest = bridge.rest();
    assert_eq!((rest.len(), &rest[0]["id"]), (1, &json!(1)), "{rest:?}");
}
