//! Who is calling: what nginx adds, takes away and limits.

use std::collections::HashSet;

use crate::client::{Answer, ask, connect, request};
use crate::{BEARER, Edge};

/// C-63, product.md decision 9.
#[test]
fn nobody_else_speaks_for_the_gateway_or_for_users() {
    let edge = Edge::start();
    let headers = [
        ("X-Gateway-Auth", "guess"),
        ("x-gateway-auth", "another"),
        ("X-GATEWAY-AUTH", ""),
        ("X_Gateway_Auth", "guess"),
        ("X-User-ID", "root"),
        ("x-user-id", "root"),
        ("X_User_ID", "root"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Port", "1"),
        ("X-Real-IP", "6.6.6.6"),
        ("Forwarded", "for=6.6.6.6"),
        ("MCP-Protocol-Version", "2025-11-25"),
        ("traceparent", "00-1-2-01"),
    ];
    assert_eq!(edge.get("/calculator/mcp", &headers).status, 200);
    let seen = edge.stub.only();
    let names: HashSet<_> = seen.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    let expected = [
        "host",
        "x-request-id",
        "x-request-id-origin",
        "x-forwarded-for",
        "x-forwarded-proto",
        "authorization",
        "mcp-protocol-version",
        "traceparent",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    assert_eq!(seen.all("Authorization"), [BEARER.1]);
    assert_eq!(seen.all("Host"), ["gateway.test:8000"]);
    assert_eq!(seen.all("X-Forwarded-Proto"), ["http"]);
}

#[test]
fn a_harmless_request_id_is_kept() {
    let edge = Edge::start();
    let longest = "i".repeat(128);
    for id in ["0190-AB.c:d_e", longest.as_str()] {
        let answer = edge.get("/ready", &[("X-Request-ID", id)]);
        assert_eq!(edge.stub.seen().last().unwrap().all("X-Request-ID"), [id]);
        assert_eq!(answer.all("X-Request-ID"), [id]);
    }
}

#[test]
fn any_other_request_id_is_replaced() {
    let edge = Edge::start();
    let too_long = "i".repeat(129);
    for id in ["", " ", "a b", "a\"b", "a,b", "ä", "<x>", too_long.as_str()] {
        let answer = edge.get("/ready", &[("X-Request-ID", id)]);
        let seen = edge.stub.seen();
        let given = seen.last().unwrap().all("X-Request-ID");
        assert_eq!(answer.all("X-Request-ID"), given, "{id:?}");
        assert!(given.len() == 1 && given[0].len() == 32 && given[0] != id, "{id:?}: {given:?}");
    }
}

#[test]
fn the_gateway_is_told_whose_the_request_id_is_and_no_client_can_say_it() {
    let edge = Edge::start();
    let forged = [("X-Request-ID-Origin", "client"), ("x-request-id-origin", "nginx")];
    for (id, origin) in [(None, "nginx"), (Some("mine"), "client"), (Some("a b"), "nginx")] {
        let own = id.map(|id| ("X-Request-ID", id));
        let headers: Vec<_> = own.into_iter().chain(forged).collect();
        edge.get("/ready", &headers);
        let seen = edge.stub.seen();
        assert_eq!(seen.last().unwrap().all("X-Request-ID-Origin"), [origin], "{id:?}");
    }
}

#[test]
fn every_answer_has_one_request_id() {
    let edge = Edge::start();
    let sent = ("X-Request-ID", "mine");
    assert_eq!(edge.get("/nothing", &[sent]).all("X-Request-ID"), ["mine"]);
    assert_eq!(edge.get("//", &[sent]).all("X-Request-ID"), ["mine"]);
    // The gateway's word counts.
    assert_eq!(edge.get("/mcp/tools?refuse", &[sent]).all("X-Request-ID"), ["the-gateways"]);
}

#[test]
fn the_client_cannot_choose_its_address() {
    let edge = Edge::start();
    edge.get("/ready", &[("X-Forwarded-For", "1.2.3.4, 5.6.7.8")]);
    assert_eq!(edge.stub.only().all("X-Forwarded-For"), ["127.0.0.1"]);
}

#[test]
fn a_trusted_proxy_may_name_the_client() {
    let trust = "set_real_ip_from 127.0.0.0/8; set_real_ip_from 10.0.0.0/8;";
    let edge = Edge::with(&[("REAL_IP", trust)]);
    for (told, client) in [
        ("1.2.3.4", "1.2.3.4"),
        // What stands before the last untrusted address is hearsay.
        ("6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
        ("rubbish", "127.0.0.1"),
    ] {
        edge.get("/ready", &[("X-Forwarded-For", told)]);
        assert_eq!(edge.stub.seen().last().unwrap().all("X-Forwarded-For"), [client], "{told}");
    }
}

#[test]
fn a_flood_without_a_token_is_held_back() {
    let edge = Edge::with(&[("ANONYMOUS_RATE", "1"), ("ANONYMOUS_BURST", "4")]);
    let port = edge.nginx.port();
    let flood = |header: Option<(&str, &str)>| -> Vec<Answer> {
        (0..20).map(|_| ask(port, "POST /mcp/invoke", header.as_slice(), b"{}")).collect()
    };
    let answers = flood(None);
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    // One, and four at once; a slow machine lets more in.
    assert!((1..=15).contains(&refused.len()), "{} refused", refused.len());
    for answer in refused {
        assert_eq!(answer.error(), "RATE_LIMIT_EXCEEDED");
        assert_eq!(answer.all("Retry-After"), ["1"]);
        assert_eq!(answer.all("X-Request-ID").len(), 1);
    }
    // Another scheme is no token.
    assert!(flood(Some(("Authorization", "Basic eDp5"))).iter().any(|a| a.status == 429));
    assert!(flood(Some(("Authorization", "Bearer  "))).iter().any(|a| a.status == 429));
    // Whoever has one goes on, from the same address.
    assert!(flood(Some(BEARER)).iter().all(|answer| answer.status == 200));
    assert!(flood(Some(("authorization", "bearer  x"))).iter().all(|answer| answer.status == 200));
}

#[test]
fn waiting_without_a_token_is_held_back_too() {
    let edge = Edge::with(&[("ANONYMOUS_CONNECTIONS", "1")]);
    let mut waiting = connect(edge.nginx.port());
    let hold = request("GET /mcp/tools?hold", &[], b"");
    std::io::Write::write_all(&mut waiting, &hold).unwrap();
    edge.stub.expect("holding");
    let answer = ask(edge.nginx.port(), "GET /mcp/tools", &[], b"");
    assert_eq!((answer.status, answer.error().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(edge.get("/mcp/tools", &[]).status, 200, "a bearer token is not counted");
    edge.stub.go.send(()).unwrap();
    let answer = crate::client::read(&mut std::io::BufReader::new(waiting));
    assert_eq!(answer.status, 200);
}

#[test]
fn no_log_has_tokens_or_query_strings() {
    let edge = Edge::with(&[("ANONYMOUS_RATE", "1"), ("ANONYMOUS_BURST", "1")]);
    edge.get("/mcp/tools?access_token=in-the-query", &[]);
    edge.get("/mcp/tools?access_token=in-the-query&drop", &[]);
    edge.get("/nothing?access_token=in-the-query", &[]);
    edge.get("/mcp//tools?access_token=in-the-query", &[]);
    // Of the HTTP+SSE transport.
    edge.get("/calculator/sse?sessionId=in-the-query", &[]);
    for _ in 0..4 {
        ask(edge.nginx.port(), "GET /mcp/tools?access_token=in-the-query", &[], b"");
    }
    let read = || std::fs::read_to_string(edge.nginx.server().folder().join("access.log")).unwrap();
    support::eventually::wait_until(crate::client::PATIENCE, "nine lines in the log", || {
        read().lines().count() == 9
    });
    let (access, errors) = (read(), edge.nginx.server().log());
    for secret in ["in-the-query", "access_token", "sessionId", "the-token-of-ann"] {
        assert!(!access.contains(secret), "{access}");
        assert!(!errors.contains(secret), "{errors}");
    }
    for line in access.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(line["method"], "GET");
    }
    assert!(access.contains(r#""status":429"#) && access.contains(r#""status":502"#), "{access}");
    assert!(access.contains(r#""path":"/mcp//tools","status":404"#), "{access}");
}
