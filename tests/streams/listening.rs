//! The stream of a session: what backends say outside of requests.

use serde_json::{Value, json};

use crate::client::{Client, call};
use crate::stack::Door;
use crate::watch;
use crate::world::WORLD;

#[test]
fn changes_of_lists_are_told_on_either_replica() {
    for (scope, door) in [
        ("rust", Door::First),
        ("rust", Door::Second),
        ("typescript", Door::Both),
        ("typescript1", Door::Second),
    ] {
        let client = Client::seated(&WORLD.stack, scope);
        let answer = client.through(door).get(None);
        assert_eq!(answer.status, 200, "{scope}");
        let mut events = answer.events();
        for (what, method) in [
            ("tools", "notifications/tools/list_changed"),
            ("prompts", "notifications/prompts/list_changed"),
            ("resources", "notifications/resources/list_changed"),
        ] {
            let told =
                client.through(Door::First).post(&call(1, "trigger", json!({ "what": what })));
            assert!(told.response()["result"].is_object());
            let said = events.said(method);
            assert!(said.get("id").is_none(), "{said}");
        }
    }
}

#[test]
fn updates_of_resources_are_told_to_who_subscribed() {
    let uri = "test://watched-resource";
    for scope in ["rust", "typescript"] {
        let client = Client::seated(&WORLD.stack, scope);
        let mut events = client.through(Door::First).get(None).events();
        let subscribe = crate::client::request(1, "resources/subscribe", json!({ "uri": uri }));
        let response = client.through(Door::Second).post(&subscribe).response();
        assert!(response["result"].is_object(), "{scope}: {response}");
        let update = json!({ "what": "resource", "uri": uri });
        client.post(&call(2, "trigger", update)).response();
        assert_eq!(events.said("notifications/resources/updated")["params"]["uri"], uri);
    }
}

#[test]
fn questions_outside_of_requests_are_asked_and_answered() {
    let mut client = Client::new(&WORLD.stack, "sessions");
    client.initialize(json!({ "roots": {} }));
    WORLD.scripted.script(&client.user, |_, reply| {
        reply.stream();
        let question = json!({ "jsonrpc": "2.0", "id": 0, "method": "roots/list", "x": 1 });
        reply.event(&question.to_string());
        let same = json!({ "jsonrpc": "2.0", "id": "0", "method": "ping" });
        reply.event(&same.to_string());
    });
    let mut events = client.through(Door::First).get(None).events();
    let question = events.said("roots/list");
    assert_eq!(question["x"], 1);
    let ping = events.said("ping");
    assert_ne!(question["id"], ping["id"]);
    for (id, result) in [(&question["id"], json!({ "roots": [] })), (&ping["id"], json!({}))] {
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        assert_eq!(client.through(Door::Second).post(&answer).status, 202);
    }
    let seen = WORLD.scripted.seen(&client.user);
    let answers = seen.iter().map(crate::scripted::Seen::message);
    let answers: Vec<Value> = answers.filter(|message| message.get("result").is_some()).collect();
    let expected = [
        json!({ "jsonrpc": "2.0", "id": 0, "result": { "roots": [] } }),
        json!({ "jsonrpc": "2.0", "id": "0", "result": {} }),
    ];
    assert_eq!(answers, expected, "under the backend's own ids");
}

/// Whoever may not read a resource does not hear of it, whatever a backend
/// tells, and on whichever stream.
#[test]
fn nobody_hears_of_resources_that_are_not_theirs() {
    let update = json!({
        "jsonrpc": "2.0", "method": "notifications/resources/updated",
        "params": { "uri": "a://secret" },
    });
    let sign = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    for (role, hears) in [("tester", true), ("reader", false)] {
        let mut client = Client::with_role(&WORLD.stack, "sessions", role);
        client.initialize(json!({}));
        let (update, sign) = (update.to_string(), sign.to_string());
        WORLD.scripted.script(&client.user, move |seen, reply| {
            reply.stream();
            reply.event(&update);
            reply.event(&sign);
            if seen.message().get("id").is_some() {
                let answer = json!({ "jsonrpc": "2.0", "id": seen.message()["id"], "result": {} });
                reply.event(&answer.to_string());
            }
        });
        let heard = client.get(None).events();
        let called = client.post(&call(1, "echo", json!({}))).events();
        for mut events in [heard, called] {
            if hears {
                let told = events.message().unwrap();
                assert_eq!(told["params"]["uri"], "a://secret", "{told}");
            }
            let told = events.message().unwrap();
            assert_eq!(told["method"], "notifications/tools/list_changed", "{role}: {told}");
        }
    }
}

#[test]
fn there_is_no_stream_where_no_backend_has_one() {
    let client = Client::seated(&WORLD.stack, "plain");
    for door in [Door::First, Door::Second] {
        let answer = client.through(door).get(None);
        assert_eq!(answer.status, 405);
        assert!(answer.header("Allow").contains("POST"), "{}", answer.header("Allow"));
    }
    // And none for clients that need none.
    let modern = Client::new(&WORLD.stack, "rust");
    let request = modern.request("GET").header("MCP-Protocol-Version", crate::client::MODERN);
    let answer = request.header("Accept", "text/event-stream").answer(modern.port());
    assert_eq!(answer.status, 405);
}

#[test]
fn a_second_stream_is_the_backends_to_refuse() {
    for scope in ["typescript", "typescript1"] {
        let client = Client::seated(&WORLD.stack, scope);
        let first = client.through(Door::First).get(None);
        assert_eq!(first.status, 200, "{scope}");
        for door in [Door::First, Door::Second] {
            assert_eq!(client.through(door).get(None).status, 409, "{scope} {door:?}");
        }
        drop(first);
        // Once the backend knows that the first has ended.
        support::eventually::wait_until(support::process::PATIENCE, "a stream", || {
            client.through(Door::Second).get(None).status == 200
        });
    }
}

#[test]
fn a_client_that_leaves_its_stream_ends_it_at_the_backend() {
    let client = Client::seated(&WORLD.stack, "rust");
    let answer = client.get(None);
    watch::exchanges(&WORLD.rust, &client.user, |one| {
        one["method"] == "GET" && one["state"] == "running"
    });
    drop(answer);
    watch::exchanges(&WORLD.rust, &client.user, |one| {
        one["method"] == "GET" && one["state"] == "aborted"
    });
}
