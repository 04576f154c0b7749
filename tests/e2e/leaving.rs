//! How the gateway leaves: in order when asked, and without loss when killed.

use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};
use support::eventually::wait_until;
use support::process::PATIENCE;

use crate::http::Answer;
use crate::stack::{Stack, call, post};

/// The longest interval there is, in milliseconds: far beyond the test.
const SLOW: &str = "60000";

/// Makes a call that the recorder holds, on a thread of its own.
fn hold(stack: &Stack, token: &str) -> thread::JoinHandle<Answer> {
    let (port, token) = (stack.nginx.port(), token.to_owned());
    let calling = thread::spawn(move || {
        post(port, "/git/mcp", &token, &[], &call("record", json!({ "hold": true })))
    });
    stack.recorder.wait_for_hold();
    calling
}

fn statuses(rows: &[Value]) -> Vec<&str> {
    let mut found: Vec<&str> = rows.iter().map(|row| row["status"].as_str().unwrap()).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_call_in_flight_is_finished_before_the_gateway_ends() {
    let mut stack = Stack::start();
    let token = stack.token("ann", "developer");
    for _ in 0..3 {
        let answer = stack.post("/git/mcp", &token, &call("record", json!({})));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let calling = hold(&stack, &token);

    stack.gateway().signal("TERM");
    wait_until(PATIENCE, "the gateway to accept no more connections", || {
        TcpStream::connect(("127.0.0.1", stack.gateway_port)).is_err()
    });
    assert_eq!(stack.gateway().exit_code(), None, "it waits for the call in flight");
    // Callers are told by nginx meanwhile, in JSON.
    let answer = stack.post("/git/mcp", &token, &call("record", json!({})));
    assert_eq!((answer.status, &answer.json()["error"]), (502, &json!("gateway_unavailable")));

    stack.recorder.release();
    let answer = calling.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["content"][0]["text"], json!("recorded"), "{answer:?}");
    wait_until(PATIENCE, "the gateway to end", || stack.gateway().exit_code().is_some());
    assert_eq!(stack.gateway().exit_code(), Some(0), "{}", stack.gateway().log());

    stack.restart(&[]);
    stack.audited("user_id=ann&status=success", 4);
    let rows = stack.audited("user_id=ann&tool_name=record", 4);
    assert_eq!(statuses(&rows), ["success"; 4], "{rows:?}");
}

#[test]
fn a_killed_gateway_loses_no_row() {
    // So slow to ship that the rows are only in the journal at the end.
    let mut stack = Stack::with(&[("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", SLOW)]);
    let token = stack.token("ann", "developer");
    for _ in 0..20 {
        let answer = stack.post("/git/mcp", &token, &call("record", json!({})));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let calling = hold(&stack, &token);
    assert!(stack.audited("user_id=ann", 0).is_empty(), "nothing has been shipped yet");

    stack.gateway().kill();
    let answer = calling.join().unwrap();
    assert_eq!(answer.status, 502, "{answer:?}");
    stack.recorder.release();

    stack.restart(&[("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", "50")]);
    stack.audited("user_id=ann&status=success", 20);
    let rows = stack.audited("user_id=ann&tool_name=record", 21);
    // What the killed gateway had begun is on record, its end unknown.
    let expected = [&["pending"][..], &["success"; 20]].concat();
    assert_eq!(statuses(&rows), expected, "{rows:?}");

    // And the trail goes on.
    let answer = stack.post("/git/mcp", &token, &call("record", json!({})));
    assert_eq!(answer.status, 200, "{answer:?}");
    stack.audited("user_id=ann&tool_name=record&status=success", 21);
}
