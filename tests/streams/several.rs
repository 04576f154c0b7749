//! Scopes whose backends are not all well.

use serde_json::{Value, json};

use crate::client::{Client, MODERN, call, modern, request, text};
use crate::stack::Door;
use crate::world::WORLD;

fn has_echo(response: &Value) -> bool {
    let tools = response["result"]["tools"].as_array();
    tools.is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "echo"))
}

#[test]
fn a_dead_backend_does_not_take_its_scope_down() {
    let client = Client::seated(&WORLD.stack, "half");
    for door in [Door::First, Door::Second] {
        let client = client.through(door);
        let listing = request(1, "tools/list", json!({}));
        let response = client.post(&listing).response();
        assert!(has_echo(&response), "{response}");
        let response = client.post_modern(&modern(&listing)).response();
        assert!(has_echo(&response), "{response}");
        let echo = call(2, "echo", json!({ "n": 1 }));
        assert_eq!(text(&client.post(&echo).response()), r#"{"n":1}"#);
        assert_eq!(text(&client.post_modern(&modern(&echo)).response()), r#"{"n":1}"#);
    }
    let mut events = client.get(None).events();
    client.post(&call(3, "trigger", json!({ "what": "tools" }))).response();
    events.said("notifications/tools/list_changed");
}

#[test]
fn what_is_missing_of_a_list_is_told() {
    let client = Client::seated(&WORLD.stack, "half");
    let response = client.post(&request(1, "tools/list", json!({}))).response();
    let meta = &response["result"]["_meta"];
    assert!(meta.to_string().contains("dead"), "{meta}");
}

#[test]
fn a_backend_that_refuses_the_gateway_does_not_look_empty() {
    let client = Client::new(&WORLD.stack, "refusing");
    for method in ["tools/list", "prompts/list", "resources/list"] {
        for accept in [crate::client::EITHER, "application/json"] {
            let client = client.accepting(accept);
            let listing = request(1, method, json!({}));
            let answer = client.post(&listing);
            assert_ne!(answer.status, 401, "the client's own token is good");
            let response = answer.response();
            assert_eq!(response["error"]["code"], -32603, "{method}: {response}");
            let response = client.post_modern(&modern(&listing)).response();
            assert_eq!(response["error"]["code"], -32603, "{method}: {response}");
        }
    }
    let response = client.post(&call(1, "echo", json!({}))).response();
    assert_eq!(response["error"]["code"], -32603, "{response}");
    // Discovery answers all the same, or clients would change eras.
    let discover = modern(&request(1, "server/discover", json!({})));
    let response = client.post_modern(&discover).response();
    assert_eq!(response["result"]["supportedVersions"][0], MODERN, "{response}");
}
