//! How bytes flow: bodies, streams, failures.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::json;

use crate::client::{ask, connect, raw, read, read_head, request};
use crate::{BEARER, Edge, MAX_BODY, nginx};

#[test]
fn the_largest_body_passes_whole() {
    let edge = Edge::start();
    let answer = edge.post("/calculator/mcp", &vec![b' '; MAX_BODY]);
    assert_eq!((answer.status, &answer.json()["body"]), (200, &json!(MAX_BODY)));
}

/// 413 with a body to read, not a reset, however much is sent.
#[test]
fn a_larger_body_is_told_so_in_json() {
    let edge = Edge::start();
    for size in [MAX_BODY + 1, 5 * MAX_BODY] {
        let answer = edge.post("/calculator/mcp", &vec![b' '; size]);
        assert_eq!((answer.status, answer.error().as_str()), (413, "PAYLOAD_TOO_LARGE"), "{size}");
    }
    assert!(edge.stub.seen().is_empty());
    assert_eq!(edge.get("/ready", &[]).status, 200);
}

#[test]
fn a_larger_body_of_untold_length_is_refused_too() {
    let edge = Edge::start();
    let chunk = [format!("{MAX_BODY:x}\r\n").as_bytes(), &vec![b' '; MAX_BODY], b"\r\n"].concat();
    let head = request("POST /calculator/mcp", &[BEARER, ("Transfer-Encoding", "chunked")], b"");
    let answer = raw(edge.nginx.port(), &[&head, &chunk[..], b"0\r\n\r\n"].concat());
    assert_eq!((answer.status, &answer.json()["body"]), (200, &json!(MAX_BODY)));
    let answer = raw(edge.nginx.port(), &[&head, &chunk[..], b"1\r\n \r\n0\r\n\r\n"].concat());
    assert_eq!((answer.status, answer.error().as_str()), (413, "PAYLOAD_TOO_LARGE"));
}

#[test]
fn an_upload_is_not_held_back() {
    let edge = Edge::start();
    let mut stream = connect(edge.nginx.port());
    let body = [b' '; 1000];
    let request = request("POST /calculator/mcp?upload", &[BEARER], &body);
    let (first, rest) = request.split_at(request.len() - 1);
    stream.write_all(first).unwrap();
    // The gateway may refuse by the head alone.
    edge.stub.expect("head");
    stream.write_all(rest).unwrap();
    assert_eq!(read(&mut BufReader::new(stream)).json()["body"], json!(1000));
}

#[test]
fn a_stream_is_not_held_back() {
    let edge = Edge::start();
    let mut stream = connect(edge.nginx.port());
    stream.write_all(&request("GET /calculator/sse?stream", &[BEARER], b"")).unwrap();
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader);
    assert_eq!(status, 200);
    assert!(!headers.iter().any(|(name, _)| name == "Content-Encoding"));
    let mut wait_for = |text: &str| {
        let mut line = String::new();
        while line.trim_end() != text {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the end instead of {text}");
        }
    };
    wait_for("data: 1");
    edge.stub.go.send(()).unwrap();
    wait_for("data: 2");
}

/// Cancellation by leaving (MCP 2026-07-28) must reach the gateway.
#[test]
fn a_client_that_leaves_takes_the_upstream_connection_along() {
    let edge = Edge::start();
    let mut stream = connect(edge.nginx.port());
    stream.write_all(&request("GET /calculator/sse?silent", &[BEARER], b"")).unwrap();
    edge.stub.expect("silent");
    drop(stream);
    edge.stub.expect("left");
}

/// What sessions and streams of MCP live on.
#[test]
fn sessions_and_streams_find_their_headers() {
    let edge = Edge::start();
    let longest = "s".repeat(4096);
    let headers = [
        BEARER,
        ("Mcp-Session-Id", longest.as_str()),
        ("MCP-Protocol-Version", "2025-11-25"),
        ("Last-Event-ID", "0.7"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "=?base64?w6Q=?="),
        ("Mcp-Param-Region", "eu"),
        ("Accept", "application/json, text/event-stream"),
    ];
    for path in ["/calculator/mcp", "/calculator/sse"] {
        for method in ["GET", "POST", "DELETE"] {
            let line = format!("{method} {path}?seated");
            let answer = ask(edge.nginx.port(), &line, &headers, b"");
            assert_eq!(answer.status, 200, "{line}");
            assert_eq!(answer.all("Mcp-Session-Id"), [longest.as_str()], "{line}");
            let seen = edge.stub.seen().pop().unwrap();
            assert_eq!(seen.line, format!("{line} HTTP/1.1"));
            for (name, value) in headers {
                assert_eq!(seen.all(name), [value], "{line}");
            }
        }
    }
}

#[test]
fn answers_of_the_gateway_pass_as_they_are() {
    let edge = Edge::start();
    let answer = edge.post("/mcp/invoke?refuse", b"{}");
    assert_eq!((answer.status, answer.body.as_str()), (401, "{\"own\":1}"));
    assert_eq!(answer.all("WWW-Authenticate"), ["Bearer x=\"y\""]);
}

#[test]
fn an_answer_cannot_steer_nginx() {
    let edge = Edge::start();
    assert_eq!(edge.get("/mcp/tools?steer", &[]).body, "mine");
    assert_eq!(edge.stub.only().line, "GET /mcp/tools?steer HTTP/1.1");
}

/// Nothing is asked twice, neither after a broken connection nor after one
/// that was kept and turned out to be gone.
#[test]
fn a_call_that_broke_is_not_repeated() {
    let edge = Edge::start();
    for line in ["POST /mcp/tools?drop", "GET /mcp/tools?drop"] {
        let before = edge.stub.seen().len();
        let answer = ask(edge.nginx.port(), line, &[BEARER], b"");
        assert_eq!((answer.status, answer.error().as_str()), (502, "gateway_unavailable"));
        assert_eq!(edge.stub.seen().len(), before + 1);
        // Fill the pool of kept connections for the second round.
        assert_eq!(edge.get("/ready", &[]).status, 200);
    }
}

#[test]
fn connections_to_the_gateway_are_kept() {
    let edge = Edge::start();
    for _ in 0..5 {
        assert_eq!(edge.post("/mcp/invoke", b"{}").status, 200);
    }
    assert!(edge.stub.seen().iter().all(|seen| seen.connection == 0), "{:?}", edge.stub.seen());
}

#[test]
fn a_gateway_that_is_away_is_told_so_in_json() {
    let away = format!("127.0.0.1:{}", support::ports::free());
    let nginx = nginx(&away, &[]);
    for _ in 0..3 {
        let answer = ask(nginx.port(), "POST /mcp/invoke", &[BEARER], b"{}");
        assert_eq!((answer.status, answer.error().as_str()), (502, "gateway_unavailable"));
        assert_eq!(answer.all("X-Request-ID").len(), 1);
    }
}
