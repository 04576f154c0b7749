//! MCP on a scoped endpoint, both eras.

use serde_json::{Value, json};

use crate::harness::{Gateway, Token, http};

fn developer() -> Token {
    Token::of("dora", &["developer"])
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "r-1", "method": method, "params": params })
}

fn modern(method: &str) -> (Value, [(&'static str, String); 2]) {
    let body = request(
        method,
        json!({ "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        } }),
    );
    let headers =
        [("MCP-Protocol-Version", "2026-07-28".to_owned()), ("Mcp-Method", method.to_owned())];
    (body, headers)
}

fn ask_modern(gateway: &Gateway, method: &str, token: &Token) -> http::Reply {
    let (body, headers) = modern(method);
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    gateway.post_raw("/main/mcp", &token.bearer(), &headers, body.to_string().as_bytes())
}

#[test]
fn initialize_negotiates_and_notifications_are_accepted_empty() {
    let gateway = Gateway::start();
    for path in ["/main/mcp", "/main/sse"] {
        let params = json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let reply = gateway.post(path, &developer(), &request("initialize", params)).json();
        assert_eq!(reply["id"], "r-1");
        assert_eq!(reply["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(reply["result"]["serverInfo"]["name"], "MCP Gateway");
        assert_eq!(reply["result"]["capabilities"]["tools"]["listChanged"], true);
        assert_eq!(reply["result"]["instructions"], "Use echo.");
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = gateway.post(path, &developer(), &note);
        assert_eq!((accepted.status, accepted.body.len()), (202, 0));
    }
    let ping =
        gateway.post("/main/mcp", &developer(), &json!({"jsonrpc":"2.0","id":9,"method":"ping"}));
    assert_eq!(ping.json(), json!({ "jsonrpc": "2.0", "id": 9, "result": {} }));
}

#[test]
fn discovery_is_answered_whatever_the_caller_may_do() {
    let gateway = Gateway::builder().without_policy().start();
    let reply = ask_modern(&gateway, "server/discover", &Token::of("nobody", &[]));
    assert_eq!(reply.status, 200);
    let result = &reply.json()["result"];
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["resultType"], "complete");
    assert!(result["ttlMs"].is_u64() && result["cacheScope"].is_string());
}

#[test]
fn methods_of_the_other_era_do_not_exist() {
    let gateway = Gateway::start();
    let unknown = gateway.post("/main/mcp", &developer(), &request("server/discover", json!({})));
    assert_eq!(unknown.status, 200);
    assert_eq!(unknown.json()["error"]["code"], -32601);
    for method in ["ping", "initialize", "nonsense"] {
        let reply = ask_modern(&gateway, method, &developer());
        assert_eq!(
            (reply.status, reply.json()["error"]["code"].as_i64()),
            (404, Some(-32601)),
            "{method}"
        );
        assert_eq!(reply.json()["id"], "r-1");
    }
}

fn names(reply: &http::Reply) -> Vec<String> {
    let tools = reply.json()["result"]["tools"].as_array().unwrap().clone();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_show_the_scope_and_only_what_may_be_called() {
    let gateway = Gateway::start();
    let list = |path: &str, token: &Token| {
        names(&gateway.post(path, token, &request("tools/list", json!({}))))
    };
    let developer = developer();
    assert_eq!(
        list("/main/mcp", &developer),
        ["echo", "wipe", "slow", "shaped", "both", "unreachable"]
    );
    assert_eq!(list("/side/sse", &developer), ["other", "both"]);
    assert!(list("/empty/mcp", &developer).is_empty());
    assert_eq!(list("/main/mcp", &Token::of("rita", &["reader"])), ["echo"]);
    assert!(list("/main/mcp", &Token::of("nobody", &[])).is_empty());
    let production = Token::of("dora", &["developer"]).claim("workspace", "production");
    assert!(!list("/main/mcp", &production).contains(&"wipe".to_owned()));
    let both = Token::of("dora", &["developer", "writer"]);
    assert!(list("/main/mcp", &both).contains(&"guarded".to_owned()));
}

#[test]
fn modern_lists_are_private_and_carry_what_the_revision_requires() {
    let gateway = Gateway::start();
    let reply = ask_modern(&gateway, "tools/list", &developer()).json();
    let result = &reply["result"];
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(result["resultType"], "complete");
    assert!(result["ttlMs"].is_u64());
    assert_eq!(result["tools"][0]["inputSchema"]["required"][0], "text");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "MCP Gateway");
    let null =
        gateway.post("/main/mcp", &developer(), &request("tools/list", json!({"cursor": null})));
    assert!(null.json()["result"]["tools"].is_array());
    let cursor =
        gateway.post("/main/mcp", &developer(), &request("tools/list", json!({"cursor": "x"})));
    assert_eq!(cursor.json()["error"]["code"], -32602);
}

#[test]
fn a_call_goes_through_in_both_eras() {
    let gateway = Gateway::start();
    let legacy = gateway.call(&developer(), "main", "echo", json!({ "text": "hi" }));
    assert_eq!(legacy.status, 200);
    assert_eq!(legacy.header("content-type"), Some("application/json"));
    assert_eq!(legacy.json()["result"]["content"][0]["text"], "done");
    let modern = gateway.call_modern(&developer(), "main", "echo", json!({ "text": "hi" }));
    assert_eq!(modern.json()["result"]["content"][0]["text"], "done");
    let seen = gateway.backend.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].all("mcp-method"), ["tools/call"]);
    assert_eq!(seen[1].all("mcp-name"), ["echo"]);
    assert_eq!(seen[1].all("mcp-protocol-version"), ["2026-07-28"]);
    assert!(seen[0].all("mcp-method").is_empty());
}

#[test]
fn clients_that_read_only_event_streams_get_one() {
    let gateway = Gateway::start();
    let body = request("tools/list", json!({}));
    let reply = gateway.post_raw(
        "/main/sse",
        &developer().bearer(),
        &[("Accept", "text/event-stream")],
        body.to_string().as_bytes(),
    );
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    let text = reply.text();
    let data = text.strip_prefix("event: message\ndata: ").unwrap().trim_end();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["id"], "r-1");
}

#[test]
fn v94_an_unknown_scope_is_404_with_the_id() {
    let gateway = Gateway::start();
    let reply = gateway.post("/foo/sse", &developer(), &request("tools/list", json!({})));
    assert_eq!(reply.status, 404);
    let json = reply.json();
    assert_eq!(json["error"]["code"], -32010);
    assert_eq!(json["error"]["message"], "Invalid endpoint scope 'foo'.");
    assert_eq!(json["id"], "r-1");
}

#[test]
fn v95_and_v96_tools_of_another_scope_and_removed_ones() {
    let gateway = Gateway::start();
    let other = gateway.call(&developer(), "main", "other", json!({}));
    assert_eq!(other.status, 200);
    assert_eq!(other.json()["error"]["code"], -32011);
    assert_eq!(
        other.json()["error"]["message"],
        "Tool 'other' is not available on endpoint '/main/mcp'."
    );
    for name in ["find_tools", "call_tool"] {
        let removed = gateway.call(&developer(), "main", name, json!({}));
        assert_eq!((removed.status, removed.json()["error"]["code"].as_i64()), (200, Some(-32012)));
    }
    assert!(gateway.backend.seen().is_empty());
}

#[test]
fn a_hidden_tool_answers_like_one_that_does_not_exist() {
    let gateway = Gateway::start();
    let reader = Token::of("rita", &["reader"]);
    let blank = |reply: http::Reply, name: &str| {
        let mut headers = reply.headers.clone();
        headers.retain(|(header, _)| header != "date" && header != "content-length");
        (reply.status, reply.text().replace(name, "NAME"), headers)
    };
    for name in ["wipe", "other", "guarded"] {
        let hidden = gateway.call(&reader, "main", name, json!({ "secret": 1 }));
        let absent = gateway.call(&reader, "main", "absent", json!({ "secret": 1 }));
        assert_eq!(blank(hidden, name), blank(absent, "absent"));
        let hidden = gateway.call_modern(&reader, "main", name, json!({}));
        assert_eq!(hidden.json()["error"]["code"], -32602);
        let absent = gateway.call_modern(&reader, "main", "absent", json!({}));
        assert_eq!(blank(hidden, name), blank(absent, "absent"));
        let invoke =
            |tool: &str| gateway.post("/mcp/invoke", &reader, &json!({ "tool_name": tool }));
        assert_eq!(blank(invoke(name), name), blank(invoke("absent"), "absent"));
    }
    assert!(gateway.backend.seen().is_empty());
}

#[test]
fn arguments_are_checked_before_anything_is_sent() {
    let gateway = Gateway::start();
    let reply = gateway.call(&developer(), "main", "echo", json!({ "text": 5 }));
    reply.assert_refused(200, "INVALID_ARGUMENTS");
    assert_eq!(reply.json()["result"]["isError"], true);
    let text = reply.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("arguments/text: "), "{text}");
    // Clients hold structuredContent against an output schema, so there is none.
    let shaped = gateway.call_modern(&developer(), "main", "shaped", json!({ "n": "x" }));
    shaped.assert_refused(200, "INVALID_ARGUMENTS");
    assert!(shaped.json()["result"].get("structuredContent").is_none());
    assert_eq!(shaped.json()["result"]["resultType"], "complete");
    assert!(gateway.backend.seen().is_empty());
}

#[test]
fn other_methods_are_405_after_authentication() {
    let gateway = Gateway::start();
    let methods = [("GET", "POST"), ("DELETE", "POST"), ("PUT", "GET, POST, DELETE")];
    for (method, allowed) in methods {
        let known = http::send(
            gateway.addr,
            method,
            "/main/mcp",
            &[("Authorization", &developer().bearer())],
            b"",
        );
        assert_eq!((known.status, known.header("allow")), (405, Some(allowed)), "{method}");
        let unknown = http::send(gateway.addr, method, "/main/mcp", &[], b"");
        assert_eq!(unknown.status, 401, "{method}");
    }
}

#[test]
fn policy_and_registry_are_data() {
    let gateway = Gateway::builder()
        .tools(
            "tools:\n  - { name: hello, scope: my-own-scope, backend_url: \"BACKEND\", title: Hello, \
             annotations: { readOnlyHint: true } }\n",
        )
        .policy("roles: { greeter: { allowed_tools: [hello] } }\n")
        .start();
    let greeter = Token::of("greta", &["greeter"]);
    let list = gateway.post("/my-own-scope/mcp", &greeter, &request("tools/list", json!({})));
    let tool = &list.json()["result"]["tools"][0];
    assert_eq!((tool["name"].as_str(), tool["title"].as_str()), (Some("hello"), Some("Hello")));
    assert_eq!(tool["annotations"]["readOnlyHint"], true);
    assert_eq!(tool["inputSchema"], json!({ "type": "object" }));
    let called = gateway.call(&greeter, "my-own-scope", "hello", json!({ "anything": 1 }));
    assert_eq!(called.json()["result"]["content"][0]["text"], "done");
    assert_eq!(gateway.post("/main/mcp", &greeter, &request("tools/list", json!({}))).status, 404);
}

#[test]
fn without_a_policy_file_everything_is_denied() {
    let gateway = Gateway::builder().without_policy().start();
    let admin = Token::of("root", &["admin"]);
    let list = gateway.post("/main/mcp", &admin, &request("tools/list", json!({})));
    assert_eq!(list.json()["result"]["tools"], json!([]));
    gateway
        .call(&admin, "main", "echo", json!({ "text": "x" }))
        .assert_refused(200, "TOOL_NOT_FOUND");
}
