//! `/mcp/invoke`, `/mcp/tools`, and what surrounds them.

use serde_json::json;

use crate::harness::{Gateway, Script, Token, http};

fn developer() -> Token {
    Token::of("dora", &["developer"])
}

#[test]
fn invoke_unwraps_the_backends_answer() {
    let gateway = Gateway::start();
    let body = json!({ "tool_name": "echo", "arguments": { "text": "hi" }, "request_id": "mine" });
    let reply = gateway.post("/mcp/invoke", &developer(), &body);
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!(json["jsonrpc"], "2.0");
    assert_eq!(json["id"], "mine");
    assert_eq!(json["tool_id"], "main/echo");
    assert_eq!(json["result"]["content"][0]["text"], "done");
    assert!(json["error"].is_null());
    let seen = &gateway.backend.seen()[0];
    let sent: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(sent["method"], "tools/call");
    assert_eq!(sent["params"], json!({ "name": "echo", "arguments": { "text": "hi" } }));
}

#[test]
fn the_request_id_header_wins_and_reaches_the_backend() {
    let gateway = Gateway::start();
    let body = json!({ "tool_name": "echo", "arguments": { "text": "hi" }, "request_id": "body" });
    let reply = gateway.post_raw(
        "/mcp/invoke",
        &developer().bearer(),
        &[("X-Request-ID", "header-1")],
        body.to_string().as_bytes(),
    );
    assert_eq!(reply.json()["id"], "header-1");
    assert_eq!(gateway.backend.seen()[0].all("x-request-id"), ["header-1"]);
}

#[test]
fn refusals_have_status_and_code_of_c13() {
    let gateway = Gateway::start();
    let invoke = |token: &Token, tool: &str| {
        gateway.post("/mcp/invoke", token, &json!({ "tool_name": tool, "arguments": {} }))
    };
    invoke(&developer(), "absent").assert_refused(404, "TOOL_NOT_FOUND");
    invoke(&Token::of("rita", &["reader"]), "wipe").assert_refused(404, "TOOL_NOT_FOUND");
    invoke(&developer(), "echo").assert_refused(400, "INVALID_ARGUMENTS");
    invoke(&developer(), "unreachable").assert_refused(502, "BACKEND_UNAVAILABLE");
    invoke(&developer(), "both").assert_refused(400, "ambiguous_tool");
    let scoped = gateway.post(
        "/mcp/invoke",
        &developer(),
        &json!({ "tool_name": "both", "arguments": {}, "scope": "side" }),
    );
    assert_eq!(scoped.json()["tool_id"], "side/both");
    gateway
        .post("/mcp/invoke", &developer(), &json!({ "tool_name": "echo", "scope": "nowhere" }))
        .assert_refused(404, "unknown_scope");
    gateway.backend.answer(Script::Stall);
    invoke(&developer(), "slow").assert_refused(504, "BACKEND_TIMEOUT");
    gateway.backend.answer(Script::Plain(500, "text/plain", "oops".to_owned()));
    let failed = invoke(&developer(), "wipe");
    failed.assert_refused(502, "BACKEND_ERROR");
    assert!(!failed.text().contains("oops"), "a backend's words stay inside");
}

#[test]
fn a_backends_own_error_is_passed_in_the_envelope() {
    let gateway = Gateway::start();
    gateway.backend.answer(Script::Error(json!({ "code": -32602, "message": "no such unit" })));
    let reply = gateway.post("/mcp/invoke", &developer(), &json!({ "tool_name": "wipe" }));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["error"]["message"], "no such unit");
    assert!(reply.json()["result"].is_null());
}

#[test]
fn arguments_beyond_one_mebibyte_are_too_large() {
    let gateway = Gateway::start();
    let body = json!({ "tool_name": "wipe", "arguments": { "x": "y".repeat(1024 * 1024) } });
    gateway.post("/mcp/invoke", &developer(), &body).assert_refused(413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn tools_are_listed_over_all_scopes_with_addresses_for_admins_only() {
    let gateway = Gateway::start();
    let reader = gateway.get("/mcp/tools", &Token::of("rita", &["reader"])).json();
    assert_eq!(reader["count"], 1);
    assert_eq!(reader["tools"][0]["name"], "echo");
    assert!(reader["tools"][0].get("backend_url").is_none());
    let admin = gateway.get("/mcp/tools", &Token::of("root", &["admin"])).json();
    assert!(admin["tools"][0]["backend_url"].as_str().unwrap().starts_with("http://127.0.0.1"));
    assert_eq!(admin["tools"][1]["risk_level"], "high");
}

#[test]
fn v97_removed_paths_and_unknown_ones_are_404() {
    let gateway = Gateway::start();
    for path in ["/sse", "/messages", "/", "/main", "/main/mcp/x", "/mcp", "/admin", "/main//mcp"] {
        gateway.post(path, &developer(), &json!({})).assert_refused(404, "not_found");
    }
    let wrong = http::send(gateway.addr, "DELETE", "/mcp/invoke", &[], b"");
    wrong.assert_refused(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("POST"));
}

#[test]
fn health_readiness_metrics_and_documents() {
    let gateway = Gateway::start();
    let get = |path: &str| http::send(gateway.addr, "GET", path, &[], b"");
    let health = get("/health").json();
    assert_eq!(
        (health["status"].as_str(), health["app"].as_str()),
        (Some("ok"), Some("MCP Gateway"))
    );
    assert!(health["uptime_seconds"].is_u64() && health["version"].is_string());
    assert_eq!(get("/healthz").text(), "ok");
    let ready = get("/ready");
    assert_eq!(ready.status, 200, "{}", ready.text());
    let checks = &ready.json()["checks"];
    assert_eq!(checks["database"], json!({ "ok": true }));
    assert_eq!(checks["audit_shipping"], json!({ "ok": true }));
    assert_eq!(checks["keys"], json!({ "ok": true, "issuers": 1, "issuers_without_keys": 0 }));
    assert!(get("/docs/").text().contains("swagger"));
    assert_eq!(get("/docs").status, 308);
    assert!(get("/openapi.json").json()["paths"]["/mcp/invoke"].is_object());
    assert_eq!(get("/metrics").status, 404, "metrics have a listener of their own");
    gateway.call(&developer(), "main", "echo", json!({ "text": "hi" }));
    let metrics = gateway.metrics();
    assert!(metrics.contains("scopegate_calls_total"), "{metrics}");
    assert!(metrics.contains(r#"tool="echo""#), "{metrics}");
    let has = |line: &str| metrics.lines().any(|other| other == line);
    // The first event of the chain and its checkpoint, and the decision and the
    // outcome of the one call.
    assert!(has("scopegate_audit_appended_total 4"), "{metrics}");
    assert!(has("scopegate_inflight_calls 0"), "{metrics}");
}

#[test]
fn metadata_documents_name_the_issuer_for_each_endpoint() {
    let gateway = Gateway::builder().set("GATEWAY_PUBLIC_URL", "https://gw.example.com").start();
    let get = |path: &str| http::send(gateway.addr, "GET", path, &[], b"");
    let root = "/.well-known/oauth-protected-resource";
    assert_eq!(get(root).json()["resource"], "https://gw.example.com");
    for leaf in ["mcp", "sse"] {
        let document = get(&format!("{root}/main/{leaf}")).json();
        assert_eq!(document["resource"], format!("https://gw.example.com/main/{leaf}"));
        assert_eq!(document["authorization_servers"], json!(["https://issuer.test"]));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    }
    assert_eq!(get(&format!("{root}/nowhere/mcp")).status, 404);
}
