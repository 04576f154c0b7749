//! Endpoints that refuse, die, come back, forget; and the end of the bridge.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Bridge;
use crate::server::{Done, SESSION, Server, standard};

fn code(answer: &Value) -> &str {
    answer["error"]["data"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer}"))
}

#[test]
fn every_request_gets_one_answer_whatever_the_endpoint_does() {
    let server = Server::start(|seen, reply| {
        match seen.what().as_str() {
        "POST rest" => reply.json(413, &json!({ "error": "PAYLOAD_TOO_LARGE", "message": "over 4 MiB" })),
        "POST html" => reply.text(502, "text/html", &[], "<html>secret internals</html>"),
        "POST moved" => reply.text(307, "text/plain", &[("Location", "http://127.0.0.1:1/")], ""),
        "POST accepted" => reply.status(202),
        "POST nameless" => reply.json(
            400,
            &json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 40413, "message": "m", "data": 1 } }),
        ),
        "POST stranger" => reply.json(200, &json!({ "jsonrpc": "2.0", "id": 4711, "result": {} })),
        "POST nonsense" => reply.text(200, "application/json", &[], "{\"jsonrpc\":"),
        "POST hangup" => Done::Close,
        "POST cut" => reply.cut_short(),
        "POST ended" => reply.events(&[]).end(),
        _ => standard(seen, reply),
    }
    });
    let mut bridge = Bridge::to(&server);
    let http =
        |text: &str, executed: &str| (-32000, "http_error", text.to_owned(), executed.to_owned());
    let cases = [
        ("rest", http("HTTP 413: PAYLOAD_TOO_LARGE: over 4 MiB", "no")),
        ("html", http("HTTP 502: Bad Gateway", "unknown")),
        ("moved", http("HTTP 307: Temporary Redirect", "unknown")),
        ("accepted", http("HTTP 202: no answer", "unknown")),
        ("stranger", http("HTTP 200: no answer", "unknown")),
        ("nonsense", http("HTTP 200: no answer", "unknown")),
        ("hangup", (-32603, "connection_broken", String::new(), "unknown".to_owned())),
        ("cut", (-32603, "connection_broken", String::new(), "unknown".to_owned())),
        ("ended", (-32603, "stream_ended", String::new(), "unknown".to_owned())),
    ];
    for (id, (method, (number, name, text, executed))) in (1..).zip(cases) {
        bridge.request(id, method, json!({}));
        let answer = bridge.next();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(id), &json!(number)),
            "{answer}"
        );
        assert_eq!(
            answer["error"]["data"],
            json!({ "code": name, "executed": executed }),
            "{answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&text) && !message.contains("secret"), "{answer}");
    }
    // An error that names no request belongs to the one that was posted.
    bridge.request(50, "nameless", json!({}));
    let answer = bridge.next();
    assert_eq!(answer["id"], json!(50));
    assert_eq!(answer["error"], json!({ "code": 40413, "message": "m", "data": 1 }));
    bridge.assert_silent();
    // What may have been executed was sent once.
    let whats = server.whats();
    assert_eq!(whats.iter().filter(|what| *what == "POST hangup").count(), 1);
}

#[test]
fn a_server_that_dies_and_returns_is_found_again() {
    let server = Server::start(standard);
    let mut bridge = Bridge::with(&server, &["--connect-seconds", "0"]);
    bridge.open();
    bridge.call(1, "echo", json!({}));
    bridge.next();
    server.die();
    bridge.call(2, "echo", json!({}));
    let answer = bridge.next();
    assert_eq!(code(&answer), "endpoint_unreachable");
    assert_eq!(answer["error"]["data"]["executed"], json!("no"));
    server.rise();
    bridge.call(3, "echo", json!({}));
    assert!(bridge.next()["result"].is_object());
    // It kept its sessions, so nothing was lost.
    assert_eq!(server.wait_for("POST initialize", 1).len(), 1);

    // One that is away for a moment only is waited for.
    let mut bridge = Bridge::to(&server);
    bridge.open();
    server.die();
    bridge.call(4, "echo", json!({}));
    let log = "trying again";
    support::eventually::wait_until(Duration::from_secs(10), "an attempt", || {
        bridge.stderr().contains(log)
    });
    server.rise();
    assert!(bridge.next()["result"].is_object());
}

#[test]
fn an_open_call_of_a_server_that_dies_is_answered() {
    let server = Server::start(|seen, reply| match seen.json()["params"]["name"].as_str() {
        Some("silent") => reply.abandoned(),
        Some("streaming") => reply.events(&[]).abandoned(),
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "silent", json!({}));
    bridge.call(2, "streaming", json!({}));
    server.wait_for("POST tools/call", 2);
    server.cut();
    for answer in bridge.next_by_id(2) {
        assert!(["connection_broken", "stream_ended"].contains(&code(&answer)), "{answer}");
        assert_eq!(answer["error"]["data"]["executed"], json!("unknown"));
    }
}

/// A server that forgets its session when it is told to, and numbers the next.
fn forgetful(generation: &'static AtomicUsize) -> Server {
    Server::start(move |seen, reply| {
        let current = format!("session-{}", generation.load(Ordering::SeqCst));
        if seen.what() == "POST initialize" {
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.id(), "result": result });
            let session = [("Mcp-Session-Id", current.as_str())];
            return reply.text(200, "application/json", &session, &answer.to_string());
        }
        if seen.header("mcp-session-id") != current {
            let error = json!({ "code": -32001, "message": "Session not found" });
            return reply.json(404, &json!({ "jsonrpc": "2.0", "id": null, "error": error }));
        }
        standard(seen, reply)
    })
}

#[test]
fn a_forgotten_session_is_told_and_then_replaced() {
    static GENERATION: AtomicUsize = AtomicUsize::new(1);
    let server = forgetful(&GENERATION);
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "echo", json!({}));
    bridge.next();
    GENERATION.store(2, Ordering::SeqCst);
    bridge.call(2, "echo", json!({}));
    let answer = bridge.next();
    assert_eq!((code(&answer), &answer["error"]["code"]), ("session_ended", &json!(-32000)));
    assert_eq!(answer["error"]["data"]["executed"], json!("no"));
    bridge.call(3, "echo", json!({}));
    assert!(bridge.next()["result"].is_object());
    let calls = server.wait_for("POST tools/call", 3);
    assert_eq!(calls.len(), 3, "nothing is sent twice");
    assert_eq!(calls[2].header("mcp-session-id"), "session-2");
    // The client's own handshake, word for word.
    let hellos = server.wait_for("POST initialize", 2);
    assert_eq!(hellos[0].raw, hellos[1].raw);
    assert_eq!(server.wait_for("POST notifications/initialized", 2).len(), 2);
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    assert_eq!(server.wait_for("DELETE", 1)[0].header("mcp-session-id"), "session-2");
}

#[test]
fn a_loss_that_no_request_met_is_told_to_the_next_one() {
    static GENERATION: AtomicUsize = AtomicUsize::new(1);
    let server = forgetful(&GENERATION);
    let mut bridge = Bridge::to(&server);
    bridge.open();
    GENERATION.store(2, Ordering::SeqCst);
    bridge.notify("notifications/roots/list_changed", json!({}));
    let log = "has ended the session";
    support::eventually::wait_until(Duration::from_secs(10), "the loss", || {
        bridge.stderr().contains(log)
    });
    bridge.call(1, "echo", json!({}));
    assert_eq!(code(&bridge.next()), "session_ended");
    assert!(!server.whats().contains(&"POST tools/call".to_owned()));
    bridge.call(2, "echo", json!({}));
    assert!(bridge.next()["result"].is_object());
}

#[test]
fn a_session_that_cannot_be_replaced_is_an_error_each_time_and_not_the_end() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "echo", json!({}));
    bridge.next();
    server.play(|_, reply| reply.status(404));
    bridge.call(2, "echo", json!({}));
    assert_eq!(code(&bridge.next()), "session_ended");
    bridge.call(3, "echo", json!({}));
    assert_eq!(code(&bridge.next()), "session_unavailable");
    server.play(standard);
    bridge.call(4, "echo", json!({}));
    assert!(bridge.next()["result"].is_object());
}

#[test]
fn when_the_input_ends_open_answers_are_waited_for() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::start(move |seen, reply| {
        if seen.what() == "POST tools/call" {
            let _ = gone.lock().unwrap().recv_timeout(Duration::from_secs(20));
        }
        standard(seen, reply)
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "slow", json!({}));
    server.wait_for("POST tools/call", 1);
    bridge.close();
    go.send(()).unwrap();
    assert_eq!(bridge.wait(), 0);
    assert!(bridge.rest()[0]["result"].is_object());
    assert_eq!(server.wait_for("DELETE", 1)[0].header("mcp-session-id"), SESSION);
}

#[test]
fn but_not_for_ever() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST tools/call" | "DELETE" => reply.abandoned(),
        _ => standard(seen, reply),
    });
    for (calls, how) in (1..).zip(["grace", "TERM", "INT"]) {
        let grace = if how == "grace" { "0" } else { "60" };
        let mut bridge = Bridge::with(&server, &["--grace-seconds", grace]);
        bridge.open();
        bridge.call(1, "slow", json!({}));
        server.wait_for("POST tools/call", calls);
        if how == "grace" {
            bridge.close();
        } else {
            bridge.signal(how);
        }
        assert_eq!(bridge.wait(), 0, "{how}");
        let rest = bridge.rest();
        assert_eq!((rest.len(), code(&rest[0])), (1, "bridge_stopping"), "{how}: {rest:?}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_nothing_to_the_protocol() {
    let mut bridge =
        Bridge::start(env!("CARGO_BIN_EXE_scopegate"), &["bridge", "--endpoint", "x"], &[]);
    assert_eq!(bridge.wait(), 2);
    assert!(bridge.rest().is_empty());
    let log = bridge.stderr();
    assert!(log.contains("--endpoint") && log.contains("no token"), "{log}");
}
