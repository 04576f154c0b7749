//! Bad input from outside: refused, explained, harmless.

use serde_json::{Value, json};

use crate::http::{Answer, Kept, ask, raw};
use crate::stack::{MAX_BODY, Stack, call, post};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const ACCEPT: (&str, &str) = ("Accept", "application/json, text/event-stream");

/// The error of an answer in either shape, JSON-RPC or REST: its code.
fn code(answer: &Answer) -> String {
    let body = answer.json();
    let code =
        if body["error"].is_string() { &body["error"] } else { &body["error"]["data"]["code"] };
    code.as_str().unwrap_or_else(|| panic!("no code: {answer:?}")).to_owned()
}

/// The service still does its work.
fn assert_healthy(stack: &Stack, token: &str) {
    let message = call("exact_calculate", json!({ "operator": "add", "operands": ["1.2", "2.3"] }));
    let answer = stack.post("/calculator/mcp", token, &message);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["structuredContent"]["result"], json!("3.5"), "{answer:?}");
}

/// A call of exactly so many bytes, most of them blanks: `arguments` have a
/// smaller limit of their own.
fn call_of(bytes: usize) -> Vec<u8> {
    let mut body = call("record", json!({})).to_string().into_bytes();
    body.resize(bytes, b' ');
    body
}

#[test]
fn a_body_of_4_mib_passes_and_one_byte_more_is_refused_with_words() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        JSON,
        ("Accept", "application/json, text/event-stream"),
    ];

    let answer = ask(stack.nginx.port(), "POST /git/mcp", &headers, &call_of(MAX_BODY));
    assert_eq!((answer.status, &answer.json()["result"]["isError"]), (200, &json!(false)));

    let large = call_of(MAX_BODY + 1);
    for path in ["/git/mcp", "/mcp/invoke"] {
        let line = format!("POST {path}");
        let answer = ask(stack.nginx.port(), &line, &headers, &large);
        assert_eq!((answer.status, code(&answer).as_str()), (413, "PAYLOAD_TOO_LARGE"), "nginx");
        // The gateway keeps the same limit for whoever reaches it past nginx.
        let answer = ask(stack.gateway_port, &line, &headers, &large);
        assert_eq!((answer.status, code(&answer).as_str()), (413, "PAYLOAD_TOO_LARGE"), "gateway");
    }

    // Without a length told beforehand, the limit binds while reading.
    let chunked = [&headers[..], &[("Transfer-Encoding", "chunked")]].concat();
    let mut body = format!("{:x}\r\n", large.len()).into_bytes();
    body.extend_from_slice(&large);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = raw(stack.nginx.port(), "POST /git/mcp", &chunked, &body);
    assert_eq!((answer.status, code(&answer).as_str()), (413, "PAYLOAD_TOO_LARGE"), "chunked");

    assert_eq!(stack.recorder.seen().len(), 1, "only the call within the limit was forwarded");
    assert_healthy(&stack, &token);
}

#[test]
fn paths_are_taken_literally() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let message = call("record", json!({}));
    assert_eq!(stack.post("/git/mcp", &token, &message).status, 200);
    let tricks = [
        "/calculator/../git/mcp",
        "/calculator/./../git/mcp",
        "/calculator%2f..%2fgit/mcp",
        "/calculator%2F..%2Fgit/mcp",
        "/calculator/%2e%2e/git/mcp",
        "/calculator%2fmcp",
        "//git/mcp",
        "//calculator/mcp",
        "/git//mcp",
        "/git/mcp/",
        "/git;x=1/mcp",
        "/GIT/mcp",
        "/git/MCP",
        "/git\\mcp",
    ];
    for path in tricks {
        let answer = stack.post(path, &token, &message);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(answer.json()["error"].is_string(), "{path}: {answer:?}");
        // Past nginx, the gateway does not tidy paths up either.
        let answer = post(stack.gateway_port, path, &token, &[], &message);
        assert!([400, 404].contains(&answer.status), "{path} at the gateway: {answer:?}");
    }
    // The same path in another spelling, which the gateway would understand.
    assert_eq!(stack.post("/%67it/mcp", &token, &message).status, 404);
    // This one is not even HTTP to nginx.
    assert_eq!(stack.post("/git/mcp%00", &token, &message).status, 400);
    assert_eq!(stack.recorder.seen().len(), 1, "no trick reached the backend");
    assert_healthy(&stack, &token);
}

#[test]
fn a_token_in_the_query_is_refused_and_written_down_nowhere() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let body = call("record", json!({})).to_string();
    let bearer = format!("Bearer {token}");
    // By its name or by its looks; a good token in the header does not help.
    for name in ["access_token", "anything"] {
        let line = format!("POST /git/mcp?{name}={token}");
        for headers in [vec![JSON], vec![JSON, ("Authorization", bearer.as_str())]] {
            let answer = ask(stack.nginx.port(), &line, &headers, body.as_bytes());
            assert_eq!(answer.status, 401, "{name}: {answer:?}");
            assert!(answer.header("WWW-Authenticate").starts_with("Bearer"), "{answer:?}");
        }
    }
    assert!(stack.recorder.seen().is_empty());
    let folder = stack.nginx.server().folder();
    let access = std::fs::read_to_string(folder.join("access.log")).unwrap();
    assert!(access.contains("/git/mcp"), "{access}");
    for text in [access, stack.nginx.server().log(), stack.gateway().log()] {
        assert!(!text.contains(&token), "a token stands in a log: {text}");
    }
}

/// product.md decision 9: stripped by nginx, and by the gateway again.
#[test]
fn nobody_but_the_gateway_speaks_to_backends() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let forged = [
        ("X-Gateway-Auth", "guess"),
        ("x-gateway-auth", "another"),
        ("X-User-ID", "root"),
        ("x-user-id", "admin"),
        ("Cookie", "session=1"),
        ("DPoP", "proof"),
        ("X-Request-ID", "the-callers-own-id"),
    ];
    let message = call("record", json!({ "n": 1 }));
    let answers = [
        stack.post_with("/git/mcp", &token, &forged, &message),
        post(stack.gateway_port, "/git/mcp", &token, &forged, &message),
    ];
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.contains(&stack.secret));
    }
    let seen = stack.recorder.seen();
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(request.all("X-Gateway-Auth"), [stack.secret.as_str()]);
        assert_eq!(request.all("X-User-ID"), ["ann"]);
        assert_eq!(request.all("X-Request-ID"), ["the-callers-own-id"]);
        for header in ["Authorization", "Cookie", "DPoP", "X-Forwarded-For"] {
            assert!(request.all(header).is_empty(), "{header} crosses: {request:?}");
        }
        assert_eq!(request.body["params"]["arguments"], json!({ "n": 1 }));
    }
}

#[test]
fn whatever_is_not_a_path_of_the_product_is_404() {
    let stack = Stack::start();
    let token = stack.token("ann", "admin");
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), JSON, ACCEPT];
    let message = call("exact_calculate", json!({})).to_string();
    // What callers must not reach, or what was removed by design.
    let lines = [
        "GET /",
        "GET /metrics",
        "GET /sse",
        "POST /sse",
        "POST /messages",
        "GET /index.html",
        "GET /.env",
        "GET /.git/config",
        "POST /calculator",
        "POST /calculator/mcp/more",
        "POST /mcp",
        "POST /mcp/other",
        "POST /no-such-scope/mcp",
    ];
    for line in lines {
        let answer = ask(stack.nginx.port(), line, &headers, message.as_bytes());
        assert_eq!(answer.status, 404, "{line}: {answer:?}");
        assert!(!answer.json()["error"].is_null(), "{line}: {answer:?}");
    }
    assert_healthy(&stack, &token);
}

#[test]
fn messages_that_are_none_get_their_stable_error() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let bearer = format!("Bearer {token}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&[u8], u16, i64); 6] = [
        (b"{", 400, -32700),
        (b"", 400, -32700),
        (b"\xff\xfe", 400, -32700),
        (b"[]", 400, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#, 400, -32600),
        (br#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#, 400, -32600),
    ];
    let headers = [("Authorization", bearer.as_str()), JSON, ACCEPT];
    for (body, status, error) in cases {
        let answer = ask(stack.nginx.port(), "POST /calculator/mcp", &headers, body);
        let text = String::from_utf8_lossy(body);
        assert_eq!(answer.status, status, "{text}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], json!(error), "{text}: {answer:?}");
    }
    let answer = ask(stack.nginx.port(), "POST /calculator/mcp", &headers, deep.as_bytes());
    assert_eq!(answer.status, 400, "{answer:?}");

    let plain = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain"), ACCEPT];
    let answer = ask(stack.nginx.port(), "POST /calculator/mcp", &plain, b"{}");
    assert_eq!(answer.status, 415, "{answer:?}");

    let huge = "x".repeat(40 * 1024);
    let headers = [&headers[..], &[("X-Huge", huge.as_str())]].concat();
    let answer = ask(stack.nginx.port(), "POST /calculator/mcp", &headers, b"{}");
    assert!([400, 431].contains(&answer.status), "{answer:?}");

    // The name of the wrong argument is told; nothing was forwarded.
    let wrong = call("exact_calculate", json!({ "operator": "add", "operands": [1.2] }));
    let answer = stack.post("/calculator/mcp", &token, &wrong);
    let result: &Value = &answer.json()["result"];
    assert_eq!((answer.status, &result["isError"]), (200, &json!(true)), "{answer:?}");
    assert!(answer.body.contains("operands"), "{answer:?}");
    assert_healthy(&stack, &token);
}

/// C-15: the client's header wins over the body's `request_id`, and that over
/// an id that is only nginx's.
#[test]
fn the_id_of_a_call_is_the_clients_header_then_the_one_in_the_body() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let arguments = json!({ "operator": "add", "operands": ["1.2", "2.3"] });
    let own =
        json!({ "tool_name": "exact_calculate", "arguments": arguments, "request_id": "mine" });
    let none = json!({ "tool_name": "exact_calculate", "arguments": arguments });
    let header = ("X-Request-ID", "h-1");
    let forged = ("X-Request-ID-Origin", "client");

    for headers in [&[][..], &[forged]] {
        let answer = stack.post_with("/mcp/invoke", &token, headers, &own);
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("mine")), "{answer:?}");
    }
    for message in [&own, &none] {
        let answer = stack.post_with("/mcp/invoke", &token, &[header], message);
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("h-1")), "{answer:?}");
        assert_eq!(answer.header("X-Request-ID"), "h-1");
    }
    let answer = stack.post_with("/mcp/invoke", &token, &[], &none);
    assert_eq!(answer.json()["id"], json!(answer.header("X-Request-ID")), "{answer:?}");
}

/// A refusal by headers alone comes before the body is read. It must not cost
/// the connection between nginx and the gateway, and with it the answer.
#[test]
fn each_refusal_arrives_on_a_kept_connection_also_when_the_body_comes_late() {
    let stack = Stack::start();
    let headers = [("Authorization", "Bearer not.a.token"), JSON, ACCEPT];
    let body = call("exact_calculate", json!({})).to_string();
    let mut connection = Kept::open(stack.nginx.port());
    let mut lost = Vec::new();
    for n in 0..100 {
        match connection.ask("POST /calculator/mcp", &headers, body.as_bytes()) {
            Ok(answer) => {
                assert_eq!(answer.status, 401, "request {n}: {answer:?}");
                if answer.closes() {
                    connection = Kept::open(stack.nginx.port());
                }
            }
            Err(error) => {
                lost.push((n, error));
                connection = Kept::open(stack.nginx.port());
            }
        }
    }
    assert!(lost.is_empty(), "{} of 100 got no answer: {lost:?}", lost.len());
    assert_healthy(&stack, &stack.token("ann", "developer"));
}
