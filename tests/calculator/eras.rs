//! Both eras of the protocol on one endpoint.

use serde_json::{Value, json};

use crate::http::Response;
use crate::process::Service;

const VERSION: &str = "2026-07-28";

fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn message(method: &str, mut params: Value, meta: Option<Value>) -> String {
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string()
}

fn modern(service: &Service, method: &str, params: Value, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("mcp-protocol-version", VERSION), ("mcp-method", method)];
    all.extend_from_slice(headers);
    service.send("POST", "/mcp", &all, message(method, params, Some(envelope())).as_bytes())
}

fn sum() -> Value {
    json!({"name": "exact_calculate", "arguments": {"operator": "add", "operands": ["1.2", "2.3"]}})
}

fn code(response: &Response) -> (u16, i64) {
    let body = response.json();
    assert_eq!(body["id"], 7, "{body}");
    (response.status, body["error"]["code"].as_i64().unwrap_or_else(|| panic!("{body}")))
}

#[test]
fn a_legacy_client_opens_lists_calls_and_pings() {
    let service = Service::patient();
    let opened = service.rpc(
        "initialize",
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}),
    );
    assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(opened["result"]["serverInfo"]["name"], "tool-calculator");
    assert_eq!(opened["result"]["capabilities"], json!({"tools": {"listChanged": false}}));
    let counter = service.rpc("initialize", json!({"protocolVersion": "1999-01-01"}));
    assert_eq!(counter["result"]["protocolVersion"], "2025-11-25");

    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    let accepted = service.send(
        "POST",
        "/mcp",
        &[("mcp-protocol-version", "2025-06-18")],
        initialized.as_bytes(),
    );
    assert_eq!((accepted.status, accepted.body.len()), (202, 0));

    assert_eq!(service.rpc("ping", json!({}))["result"], json!({}));
    let listed = service.rpc("tools/list", json!({}));
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 6);
    // What only the modern era knows would break strict legacy clients.
    assert_eq!(listed["result"].as_object().unwrap().len(), 1);
    let called = service.rpc("tools/call", sum());
    assert_eq!(called["result"]["structuredContent"]["result"], "3.5");
    assert_eq!(called["result"].as_object().unwrap().len(), 3);
}

#[test]
fn a_legacy_version_header_is_checked() {
    let service = Service::patient();
    let ping = message("ping", json!({}), None);
    let with = |version| {
        service.send("POST", "/mcp", &[("mcp-protocol-version", version)], ping.as_bytes())
    };
    assert_eq!(with("2024-11-05").json()["result"], json!({}));
    let unknown = with("1999-01-01");
    assert_eq!(code(&unknown), (400, -32022));
    let supported = unknown.json()["error"]["data"]["supported"].clone();
    assert!(supported.as_array().unwrap().contains(&json!(VERSION)));
    // The header says modern, the body does not.
    assert_eq!(code(&with(VERSION)), (400, -32602));
}

#[test]
fn a_modern_client_discovers_lists_and_calls() {
    let service = Service::patient();
    let discovered = modern(&service, "server/discover", json!({}), &[]);
    assert_eq!(discovered.status, 200);
    let result = &discovered.json()["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["supportedVersions"][0], VERSION);
    assert_eq!(result["cacheScope"], "public");
    assert!(result["ttlMs"].is_u64());
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "tool-calculator");

    let listed = modern(&service, "tools/list", json!({}), &[]).json();
    assert_eq!(listed["result"]["resultType"], "complete");
    assert_eq!(listed["result"]["cacheScope"], "public");
    assert!(listed["result"]["ttlMs"].is_u64());
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 6);

    let called = modern(&service, "tools/call", sum(), &[("mcp-name", "exact_calculate")]).json();
    let result = &called["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["structuredContent"]["result"], "3.5");
    assert_eq!(result["isError"], false);
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
}

#[test]
fn modern_headers_must_mirror_the_body() {
    let service = Service::patient();
    let body = message("tools/call", sum(), Some(envelope()));
    let post = |headers: &[(&str, &str)]| service.send("POST", "/mcp", headers, body.as_bytes());
    let version = ("mcp-protocol-version", VERSION);
    let method = ("mcp-method", "tools/call");
    let name = ("mcp-name", "exact_calculate");
    let wrong: [&[(&str, &str)]; 10] = [
        &[method, name],
        &[("mcp-protocol-version", "2025-11-25"), method, name],
        &[version, name],
        &[version, ("mcp-method", "TOOLS/CALL"), name],
        &[version, method],
        &[version, method, ("mcp-name", "exact_statistics")],
        &[version, method, ("mcp-name", "=?base64?***?=")],
        &[version, version, method, name],
        &[version, method, method, name],
        &[version, method, name, name],
    ];
    for headers in wrong {
        assert_eq!(code(&post(headers)), (400, -32020), "{headers:?}");
    }
    let right: [&[(&str, &str)]; 4] = [
        &[version, method, name],
        &[version, method, ("mcp-name", "  exact_calculate\t")],
        &[version, method, ("mcp-name", "=?base64?ZXhhY3RfY2FsY3VsYXRl?=")],
        // Sessions are not a modern thing, unknown parameters nobody's.
        &[version, method, name, ("mcp-session-id", "x"), ("mcp-param-region", "y")],
    ];
    for headers in right {
        let reply = post(headers);
        assert_eq!(reply.status, 200, "{headers:?}");
        assert_eq!(reply.json()["result"]["structuredContent"]["result"], "3.5");
        assert_eq!(reply.header("mcp-session-id"), None);
    }
}

#[test]
fn modern_metadata_is_required() {
    let service = Service::patient();
    let post = |meta: Value, version: &str| {
        let body = message("tools/list", json!({}), Some(meta));
        let headers = [("mcp-protocol-version", version), ("mcp-method", "tools/list")];
        code(&service.send("POST", "/mcp", &headers, body.as_bytes()))
    };
    let of = |version: &str| json!({"io.modelcontextprotocol/protocolVersion": version});
    assert_eq!(post(of(VERSION), VERSION), (400, -32602));
    let mut meta = envelope();
    meta["io.modelcontextprotocol/clientCapabilities"] = json!([]);
    assert_eq!(post(meta, VERSION), (400, -32602));
    assert_eq!(post(of("2099-01-01"), "2099-01-01"), (400, -32022));
    assert_eq!(post(of("2025-11-25"), "2025-11-25"), (400, -32022));
    assert_eq!(post(json!({"io.modelcontextprotocol/protocolVersion": 1}), VERSION), (400, -32602));
}

#[test]
fn methods_belong_to_their_era() {
    let service = Service::patient();
    for method in ["initialize", "ping", "resources/list", "prompts/get", "tools/listen", "x"] {
        assert_eq!(code(&modern(&service, method, json!({}), &[])), (404, -32601), "{method}");
    }
    for method in ["server/discover", "resources/list", "TOOLS/LIST", "", "x"] {
        let reply = service.send("POST", "/mcp", &[], message(method, json!({}), None).as_bytes());
        assert_eq!(code(&reply), (200, -32601), "{method}");
        assert_eq!(reply.json()["error"]["message"], "Method not found");
    }
}

#[test]
fn notifications_are_accepted_and_never_carried_out() {
    let service = Service::patient();
    let post = |headers: &[(&str, &str)], message: Value| {
        service.send("POST", "/mcp", headers, message.to_string().as_bytes())
    };
    let call = json!({"jsonrpc": "2.0", "method": "tools/call", "params": sum()});
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    for message in [call, cancelled.clone(), answer] {
        let reply = post(&[], message);
        assert_eq!((reply.status, reply.body.len()), (202, 0));
    }
    assert_eq!(post(&[("mcp-method", "notifications/other")], cancelled).status, 400);
}

#[test]
fn other_http_methods_are_told_what_is_allowed() {
    let service = Service::patient();
    for (method, path, allowed) in [
        ("GET", "/mcp", "POST"),
        ("DELETE", "/mcp", "POST"),
        ("PUT", "/mcp", "POST"),
        ("POST", "/health", "GET"),
        ("POST", "/mcp/tools", "GET"),
        ("GET", "/v1/compute", "POST"),
    ] {
        let reply = service.send(method, path, &[], b"");
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
    }
    for path in ["/", "/mcp/", "/mcp/../health", "/MCP", "/v1"] {
        assert_eq!(service.send("GET", path, &[], b"").status, 404, "{path}");
    }
}

#[test]
fn ids_come_back_as_they_were_sent() {
    let service = Service::patient();
    for id in ["0", "-1", "12345678901234567890", "1.5", "\"\"", "\"\\u0061\"", "\"größe\""] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let reply = service.send("POST", "/mcp", &[], body.as_bytes());
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.contains(&format!(r#""id":{id},"#)), "{id}: {text}");
    }
}
