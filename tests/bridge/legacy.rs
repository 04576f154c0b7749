//! The legacy era: handshake, session, streams, requests of the server's.

use serde_json::json;

use crate::client::{Bridge, initialize};
use crate::server::{SESSION, Server, standard};

#[test]
fn a_client_that_waits_for_nothing_is_still_heard_in_order() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    bridge.request(0, "initialize", initialize("2025-06-18"));
    bridge.notify("notifications/initialized", json!({}));
    bridge.call(1, "echo", json!({ "a": 1 }));
    assert_eq!(bridge.next()["result"]["protocolVersion"], json!("2025-06-18"));
    assert_eq!(bridge.next()["result"], json!({ "echo": { "a": 1 } }));
    server.wait_for("GET", 1);
    bridge.close();
    assert_eq!(bridge.wait(), 0);

    let seen = server.seen();
    let mut whats = server.whats();
    // The stream is asked for at the same time as the call.
    whats.retain(|what| what != "GET");
    assert_eq!(
        whats,
        ["POST initialize", "POST notifications/initialized", "POST tools/call", "DELETE"]
    );
    for request in &seen {
        let first = request.what() == "POST initialize";
        let (session, version) = if first { ("", "") } else { (SESSION, "2025-06-18") };
        assert_eq!(request.header("mcp-session-id"), session, "{request:?}");
        assert_eq!(request.header("mcp-protocol-version"), version, "{request:?}");
        assert_eq!(request.header("authorization"), format!("Bearer {}", crate::client::TOKEN));
        assert!(request.header("mcp-method").is_empty());
        if request.verb == "POST" {
            assert_eq!(request.header("accept"), "application/json, text/event-stream");
            assert_eq!(request.header("content-type"), "application/json");
        }
    }
    let stream = seen.iter().find(|request| request.verb == "GET").unwrap();
    assert_eq!(stream.header("accept"), "text/event-stream");
}

#[test]
fn what_a_server_says_before_its_answer_reaches_the_client_at_once() {
    let server = Server::start(|seen, reply| {
        if seen.what() != "POST tools/call" {
            return standard(seen, reply);
        }
        let stream = reply.events(&[]);
        let progress = |n| json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progress": n } });
        stream.raw(": a comment\n\nevent: other\ndata: {}\n\ndata: nonsense\n\n");
        stream.message(progress(1));
        stream.raw("id: 7\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":\"ask\",\"method\":\"elicitation/create\"}\r\n\r\n");
        // The answer to our question comes on a connection of its own.
        stream.message(json!({ "jsonrpc": "2.0", "id": seen.id(), "result": { "done": true } }));
        stream.end()
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "ask", json!({}));
    assert_eq!(bridge.next()["params"]["progress"], json!(1));
    // Two lines of data are one message, and one line.
    assert_eq!(
        bridge.next_raw(),
        br#"{"jsonrpc":"2.0", "id":"ask","method":"elicitation/create"}"#
    );
    assert_eq!(bridge.next()["result"], json!({ "done": true }));

    bridge.send(json!({ "jsonrpc": "2.0", "id": "ask", "result": { "action": "accept" } }));
    let answers = server.wait_for("POST", 1);
    assert_eq!(answers[0].json()["id"], json!("ask"));
    assert_eq!(answers[0].header("mcp-session-id"), SESSION);
    bridge.assert_silent();
}

#[test]
fn a_question_is_answered_while_the_call_it_belongs_to_is_open() {
    let (tell, told) = std::sync::mpsc::channel();
    let (tell, told) = (std::sync::Mutex::new(tell), std::sync::Mutex::new(told));
    let server = Server::start(move |seen, reply| match seen.what().as_str() {
        "POST tools/call" => {
            let stream = reply.events(&[]);
            stream
                .message(json!({ "jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage" }));
            let answer: serde_json::Value = told.lock().unwrap().recv().unwrap();
            stream
                .message(json!({ "jsonrpc": "2.0", "id": seen.id(), "result": answer["result"] }));
            stream.end()
        }
        "POST" => {
            tell.lock().unwrap().send(seen.json()).unwrap();
            reply.status(202)
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    // The same id in both directions is two requests.
    bridge.call(1, "ask", json!({}));
    assert_eq!(bridge.next()["method"], json!("sampling/createMessage"));
    bridge.send(json!({ "jsonrpc": "2.0", "id": 1, "result": { "text": "hello" } }));
    assert_eq!(bridge.next()["result"], json!({ "text": "hello" }));
}

#[test]
fn what_a_server_says_unasked_arrives_and_the_stream_is_opened_again() {
    let server = Server::start(|seen, reply| {
        if seen.verb != "GET" {
            return standard(seen, reply);
        }
        let changed = |n: u32| json!({ "jsonrpc": "2.0", "method": format!("notifications/{n}") });
        if seen.header("last-event-id").is_empty() {
            let stream = reply.events(&[]);
            stream.raw("id: e1\nretry: 10\ndata:\n\n");
            stream.message(changed(1));
            return stream.end();
        }
        let stream = reply.events(&[]);
        stream.message(changed(2));
        stream.abandoned()
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    assert_eq!(bridge.next()["method"], json!("notifications/1"));
    assert_eq!(bridge.next()["method"], json!("notifications/2"));
    let streams = server.wait_for("GET", 2);
    assert_eq!(streams[1].header("last-event-id"), "e1");
    assert_eq!(streams[1].header("mcp-session-id"), SESSION);
    bridge.close();
    assert_eq!(bridge.wait(), 0);
}

#[test]
fn a_server_without_sessions_gets_none() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST initialize" => reply.result(seen, json!({ "protocolVersion": "2025-11-25" })),
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "echo", json!({}));
    assert_eq!(bridge.next()["id"], json!(1));
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    let seen = server.seen();
    assert!(seen.iter().all(|request| request.header("mcp-session-id").is_empty()));
    assert!(!server.whats().contains(&"DELETE".to_owned()));
    assert_eq!(seen.last().unwrap().header("mcp-protocol-version"), "2025-11-25");
}

#[test]
fn messages_cross_byte_by_byte() {
    let answer = r#"{ "id":1,"jsonrpc":"2.0","result":{"n":12345678901234567890123,"f":1e-400,"u":"\u00e4ö","x":[ ],"structuredContent":null} ,"extra":true}"#;
    let server = Server::start(move |seen, reply| match seen.what().as_str() {
        "POST tools/call" => reply.text(200, "application/json", &[], answer),
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    let call = r#"{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{"name":"x","arguments":{"n":9223372036854775808,"f":1e-400}},"unknown":[1.0]}"#;
    bridge.write(format!("{call}\n").as_bytes());
    assert_eq!(bridge.next_raw(), answer.as_bytes());
    assert_eq!(server.wait_for("POST tools/call", 1)[0].raw, call.as_bytes());
}

#[test]
fn a_batch_is_taken_apart() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    bridge.open();
    let call = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "arguments": id } });
    let change = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    bridge.send(json!([call(1), change, call(2)]));
    let answers = bridge.next_by_id(2);
    assert_eq!(answers[1]["result"], json!({ "echo": 2 }));
    server.wait_for("POST notifications/roots/list_changed", 1);
}
