//! Clients that give every request the same id.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};

use crate::client::{Client, EITHER, call};
use crate::stack::Door;
use crate::world::WORLD;

const CALLS: u64 = 20;

/// Many calls at once under one id, each of which gets its own answer.
fn answered(client: &Client<'_>, id: &Value) {
    let together = Barrier::new(usize::try_from(CALLS).unwrap());
    thread::scope(|scope| {
        for number in 0..CALLS {
            let together = &together;
            scope.spawn(move || {
                let message = call(id.clone(), "echo", json!({ "n": number }));
                together.wait();
                let response = client.post(&message).response();
                assert_eq!(response["id"], *id, "{response}");
                assert_eq!(response["result"]["structuredContent"]["n"], number, "{response}");
            });
        }
    });
}

#[test]
fn requests_with_one_id_get_their_own_answers() {
    for name in ["rust", "typescript", "typescript1"] {
        let client = Client::seated(&WORLD.stack, name);
        for door in [Door::First, Door::Both] {
            for accept in [EITHER, "application/json"] {
                answered(&client.through(door).accepting(accept), &json!(1));
            }
        }
    }
}

#[test]
fn requests_with_one_id_and_no_session_get_their_own_answers() {
    answered(&Client::new(&WORLD.stack, "rust"), &json!("same"));
}

/// All are in the air at the same time, and answered in another order.
#[test]
fn a_backend_never_sees_an_id_twice() {
    let mut client = Client::new(&WORLD.stack, "sessions");
    client.initialize(json!({}));
    let all = Arc::new(Barrier::new(usize::try_from(CALLS).unwrap()));
    WORLD.scripted.script(&client.user, move |seen, reply| {
        all.wait();
        let number = &seen.message()["params"]["arguments"]["n"];
        let result = json!({ "structuredContent": { "n": number }, "content": [] });
        reply.stream();
        reply.event(&seen.response(&result.to_string()));
    });
    answered(&client, &json!(1));
    let seen = WORLD.scripted.seen(&client.user);
    let calls = seen.iter().filter(|seen| seen.message()["method"] == "tools/call");
    let ids: BTreeSet<String> = calls.clone().map(super::scripted::Seen::id).collect();
    assert_eq!((ids.len(), calls.count()), (20, 20));
}

#[test]
fn an_id_comes_back_as_it_was_written() {
    let mut client = Client::new(&WORLD.stack, "sessions");
    client.initialize(json!({}));
    WORLD.scripted.script(&client.user, |seen, reply| reply.json(&seen.response("{}")));
    for id in [r#""a:b""#, r#""ü\n""#, "0", "-7", "9223372036854775808", "1.50", r#""""#] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"any"}}}}"#
        );
        let answer = client.request("POST").body(body).answer(client.port());
        let text = answer.text();
        assert_eq!(text, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
}
