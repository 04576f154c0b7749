//! What tests rely on that use the backends: their eras, their secret, and
//! that they notice who leaves.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use support::backend::{Backend, Sdk};

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// A request of 2026-07-28 for `method`, called `name`.
fn modern(method: &str, name: &str, mut params: Value) -> (String, Value) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = if name.is_empty() { String::new() } else { format!("Mcp-Name: {name}\r\n") };
    let headers = format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n{name}");
    (headers, json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

fn initialize() -> (String, Value) {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    (String::new(), message)
}

fn send(port: u16, (headers, message): &(String, Value)) -> TcpStream {
    let body = message.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let usual = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{usual}{headers}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

/// The status and everything that comes.
fn ask(port: u16, request: &(String, Value)) -> (u16, String) {
    let mut answer = String::new();
    send(port, request).read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer")).parse().unwrap();
    (status, answer)
}

#[test]
fn each_speaks_its_eras() {
    let started = |sdk, arguments: &[&str]| Backend::start(sdk, arguments, None);
    let cases = [
        (started(Sdk::Rust, &[]), 200, "", 200, "2026-07-28"),
        (started(Sdk::Rust, &["--era", "legacy"]), 200, "", 404, "-32601"),
        (started(Sdk::Rust, &["--era", "modern"]), 400, "-32022", 200, "2026-07-28"),
        (started(Sdk::TypeScript, &[]), 200, "", 200, "2026-07-28"),
        (started(Sdk::TypeScript, &["--legacy", "stateless"]), 200, "", 200, "2026-07-28"),
        (started(Sdk::TypeScript, &["--legacy", "reject"]), 400, "-32022", 200, "2026-07-28"),
        (started(Sdk::TypeScript1, &[]), 200, "", 400, "-32000"),
    ];
    for (backend, opened, said, discovered, found) in cases {
        let (status, answer) = ask(backend.port(), &initialize());
        assert!(status == opened && answer.contains(said), "{backend:?}: {answer}");
        let stateless = format!("{backend:?}").contains("stateless");
        let has_session = answer.to_ascii_lowercase().contains("mcp-session-id:");
        assert_eq!(has_session, status == 200 && !stateless, "{backend:?}: {answer}");
        let (status, answer) = ask(backend.port(), &modern("server/discover", "", json!({})));
        assert!(status == discovered && answer.contains(found), "{backend:?}: {answer}");
    }
}

#[test]
fn only_who_shows_the_secret_gets_in() {
    for sdk in [Sdk::Rust, Sdk::TypeScript, Sdk::TypeScript1] {
        let backend = Backend::start(sdk, &[], Some("a secret"));
        let (headers, message) = initialize();
        let shown = |secret: &str| {
            let request = (format!("{headers}X-Gateway-Auth: {secret}\r\n"), message.clone());
            ask(backend.port(), &request).0
        };
        assert_eq!((shown("another"), shown("a secret")), (401, 200), "{backend:?}");
    }
}

#[test]
fn whoever_leaves_is_missed() {
    for sdk in [Sdk::Rust, Sdk::TypeScript] {
        let backend = Backend::start(sdk, &[], None);
        let arguments = json!({ "name": "slow_silent", "arguments": { "ms": 60_000 } });
        let stream = send(backend.port(), &modern("tools/call", "slow_silent", arguments));
        let calls = backend.calls("slow_silent", |calls| calls.len() == 1);
        assert_eq!(calls[0]["state"], json!("running"), "{backend:?}: {calls:?}");
        drop(stream);
        backend.calls("slow_silent", |calls| calls[0]["state"] == "aborted");
    }
}
