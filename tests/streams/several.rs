//! Scopes whose backends are not all well.

use serde_json::{Value, json};

use crate::client::{Client, MODERN, call, modern, request, text};
use crate::stack::Door;
use crate::watch;
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

#[test]
fn backends_of_a_namespaced_scope_are_called_by_their_own_names() {
    let mut client = Client::new(&WORLD.stack, "named");
    client.initialize(json!({}));
    for backend in ["rust", "typescript"] {
        let named = format!("{backend}__echo");
        let listing = request(1, "tools/list", json!({}));
        let response = client.post(&listing).response();
        let tools = response["result"]["tools"].as_array().unwrap();
        assert!(tools.iter().any(|tool| tool["name"] == named), "{response}");
        let echo = call(2, &named, json!({ "name": named }));
        let said = json!({ "name": named }).to_string();
        assert_eq!(text(&client.post(&echo).response()), said);
        assert_eq!(text(&client.post_modern(&modern(&echo)).response()), said);
        let prompts = client.post(&request(3, "prompts/list", json!({}))).response();
        let prompts = prompts["result"]["prompts"].as_array().unwrap();
        assert!(!prompts.is_empty());
        for prompt in prompts {
            assert!(prompt["name"].as_str().unwrap().contains("__"), "{prompt}");
        }
    }
    // The bare name is nobody's.
    let response = client.post(&call(4, "echo", json!({}))).response();
    assert_eq!(response["error"]["code"], -32011, "{response}");
}

#[test]
fn a_call_that_pretends_to_be_a_notification_reaches_nobody() {
    let client = Client::seated(&WORLD.stack, "rust");
    let mut pretended = call(0, "echo", json!({ "pretended": true }));
    pretended.as_object_mut().unwrap().remove("id");
    assert_eq!(client.post(&pretended).status, 202);
    let unknown = json!({ "jsonrpc": "2.0", "method": "notifications/of/nobody" });
    assert_eq!(client.post(&unknown).status, 202);
    let roots = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    assert_eq!(client.post(&roots).status, 202);
    watch::exchanges(&WORLD.rust, &client.user, |one| {
        one["message"] == "notifications/roots/list_changed"
    });
    let observed = WORLD.rust.observed();
    let all = observed["exchanges"].as_array().unwrap().iter();
    let own = all.filter(|one| one["headers"]["x-user-id"] == *client.user);
    let told: Vec<_> = own.map(|one| one["message"].clone()).collect();
    for forbidden in ["tools/call", "notifications/of/nobody"] {
        assert!(!told.contains(&json!(forbidden)), "{told:?}");
    }
}

#[test]
fn an_error_of_a_tool_is_not_taken_for_a_refusal_at_the_door() {
    for scope in ["plain", "sessions"] {
        let client = Client::new(&WORLD.stack, scope);
        WORLD.scripted.script(&client.user, |seen, reply| {
            let error = r#"{"code":-32000,"message":"the tool says no"}"#;
            let id = seen.id();
            reply.bad_request(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
        });
        let response = client.post(&call(1, "anything", json!({}))).response();
        assert_eq!(response["error"]["message"], "the tool says no", "{scope}: {response}");
        let calls = WORLD.scripted.seen(&client.user);
        let calls = calls.iter().filter(|seen| seen.message()["method"] == "tools/call").count();
        assert_eq!(calls, 1, "{scope}: what may have been carried out is not said twice");
    }
}

#[test]
fn what_is_no_log_level_is_refused() {
    let client = Client::seated(&WORLD.stack, "rust");
    let set = |level| request(1, "logging/setLevel", json!({ "level": level }));
    let response = client.post(&set("loud")).response();
    assert_eq!(response["error"]["code"], -32602, "{response}");
    let response = client.post(&set("error")).response();
    assert!(response["result"].is_object(), "{response}");
}
