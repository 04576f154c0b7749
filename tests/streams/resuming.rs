//! Streams that break off and are gone on with, on whichever replica.

use serde_json::json;

use crate::client::{Client, call, text};
use crate::stack::Door;
use crate::world::WORLD;

const SCOPES: [&str; 3] = ["rust", "typescript", "typescript1"];

/// The backend ends the stream of a call before the answer; the client gets it
/// by its last event.
fn goes_on(scope: &str, from: Door, to: Door) {
    let client = Client::seated(&WORLD.stack, scope);
    let mut events =
        client.through(from).post(&call("mine", "test_reconnection", json!({}))).events();
    let before = events.rest();
    let last = before.iter().rev().find_map(|event| event.id.clone());
    let last = last.unwrap_or_else(|| panic!("{scope}: no id among {before:?}"));
    assert!(before.iter().any(|event| event.retry.is_some()), "{scope}: {before:?}");
    let answered = before.iter().any(|event| event.message().get("result").is_some());
    assert!(!answered, "{scope}: the stream did not break off: {before:?}");

    let answer = client.through(to).get(Some(&last));
    assert_eq!(answer.status, 200, "{scope}");
    let response = answer.events().response();
    assert_eq!(response["id"], "mine", "{scope}: {response}");
    assert_eq!(text(&response), "Answered after all.", "{scope}");
}

#[test]
fn an_answer_is_fetched_on_either_replica() {
    for scope in SCOPES {
        for (from, to) in [(Door::First, Door::First), (Door::First, Door::Second)] {
            goes_on(scope, from, to);
        }
    }
}

/// The client's own connection breaks, and the call goes on.
#[test]
fn a_client_that_was_cut_off_gets_the_rest() {
    for scope in SCOPES {
        let client = Client::seated(&WORLD.stack, scope);
        let counting = call(5, "count_progress", json!({ "count": 6, "interval_ms": 150 }));
        let mut events = client.through(Door::First).post(&counting).events();
        let last = loop {
            let event = events.next().expect("an event");
            if event.message()["method"] == "notifications/progress" {
                break event.id.unwrap_or_else(|| panic!("{scope}: an event without an id"));
            }
        };
        drop(events);
        if scope != "rust" {
            // The Rust SDK keeps no answer that nobody was there to take.
            let backend = WORLD.backend(scope);
            crate::watch::calls(backend, &client.user, "count_progress", 1, "completed");
        }
        let mut events = client.through(Door::Second).get(Some(&last)).events();
        let mut steps = Vec::new();
        let response = loop {
            let message = events.message();
            let message = message.unwrap_or_else(|| panic!("{scope}: no response after {steps:?}"));
            match message["params"]["progress"].as_f64() {
                Some(step) => steps.push(step),
                None => break message,
            }
        };
        // The Rust SDK tells the last event again.
        steps.retain(|step| scope != "rust" || *step > 0.0);
        assert_eq!(steps, [1.0, 2.0, 3.0, 4.0, 5.0], "{scope}: nothing is lost or comes twice");
        assert_eq!((&response["id"], text(&response)), (&json!(5), "Counted."), "{scope}");
    }
}

#[test]
fn an_event_of_somebody_elses_is_no_way_in() {
    let client = Client::seated(&WORLD.stack, "typescript");
    let mut events = client.post(&call(1, "test_reconnection", json!({}))).events();
    let last = events.rest().iter().rev().find_map(|event| event.id.clone()).unwrap();
    let thief = Client::seated(&WORLD.stack, "typescript");
    assert_eq!(client.stolen_by(&thief).get(Some(&last)).status, 404);
}
