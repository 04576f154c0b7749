//! What is advertised is what is accepted (C-55, T-22), in both eras.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::service::{SECRET, Service};

fn listed(service: &Service) -> Value {
    service.rpc(None, "tools/list", json!({}))["result"]["tools"].clone()
}

#[test]
fn the_shipped_registry_lists_what_the_service_lists() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tools.yaml");
    let shipped: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let tools = shipped["tools"].as_array().unwrap().iter();
    let shipped_tools: Vec<&Value> = tools.filter(|tool| tool["backend"] == "documents").collect();
    let listed = listed(&Service::start());
    assert_eq!(shipped_tools.len(), 1);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    for member in [
        ("name", "name"),
        ("title", "title"),
        ("description", "description"),
        ("annotations", "annotations"),
        ("input_schema", "inputSchema"),
        ("output_schema", "outputSchema"),
    ] {
        assert!(listed[0][member.1].is_string() || listed[0][member.1].is_object(), "{member:?}");
        assert_eq!(shipped_tools[0][member.0], listed[0][member.1], "{member:?}");
    }
    assert_eq!(shipped_tools[0]["scope"], "docs");
    // Open, so that resources/read reaches it.
    assert_eq!(shipped["scopes"]["docs"]["backends"], json!(["documents"]));
}

#[test]
fn the_tool_says_that_it_adds_a_file() {
    let listed = listed(&Service::start());
    let expected = json!({"readOnlyHint": false, "destructiveHint": false,
                          "idempotentHint": false, "openWorldHint": false});
    assert_eq!(listed[0]["annotations"], expected);
}

#[test]
fn results_fit_the_output_schema_and_link_to_the_file() {
    let service = Service::start();
    let schema = jsonschema::validator_for(&listed(&service)[0]["outputSchema"]).unwrap();
    for format in ["pdf", "docx", "html"] {
        let arguments = json!({"content": "# a\n\n<div>", "format": format, "title": "T"});
        let answer = service.call(Some("ann@example.org"), arguments);
        let said = &answer["result"]["structuredContent"];
        assert!(schema.is_valid(said), "{said}");
        assert_eq!(said["format"], format);
        let name = said["filename"].as_str().unwrap();
        let (id, extension) = name.split_once('.').unwrap();
        assert_eq!((id.len(), extension), (36, format));
        let url = format!("http://localhost:8000/files/ann@example.org/{name}");
        assert_eq!(said["download_url"], url);
        assert_eq!(said["uri"], format!("document:///ann@example.org/{name}"));
        assert_eq!(said["warnings"], json!(["HTML blocks are left out"]));
        let content = &answer["result"]["content"];
        let text: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(&text, said);
        assert_eq!(content[1]["type"], "resource_link");
        assert_eq!(content[1]["uri"], said["uri"]);
        assert_eq!(content[1]["size"], said["size_bytes"]);
        assert_eq!(content[1]["title"], "T");
        assert!(content[1]["mimeType"].is_string());
    }
}

#[test]
fn the_public_url_is_the_gateways() {
    let settings = [("GATEWAY_PUBLIC_URL", "https://mcp.example.org/")];
    let made = Service::with(&[], &settings).make("html", "a", json!({}));
    let url = made.said["download_url"].as_str().unwrap();
    assert!(url.starts_with("https://mcp.example.org/files/ann/"), "{url}");
}

#[test]
fn unknown_arguments_and_wrong_values_are_refused() {
    let service = Service::start();
    for arguments in [
        json!({"content": "a"}),
        json!({"format": "pdf"}),
        json!({"content": "a", "format": "PDF"}),
        json!({"content": 1, "format": "pdf"}),
        json!({"content": "a", "format": "pdf", "template": "x"}),
        json!({"content": "a", "format": "pdf", "page_size": "a4"}),
        json!({"content": "a", "format": "pdf", "margins_mm": {"top": -1}}),
        json!({"content": "a", "format": "pdf", "margins_mm": {"top": 61}}),
        json!({"content": "a", "format": "pdf", "margins_mm": {"inner": 1}}),
        json!({"content": "a", "format": "pdf", "title": "x".repeat(201)}),
        json!({"content": "a", "format": "pdf", "language": "../en"}),
        json!({"content": "a", "format": "pdf", "toc": "yes"}),
    ] {
        assert_eq!(
            service.refusal(arguments.clone()),
            (-32602, "Invalid params".to_owned()),
            "{arguments}"
        );
    }
}

#[test]
fn the_reference_systems_errors_are_kept() {
    let service = Service::start();
    let arguments = |content: &str| json!({"content": content, "format": "html"});
    let error = |user: Option<&str>, content: &str| {
        let answer = service.call(user, arguments(content));
        (answer["error"]["code"].as_i64().unwrap(), answer["error"]["message"].clone())
    };
    assert_eq!(error(None, "a"), (-32602, json!("Missing X-User-ID header")));
    for bad in ["../ann", ".", "a/b", "auth0|1", "-a"] {
        assert_eq!(error(Some(bad), "a"), (-32602, json!("Invalid user id")), "{bad}");
    }
    // Bytes, not characters.
    let long = "ä".repeat(262_145);
    assert_eq!(error(Some("ann"), &long), (-32602, json!("Content exceeds maximum size")));
    let longest = "ä\n".repeat(524_288 / 3) + "ab";
    assert_eq!(longest.len(), 524_288);
    assert!(service.call(Some("ann"), arguments(&longest))["result"].is_object());
    let unknown = service.rpc(Some("ann"), "tools/call", json!({"name": "other"}));
    assert_eq!(unknown["error"]["code"], -32001);
    // Nobody but the gateway.
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "document_generate", "arguments": arguments("a")}});
    for secret in ["wrong", ""] {
        let headers = [
            ("x-gateway-auth", secret),
            ("content-type", "application/json"),
            ("x-user-id", "ann"),
        ];
        let answer = Connection::open(service.address).send(
            "POST",
            "/mcp",
            &headers,
            body.to_string().as_bytes(),
        );
        assert_eq!(answer.json()["error"]["code"], -32004);
    }
    let nowhere = Service::with(&[], &[("DOCUMENTS_FOLDER", "")]);
    let (code, message) = nowhere.refusal(arguments("a"));
    assert_eq!((code, message.as_str()), (-32002, "Generation failed: no folder is configured"));
}

#[test]
fn resources_are_there_in_both_eras() {
    let service = Service::start();
    let legacy = service.rpc(None, "initialize", json!({"protocolVersion": "2025-11-25"}));
    assert_eq!(
        legacy["result"]["capabilities"],
        json!({"tools": {"listChanged": false},
               "resources": {"listChanged": false, "subscribe": false}})
    );
    let made = service.make("pdf", "# modern", json!({}));
    let uri = made.said["uri"].as_str().unwrap();
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                      "io.modelcontextprotocol/clientCapabilities": {}});
    let modern = |method: &str, mut params: Value, name: Option<&str>| {
        params["_meta"] = meta.clone();
        let mut headers = vec![
            ("x-gateway-auth", SECRET),
            ("content-type", "application/json"),
            ("x-user-id", "ann"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        headers.extend(name.map(|name| ("mcp-name", name)));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = Connection::open(service.address).send(
            "POST",
            "/mcp",
            &headers,
            body.to_string().as_bytes(),
        );
        (answer.status, answer.json())
    };
    let (_, discovered) = modern("server/discover", json!({}), None);
    assert_eq!(discovered["result"]["capabilities"], json!({"tools": {}, "resources": {}}));
    let (status, listed) = modern("resources/list", json!({}), None);
    assert_eq!((status, &listed["result"]["resources"][0]["uri"]), (200, &json!(uri)));
    assert_eq!(listed["result"]["cacheScope"], "private");
    assert_eq!(listed["result"]["resultType"], "complete");
    let (_, templates) = modern("resources/templates/list", json!({}), None);
    assert_eq!(templates["result"]["resourceTemplates"], json!([]));
    let (status, read) = modern("resources/read", json!({"uri": uri}), Some(uri));
    assert_eq!((status, &read["result"]["contents"][0]["uri"]), (200, &json!(uri)));
    let (_, missing) =
        modern("resources/read", json!({"uri": "document:///x"}), Some("document:///x"));
    assert_eq!(missing["error"]["code"], -32602);
    // The header must say what the body says.
    let (status, differs) = modern("resources/read", json!({"uri": uri}), Some("document:///x"));
    assert_eq!((status, &differs["error"]["code"]), (400, &json!(-32020)));
    let (status, differs) = modern("resources/read", json!({"uri": uri}), None);
    assert_eq!((status, &differs["error"]["code"]), (400, &json!(-32020)));
}
