//! Sessions of legacy clients, on any replica.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, call, initialize, text};
use crate::stack::Door;
use crate::watch;
use crate::world::{STRICT, WORLD};

const SCOPES: [&str; 3] = ["rust", "typescript", "typescript1"];

/// What is answered to who names a session that is none.
fn is_unknown(client: &Client<'_>) {
    for door in [Door::First, Door::Second] {
        let answer = client.through(door).post(&call(4, "echo", json!({})));
        assert_eq!(answer.status, 404, "{door:?}");
        let error = answer.json();
        assert_eq!((&error["id"], &error["error"]["code"]), (&json!(4), &json!(-32001)));
        assert_eq!(client.through(door).get(None).status, 404, "{door:?}");
        assert_eq!(client.through(door).delete().status, 404, "{door:?}");
    }
}

/// The sessions of a backend in which it saw calls of a user.
fn used(scope: &str, user: &str) -> BTreeSet<String> {
    let seen = watch::exchanges(WORLD.backend(scope), user, |one| one["message"] == "tools/call");
    let ids = seen.iter().map(|one| one["headers"]["mcp-session-id"].as_str());
    ids.map(|id| id.expect("a session").to_owned()).collect()
}

#[test]
fn a_session_is_good_on_both_replicas() {
    for scope in SCOPES {
        let client = Client::seated(&WORLD.stack, scope);
        let session = client.session.clone().unwrap();
        assert!(session.len() <= 4096 && session.bytes().all(|b| b.is_ascii_graphic()));
        for door in [Door::First, Door::Second, Door::Both, Door::Both] {
            let response =
                client.through(door).post(&call(1, "echo", json!({ "n": 1 }))).response();
            assert_eq!(response["result"]["structuredContent"], json!({ "n": 1 }), "{response}");
        }
        assert_eq!(used(scope, &client.user).len(), 1, "one session at the backend");
    }
}

#[test]
fn a_new_token_of_the_same_caller_keeps_the_session() {
    let client = Client::seated(&WORLD.stack, "rust");
    for door in [Door::First, Door::Second] {
        assert_eq!(client.refreshed().through(door).status(), 200);
    }
    assert_eq!(used("rust", &client.user).len(), 1);
}

#[test]
fn a_session_is_nobody_elses_and_no_other_scopes() {
    let client = Client::seated(&WORLD.stack, "rust");
    is_unknown(&client.stolen_by(&Client::new(&WORLD.stack, "rust")));
    is_unknown(&client.on("other"));
    is_unknown(&client.on("typescript"));
    assert_eq!(client.status(), 200, "it still belongs to its owner");
}

#[test]
fn what_is_no_session_is_not_found() {
    let client = Client::seated(&WORLD.stack, "rust");
    let real = client.session.clone().unwrap();
    let longer = "x".repeat(5000);
    let cut = &real[..real.len() - 1];
    let changed = format!("{}{}", cut, if real.ends_with('A') { 'B' } else { 'A' });
    for session in ["garbage", &longer, cut, &changed] {
        let mut client = client.clone();
        client.session = Some(session.to_owned());
        is_unknown(&client);
    }
}

#[test]
fn a_deleted_session_is_gone_here_there_and_at_the_backend() {
    for scope in SCOPES {
        let client = Client::seated(&WORLD.stack, scope);
        assert_eq!(client.status(), 200);
        let theirs = used(scope, &client.user).pop_first().unwrap();
        let status = client.through(Door::First).delete().status;
        assert!((200..300).contains(&status), "{scope}: HTTP {status}");
        let ended = watch::exchanges(WORLD.backend(scope), &client.user, |one| {
            one["method"] == "DELETE" && one["status"].is_number()
        });
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert_eq!(ended[0]["headers"]["mcp-session-id"], theirs);
        support::eventually::wait_until(
            support::process::PATIENCE,
            "the other replica to know",
            || client.through(Door::Second).status() == 404,
        );
        is_unknown(&client);
    }
}

#[test]
fn requests_without_a_session_work_too() {
    for scope in SCOPES {
        let client = Client::new(&WORLD.stack, scope);
        for _ in 0..4 {
            let response = client.post(&call(1, "echo", json!({ "n": 2 }))).response();
            assert_eq!(text(&response), r#"{"n":2}"#, "{scope}");
        }
        // At most one for each replica.
        assert!(used(scope, &client.user).len() <= 2, "{scope}");
        for method in ["GET", "DELETE"] {
            let request = client.request(method).header("Accept", "text/event-stream");
            let answer = request.answer(client.port());
            assert_eq!(answer.status, 405, "{scope} {method}");
            assert!(answer.header("Allow").contains("POST"), "{scope} {method}");
        }
    }
}

#[test]
fn sessions_of_two_callers_never_mix() {
    for scope in SCOPES {
        let mut all = BTreeSet::new();
        let clients: Vec<_> = (0..3).map(|_| Client::seated(&WORLD.stack, scope)).collect();
        let mut again = clients[0].clone();
        again.initialize(json!({}));
        let alone = Client::new(&WORLD.stack, scope);
        for client in clients.iter().chain([&again, &alone]) {
            assert_eq!(client.status(), 200);
        }
        // The first caller has two of its own.
        assert_eq!(used(scope, &again.user).len(), 2, "{scope}");
        for user in clients.iter().map(|client| &client.user).chain([&alone.user]) {
            for id in used(scope, user) {
                assert!(all.insert(id), "{scope}: a session of two callers");
            }
        }
    }
}

#[test]
fn a_session_that_its_backend_has_lost_is_not_found() {
    let mut client = Client::seated(&WORLD.stack, "frail");
    assert_eq!(client.status(), 200);
    WORLD.frail.lock().unwrap().restart();
    for door in [Door::First, Door::Second] {
        let answer = client.through(door).post(&call(4, "echo", json!({})));
        assert_eq!(answer.status, 404, "{door:?}");
        assert_eq!(answer.json()["error"]["code"], -32001);
        assert_eq!(client.through(door).get(None).status, 404, "{door:?}");
    }
    client.initialize(json!({}));
    for door in [Door::First, Door::Second] {
        assert_eq!(client.through(door).status(), 200, "{door:?}");
    }
    // Without a session of the client's, nothing of its is lost.
    let alone = Client::new(&WORLD.stack, "frail").through(Door::First);
    assert_eq!(alone.status(), 200);
    WORLD.frail.lock().unwrap().restart();
    assert_eq!(alone.status(), 200);
}

#[test]
fn a_session_of_a_stateless_backend_is_opened_again() {
    let client = Client::seated(&WORLD.stack, "forgetful");
    assert_eq!(client.status(), 200);
    WORLD.forgetful.lock().unwrap().restart();
    for door in [Door::First, Door::Second, Door::First, Door::Second] {
        let response = client.through(door).post(&call(1, "echo", json!({ "n": 3 }))).response();
        assert_eq!(text(&response), r#"{"n":3}"#, "{door:?}");
    }
}

#[test]
fn a_backend_that_is_away_opens_no_session() {
    let client = Client::new(&WORLD.stack, "refusing");
    let answer = client.post(&initialize(json!({})));
    assert_eq!(answer.header("Mcp-Session-Id"), "");
    let response = answer.response();
    assert_eq!(response["error"]["code"], -32603, "{response}");
}

#[test]
fn one_session_too_many_ends_the_oldest() {
    let mut client = Client::new(&STRICT.stack, "rust").through(Door::First);
    let mut sessions: Vec<Client<'_>> = Vec::new();
    for _ in 0..3 {
        client.initialize(json!({}));
        sessions.push(client.clone());
    }
    support::eventually::wait_until(
        support::process::PATIENCE,
        "the other replica to know",
        || sessions[0].through(Door::Second).status() == 404,
    );
    let statuses: Vec<u16> = sessions.iter().map(Client::status).collect();
    assert_eq!(statuses, [404, 200, 200]);
    let ended = watch::exchanges(&STRICT.rust, &client.user, |one| one["method"] == "DELETE");
    assert_eq!(ended.len(), 1, "{ended:?}");
}

/// Waits for the sweep, which comes every fifteen seconds.
#[test]
fn a_session_that_nobody_uses_is_ended_at_its_backend() {
    let client = Client::seated(&STRICT.stack, "rust");
    let opened = |one: &Value| one["message"] == "initialize" && one["session"].is_string();
    let opened = watch::exchanges(&STRICT.rust, &client.user, opened);
    let theirs = &opened[0]["session"];
    watch::exchanges(&STRICT.rust, "scopegate", |one| {
        one["method"] == "DELETE" && one["headers"]["mcp-session-id"] == *theirs
    });
    is_unknown(&client);
}
