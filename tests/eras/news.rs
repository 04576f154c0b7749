//! What changes in lists and resources, told across the eras.

use serde_json::{Value, json};
use support::backend::Backend;
use support::eventually::wait_until;
use support::process::PATIENCE;

use crate::client::{Client, call, modern, request};
use crate::events::Events;
use crate::http::Answer;
use crate::stack::Door;
use crate::watch;
use crate::world::{LEGACY, MODERN, WORLD};

const LISTS: [&str; 3] = ["tools", "prompts", "resources"];
const UPDATED: &str = "notifications/resources/updated";
const SUBSCRIPTION: &str = "/params/_meta/io.modelcontextprotocol~1subscriptionId";
const PROMISES: [&str; 4] = [
    "/tools/listChanged",
    "/prompts/listChanged",
    "/resources/listChanged",
    "/resources/subscribe",
];

fn list_changed(what: &str) -> String {
    format!("notifications/{what}/list_changed")
}

/// Makes the backend tell of a change, as somebody else would.
fn change(scope: &str, what: &str, uri: &str) {
    let trigger = call(1, "trigger", json!({ "what": what, "uri": uri }));
    let response = Client::new(&WORLD.stack, scope).post_modern(&modern(&trigger)).response();
    assert!(response["result"].is_object(), "{scope}: {response}");
}

fn subscribe(client: &Client<'_>, method: &str, uri: &str) -> Value {
    client.post(&request(1, method, json!({ "uri": uri }))).response()
}

/// Opens a subscription, and checks what it says first.
fn listen(client: &Client<'_>, id: &Value, wanted: &Value, honoured: &Value) -> Events {
    let message = request(id.clone(), "subscriptions/listen", json!({ "notifications": wanted }));
    let answer: Answer = client.post_modern(&modern(&message));
    assert_eq!(answer.status, 200);
    let mut events = answer.events();
    let first = events.message().unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    assert_eq!(first["params"]["notifications"], *honoured, "{first}");
    assert_eq!(first.pointer(SUBSCRIPTION), Some(id), "{first}");
    events
}

/// Which URIs are told of before the sign.
fn updates_until(events: &mut Events, sign: &str) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        let mut message = events.message().expect("a stream that goes on");
        if message["method"] == UPDATED {
            let uri = message["params"]["uri"].take();
            if uri == sign {
                return told;
            }
            told.push(uri);
        }
    }
}

#[test]
fn legacy_clients_hear_what_a_modern_backend_tells() {
    for scope in MODERN {
        let mut client = Client::new(&WORLD.stack, scope);
        let offered = client.initialize(json!({}))["capabilities"].take();
        for promise in PROMISES {
            assert_eq!(offered.pointer(promise), Some(&json!(true)), "{scope}: {offered}");
        }
        for door in [Door::First, Door::Second] {
            let answer = client.through(door).get(None);
            assert_eq!(answer.status, 200, "{scope}");
            let mut events = answer.events();
            for what in LISTS {
                change(scope, what, "");
                let said = events.said(&list_changed(what));
                assert!(said.get("id").is_none() && said.pointer(SUBSCRIPTION).is_none(), "{said}");
            }
        }
    }
}

#[test]
fn legacy_clients_subscribe_to_resources_of_a_modern_backend() {
    for scope in MODERN {
        let client = Client::seated(&WORLD.stack, scope);
        let uris = ["early", "late", "sign", "never"];
        let [early, late, sign, never] = uris.map(|it| format!("test://{}/{it}", client.user));
        // Before there is a stream, and while there is one, at either replica.
        let (first, second) = (client.through(Door::First), client.through(Door::Second));
        assert_eq!(subscribe(&second, "resources/subscribe", &early)["result"], json!({}));
        let mut events = first.get(None).events();
        change(scope, "resource", &never);
        change(scope, "resource", &early);
        let said = events.said(UPDATED);
        assert_eq!(said["params"], json!({ "uri": early }), "{scope}");
        for (at, uri) in [(&second, &late), (&first, &sign)] {
            assert_eq!(subscribe(at, "resources/subscribe", uri)["result"], json!({}), "{scope}");
        }
        // The replica with the stream hears of it a moment later.
        let mut told = Vec::new();
        wait_until(PATIENCE, "the news of a subscription", || {
            change(scope, "resource", &late);
            change(scope, "resource", &sign);
            change(scope, "resource", &early);
            told = updates_until(&mut events, &early);
            told.contains(&json!(late)) && told.contains(&json!(sign))
        });
        assert_eq!(subscribe(&second, "resources/unsubscribe", &late)["result"], json!({}));
        wait_until(PATIENCE, "the end of a subscription", || {
            change(scope, "resource", &late);
            change(scope, "resource", &sign);
            updates_until(&mut events, &sign).is_empty()
        });
    }
}

/// A client that finds no stream does not look for one again.
#[test]
fn there_is_a_stream_before_there_is_anything_to_tell() {
    let client = Client::seated(&WORLD.stack, "terse");
    let [watched, other] = ["watched", "other"].map(|it| format!("test://{}/{it}", client.user));
    let answer = client.through(Door::First).get(None);
    assert_eq!(answer.status, 200);
    let mut events = answer.events();
    let second = client.through(Door::Second);
    for uri in [&watched, &other] {
        assert_eq!(subscribe(&second, "resources/subscribe", uri)["result"], json!({}));
        // It may have changed before anybody listened.
        assert_eq!(events.said(UPDATED)["params"]["uri"], json!(uri));
        change("terse", "resource", uri);
        assert_eq!(events.said(UPDATED)["params"]["uri"], json!(uri));
    }
    let left = |state: &'static str| {
        let seen = watch::exchanges(WORLD.backend("terse"), &client.user, |one| {
            one["message"] == "subscriptions/listen"
        });
        seen.iter().filter(|one| one["state"] == state).count()
    };
    wait_until(PATIENCE, "one subscription for both", || left("running") == 1);
    for uri in [&watched, &other] {
        assert_eq!(subscribe(&second, "resources/unsubscribe", uri)["result"], json!({}));
    }
    wait_until(PATIENCE, "the end of the last subscription", || left("running") == 0);
}

#[test]
fn a_session_that_is_over_is_told_nothing() {
    for scope in MODERN {
        let client = Client::seated(&WORLD.stack, scope);
        let mut events = client.through(Door::First).get(None).events();
        let watch = watch::Watch::start();
        assert_eq!(client.through(Door::Second).delete().status, 204, "{scope}");
        events.rest();
        let took = watch.millis();
        assert!(took < 5_000, "{scope}: it took {took} ms");
    }
}

#[test]
fn a_legacy_client_that_leaves_ends_the_subscription() {
    for scope in MODERN {
        let client = Client::seated(&WORLD.stack, scope);
        let stream = client.get(None);
        let listens = |state: &'static str| {
            watch::exchanges(WORLD.backend(scope), &client.user, |one| {
                one["message"] == "subscriptions/listen" && one["state"] == state
            })
        };
        listens("running");
        drop(stream);
        listens("aborted");
    }
}

#[test]
fn a_stream_goes_on_when_a_modern_backend_comes_back() {
    let client = Client::seated(&WORLD.stack, "restless");
    let mut events = client.get(None).events();
    change("restless", "tools", "");
    events.said(&list_changed("tools"));
    WORLD.restless.lock().unwrap().restart();
    // Nobody knows what happened meanwhile.
    for what in LISTS {
        events.said(&list_changed(what));
    }
    change("restless", "prompts", "");
    events.said(&list_changed("prompts"));
}

#[test]
fn modern_clients_hear_what_a_legacy_backend_tells() {
    for scope in LEGACY {
        let client = Client::new(&WORLD.stack, scope);
        let discover = modern(&request(1, "server/discover", json!({})));
        let offered = client.post_modern(&discover).response()["result"]["capabilities"].take();
        for promise in PROMISES {
            assert_eq!(offered.pointer(promise), Some(&json!(true)), "{scope}: {offered}");
        }
        let watched = format!("test://{}/watched", client.user);
        let sign = format!("test://{}/sign", client.user);
        let everything = json!({
            "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": [watched],
        });
        let signed = json!({ "promptsListChanged": true, "resourceSubscriptions": [sign] });
        // Two at once, beside the session in which the client calls.
        let mut all = listen(&client, &json!("all"), &everything, &everything);
        let mut few = listen(&client.through(Door::First), &json!(7), &signed, &signed);
        for what in LISTS {
            change(scope, what, "");
            let said = all.said(&list_changed(what));
            assert_eq!(said.pointer(SUBSCRIPTION), Some(&json!("all")), "{said}");
        }
        let said = few.said(&list_changed("prompts"));
        assert_eq!(said.pointer(SUBSCRIPTION), Some(&json!(7)), "{said}");
        for uri in [&watched, &sign] {
            change(scope, "resource", uri);
        }
        assert_eq!(all.said(UPDATED)["params"]["uri"], json!(watched));
        assert_eq!(updates_until(&mut few, &sign), Vec::<Value>::new());
    }
}

#[test]
fn a_modern_client_that_leaves_ends_the_session_of_its_subscription() {
    for scope in LEGACY {
        let backend = WORLD.backend(scope);
        let client = Client::new(&WORLD.stack, scope);
        let wanted = json!({ "toolsListChanged": true });
        let events = listen(&client, &json!(1), &wanted, &wanted);
        let streams = |state: &'static str| {
            watch::exchanges(backend, &client.user, |one| {
                one["method"] == "GET" && one["state"] == state
            })
        };
        let session = streams("running")[0]["headers"]["mcp-session-id"].clone();
        drop(events);
        streams("aborted");
        watch::exchanges(backend, &client.user, |one| {
            one["method"] == "DELETE" && one["headers"]["mcp-session-id"] == session
        });
    }
}

#[test]
fn a_subscription_ends_in_order_when_its_session_is_lost() {
    let client = Client::new(&WORLD.stack, "forgetful");
    let wanted = json!({ "toolsListChanged": true });
    let mut events = listen(&client, &json!(1), &wanted, &wanted);
    // Both replicas know the backend, and do not take its absence for news.
    for door in [Door::First, Door::Second] {
        let listing = modern(&request(3, "tools/list", json!({})));
        assert_eq!(client.through(door).post_modern(&listing).status, 200);
    }
    // Another's stream hears more than this backend.
    let mut heard = Client::seated(&WORLD.stack, "fragile").get(None).events();
    change("typescript", "prompts", "");
    heard.said(&list_changed("prompts"));
    let mut backend = WORLD.forgetful.lock().unwrap();
    backend.stop();
    // Nothing to tell would be something else.
    let again = request(2, "subscriptions/listen", json!({ "notifications": wanted }));
    let refused = client.post_modern(&modern(&again)).response();
    assert!(refused["error"].is_object(), "{refused}");
    // It ends with this one all the same, so that its client comes back.
    heard.rest();
    backend.restart();
    let ended = events.response();
    assert_eq!(ended["result"]["resultType"], "complete", "{ended}");
    assert_eq!((&ended["id"], events.message()), (&json!(1), None));
    // And the client comes back.
    let mut events = listen(&client, &json!(2), &wanted, &wanted);
    change("forgetful", "tools", "");
    events.said(&list_changed("tools"));
}

#[test]
fn nobody_is_told_of_resources_that_are_not_theirs() {
    for scope in LEGACY {
        let reader = Client::with_role(&WORLD.stack, scope, "reader");
        let wanted =
            json!({ "toolsListChanged": true, "resourceSubscriptions": ["test://secret"] });
        let honoured = json!({ "toolsListChanged": true });
        let _events = listen(&reader, &json!(1), &wanted, &honoured);
        let subscribed: Vec<Value> = exchanged(WORLD.backend(scope), &reader.user);
        assert!(!subscribed.contains(&json!("resources/subscribe")), "{subscribed:?}");
    }
    for scope in MODERN {
        let mut reader = Client::with_role(&WORLD.stack, scope, "reader");
        reader.initialize(json!({}));
        let refused = subscribe(&reader, "resources/subscribe", "test://secret");
        assert!(refused["error"].is_object(), "{scope}: {refused}");
    }
}

/// The messages of a user that a backend has seen.
fn exchanged(backend: &Backend, user: &str) -> Vec<Value> {
    let seen = watch::exchanges(backend, user, |one| one["method"] == "POST");
    seen.iter().map(|one| one["message"].clone()).collect()
}

#[test]
fn one_subscription_is_told_of_backends_of_both_eras() {
    let client = Client::new(&WORLD.stack, "mixed");
    let wanted = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let mut events = listen(&client, &json!("one"), &wanted, &wanted);
    let mut heard = Client::seated(&WORLD.stack, "mixed").get(None).events();
    for (scope, what) in [("typescript", "tools"), ("typescript1", "prompts")] {
        change(scope, what, "");
        let said = events.said(&list_changed(what));
        assert_eq!(said.pointer(SUBSCRIPTION), Some(&json!("one")), "{said}");
        heard.said(&list_changed(what));
    }
}
