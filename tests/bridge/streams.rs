//! Streams that break off and go on.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::client::Bridge;
use crate::server::{SESSION, Server, standard};

#[test]
fn a_stream_with_event_ids_goes_on_where_it_broke_off() {
    let gets = AtomicUsize::new(0);
    let server = Server::start(move |seen, reply| match seen.what().as_str() {
        "POST tools/call" => {
            let stream = reply.events(&[]);
            stream.raw("id: a-1\nretry: 20\ndata:\n\n");
            stream.raw("id: a-2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/1\"}\n\n");
            stream.end()
        }
        // The first attempts meet what a restart looks like.
        "GET" if !seen.header("last-event-id").is_empty() => {
            match gets.fetch_add(1, Ordering::SeqCst) {
                0 => reply.status(503),
                1 => reply.events(&[]).end(),
                _ => {
                    let stream = reply.events(&[]);
                    stream.raw("id: a-3\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"late\":true}}\n\n");
                    stream.abandoned()
                }
            }
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "long", json!({}));
    assert_eq!(bridge.next()["method"], json!("notifications/1"));
    assert_eq!(bridge.next()["result"], json!({ "late": true }));
    let resumed: Vec<_> =
        server.seen().into_iter().filter(|seen| !seen.header("last-event-id").is_empty()).collect();
    assert_eq!(resumed.len(), 3);
    for get in resumed {
        assert_eq!(get.header("last-event-id"), "a-2");
        assert_eq!(get.header("mcp-session-id"), SESSION);
        assert_eq!(get.header("accept"), "text/event-stream");
    }
    assert_eq!(server.wait_for("POST tools/call", 1).len(), 1);
}

#[test]
fn a_stream_that_cannot_go_on_is_an_error() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST tools/call" => {
            let stream = reply.events(&[]);
            stream.raw("id: a-1\nretry: 1\ndata:\n\n");
            stream.end()
        }
        "GET" => reply.status(405),
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "long", json!({}));
    assert_eq!(bridge.next()["error"]["data"]["code"], json!("stream_ended"));
}

#[test]
fn a_call_that_is_cancelled_while_its_stream_is_away_is_not_resumed() {
    let server = Server::start(|seen, reply| match seen.what().as_str() {
        "POST tools/call" => {
            let stream = reply.events(&[]);
            stream.raw("id: a-1\nretry: 60000\ndata:\n\n");
            stream.end()
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    bridge.call(1, "long", json!({}));
    server.wait_for("POST tools/call", 1);
    bridge.notify("notifications/cancelled", json!({ "requestId": 1 }));
    server.wait_for("POST notifications/cancelled", 1);
    bridge.assert_silent();
    assert!(server.seen().iter().all(|seen| seen.header("last-event-id").is_empty()));
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped_and_one_on_another_stream_counts() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let server = Server::start(move |seen, reply| match seen.what().as_str() {
        "POST tools/call" => reply.events(&[]).abandoned(),
        "GET" => {
            let stream = reply.events(&[]);
            stream.message(json!({ "jsonrpc": "2.0", "id": 77, "result": {} }));
            gone.lock().unwrap().recv().unwrap();
            let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": { "here": true } });
            stream.message(answer.clone());
            stream.message(answer);
            stream.abandoned()
        }
        _ => standard(seen, reply),
    });
    let mut bridge = Bridge::to(&server);
    bridge.open();
    server.wait_for("GET", 1);
    bridge.call(1, "elsewhere", json!({}));
    server.wait_for("POST tools/call", 1);
    bridge.assert_silent();
    go.send(()).unwrap();
    assert_eq!(bridge.next()["result"], json!({ "here": true }));
    bridge.assert_silent();
}
