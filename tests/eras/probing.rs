//! How the gateway finds out what a backend speaks, and what it makes of
//! backends that do not say.

use serde_json::{Value, json};
use support::backend::Sdk;
use support::eventually::wait_until;
use support::process::PATIENCE;

use crate::client::{Client, call, modern, request, text};
use crate::world::WORLD;

const REFUSED: &str = r#"{"error":"not the gateway"}"#;

fn listed(client: &Client<'_>) -> [Value; 2] {
    let listing = request(1, "tools/list", json!({}));
    [client.post(&listing).response(), client.post_modern(&modern(&listing)).response()]
}

/// Whatever is no verdict passes by itself: nothing has to be started again.
#[test]
fn a_backend_that_does_not_say_what_it_speaks_is_asked_again() {
    let client = Client::new(&WORLD.stack, "moody");
    for mood in [
        ("503 Service Unavailable", ""),
        ("429 Too Many Requests", ""),
        ("401 Unauthorized", REFUSED),
        ("403 Forbidden", REFUSED),
        ("404 Not Found", "<html>"),
    ] {
        WORLD.moody.be(Some(mood));
        wait_until(PATIENCE, &format!("nothing listed at {}", mood.0), || {
            // An empty list would say that there is nothing.
            listed(&client).iter().all(|response| response["error"]["code"] == -32603)
        });
        let smile = call(2, "smile", json!({}));
        assert_eq!(client.post(&smile).response()["error"]["code"], -32603, "{}", mood.0);
    }
    let log = WORLD.stack.log();
    assert!(log.contains("the backend refuses the gateway's credentials: HTTP 401"), "{log}");
    WORLD.moody.be(None);
    wait_until(PATIENCE, "the list of a backend that speaks", || {
        listed(&client).iter().all(|response| response["result"]["tools"][0]["name"] == "smile")
    });
    let smile = call(2, "smile", json!({}));
    assert_eq!(text(&client.post(&smile).response()), "Smiles.");
    assert_eq!(text(&client.post_modern(&modern(&smile)).response()), "Smiles.");
}

#[test]
fn a_backend_that_speaks_otherwise_than_before_is_asked_again() {
    let client = Client::new(&WORLD.stack, "changing");
    let echo = call(1, "echo", json!({ "n": 1 }));
    let works = || {
        let both = [client.post(&echo).response(), client.post_modern(&modern(&echo)).response()];
        both.iter().all(|response| response["result"]["structuredContent"]["n"] == 1)
    };
    let mut backend = WORLD.changing.lock().unwrap();
    for (sdk, arguments) in [
        (Sdk::TypeScript1, &[][..]),
        (Sdk::TypeScript, &["--legacy", "reject"]),
        (Sdk::Rust, &["--era", "legacy"]),
        (Sdk::TypeScript, &["--legacy", "sessions"]),
    ] {
        backend.restart_as(sdk, arguments);
        wait_until(PATIENCE, &format!("answers of {sdk:?} {arguments:?}"), works);
    }
}
