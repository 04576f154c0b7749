//! Whoever leaves, and whoever takes a request back.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::json;

use crate::client::{Client, EITHER, call, cancelled, text};
use crate::http::PATIENCE;
use crate::stack::Door;
use crate::watch::{self, SOON};
use crate::world::WORLD;

/// Longer than any test.
const LONG: u64 = 25_000;

/// A modern client that leaves a silent tool.
fn leaves(scope: &str, door: Door, accept: &'static str) {
    let backend = WORLD.backend(scope);
    let client = Client::new(&WORLD.stack, scope).through(door).accepting(accept);
    let silent = crate::client::modern(&call(1, "slow_silent", json!({ "ms": LONG })));
    let sent = client.send_modern(&silent);
    watch::calls(backend, &client.user, "slow_silent", 1, "running");
    let left = watch::now(backend);
    drop(sent);
    let calls = watch::calls(backend, &client.user, "slow_silent", 1, "aborted");
    let took = watch::ended(&calls[0]) - left;
    assert!(took < SOON, "{scope} {accept}: it took {took} ms");
    let rows = WORLD.stack.audited(&client.user, 1);
    assert_eq!(rows[0]["status"], "aborted", "{rows:?}");
}

#[test]
fn a_modern_client_that_leaves_aborts_its_call() {
    leaves("rust", Door::Both, EITHER);
    leaves("typescript", Door::Both, EITHER);
    leaves("rust", Door::Both, "application/json");
    leaves("rust", Door::Both, "text/event-stream");
}

#[test]
fn a_legacy_client_that_leaves_does_not_cancel() {
    std::thread::scope(|scope| {
        for name in ["rust", "typescript", "typescript1"] {
            scope.spawn(move || {
                let backend = WORLD.backend(name);
                let client = Client::seated(&WORLD.stack, name);
                let sent = client.send(&call(1, "slow_silent", json!({ "ms": 1500 })));
                watch::calls(backend, &client.user, "slow_silent", 1, "running");
                drop(sent);
                watch::calls(backend, &client.user, "slow_silent", 1, "completed");
                let rows = WORLD.stack.audited(&client.user, 1);
                assert_eq!(rows[0]["status"], "aborted", "{name}: {rows:?}");
            });
        }
    });
}

/// A legacy client that calls a request back, maybe at the other replica.
fn calls_back(scope: &str, from: Door, accept: &'static str) {
    let backend = WORLD.backend(scope);
    let client = Client::seated(&WORLD.stack, scope).accepting(accept);
    let silent = json!({ "ms": LONG });
    let sent = client.through(Door::First).send(&call(7, "slow_silent", silent.clone()));
    // Somebody else's request with the same id, and another of the client's.
    let stranger = Client::seated(&WORLD.stack, scope);
    let strangers = stranger.through(Door::First).send(&call(7, "slow_silent", silent));
    let others = client.through(Door::First).send(&call("7", "slow_silent", json!({ "ms": 2500 })));
    watch::calls(backend, &client.user, "slow_silent", 2, "running");
    watch::calls(backend, &stranger.user, "slow_silent", 1, "running");

    let left = watch::now(backend);
    assert_eq!(client.through(from).post(&cancelled(7)).status, 202);
    let response = sent.answer().response();
    let took = watch::now(backend) - left;
    assert!(took < SOON, "{scope} from {from:?}: the stream ended after {took} ms");
    assert!(response["id"] == 7 && response["error"].is_object(), "{response}");
    assert_eq!(text(&others.answer().response()), "Waited.");
    let calls = watch::finished(backend, &client.user, "slow_silent", 2);
    let aborted: Vec<_> = calls.iter().filter(|call| call["state"] == "aborted").collect();
    assert_eq!(aborted.len(), 1, "{calls:?}");
    let took = watch::ended(aborted[0]) - left;
    assert!(took < SOON, "{scope} from {from:?}: the backend saw it after {took} ms");
    watch::calls(backend, &stranger.user, "slow_silent", 1, "running");
    drop(strangers);

    let rows = WORLD.stack.audited(&client.user, 2);
    let cancelled: Vec<_> = rows.iter().filter(|row| row["reason"] == "cancelled").collect();
    assert_eq!(cancelled.len(), 1, "{rows:?}");
    assert_eq!(cancelled[0]["status"], "aborted", "{cancelled:?}");
}

#[test]
fn a_request_is_called_back_at_its_own_replica() {
    std::thread::scope(|scope| {
        for name in ["rust", "typescript", "typescript1"] {
            scope.spawn(move || calls_back(name, Door::First, EITHER));
        }
        scope.spawn(|| calls_back("rust", Door::First, "application/json"));
    });
}

#[test]
fn a_request_is_called_back_from_the_other_replica() {
    std::thread::scope(|scope| {
        for name in ["rust", "typescript", "typescript1"] {
            scope.spawn(move || calls_back(name, Door::Second, EITHER));
        }
    });
}

#[test]
fn what_nobody_has_asked_can_be_called_back() {
    let client = Client::seated(&WORLD.stack, "rust");
    for id in [json!(99), json!("99"), json!(null), json!({})] {
        assert_eq!(client.post(&cancelled(id)).status, 202);
    }
    assert_eq!(client.status(), 200);
}

/// A backend may say nothing at all, not even that it is going to answer.
#[test]
fn a_request_is_called_back_before_its_answer_begins() {
    let mut client = Client::new(&WORLD.stack, "sessions");
    client.initialize(json!({}));
    let (arrived, wait) = channel();
    let (done, held) = channel::<()>();
    let (arrived, held) = (Mutex::new(arrived), Mutex::new(held));
    WORLD.scripted.script(&client.user, move |_, _| {
        arrived.lock().unwrap().send(()).unwrap();
        let _ = held.lock().unwrap().recv_timeout(PATIENCE);
    });
    let sent = client.through(Door::First).send(&call(3, "any", json!({})));
    wait.recv_timeout(PATIENCE).unwrap();
    let since = watch::Watch::start();
    assert_eq!(client.through(Door::First).post(&cancelled(3)).status, 202);
    let response = sent.answer().response();
    assert!(response["id"] == 3 && response["error"].is_object(), "{response}");
    assert!(since.millis() < SOON, "it took {} ms", since.millis());
    drop(done);
    let seen = WORLD.scripted.seen(&client.user);
    let called = seen.iter().find(|seen| seen.message()["method"] == "tools/call").unwrap();
    let back = seen.iter().find(|seen| seen.message()["method"] == "notifications/cancelled");
    let params = &back.expect("a cancellation").message()["params"];
    assert_eq!(params["requestId"], called.message()["id"], "the backend's own id is named");
    assert_eq!(params["reason"], "enough");
}
