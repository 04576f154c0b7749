//! How the gateway finds out what a backend speaks, and what it makes of
//! backends that do not say.

use serde_json::{Value, json};
use support::backend::Sdk;
use support::eventually::wait_until;
use support::process::PATIENCE;

use crate::client::{Client, call, modern, request, text};
use crate::stack::Door;
use crate::world::WORLD;

const REFUSED: &str = r#"{"error":"not the gateway"}"#;

fn listed(client: &Client<'_>) -> [Value; 2] {
    let listing = request(1, "tools/list", json!({}));
    [client.post(&listing).response(), client.post_modern(&modern(&listing)).response()]
}

/// Whatever is no verdict passes by itself: nothing has to be started again.
#[test]
fn a_backend_that_does_not_say_what_it_speaks_is_asked_again() {
    let client = Client::new(&WORLD.stack, "moody").through(Door::First);
    for (mood, logged) in [
        (("503 Service Unavailable", ""), "the backend is not ready: HTTP 503"),
        (("429 Too Many Requests", ""), "the backend is not ready: HTTP 429"),
        (("401 Unauthorized", REFUSED), "the backend refuses the gateway's credentials: HTTP 401"),
        (("403 Forbidden", REFUSED), "the backend refuses the gateway's credentials: HTTP 403"),
        (("404 Not Found", "<html>"), "nothing there speaks MCP: HTTP 404"),
    ] {
        WORLD.moody.be(Some(mood));
        wait_until(PATIENCE, &format!("the gateway to say {logged:?}"), || {
            // An empty list would say that there is nothing.
            for response in listed(&client) {
                assert_eq!(response["error"]["code"], -32603, "{}: {response}", mood.0);
            }
            WORLD.stack.log().contains(logged)
        });
        let smile = call(2, "smile", json!({}));
        assert_eq!(client.post(&smile).response()["error"]["code"], -32603, "{}", mood.0);
    }
    WORLD.moody.be(None);
    wait_until(PATIENCE, "the list of a backend that speaks", || {
        listed(&client).iter().all(|response| response["result"]["tools"][0]["name"] == "smile")
    });
    let smile = call(2, "smile", json!({}));
    assert_eq!(text(&client.post(&smile).response()), "Smiles.");
    assert_eq!(text(&client.post_modern(&modern(&smile)).response()), "Smiles.");
    // It has no stream on which it could keep what it promises.
    let discover = modern(&request(3, "server/discover", json!({})));
    let offered = &client.post_modern(&discover).response()["result"]["capabilities"];
    assert_eq!(offered["tools"], json!({}), "{offered}");
}

#[test]
fn a_backend_that_speaks_otherwise_than_before_is_asked_again() {
    let client = Client::new(&WORLD.stack, "changing").through(Door::First);
    // Calls would use up a quota.
    let works = || listed(&client).iter().all(|response| response["result"]["tools"].is_array());
    let echo = call(1, "echo", json!({ "n": 1 }));
    let mut backend = WORLD.changing.lock().unwrap();
    for (sdk, arguments) in [
        (Sdk::TypeScript1, &[][..]),
        (Sdk::TypeScript, &["--legacy", "reject"]),
        (Sdk::Rust, &["--era", "legacy"]),
        (Sdk::TypeScript, &["--legacy", "sessions"]),
    ] {
        backend.restart_as(sdk, arguments);
        wait_until(PATIENCE, &format!("answers of {sdk:?} {arguments:?}"), works);
        assert_eq!(text(&client.post(&echo).response()), r#"{"n":1}"#);
        assert_eq!(text(&client.post_modern(&modern(&echo)).response()), r#"{"n":1}"#);
    }
}
