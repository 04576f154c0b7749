//! Order where the protocol has one, and none where it has not.

use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::client::Bridge;
use crate::server::{Seen, Server, standard};

#[test]
fn requests_run_side_by_side_and_are_answered_as_they_end() {
    const CALLS: u8 = 20;
    // None is answered before all are there.
    let (all, last) = (Barrier::new(usize::from(CALLS)), Mutex::new(CALLS));
    let server = Server::start(move |seen, reply| {
        if seen.what() != "POST tools/call" {
            return standard(seen, reply);
        }
        all.wait();
        // Then the last comes first.
        loop {
            let mut next = last.lock().unwrap();
            if json!(*next) == seen.id() {
                let done = reply.result(seen, json!({}));
                *next -= 1;
                return done;
            }
            drop(next);
            std::thread::yield_now();
        }
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    for id in 1..=CALLS {
        bridge.call(u64::from(id), "x", json!({}));
    }
    let mut ids: Vec<u64> = (0..CALLS).map(|_| bridge.next()["id"].as_u64().unwrap()).collect();
    assert_eq!(ids[0], u64::from(CALLS));
    ids.sort_unstable();
    assert_eq!(ids, (1..=u64::from(CALLS)).collect::<Vec<_>>());
}

#[test]
fn notifications_and_answers_leave_in_the_order_they_came() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    bridge.open();
    for n in 0..30 {
        if n % 3 == 0 {
            bridge.send(json!({ "jsonrpc": "2.0", "id": n, "result": { "n": n } }));
        } else {
            bridge.notify("notifications/progress", json!({ "n": n }));
        }
    }
    server.wait_for("POST notifications/progress", 20);
    server.wait_for("POST", 10);
    let order: Vec<_> = server
        .seen()
        .iter()
        .map(Seen::json)
        .filter_map(|message| message["params"]["n"].as_u64().or(message["result"]["n"].as_u64()))
        .collect();
    assert_eq!(order, (0..30).collect::<Vec<_>>());
}

#[test]
fn a_cancellation_follows_its_request_and_waits_for_nothing_else() {
    let (tell, told) = channel();
    let (tell, told) = (Mutex::new(tell), Mutex::new(told));
    let server = Server::start(move |seen, reply| match seen.what().as_str() {
        "POST tools/call" if seen.json()["params"]["name"] == json!("slow") => {
            // Answers, as a server may, although it was cancelled.
            told.lock().unwrap().recv().unwrap();
            reply.status(202)
        }
        // The lane is busy with this one.
        "POST notifications/progress" => reply.abandoned(),
        "POST notifications/cancelled" => {
            let done = reply.status(202);
            tell.lock().unwrap().send(()).unwrap();
            done
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.notify("notifications/progress", json!({}));
    bridge.call(1, "slow", json!({ "x": "y".repeat(1_000_000) }));
    server.wait_for("POST tools/call", 1);
    bridge.notify("notifications/cancelled", json!({ "requestId": 1, "reason": "bored" }));
    let cancelled = &server.wait_for("POST notifications/cancelled", 1)[0];
    assert_eq!(cancelled.json()["params"]["reason"], json!("bored"));
    let whats = server.whats();
    let at = |what: &str| whats.iter().position(|known| known == what).unwrap();
    assert!(at("POST tools/call") < at("POST notifications/cancelled"), "{whats:?}");
    // Nothing is made up for a client that no longer waits, and a
    // cancellation of what is over goes nowhere.
    bridge.assert_silent();
    bridge.notify("notifications/cancelled", json!({ "requestId": 999_999 }));
    bridge.assert_silent();
    assert_eq!(server.wait_for("POST notifications/cancelled", 1).len(), 1);
}

#[test]
fn what_waits_for_its_turn_is_cancelled_without_a_trace() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::start(move |seen, reply| {
        if seen.json()["params"]["name"] == json!("slow") {
            let _ = gone.lock().unwrap().recv_timeout(Duration::from_secs(20));
        }
        standard(seen, reply)
    });
    let mut bridge = Bridge::with(&server, &["--max-in-flight", "1"]);
    bridge.open();
    bridge.call(1, "slow", json!({}));
    server.wait_for("POST tools/call", 1);
    bridge.call(2, "waiting", json!({}));
    bridge.call(3, "waiting", json!({}));
    bridge.notify("notifications/cancelled", json!({ "requestId": 2 }));
    // What is answered after the cancellation was read after it.
    bridge.write(b"{\n");
    assert_eq!(bridge.next()["error"]["code"], json!(-32700));
    go.send(()).unwrap();
    assert_eq!(bridge.next()["id"], json!(1));
    assert_eq!(bridge.next()["id"], json!(3));
    bridge.assert_silent();
    assert_eq!(server.wait_for("POST tools/call", 2).len(), 2);
    assert!(!server.whats().contains(&"POST notifications/cancelled".to_owned()));
}

#[test]
fn too_many_requests_are_refused_and_the_rest_are_answered() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::start(move |seen, reply| {
        if seen.id() == json!(1) {
            let _ = gone.lock().unwrap().recv_timeout(Duration::from_secs(20));
        }
        standard(seen, reply)
    });
    let mut bridge = Bridge::with(&server, &["--max-in-flight", "1"]);
    bridge.open();
    // One on the road, sixteen behind it.
    for id in 1..=18 {
        bridge.call(id, "x", json!({}));
    }
    let refused = bridge.next();
    assert_eq!(
        (&refused["id"], &refused["error"]["data"]["code"]),
        (&json!(18), &json!("too_many_requests"))
    );
    go.send(()).unwrap();
    let answers = bridge.next_by_id(17);
    assert!(answers.iter().all(|answer| answer["result"].is_object()), "{answers:?}");
}

#[test]
fn one_id_twice_is_two_requests_with_two_answers() {
    let both = Barrier::new(2);
    let server = Server::start(move |seen, reply| {
        if seen.what() == "POST tools/call" {
            both.wait();
        }
        standard(seen, reply)
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "x", json!("a"));
    bridge.call(1, "x", json!("b"));
    let mut echoes =
        [bridge.next(), bridge.next()].map(|answer| answer["result"]["echo"].to_string());
    echoes.sort();
    assert_eq!(echoes, ["\"a\"", "\"b\""]);
}
