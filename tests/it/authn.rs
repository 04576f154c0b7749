//! Who gets in, over HTTP.

use serde_json::json;

use crate::harness::{Gateway, Token, http};

fn list() -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string().into_bytes()
}

#[test]
fn bad_credentials_are_401_with_a_challenge() {
    let gateway = Gateway::builder().set("GATEWAY_PUBLIC_URL", "https://gw.example.com").start();
    let dora = || Token::of("dora", &["developer"]);
    let metadata = r#"resource_metadata="https://gw.example.com/.well-known/oauth-protected-resource/main/mcp""#;
    for (authorization, code) in [
        (String::new(), "AuthenticationError"),
        ("Basic eDp5".to_owned(), "AuthenticationError"),
        ("Bearer".to_owned(), "AuthenticationError"),
        ("Bearer x.y.z".to_owned(), "InvalidTokenError"),
        (dora().forged().bearer(), "InvalidTokenError"),
        (dora().claim("aud", "other").bearer(), "InvalidTokenError"),
        (dora().claim("iss", "https://other.test").bearer(), "InvalidTokenError"),
        (dora().expired().bearer(), "ExpiredTokenError"),
    ] {
        let reply = gateway.post_raw("/main/mcp", &authorization, &[], &list());
        reply.assert_refused(401, code);
        let challenge = reply.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer ") && challenge.contains(metadata), "{challenge}");
    }
    assert!(gateway.backend.seen().is_empty());
}

#[test]
fn a_missing_header_is_not_called_an_invalid_token() {
    let gateway = Gateway::start();
    let headers = [("Content-Type", "application/json"), ("Accept", "*/*")];
    let reply = http::send(gateway.addr, "POST", "/main/mcp", &headers, &list());
    reply.assert_refused(401, "AuthenticationError");
    assert!(!reply.header("www-authenticate").unwrap().contains("error="));
    let expired = Token::of("dora", &["developer"]).expired().bearer();
    let reply = gateway.post_raw("/main/mcp", &expired, &[], &list());
    assert!(reply.header("www-authenticate").unwrap().contains(r#"error="invalid_token""#));
}

#[test]
fn a_token_in_the_query_string_is_refused() {
    let gateway = Gateway::start();
    let dora = Token::of("dora", &["developer"]);
    let path = format!("/main/mcp?access_token={}", dora.sign());
    gateway
        .post_raw(&path, &dora.bearer(), &[], &list())
        .assert_refused(401, "AuthenticationError");
}

#[test]
fn two_authorization_headers_are_refused() {
    let gateway = Gateway::start();
    let dora = Token::of("dora", &["developer"]).bearer();
    let further = [("Authorization", dora.as_str()), ("Authorization", dora.as_str())];
    gateway.post_raw("/main/mcp", "", &further, &list()).assert_refused(401, "AuthenticationError");
}

#[test]
fn anonymous_bodies_are_not_read() {
    let gateway = Gateway::start();
    // Announces far more than is sent: an answer can only come unread.
    let head = "POST /main/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Accept: */*\r\nContent-Length: 1000000000\r\n\r\n{";
    assert_eq!(http::raw(gateway.addr, head.as_bytes()).status, 401);
}

#[test]
fn failed_authentications_are_on_record() {
    let gateway = Gateway::start();
    gateway.post_raw("/main/mcp", "Bearer x.y.z", &[], &list());
    let metrics = gateway.metrics();
    assert!(
        metrics.contains(r#"scopegate_refusals_total{code="InvalidTokenError"} 1"#),
        "{metrics}"
    );
}
