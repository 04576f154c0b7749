//! A gateway that is killed while its calls are in progress.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use support::eventually::wait_until;
use support::process::Server;
use support::scratch::Scratch;

use crate::harness::tokens::{AUDIENCE, ISSUER, SECRET};
use crate::harness::{Backend, Script, Token, http};

const PATIENCE: Duration = Duration::from_secs(40);

const POLICY: &str = "
roles: { developer: { allowed_tools: ['*'] } }
quotas: [{ per: user, concurrency: 2 }]
";

/// The program itself, as a process of its own.
fn gateway(folder: &Path, name: &str, prefix: &str) -> (Server, u16) {
    let file = |name: &str| folder.join(name).display().to_string();
    let (port, metrics) = (support::ports::free(), support::ports::free());
    let environment = [
        ("JWT_SECRET_KEY", SECRET.to_owned()),
        ("JWT_ISSUER", ISSUER.to_owned()),
        ("JWT_AUDIENCE", AUDIENCE.to_owned()),
        ("TOOL_GATEWAY_SHARED_SECRET", "7d5e1f0a94c2b8367d5e1f0a94c2b836".to_owned()),
        ("DATABASE_URL", format!("sqlite://{}", file(&format!("{name}.db")))),
        ("REDIS_URL", support::redis::shared_url()),
        ("SCOPEGATE__REDIS__KEY_PREFIX", prefix.to_owned()),
        ("SCOPEGATE__REDIS__TIMEOUT_MS", "20000".to_owned()),
        ("SCOPEGATE__REGISTRY__FILE", file("tools.yaml")),
        ("SCOPEGATE__POLICY__FILE", file("policy.yaml")),
        ("SCOPEGATE__SERVER__STATE_DIR", file(name)),
        ("SCOPEGATE__SERVER__LISTEN", format!("127.0.0.1:{port}")),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", format!("127.0.0.1:{metrics}")),
        ("SCOPEGATE__SERVER__WORKERS", "1".to_owned()),
        ("SCOPEGATE__QUOTA__LEASE_SECONDS", "3".to_owned()),
    ];
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Server::run(Path::new(env!("CARGO_BIN_EXE_scopegate")), &["serve"], &environment);
    assert!(server.accepts_on(port), "{}", server.log());
    (server, port)
}

fn call(port: u16) -> http::Reply {
    let body = br#"{"tool_name":"wipe"}"#;
    let bearer = Token::of("dora", &["developer"]).bearer();
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    http::send(([127, 0, 0, 1], port).into(), "POST", "/mcp/invoke", &headers, body)
}

#[test]
fn the_places_of_a_killed_gateway_are_free_after_a_while() {
    let backend = Backend::start();
    let scratch = Scratch::new("sg-crash");
    let tools = format!(
        "backends: {{ main: {{ url: 'http://{}/mcp', timeout_ms: 60000 }} }}\n\
         tools: [{{ name: wipe, scope: main, backend: main }}]",
        backend.addr
    );
    std::fs::write(scratch.path().join("tools.yaml"), tools).unwrap();
    std::fs::write(scratch.path().join("policy.yaml"), POLICY).unwrap();
    let prefix = support::redis::unique_prefix();
    let (victim, first) = gateway(scratch.path(), "first", &prefix);
    let (_survivor, second) = gateway(scratch.path(), "second", &prefix);

    backend.answer(Script::Stall);
    let bearer = Token::of("dora", &["developer"]).bearer();
    let body = r#"{"tool_name":"wipe"}"#;
    let held: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", first)).unwrap();
            write!(
                stream,
                "POST /mcp/invoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            stream
        })
        .collect();
    wait_until(PATIENCE, "both calls to be at the backend", || backend.seen().len() == 2);
    backend.answer(Script::Result(serde_json::json!({ "content": [] })));

    // Longer than a lease lasts by itself: the gateway renews what goes on.
    #[expect(clippy::disallowed_methods, reason = "a lease is outlived in real time")]
    let began = std::time::Instant::now();
    wait_until(PATIENCE, "seven seconds", || {
        call(second).assert_refused(429, "RATE_LIMIT_EXCEEDED");
        began.elapsed() > Duration::from_secs(7)
    });

    victim.kill();
    wait_until(PATIENCE, "the leases to end", || call(second).status == 200);
    wait_until(PATIENCE, "both places", || {
        let replies = [call(second), call(second)];
        replies.iter().all(|reply| reply.status == 200)
    });
    drop(held);
}
