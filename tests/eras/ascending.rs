//! Legacy clients of modern backends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, EITHER, call, cancelled, request, text};
use crate::events::Event;
use crate::stack::Door;
use crate::watch::{self, SOON};
use crate::world::{MODERN, WORLD};

const JSON: &str = "application/json";

/// What a client answers to any question.
fn answer(question: &Value) -> Value {
    let result = match question["method"].as_str().unwrap() {
        "sampling/createMessage" => {
            let content = json!({ "type": "text", "text": "blue" });
            json!({ "role": "assistant", "content": content, "model": "m" })
        }
        "roots/list" => json!({ "roots": [{ "uri": "file:///blue" }] }),
        _ => {
            let wanted = question["params"]["requestedSchema"]["properties"].as_object().unwrap();
            let content: serde_json::Map<String, Value> = wanted
                .iter()
                .map(|(name, schema)| {
                    let value =
                        if schema["type"] == "boolean" { json!(true) } else { json!("blue") };
                    (name.clone(), value)
                })
                .collect();
            json!({ "action": "accept", "content": content })
        }
    };
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
}

/// Each question of a modern backend is a request on the stream of the call,
/// and may be answered at the other replica.
#[test]
fn rounds_of_questions_become_requests() {
    let able = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
    for scope in MODERN {
        for (tool, rounds, questions) in [
            ("test_input_required_result_multi_round", 3, 2),
            ("test_input_required_result_multiple_inputs", 2, 3),
            ("test_input_required_result_list_roots", 2, 1),
        ] {
            let client = Client::able(&WORLD.stack, scope, able.clone());
            let mut events =
                client.through(Door::First).post(&call("mine", tool, json!({}))).events();
            let mut asked = BTreeSet::new();
            let response = loop {
                let message = events.message().expect("a response");
                if message.get("method").is_none() {
                    break message;
                }
                asked.insert(message["id"].as_str().unwrap().to_owned());
                let status = client.through(Door::Second).post(&answer(&message)).status;
                assert_eq!(status, 202);
            };
            assert_eq!(response["id"], "mine");
            assert!(!text(&response).is_empty(), "{scope} {tool}: {response}");
            assert_eq!(asked.len(), questions, "{scope} {tool}: {asked:?}");
            // A retry is a request of its own.
            let calls = watch::finished(WORLD.backend(scope), &client.user, tool, rounds);
            let ids: BTreeSet<String> = calls.iter().map(|call| call["id"].to_string()).collect();
            assert_eq!(ids.len(), rounds, "{scope} {tool}: {ids:?}");
        }
    }
}

#[test]
fn who_has_declared_nothing_is_told_what_is_missing() {
    for scope in MODERN {
        let declared = Client::seated(&WORLD.stack, scope);
        let able = json!({ "elicitation": {} });
        let blind = Client::able(&WORLD.stack, scope, able).accepting(JSON);
        for client in [declared, blind] {
            let response = client.post(&call(1, "ask", json!({ "message": "Who?" }))).response();
            assert!(response["error"].is_object(), "{scope}: {response}");
        }
    }
}

#[test]
fn a_level_of_log_messages_is_told_with_each_request() {
    for scope in MODERN {
        let client = Client::seated(&WORLD.stack, scope).through(Door::First);
        let logged = || {
            let answer = client.post(&call(1, "test_tool_with_logging", json!({})));
            // One with nothing to tell may answer in one piece.
            if !answer.is_stream() {
                return 0;
            }
            let told: Vec<Value> = answer.events().rest().iter().map(Event::message).collect();
            told.iter().filter(|it| it["method"] == "notifications/message").count()
        };
        for (level, count) in [("info", 3), ("error", 0), ("debug", 3)] {
            let set = request(1, "logging/setLevel", json!({ "level": level }));
            assert_eq!(client.post(&set).response()["result"], json!({}));
            assert_eq!(logged(), count, "{scope} {level}");
        }
    }
}

#[test]
fn a_request_that_is_called_back_ends_at_once() {
    for scope in MODERN {
        let backend = WORLD.backend(scope);
        for (accept, door) in [(EITHER, Door::First), (EITHER, Door::Second), (JSON, Door::First)] {
            let client = Client::seated(&WORLD.stack, scope).accepting(accept);
            let silent = call(7, "slow_silent", json!({ "ms": 25_000 }));
            let sent = client.through(Door::First).send(&silent);
            watch::calls(backend, &client.user, "slow_silent", 1, "running");
            let left = watch::now(backend);
            assert_eq!(client.through(door).post(&cancelled(7)).status, 202);
            let response = sent.answer().response();
            assert!(response["error"].is_object(), "{response}");
            let calls = watch::calls(backend, &client.user, "slow_silent", 1, "aborted");
            let took = watch::ended(&calls[0]) - left;
            assert!(took < SOON, "{scope} {accept} {door:?}: it took {took} ms");
        }
    }
}

/// A modern backend would take a closed connection for it.
#[test]
fn a_client_that_leaves_does_not_cancel() {
    for scope in MODERN {
        let backend = WORLD.backend(scope);
        for (tool, arguments) in [
            ("slow_silent", json!({ "ms": 1000 })),
            ("count_progress", json!({ "count": 10, "interval_ms": 100 })),
        ] {
            let client = Client::seated(&WORLD.stack, scope);
            let sent = client.send(&call(1, tool, arguments));
            watch::calls(backend, &client.user, tool, 1, "running");
            drop(sent);
            watch::calls(backend, &client.user, tool, 1, "completed");
        }
        // Also when the answer has begun.
        let client = Client::seated(&WORLD.stack, scope);
        let arguments = json!({ "count": 10, "interval_ms": 100 });
        let mut events = client.post(&call(1, "count_progress", arguments)).events();
        events.said("notifications/progress");
        drop(events);
        watch::calls(backend, &client.user, "count_progress", 1, "completed");
    }
}

#[test]
fn answers_are_as_legacy_clients_read_them() {
    for scope in MODERN {
        let client = Client::seated(&WORLD.stack, scope);
        let ask = |method: &str, params: Value| {
            let answer = client.post(&request(7, method, params));
            assert_eq!(answer.status, 200, "{scope} {method}");
            answer.response()
        };
        for (method, params) in [
            ("tools/list", json!({})),
            ("resources/templates/list", json!({})),
            ("resources/read", json!({ "uri": "test://static-text" })),
            ("tools/call", json!({ "name": "echo", "arguments": {} })),
            ("ping", json!({})),
        ] {
            let response = ask(method, params);
            let result = response["result"].as_object().unwrap_or_else(|| panic!("{response}"));
            for member in ["resultType", "ttlMs", "cacheScope"] {
                assert!(!result.contains_key(member), "{scope} {method}: {response}");
            }
        }
        let missing = ask("resources/read", json!({ "uri": "test://none" }));
        assert_eq!(missing["error"]["code"], -32002, "{scope}: {missing}");
        let completed = ask(
            "completion/complete",
            json!({
                "ref": { "type": "ref/prompt", "name": "test_prompt_with_arguments" },
                "argument": { "name": "arg1", "value": "" },
            }),
        );
        assert!(completed["result"]["completion"].is_object(), "{scope}: {completed}");
    }
}
