//! Silence is not taken for death.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::json;

use crate::client::{Client, call, text};
use crate::http::PATIENCE;
use crate::world::WORLD;

/// This test waits for a quarter of a minute: the only one that has to.
#[test]
fn a_silent_stream_is_kept_alive() {
    let client = Client::new(&WORLD.stack, "plain");
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    WORLD.scripted.script(&client.user, move |seen, reply| {
        reply.stream();
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        reply.event(&seen.response(r#"{"content":[{"type":"text","text":"At last."}]}"#));
    });
    let mut events = client.post(&call(1, "any", json!({}))).events();
    let first = events.next().expect("a comment");
    assert_eq!(first.comment.as_deref(), Some("keep-alive"), "{first:?}");
    assert!(first.id.is_none() && first.data.is_none(), "{first:?}");
    go.send(()).unwrap();
    assert_eq!(text(&events.response()), "At last.");
}
