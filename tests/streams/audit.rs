//! What stands in the audit trail of streams.

use serde_json::{Value, json};

use crate::client::{Client, EITHER, Era, call, request};
use crate::world::{STRICT, WORLD};

/// The only row of a user.
fn row(client: &Client<'_>) -> Value {
    WORLD.stack.audited(&client.user, 1).remove(0)
}

fn facts(row: &Value) -> [&Value; 5] {
    ["tool_name", "method", "status", "is_error", "http_status"].map(|name| &row[name])
}

#[test]
fn a_streamed_call_is_one_record() {
    for (era, accept) in [
        (Era::Legacy, EITHER),
        (Era::Modern, EITHER),
        (Era::Legacy, "application/json"),
        (Era::Legacy, "text/event-stream"),
    ] {
        let client = Client::seated(&WORLD.stack, "rust").accepting(accept);
        let counting = call(1, "count_progress", json!({ "count": 4, "interval_ms": 50 }));
        let answer = client.send_as(era, &counting).answer();
        let size = if answer.is_stream() {
            answer.events().rest().last().and_then(|event| event.data.clone()).unwrap().len()
        } else {
            answer.bytes().len()
        };
        let row = row(&client);
        let expected = [
            &json!("count_progress"),
            &json!("tools/call"),
            &json!("success"),
            &json!(false),
            &json!(200),
        ];
        assert_eq!(facts(&row), expected, "{era:?} {accept}: {row}");
        assert_eq!(row["result_bytes"], size, "{era:?} {accept}: {row}");
        assert!(row["result_digest"].is_string(), "{row}");
        assert!(row["duration_ms"].as_f64().is_some_and(|ms| ms >= 200.0), "{row}");
        assert!(row["upstream_ms"].as_f64().is_some_and(|ms| ms >= 100.0), "{row}");
    }
}

/// The end of the record is awaited, and then the answer is given.
#[test]
fn a_streamed_call_is_one_record_where_the_disk_is_waited_for() {
    let clients: Vec<_> = (0..8).map(|_| Client::new(&STRICT.stack, "plain")).collect();
    std::thread::scope(|scope| {
        for client in &clients {
            STRICT.scripted.script(&client.user, |seen, reply| {
                reply.stream();
                reply.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
                reply.event(&seen.response(r#"{"content":[]}"#));
            });
            scope.spawn(|| {
                let events = client.post(&call(1, "any", json!({}))).events().rest();
                assert_eq!(events.len(), 2, "{events:?}");
                let answer = events[1].data.clone().unwrap();
                // It is not in the database yet, perhaps, but on its way.
                let row = STRICT.stack.audited(&client.user, 1).remove(0);
                assert_eq!(row["status"], "success", "{row}");
                assert_eq!(row["result_bytes"], answer.len(), "{row}");
            });
        }
    });
}

#[test]
fn a_tool_that_fails_is_recorded_as_such() {
    for era in [Era::Legacy, Era::Modern] {
        let client = Client::seated(&WORLD.stack, "rust");
        let failing = call(1, "test_error_handling", json!({}));
        let response = client.send_as(era, &failing).answer().response();
        assert_eq!(response["result"]["isError"], true, "{response}");
        let row = row(&client);
        assert_eq!((&row["status"], &row["is_error"]), (&json!("error"), &json!(true)), "{row}");
    }
}

#[test]
fn a_stream_that_breaks_is_recorded_with_its_reason() {
    let client = Client::new(&WORLD.stack, "plain");
    WORLD.scripted.script(&client.user, |_, reply| {
        reply.stream();
        reply.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
    });
    client.post(&call(1, "any", json!({}))).events().rest();
    let row = row(&client);
    assert_eq!(
        (&row["status"], &row["reason"]),
        (&json!("error"), &json!("backend_error")),
        "{row}"
    );
    assert!(row["duration_ms"].is_number(), "{row}");
}

#[test]
fn calls_of_prompts_and_resources_are_recorded() {
    let client = Client::seated(&WORLD.stack, "rust");
    let read = request(1, "resources/read", json!({ "uri": "test://static-text" }));
    let get = request(2, "prompts/get", json!({ "name": "test_simple_prompt" }));
    for message in [read, get] {
        let response = client.post(&message).response();
        assert!(response["result"].is_object(), "{response}");
    }
    let rows = WORLD.stack.audited(&client.user, 2);
    let methods: Vec<&Value> = rows.iter().map(|row| &row["method"]).collect();
    assert_eq!(methods, ["prompts/get", "resources/read"], "{rows:?}");
    assert!(rows.iter().all(|row| row["status"] == "success"), "{rows:?}");
}

#[test]
fn prompts_and_resources_that_are_refused_are_recorded() {
    let client = Client::with_role(&WORLD.stack, "rust", "reader");
    let read = request(1, "resources/read", json!({ "uri": "test://static-text" }));
    let get = request(2, "prompts/get", json!({ "name": "test_simple_prompt" }));
    for message in [read, get] {
        let response = client.post(&message).response();
        assert!(response["error"].is_object(), "{response}");
    }
    for row in WORLD.stack.audited(&client.user, 2) {
        assert_eq!((&row["decision"], &row["status"]), (&json!("deny"), &json!("denied")), "{row}");
    }
    let seen = crate::watch::exchanges(&WORLD.rust, "scopegate", |_| true);
    assert!(!seen.is_empty());
    let observed = WORLD.rust.observed();
    let own = |one: &&Value| one["headers"]["x-user-id"] == *client.user;
    let reached = observed["exchanges"].as_array().unwrap().iter().filter(own).count();
    assert_eq!(reached, 0, "the backend has seen nothing of it");
}
