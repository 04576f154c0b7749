//! Streams of backends in every spelling the format allows, and streams that
//! break.

use serde_json::json;

use crate::client::{Client, Era, call, text};
use crate::scripted::{Reply, Seen};
use crate::world::WORLD;

/// Of a stream whose end is told in another way.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"progress","progress":1}}"#;

fn scripted(script: impl Fn(&Seen, &mut Reply) + Send + Sync + 'static) -> Client<'static> {
    let client = Client::new(&WORLD.stack, "plain");
    WORLD.scripted.script(&client.user, script);
    client
}

#[test]
fn characters_may_be_split_between_segments() {
    let client = scripted(|seen, reply| {
        reply.stream();
        let result = r#"{"content":[{"type":"text","text":"naïve 🦀 日本"}]}"#;
        let event = format!("data: {}\n\n", seen.response(result));
        // Each byte is a segment of its own.
        event.as_bytes().iter().for_each(|byte| reply.chunk([*byte]));
    });
    for era in [Era::Legacy, Era::Modern] {
        let response = client.send_as(era, &call(1, "any", json!({}))).answer().response();
        assert_eq!(text(&response), "naïve 🦀 日本", "{era:?}");
    }
}

#[test]
fn lines_may_end_in_any_of_three_ways() {
    for (end, cut) in [("\r\n", false), ("\r\n", true), ("\r", false), ("\n", false)] {
        let client = scripted(move |seen, reply| {
            reply.stream();
            // A byte order mark, a comment, several lines, and no space.
            let text = format!(
                "\u{feff}: hello{end}event: message{end}data: {PROGRESS}{end}{end}\
                 data:{{{end}data:{}{end}{end}",
                &seen.response(r#"{"content":[{"type":"text","text":"ends"}]}"#)[1..]
            );
            if cut {
                for line in text.split_inclusive('\r') {
                    reply.chunk(line);
                }
            } else {
                reply.chunk(text);
            }
        });
        let mut events = client.post(&call(1, "any", json!({}))).events();
        assert_eq!(events.said("notifications/progress")["params"]["progress"], 1);
        let response = events.response();
        assert_eq!((&response["id"], text(&response)), (&json!(1), "ends"), "{end:?} {cut}");
    }
}

/// A stream that breaks after one event tells so, under the request's id.
fn breaks(scope: &str, era: Era, how: impl Fn(&mut Reply) + Send + Sync + 'static) {
    let mut client = Client::new(&WORLD.stack, scope);
    WORLD.scripted.script(&client.user, move |_, reply| how(reply));
    if scope == "sessions" {
        client.initialize(json!({}));
    }
    let mut events = client.send_as(era, &call("mine", "any", json!({}))).answer().events();
    assert_eq!(events.said("notifications/progress")["params"]["progress"], 1);
    let response = events.response();
    assert_eq!(response["id"], "mine", "{response}");
    assert_eq!(response["error"]["code"], -32603, "{response}");
    assert_eq!(events.rest(), [], "the stream ends in order");
}

#[test]
fn a_stream_that_breaks_ends_with_an_error() {
    for (scope, era) in [("plain", Era::Legacy), ("plain", Era::Modern), ("sessions", Era::Legacy)]
    {
        // In the middle of a chunk.
        breaks(scope, era, |reply| {
            reply.write(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"));
            let event = format!("data: {PROGRESS}\n\n");
            reply.write(format!("{:x}\r\n{event}\r\n40\r\ndata: half", event.len()));
        });
        // Short of its length.
        breaks(scope, era, |reply| {
            reply.write(format!("{HEAD}Content-Length: 100000\r\n\r\ndata: {PROGRESS}\n\n"));
        });
        // In order, as if all had been said.
        breaks(scope, era, |reply| {
            reply.stream();
            reply.event(PROGRESS);
        });
    }
}

#[test]
fn who_reads_only_json_is_told_of_the_break_too() {
    let client = scripted(|_, reply| {
        reply.stream();
        reply.event(PROGRESS);
    });
    for era in [Era::Legacy, Era::Modern] {
        let client = client.accepting("application/json");
        let response = client.send_as(era, &call(9, "any", json!({}))).answer().json();
        assert_eq!((&response["id"], &response["error"]["code"]), (&json!(9), &json!(-32603)));
    }
}

#[test]
fn messages_that_are_nobodys_answer_do_not_pass() {
    let client = scripted(|seen, reply| {
        reply.stream();
        reply.event(r#"{"jsonrpc":"2.0","id":"another","result":{}}"#);
        reply.event("nonsense");
        reply.event(&seen.response(r#"{"content":[{"type":"text","text":"mine"}]}"#));
        reply.event(&seen.response(r#"{"content":[{"type":"text","text":"again"}]}"#));
    });
    let mut events = client.post(&call(1, "any", json!({}))).events();
    let all = events.rest();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(text(&all[0].message()), "mine");
}

/// As servers do that speak HTTP/1.0, such as those of Python's library.
#[test]
fn a_stream_may_end_with_its_connection() {
    let client = scripted(|seen, reply| {
        let result = r#"{"content":[{"type":"text","text":"old"}]}"#;
        let head = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        reply.write(format!("{head}data: {PROGRESS}\n\ndata: {}\n\n", seen.response(result)));
    });
    let mut events = client.post(&call(1, "any", json!({}))).events();
    assert_eq!(events.said("notifications/progress")["params"]["progress"], 1);
    assert_eq!(text(&events.response()), "old");
}

/// RFC 9112 §6.3 allows it in HTTP/1.1 too, but awc takes such an answer for
/// one without a body.
#[test]
#[ignore = "awc reads no body without a length or chunks from HTTP/1.1"]
fn a_stream_of_http_1_1_may_end_with_its_connection() {
    let client = scripted(|seen, reply| {
        let result = r#"{"content":[{"type":"text","text":"closed"}]}"#;
        let event = format!("data: {}\n\n", seen.response(result));
        reply.write(format!("{HEAD}Connection: close\r\n\r\n{event}"));
    });
    let response = client.post(&call(1, "any", json!({}))).response();
    assert_eq!(text(&response), "closed");
}
