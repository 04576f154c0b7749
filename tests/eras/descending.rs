//! Modern clients of legacy backends.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::backend::Backend;

use crate::client::{Client, EITHER, call, modern, request, text};
use crate::events::Event;
use crate::stack::Door;
use crate::watch::{self, SOON};
use crate::world::{LEGACY, WORLD};

const JSON: &str = "application/json";

/// Not with the Rust SDK 3.9.0: it does not give out an answer that was ready
/// before its client came back.
#[test]
fn a_stream_that_its_backend_closes_is_gone_on_with() {
    let away = call(1, "test_reconnection", json!({}));
    for accept in [EITHER, JSON] {
        let client = Client::new(&WORLD.stack, "typescript1").accepting(accept);
        let response = client.post_modern(&modern(&away)).response();
        assert_eq!(text(&response), "Answered after all.", "{accept}");
    }
    // Neither can legacy clients go on with what they do not read.
    let client = Client::seated(&WORLD.stack, "typescript1").accepting(JSON);
    assert_eq!(text(&client.post(&away).response()), "Answered after all.");
}

/// Not with the Rust SDK 3.9.0: it logs on the stream that is no request's,
/// and nobody could say whose messages they are.
#[test]
fn log_messages_come_as_each_request_wants_them() {
    let client = Client::new(&WORLD.stack, "typescript1");
    for (level, count) in [(None, 0), (Some("debug"), 3), (Some("info"), 3), (Some("error"), 0)] {
        let mut message = modern(&call(1, "test_tool_with_logging", json!({})));
        if let Some(level) = level {
            message["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        let mut events = client.post_modern(&message).events();
        let told = events.rest().iter().map(Event::message).collect::<Vec<_>>();
        let logged = told.iter().filter(|it| it["method"] == "notifications/message").count();
        assert_eq!(logged, count, "{level:?}: {told:?}");
    }
}

/// Its client has nowhere to be asked; so the backend is told that nobody can
/// be, and the tool fails in its own words, at once.
#[test]
fn nobody_is_asked() {
    for scope in LEGACY {
        let client = Client::new(&WORLD.stack, scope);
        for (tool, arguments) in
            [("ask", json!({ "message": "Who?" })), ("ask_model", json!({ "prompt": "What?" }))]
        {
            let mut message = modern(&call(1, tool, arguments));
            message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
                json!({ "elicitation": {}, "sampling": {} });
            let response = client.post_modern(&message).response();
            let failed = response["error"].is_object() || response["result"]["isError"] == true;
            assert!(failed, "{scope} {tool}: {response}");
        }
    }
}

/// The sessions in which a user's calls came.
fn sessions(backend: &Backend, user: &str) -> BTreeSet<String> {
    let calls = watch::exchanges(backend, user, |one| one["message"] == "tools/call");
    let named = calls.iter().map(|one| one["headers"]["mcp-session-id"].as_str());
    named.map(|id| id.expect("a session").to_owned()).collect()
}

#[test]
fn a_caller_keeps_its_session_and_shares_it_with_nobody() {
    for scope in LEGACY {
        let users = [(); 2].map(|()| Client::new(&WORLD.stack, scope).through(Door::First));
        let echo = modern(&call(1, "echo", json!({ "n": 1 })));
        std::thread::scope(|threads| {
            for client in users.iter().chain(&users) {
                threads.spawn(|| {
                    let response = client.post_modern(&echo).response();
                    assert_eq!(text(&response), r#"{"n":1}"#);
                });
            }
        });
        let [first, second] = users.map(|client| sessions(WORLD.backend(scope), &client.user));
        assert_eq!((first.len(), second.len()), (1, 1), "{scope}");
        assert!(first.is_disjoint(&second), "{scope}");
    }
}

#[test]
fn a_session_that_the_backend_has_lost_is_replaced() {
    let client = Client::new(&WORLD.stack, "frail");
    let echo = modern(&call(1, "echo", json!({ "n": 1 })));
    let mut backend = WORLD.frail.lock().unwrap();
    for _ in 0..2 {
        for door in [Door::First, Door::Second] {
            let response = client.through(door).post_modern(&echo).response();
            assert_eq!(text(&response), r#"{"n":1}"#);
        }
        backend.restart();
    }
}

#[test]
fn a_client_that_leaves_takes_its_call_back() {
    for scope in LEGACY {
        for accept in [EITHER, JSON] {
            let backend = WORLD.backend(scope);
            let client = Client::new(&WORLD.stack, scope).accepting(accept);
            let silent = modern(&call(1, "slow_silent", json!({ "ms": 25_000 })));
            let sent = client.send_modern(&silent);
            watch::calls(backend, &client.user, "slow_silent", 1, "running");
            let left = watch::now(backend);
            drop(sent);
            let calls = watch::calls(backend, &client.user, "slow_silent", 1, "aborted");
            let took = watch::ended(&calls[0]) - left;
            assert!(took < SOON, "{scope} {accept}: it took {took} ms");
            watch::exchanges(backend, &client.user, |one| {
                one["message"] == "notifications/cancelled"
            });
        }
    }
}

#[test]
fn answers_are_as_modern_clients_read_them() {
    for scope in LEGACY {
        let client = Client::new(&WORLD.stack, scope);
        let ask = |method: &str, params: Value| {
            let answer = client.post_modern(&modern(&request(7, method, params)));
            let (status, response) = (answer.status, answer.response());
            assert_eq!(response["id"], 7, "{scope} {method}");
            (status, response)
        };
        for (method, params) in [
            ("tools/list", json!({})),
            ("prompts/list", json!({})),
            ("resources/read", json!({ "uri": "test://static-text" })),
        ] {
            let (status, response) = ask(method, params);
            let result = &response["result"];
            assert_eq!((status, &result["resultType"]), (200, &json!("complete")), "{response}");
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")));
        }
        let (_, response) = ask("resources/read", json!({ "uri": "test://none" }));
        assert_eq!(response["error"]["code"], -32602, "{scope}: {response}");
        let discovered = ask("server/discover", json!({})).1["result"]["capabilities"].take();
        assert!(discovered["tools"].is_object(), "{discovered}");
    }
}
