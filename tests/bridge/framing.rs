//! Both ways to frame messages, large ones, and what is none.

use serde_json::json;

use crate::client::{Bridge, initialize};
use crate::server::{Server, standard};

fn counted(text: &str) -> Vec<u8> {
    format!("Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

#[test]
fn a_client_with_headers_is_answered_with_headers() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize("2025-11-25") });
    let pretty = serde_json::to_string_pretty(&hello).unwrap();
    bridge.write(&counted(&pretty));
    assert!(bridge.next_raw().starts_with(b"counted:{\""));
    // What was counted may hold line breaks, and keeps them on its way.
    assert_eq!(server.wait_for("POST initialize", 1)[0].raw, pretty.as_bytes());
    bridge.write(&counted(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#));
    bridge.write(&counted(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#));
    assert!(bridge.next_raw().starts_with(b"counted:{\""));
    // A line is answered with a line.
    bridge.request(2, "ping", json!({}));
    assert_eq!(bridge.next()["id"], json!(2));
    bridge.close();
    assert_eq!(bridge.wait(), 0);
}

#[test]
fn a_pretty_answer_becomes_one_line() {
    let server = Server::start(|seen, reply| {
        let answer = json!({ "jsonrpc": "2.0", "id": seen.id(), "result": { "a": [1, 2] } });
        let pretty = serde_json::to_string_pretty(&answer).unwrap().replace('\n', "\r\n");
        reply.text(200, "application/json; charset=utf-8", &[], &pretty)
    });
    let mut bridge = Bridge::to(&server);
    bridge.request(1, "ping", json!({}));
    assert_eq!(bridge.next()["result"], json!({ "a": [1, 2] }));
}

#[test]
fn messages_of_many_mebibytes_pass_in_both_directions() {
    let server = Server::start(|seen, reply| {
        let n = seen.raw.len();
        let text = "ä".repeat(8 * 1024 * 1024);
        if seen.id() == json!(1) {
            return reply.result(seen, json!({ "n": n, "text": text }));
        }
        let stream = reply.events(&[]);
        stream.message(
            json!({ "jsonrpc": "2.0", "id": seen.id(), "result": { "n": n, "text": text } }),
        );
        stream.end()
    });
    let mut bridge = Bridge::to(&server);
    for id in [1, 2] {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "x", "params": { "x": "y".repeat(16 * 1024 * 1024) } });
        let line = call.to_string();
        bridge.write(format!("{line}\n").as_bytes());
        let answer = bridge.next();
        assert_eq!(answer["result"]["n"], json!(line.len()));
        assert_eq!(answer["result"]["text"].as_str().unwrap().len(), 16 * 1024 * 1024);
    }
}

#[test]
fn what_is_too_large_is_refused_under_its_id_and_the_rest_goes_on() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST large" => reply.result(seen, json!({ "x": "y".repeat(100_000) })),
        "POST large/event" => {
            let stream = reply.events(&[]);
            stream.message(
                json!({ "jsonrpc": "2.0", "id": seen.id(), "result": "y".repeat(100_000) }),
            );
            stream.abandoned()
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::with(&server, &["--max-message-bytes", "65536"]);
    bridge.request(1, "ping", json!({ "x": "y".repeat(100_000) }));
    let answer = bridge.next();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32600)));
    assert_eq!(answer["error"]["data"], json!({ "code": "message_too_large", "executed": "no" }));
    for (id, method) in [(2, "large"), (3, "large/event")] {
        bridge.request(id, method, json!({}));
        let answer = bridge.next();
        assert_eq!(answer["id"], json!(id));
        assert_eq!(
            answer["error"]["data"],
            json!({ "code": "answer_too_large", "executed": "unknown" })
        );
    }
    bridge.assert_silent();
}

#[test]
fn what_is_no_message_gets_a_stable_error() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    let cases: [(&[u8], _, i32); 7] = [
        (b"{\n", json!(null), -32700),
        (b"nonsense\n", json!(null), -32700),
        (b"\xff\xfe\n", json!(null), -32700),
        (b"[]\n", json!(null), -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":7}\n", json!(5), -32600),
        (b"{\"jsonrpc\":\"1.0\",\"id\":\"a\",\"method\":\"x\"}\n", json!("a"), -32600),
        (b"Content-Type: x\r\n\r\n", json!(null), -32600),
    ];
    for (text, id, code) in cases {
        bridge.write(text);
        let answer = bridge.next();
        let shown = String::from_utf8_lossy(text);
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&id, &json!(code)),
            "{shown}: {answer}"
        );
        assert_eq!(answer["jsonrpc"], json!("2.0"));
    }
    bridge.write(b"\n  \r\n");
    bridge.assert_silent();
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn the_last_message_needs_no_line_end() {
    let server = Server::start(standard);
    let mut bridge = Bridge::to(&server);
    bridge.write(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    assert_eq!(bridge.rest()[0]["id"], json!(1));
}
