//! What may be too much.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::json;

use crate::client::{Client, Era, call};
use crate::http::PATIENCE;
use crate::world::{STRICT, Strict};

#[test]
fn an_answer_over_the_limit_is_an_error() {
    let client = Client::seated(&STRICT.stack, "rust");
    for (era, accept) in [
        (Era::Legacy, crate::client::EITHER),
        (Era::Modern, crate::client::EITHER),
        (Era::Legacy, "application/json"),
        (Era::Modern, "application/json"),
    ] {
        let client = client.accepting(accept);
        let fits = call(1, "big", json!({ "bytes": Strict::LONGEST - 1000 }));
        let response = client.send_as(era, &fits).answer().response();
        assert!(response["result"].is_object(), "{era:?} {accept}: {response}");
        let large = call(2, "big", json!({ "bytes": Strict::LONGEST }));
        let response = client.send_as(era, &large).answer().response();
        assert_eq!(response["id"], 2, "{era:?} {accept}: {response}");
        assert_eq!(response["error"]["code"], -32603, "{era:?} {accept}: {response}");
    }
}

#[test]
fn a_stream_may_be_longer_than_the_limit_of_an_event() {
    let client = Client::new(&STRICT.stack, "plain");
    STRICT.scripted.script(&client.user, |seen, reply| {
        reply.stream();
        (0..300).for_each(|number| reply.event(&noise(number, 1024)));
        reply.event(&seen.response("{}"));
    });
    let mut events = client.post(&call(1, "any", json!({}))).events();
    let all = events.rest();
    assert_eq!(all.len(), 301);
}

/// A notification of about so many bytes.
fn noise(number: usize, size: usize) -> String {
    let data = "n".repeat(size);
    let params = json!({ "level": "info", "data": data, "logger": number.to_string() });
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string()
}

#[test]
fn a_slow_reader_slows_its_backend_down() {
    /// More than fits into the buffers of all sockets on the way.
    const OFFERED: usize = 160 * 1024 * 1024;
    const EVENT: usize = 32 * 1024;
    /// What the gateways may grow by meanwhile, next to other tests.
    const ROOM: usize = 24 * 1024 * 1024;
    let client = Client::new(&STRICT.stack, "plain");
    let (blocked, wait) = channel();
    let blocked = Mutex::new(blocked);
    STRICT.scripted.script(&client.user, move |_, reply| {
        reply.stream();
        reply.to.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        for number in 0..OFFERED / EVENT {
            // Nothing can be written for a whole second: it is slowed down.
            let event = format!("data: {}\n\n", noise(number, EVENT));
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            if reply.to.write_all(chunk.as_bytes()).is_err() {
                let _ = blocked.lock().unwrap().send(number);
                return;
            }
        }
        let _ = blocked.lock().unwrap().send(usize::MAX);
    });
    // So that both gateways have all their threads and pools.
    assert_eq!(client.post(&call(1, "nothing", json!({}))).status, 200);
    wait.recv_timeout(PATIENCE).expect("a backend that is slowed down");
    let before = STRICT.stack.resident();
    let mut readers = Vec::new();
    for _ in 0..2 {
        readers.push(client.post(&call(1, "nothing", json!({}))));
        let written = wait.recv_timeout(PATIENCE).expect("a backend that is slowed down");
        assert_ne!(written, usize::MAX, "the backend could write everything");
    }
    let grown = STRICT.stack.resident().saturating_sub(before);
    assert!(grown < ROOM, "the gateways grew by {grown} bytes");
    // What has been written is still there, in order.
    for answer in readers {
        let mut events = answer.events();
        for number in 0..100 {
            assert_eq!(
                events.said("notifications/message")["params"]["logger"],
                number.to_string()
            );
        }
    }
}
