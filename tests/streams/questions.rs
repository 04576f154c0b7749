//! Questions of backends, asked on the stream of a call and answered by a
//! request of their own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, call, text};
use crate::stack::Door;
use crate::world::WORLD;

const SCOPES: [&str; 3] = ["rust", "typescript", "typescript1"];

/// A call that asks on one replica, and its answer that comes to the other.
fn asked(scope: &str, tool: &str, arguments: Value, method: &str, answer: Value) {
    let able = json!({ "elicitation": {}, "sampling": {} });
    let client = Client::able(&WORLD.stack, scope, able);
    let mut events = client.through(Door::First).post(&call("mine", tool, arguments)).events();
    let question = events.said(method);
    let message = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
    let status = client.through(Door::Second).post(&message).status;
    assert_eq!(status, 202, "{scope} {tool}");
    let response = events.response();
    assert_eq!(response["id"], "mine");
    assert!(text(&response).contains("blue"), "{scope} {tool}: {response}");
}

#[test]
fn the_user_is_asked_through_the_other_replica() {
    for scope in SCOPES {
        let answer = json!({ "action": "accept", "content": { "answer": "blue" } });
        let arguments = json!({ "message": "Which colour?" });
        asked(scope, "ask", arguments, "elicitation/create", answer);
    }
}

#[test]
fn the_model_is_asked_through_the_other_replica() {
    for scope in SCOPES {
        let content = json!({ "type": "text", "text": "blue" });
        let answer = json!({ "role": "assistant", "content": content, "model": "m" });
        let arguments = json!({ "prompt": "Which colour?" });
        asked(scope, "ask_model", arguments, "sampling/createMessage", answer);
    }
}

/// Backends number their questions from nought in each session.
#[test]
fn questions_of_two_sessions_never_mix() {
    let able = json!({ "elicitation": {} });
    let clients = [(); 3].map(|()| Client::able(&WORLD.stack, "typescript", able.clone()));
    let mut open: Vec<_> = clients
        .iter()
        .map(|client| client.post(&call(1, "ask", json!({ "message": client.user }))).events())
        .collect();
    for (client, events) in clients.iter().zip(&mut open) {
        let question = events.said("elicitation/create");
        assert_eq!(question["params"]["message"], client.user, "{question}");
        let content = json!({ "answer": client.user });
        let result = json!({ "action": "accept", "content": content });
        client.post(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }));
    }
    let answers: BTreeSet<String> =
        open.iter_mut().map(|events| text(&events.response()).to_owned()).collect();
    for client in &clients {
        assert!(answers.iter().any(|answer| answer.contains(&format!("\"{}\"", client.user))));
    }
}

/// A client that can answer nothing leaves no tool waiting.
#[test]
fn who_has_no_session_is_not_asked() {
    let client = Client::new(&WORLD.stack, "sessions");
    WORLD.scripted.script(&client.user, |seen, reply| {
        reply.stream();
        reply.event(r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create","params":{}}"#);
        reply.event(&seen.response("{}"));
    });
    let mut events = client.post(&call(1, "any", json!({}))).events();
    let all = events.rest();
    assert_eq!(all.len(), 1, "{all:?}");
    let declined = |seen: &crate::scripted::Seen| {
        let message = seen.message();
        message["id"] == 4 && message["error"].is_object()
    };
    support::eventually::wait_until(support::process::PATIENCE, "a refusal", || {
        WORLD.scripted.seen(&client.user).iter().any(declined)
    });
}
