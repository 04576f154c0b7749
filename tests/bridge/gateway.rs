//! The real gateway with the real calculator, behind nginx, and real clients.

use serde_json::{Value, json};

use crate::client::{Bridge, initialize};
use crate::stack::Stack;

const BRIDGE: &str = env!("CARGO_BIN_EXE_scopegate");

fn sum() -> Value {
    json!({ "operator": "add", "operands": ["1.2", "2.3"] })
}

#[test]
fn a_client_of_each_era_calls_the_calculator_through_the_issuer() {
    let stack = Stack::start();
    let url = stack.url("/calculator/mcp");
    let issuer = format!("http://127.0.0.1:{}", stack.issuer.1);
    let flags = ["bridge", "--endpoint", &url, "--issuer-url", &issuer, "--user-id", "bridged"];
    let mut bridge = Bridge::start(BRIDGE, &flags, &[]);
    bridge.request(0, "initialize", initialize("2025-11-25"));
    let answer = bridge.next();
    assert_eq!(answer["result"]["protocolVersion"], json!("2025-11-25"), "{answer}");
    bridge.notify("notifications/initialized", json!({}));
    bridge.request(1, "tools/list", json!({}));
    assert_eq!(bridge.next()["result"]["tools"].as_array().unwrap().len(), 6);
    bridge.call(2, "exact_calculate", sum());
    assert_eq!(bridge.next()["result"]["structuredContent"]["result"], json!("3.5"));
    bridge.call(3, "no_such_tool", json!({}));
    assert!(bridge.next()["error"]["code"].is_i64());

    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    bridge.request(4, "server/discover", json!({ "_meta": meta }));
    assert!(bridge.next()["result"]["supportedVersions"].is_array());
    let call = json!({ "name": "exact_calculate", "arguments": sum(), "_meta": meta });
    bridge.request(5, "tools/call", call);
    let answer = bridge.next();
    assert_eq!(answer["result"]["resultType"], json!("complete"), "{answer}");
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    let rows = stack.audited("user_id=bridged&tool_name=exact_calculate&status=success", 2);
    assert!(rows.iter().all(|row| row["tenant"] == json!("demo")), "{rows:?}");
}

#[test]
fn a_refusal_of_the_gateway_keeps_its_code() {
    let stack = Stack::start();
    let url = stack.url("/calculator/mcp");
    let env = [("SCOPEGATE_TOKEN", "not.a.token")];
    let mut bridge = Bridge::start(BRIDGE, &["bridge", "--endpoint", &url], &env);
    bridge.request(0, "initialize", initialize("2025-11-25"));
    assert_eq!(bridge.next()["error"]["data"]["code"], json!("token_refused"));

    let token = stack.token("ann", "nobody");
    let env = [("SCOPEGATE_TOKEN", token.as_str())];
    let mut bridge = Bridge::start(BRIDGE, &["bridge", "--endpoint", &url], &env);
    bridge.request(0, "initialize", initialize("2025-11-25"));
    assert!(bridge.next()["result"].is_object());
    bridge.call(1, "exact_calculate", sum());
    let answer = bridge.next();
    assert_eq!(answer["id"], json!(1));
    assert!(answer["error"].is_object() || answer["result"]["isError"] == json!(true), "{answer}");
    // Over the limit of a body: nginx refuses with REST words.
    bridge.call(2, "exact_calculate", json!({ "x": "y".repeat(5 * 1024 * 1024) }));
    let answer = bridge.next();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("413") || answer["error"]["data"]["code"] == json!("connection_broken"),
        "{answer}"
    );
}
