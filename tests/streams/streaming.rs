//! Answers leave as they arrive, in the shape the client reads.

use serde_json::{Value, json};

use crate::client::{Client, Era, call, text};
use crate::watch;
use crate::world::WORLD;

/// Progress that a stream reports, up to its response.
fn reported(events: &mut crate::events::Events) -> (Vec<f64>, Value) {
    let mut steps = Vec::new();
    loop {
        let message = events.message().expect("a response");
        if message.get("method").is_none() {
            return (steps, message);
        }
        assert_eq!(message["method"], "notifications/progress", "{message}");
        assert_eq!(message["params"]["progressToken"], "progress", "{message}");
        steps.push(message["params"]["progress"].as_f64().unwrap());
    }
}

fn arrives_at_once(scope: &str, era: Era) {
    let client = Client::seated(&WORLD.stack, scope);
    let backend = WORLD.backend(scope);
    let counting = call("c", "count_progress", json!({ "count": 4, "interval_ms": 300 }));
    let answer = client.send_as(era, &counting).answer();
    assert_eq!(answer.status, 200);
    let mut events = answer.events();
    let first = events.said("notifications/progress");
    assert_eq!(first["params"]["progress"].as_f64(), Some(0.0), "{first}");
    watch::calls(backend, &client.user, "count_progress", 1, "running");
    let (steps, response) = reported(&mut events);
    assert_eq!(steps, [1.0, 2.0, 3.0], "{scope} {era:?}");
    assert_eq!((&response["id"], text(&response)), (&json!("c"), "Counted."));
    assert_eq!(events.rest(), [], "nothing comes after the response");
}

#[test]
fn an_event_leaves_before_its_backend_has_finished() {
    std::thread::scope(|scope| {
        for (name, era) in [
            ("rust", Era::Legacy),
            ("rust", Era::Modern),
            ("typescript", Era::Legacy),
            ("typescript", Era::Modern),
            ("typescript1", Era::Legacy),
        ] {
            scope.spawn(move || arrives_at_once(name, era));
        }
    });
}

#[test]
fn who_reads_only_json_gets_json() {
    for scope in ["rust", "typescript"] {
        let client = Client::seated(&WORLD.stack, scope).accepting("application/json");
        for era in [Era::Legacy, Era::Modern] {
            let counting = call(5, "count_progress", json!({ "count": 3, "interval_ms": 10 }));
            let answer = client.send_as(era, &counting).answer();
            assert_eq!(answer.header("Content-Type"), "application/json", "{scope} {era:?}");
            let response = answer.json();
            assert_eq!((&response["id"], text(&response)), (&json!(5), "Counted."));
        }
    }
}

#[test]
fn who_reads_only_streams_gets_a_stream() {
    let client = Client::seated(&WORLD.stack, "rust").accepting("text/event-stream");
    let listing = crate::client::request(6, "tools/list", json!({}));
    let ping = crate::client::request(6, "ping", json!({}));
    for message in [call(6, "echo", json!({ "a": 1 })), listing, ping] {
        let answer = client.post(&message);
        assert_eq!(answer.status, 200, "{message}");
        let mut events = answer.events();
        let response = events.response();
        assert!(response["id"] == 6 && response["result"].is_object(), "{response}");
        assert_eq!(events.rest(), []);
    }

    // Also where the backend answers in one piece.
    let client = Client::new(&WORLD.stack, "plain").accepting("text/event-stream");
    WORLD.scripted.script(&client.user, |seen, reply| reply.json(&seen.response("{\"x\":1}")));
    let response = client.post(&call(7, "any", json!({}))).events().response();
    assert_eq!(response, json!({ "jsonrpc": "2.0", "id": 7, "result": { "x": 1 } }));
}

#[test]
fn a_large_result_arrives_whole_in_one_line() {
    const MIB: usize = 1024 * 1024;
    for (scope, era, size) in [
        ("rust", Era::Legacy, MIB),
        ("rust", Era::Modern, 4 * MIB),
        ("rust", Era::Legacy, 16 * MIB),
        ("typescript", Era::Modern, 4 * MIB),
        ("typescript1", Era::Legacy, 16 * MIB),
    ] {
        let client = Client::seated(&WORLD.stack, scope);
        let big = call(8, "big", json!({ "bytes": size }));
        let response = client.send_as(era, &big).answer().response();
        let text = text(&response);
        assert_eq!(text.len(), size, "{scope} {era:?}");
        assert!(text.bytes().all(|byte| byte == b'x'));
        assert_eq!(response["id"], 8);
    }
}
