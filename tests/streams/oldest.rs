//! The oldest transport, HTTP+SSE of 2024-11-05: one stream, and posts to the
//! address it names.

use serde_json::{Value, json};

use crate::client::{Client, call, cancelled, initialize, request, text};
use crate::events::Events;
use crate::http::{Answer, Request};
use crate::stack::Door;
use crate::world::WORLD;

/// A client of this transport.
struct Old<'a> {
    client: Client<'a>,
    address: String,
    events: Events,
}

impl<'a> Old<'a> {
    fn connect(client: &Client<'a>, scope: &str, door: Door) -> Self {
        let answer = get(client, scope, door);
        assert_eq!(answer.status, 200);
        let mut events = answer.events();
        let first = events.next().expect("an event");
        assert_eq!(first.name.as_deref(), Some("endpoint"));
        let address = first.data.expect("an address");
        assert!(address.starts_with(&format!("/{scope}/sse?sessionId=")), "{address}");
        Self { client: client.clone(), address, events }
    }

    /// Posts a message: taken note of at once, answered on the stream.
    fn say(&self, door: Door, message: &Value) -> u16 {
        post(&self.client, &self.address, door, message).status
    }

    /// The answer to a request that was said through a door.
    fn ask(&mut self, door: Door, message: &Value) -> Value {
        assert_eq!(self.say(door, message), 202);
        loop {
            let response = self.events.response();
            if response["id"] == message["id"] {
                return response;
            }
        }
    }

    fn begin(&mut self, capabilities: Value) -> Value {
        let mut hello = initialize(capabilities);
        hello["params"]["protocolVersion"] = json!("2024-11-05");
        let response = self.ask(Door::Both, &hello);
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.say(Door::Both, &ready), 202);
        response
    }
}

fn get(client: &Client<'_>, scope: &str, door: Door) -> Answer {
    let request = Request::new(format!("GET /{scope}/sse"))
        .header("Authorization", client.bearer())
        .header("Accept", "text/event-stream");
    request.answer(client.through(door).port())
}

fn post(client: &Client<'_>, address: &str, door: Door, message: &Value) -> Answer {
    let request = Request::new(format!("POST {address}"))
        .header("Authorization", client.bearer())
        .header("Content-Type", "application/json")
        .body(message.to_string());
    request.answer(client.through(door).port())
}

#[test]
fn everything_is_answered_on_the_stream_whichever_replica_is_told() {
    for scope in ["rust", "typescript1"] {
        let client = Client::new(&WORLD.stack, scope);
        let mut old = Old::connect(&client, scope, Door::First);
        let hello = old.begin(json!({}));
        assert_eq!(hello["result"]["protocolVersion"], "2024-11-05", "{hello}");
        assert!(hello["result"]["capabilities"]["tools"].is_object(), "{hello}");
        for door in [Door::First, Door::Second] {
            let listed = old.ask(door, &request("l", "tools/list", json!({})));
            assert!(listed["result"]["tools"].as_array().unwrap().len() > 5, "{listed}");
            let called = old.ask(door, &call(7, "echo", json!({ "door": format!("{door:?}") })));
            assert!(text(&called).contains(&format!("{door:?}")), "{called}");
        }
        let progress = call(8, "count_progress", json!({ "count": 3, "interval_ms": 1 }));
        assert_eq!(old.say(Door::Second, &progress), 202);
        let told = old.events.said("notifications/progress");
        assert_eq!(told["params"]["progressToken"], "progress", "{told}");
        assert_eq!(old.events.response()["id"], 8);
    }
}

#[test]
fn questions_are_asked_on_the_stream_and_answered_by_a_post() {
    let client = Client::new(&WORLD.stack, "rust");
    let mut old = Old::connect(&client, "rust", Door::First);
    old.begin(json!({ "elicitation": {} }));
    assert_eq!(old.say(Door::Both, &call(1, "ask", json!({ "message": "well?" }))), 202);
    let question = old.events.said("elicitation/create");
    let answer = json!({
        "jsonrpc": "2.0", "id": question["id"],
        "result": { "action": "accept", "content": { "answer": "yes" } },
    });
    assert_eq!(old.say(Door::Second, &answer), 202);
    let response = old.events.response();
    assert_eq!(response["id"], 1);
    assert!(text(&response).contains("accept"), "{response}");
}

#[test]
fn a_conversation_has_one_session() {
    let client = Client::new(&WORLD.stack, "rust");
    let mut old = Old::connect(&client, "rust", Door::First);
    old.begin(json!({}));
    let mut again = initialize(json!({}));
    again["id"] = json!("again");
    let refused = old.ask(Door::Second, &again);
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    let called = old.ask(Door::Both, &call(7, "echo", json!({ "n": 1 })));
    assert_eq!(text(&called), r#"{"n":1}"#, "the first one goes on");
}

#[test]
fn a_call_can_be_taken_back() {
    let client = Client::new(&WORLD.stack, "rust");
    let mut old = Old::connect(&client, "rust", Door::First);
    old.begin(json!({}));
    assert_eq!(old.say(Door::First, &call(5, "slow_silent", json!({ "ms": 60_000 }))), 202);
    let echoed = old.ask(Door::First, &call(6, "echo", json!({})));
    assert!(echoed["result"].is_object(), "a silent call holds nobody up: {echoed}");
    assert_eq!(old.say(Door::Second, &cancelled(5)), 202);
    let end = old.events.response();
    assert_eq!((&end["id"], end["error"].is_object()), (&json!(5), true), "{end}");
}

#[test]
fn the_address_is_of_use_to_its_caller_only_and_as_long_as_the_stream() {
    let client = Client::new(&WORLD.stack, "rust");
    let old = Old::connect(&client, "rust", Door::First);
    let hello = initialize(json!({}));
    let stranger = Client::new(&WORLD.stack, "rust");
    assert_eq!(post(&stranger, &old.address, Door::Both, &hello).status, 404);
    // What is said is judged by the rights the stream was opened with.
    assert_eq!(post(&client.demoted(), &old.address, Door::Both, &hello).status, 404);
    assert_eq!(post(&client.refreshed(), &old.address, Door::Both, &hello).status, 202);
    let elsewhere = old.address.replace("/rust/", "/typescript/");
    assert_eq!(post(&client, &elsewhere, Door::Both, &hello).status, 404);
    let anonymous = Request::new(format!("POST {}", old.address))
        .header("Content-Type", "application/json")
        .body(hello.to_string());
    assert_eq!(anonymous.answer(client.port()).status, 401);
    let Old { events, address, .. } = old;
    drop(events);
    support::eventually::wait_until(
        std::time::Duration::from_secs(10),
        "the conversation to be over on both replicas",
        || {
            let ended = |door| post(&client, &address, door, &hello).status == 404;
            ended(Door::First) && ended(Door::Second)
        },
    );
}

#[test]
fn other_clients_of_the_path_are_not_taken_for_old_ones() {
    let client = Client::new(&WORLD.stack, "rust");
    let named = |name: &str, value: &str| {
        Request::new("GET /rust/sse")
            .header("Authorization", client.bearer())
            .header("Accept", "text/event-stream")
            .header(name, value)
            .answer(client.port())
            .status
    };
    assert_eq!(named("MCP-Protocol-Version", "2025-11-25"), 405);
    assert_eq!(named("Mcp-Session-Id", "nonsense"), 404);
    let on_mcp = Request::new("GET /rust/mcp")
        .header("Authorization", client.bearer())
        .header("Accept", "text/event-stream")
        .answer(client.port());
    assert_eq!(on_mcp.status, 405);
}

#[test]
fn a_secret_that_comes_by_this_door_is_not_kept() {
    let client = Client::new(&WORLD.stack, "rust");
    let mut old = Old::connect(&client, "rust", Door::Both);
    old.begin(json!({}));
    let arguments = json!({ "count": 1, "interval_ms": 1, "api_key": "c4nary" });
    old.ask(Door::First, &call(1, "count_progress", arguments));
    let prompt = json!({ "name": "absent", "arguments": { "x": "Bearer c4nary-1234" } });
    old.ask(Door::Second, &request(2, "prompts/get", prompt));
    let resource = json!({ "uri": "absent://ann:c4nary@host/x?access_token=c4nary" });
    old.ask(Door::Both, &request(3, "resources/read", resource));
    let rows = WORLD.stack.audited(&client.user, 3);
    for row in &rows {
        assert!(!row.to_string().contains("c4nary"), "{row}");
        assert!(row.to_string().contains("[redacted]"), "{row}");
    }
}
