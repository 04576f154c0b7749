//! Tokens: where they come from, and having another one in time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use support::eventually::wait_until;
use support::scratch::Scratch;

use crate::client::Bridge;
use crate::server::{PATIENCE, SESSION, Server, standard};

fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the issuer's own clock")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The expiry in a scripted token `t-NUMBER-EXPIRY`, which a server refuses
/// when it has passed, as the gateway does.
fn expired(authorization: &str) -> bool {
    let expiry = authorization.rsplit('-').next().and_then(|text| text.parse::<u64>().ok());
    expiry.is_none_or(|expiry| now() >= expiry)
}

#[test]
fn an_issuer_is_asked_again_before_its_token_expires_and_the_session_lives_on() {
    let count = AtomicU64::new(0);
    let issuer = Server::start(move |seen, reply| {
        assert_eq!((seen.verb.as_str(), seen.path.as_str()), ("POST", "/token"));
        let number = count.fetch_add(1, Ordering::SeqCst);
        let expiry = now() + 6;
        reply.json(
            200,
            &json!({ "access_token": format!("t-{number}-{expiry}"), "expires_at_epoch": expiry }),
        )
    });
    let server = Server::start(|seen, reply| {
        if expired(seen.header("authorization")) {
            reply.status(401)
        } else {
            standard(seen, reply)
        }
    });
    let issuer_url = format!("http://{}", issuer.addr);
    let flags = [
        "--issuer-url",
        &issuer_url,
        "--user-id",
        "ann",
        "--roles",
        "reader,writer",
        "--workspace",
        "w",
        "--api-version",
        "2",
        "--expires-in-seconds",
        "60",
    ];
    let env = [("JWT_ISSUER_ADMIN_TOKEN", "an-admin-token")];
    let mut bridge = Bridge::run(&server, &flags, &env);
    bridge.open();
    let mut id = 0;
    wait_until(PATIENCE, "a call with the second token", || {
        id += 1;
        bridge.call(id, "echo", json!({}));
        let answer = bridge.next();
        assert!(answer["result"].is_object(), "{answer}");
        let last = server.seen().pop().unwrap();
        last.header("authorization").starts_with("Bearer t-1-")
    });
    let asked = &issuer.seen()[0];
    assert_eq!(
        asked.json(),
        json!({
            "user_id": "ann", "roles": ["reader", "writer"], "workspace": "w",
            "api_version": "2", "expires_in_seconds": 60,
        })
    );
    assert_eq!(asked.header("x-issuer-token"), "an-admin-token");
    // No request met an expired token, and there was one session.
    let seen = server.seen();
    assert!(seen.iter().filter(|one| one.what() == "POST initialize").count() == 1);
    assert!(seen[2..].iter().all(|one| one.header("mcp-session-id") == SESSION));
    let log = bridge.stderr();
    assert!(!log.contains("an-admin-token") && !log.contains("t-0-"), "{log}");
    assert!(!log.contains("refused the token"), "{log}");
}

#[test]
fn after_a_401_the_file_is_read_again_and_the_call_is_made_once_more() {
    let scratch = Scratch::new("sg-bridge");
    let file = scratch.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let good = Mutex::new("Bearer first");
    let good: &'static Mutex<&str> = Box::leak(Box::new(good));
    let server = Server::start(|seen, reply| {
        if seen.header("authorization") == *good.lock().unwrap() {
            standard(seen, reply)
        } else {
            reply.status(401)
        }
    });
    let mut bridge = Bridge::run(&server, &["--token-file", file.to_str().unwrap()], &[]);
    bridge.open();
    server.wait_for("GET", 1);

    std::fs::write(&file, "second\n").unwrap();
    *good.lock().unwrap() = "Bearer second";
    bridge.call(1, "echo", json!({ "n": 1 }));
    assert_eq!(bridge.next()["result"], json!({ "echo": { "n": 1 } }));
    let calls = server.wait_for("POST tools/call", 2);
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.header("mcp-session-id") == SESSION));

    // A file that still holds the refused token is no way out.
    *good.lock().unwrap() = "Bearer third";
    bridge.call(2, "echo", json!({}));
    let answer = bridge.next();
    assert_eq!(answer["error"]["code"], json!(-32000), "{answer}");
    assert_eq!(answer["error"]["data"], json!({ "code": "token_refused", "executed": "no" }));
    assert!(answer["error"]["message"].as_str().unwrap().starts_with("HTTP 401: "), "{answer}");
    assert_eq!(server.wait_for("POST tools/call", 3).len(), 3);

    std::fs::remove_file(&file).unwrap();
    bridge.call(3, "echo", json!({}));
    assert_eq!(bridge.next()["error"]["data"]["code"], json!("token_refused"));
    std::fs::write(&file, "third").unwrap();
    bridge.call(4, "echo", json!({}));
    assert!(bridge.next()["result"].is_object());
}

#[test]
fn a_command_is_run_again() {
    let scratch = Scratch::new("sg-bridge");
    let counter = scratch.path().join("runs");
    let command =
        format!("echo x >> {0}; echo token-$(wc -l < {0} | tr -d ' ')", counter.display());
    let server = Server::start(|seen, reply| match seen.header("authorization") {
        "Bearer token-1" if seen.what() == "POST tools/call" => reply.status(401),
        "Bearer token-1" | "Bearer token-2" => standard(seen, reply),
        _ => reply.status(401),
    });
    let mut bridge = Bridge::run(&server, &[], &[("SCOPEGATE_TOKEN_COMMAND", &command)]);
    bridge.open();
    bridge.call(1, "echo", json!({}));
    assert!(bridge.next()["result"].is_object());
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "x\nx\n");
}

#[test]
fn a_source_that_fails_is_explained_and_tried_again() {
    let scratch = Scratch::new("sg-bridge");
    let file = scratch.path().join("token");
    let server = Server::start(standard);
    let mut bridge = Bridge::run(&server, &["--token-file", file.to_str().unwrap()], &[]);
    bridge.request(0, "initialize", json!({}));
    let answer = bridge.next();
    assert_eq!(answer["error"]["code"], json!(-32603));
    assert_eq!(answer["error"]["data"], json!({ "code": "token_unavailable", "executed": "no" }));
    assert!(answer["error"]["message"].as_str().unwrap().contains("token file"), "{answer}");
    assert!(server.seen().is_empty());
    std::fs::write(&file, "now").unwrap();
    bridge.open();
}

#[test]
fn a_token_as_it_stands_cannot_be_renewed() {
    let server = Server::start(|_, reply| reply.status(401));
    let mut bridge = Bridge::with(&server, &["--token", "seen-by-all"]);
    bridge.request(0, "initialize", json!({}));
    assert_eq!(bridge.next()["error"]["data"]["code"], json!("token_refused"));
    assert_eq!(server.seen().len(), 1);
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    let log = bridge.stderr();
    assert!(log.contains("on the command line") && !log.contains("seen-by-all"), "{log}");
}

#[test]
fn an_idle_bridge_asks_nobody() {
    let issuer = Server::start(|_, reply| reply.status(500));
    let server = Server::start(standard);
    let issuer_url = format!("http://{}", issuer.addr);
    let mut bridge = Bridge::run(&server, &["--issuer-url", &issuer_url], &[]);
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    assert!(issuer.seen().is_empty() && server.seen().is_empty());
}
