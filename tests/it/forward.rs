//! What crosses to a backend, and what comes back.

use serde_json::{Value, json};

use crate::harness::{Gateway, Script, Token};

fn developer() -> Token {
    Token::of("dora", &["developer"])
}

fn wipe(gateway: &Gateway) -> crate::harness::Reply {
    gateway.call(&developer(), "main", "wipe", json!({}))
}

#[test]
fn backends_get_the_gateways_headers_and_never_the_callers() {
    let gateway = Gateway::start();
    let body =
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"wipe","arguments":{}}}"#;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    gateway.post_raw(
        "/main/mcp",
        &developer().bearer(),
        &[
            ("X-Gateway-Auth", "forged"),
            ("X-User-ID", "root"),
            ("Cookie", "a=b"),
            ("DPoP", "proof"),
            ("X-Other", "1"),
            ("traceparent", trace),
            ("X-Request-ID", "r-77"),
        ],
        body.as_bytes(),
    );
    let seen = &gateway.backend.seen()[0];
    assert_eq!(seen.all("x-gateway-auth"), ["7d5e1f0a94c2b8367d5e1f0a94c2b836"]);
    assert_eq!(seen.all("x-user-id"), ["dora"]);
    assert_eq!(seen.all("x-request-id"), ["r-77"]);
    assert_eq!(seen.all("traceparent"), [trace]);
    for name in ["authorization", "cookie", "dpop", "x-other"] {
        assert!(seen.all(name).is_empty(), "{name} crossed");
    }
    assert!(seen.all("host")[0].starts_with("127.0.0.1:"));
    assert_eq!(seen.body, body);
}

#[test]
fn messages_cross_byte_for_byte() {
    let gateway = Gateway::start();
    let body = r#"{"jsonrpc":"2.0", "id":12345678901234567890,"method":"tools/call","params":{ "name":"wipe","arguments":{"n":1e-400,"big":123456789012345678901234567890,"s":"\u00e9\/"},"future":[ ]},"x":null}"#;
    let answer = r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":null,"big":98765432109876543210.50,"_meta":{"v/x":[1e-400]}}, "extra":true}"#;
    gateway.backend.answer(Script::Plain(200, "application/json", answer.to_owned()));
    let reply = gateway.post_raw("/main/mcp", &developer().bearer(), &[], body.as_bytes());
    assert_eq!(gateway.backend.seen()[0].body, body);
    assert_eq!(reply.text(), answer.replace("ID", "12345678901234567890"));
}

#[test]
fn event_streams_are_read_to_the_answer() {
    let gateway = Gateway::start();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
    let stream = format!(
        ": hello\r\n\r\nevent: message\r\ndata: {note}\r\n\r\nid: 3\r\ndata: {{\"jsonrpc\":\"2.0\",\r\ndata: \"id\":ID,\"result\":{{\"content\":[]}}}}\r\n\r\n"
    );
    gateway.backend.answer(Script::Events(stream));
    // Who can read a stream gets one, with all that comes before the answer.
    let streamed = wipe(&gateway);
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    let answer = r#"data: {"jsonrpc":"2.0",
data: "id":7,"result":{"content":[]}}"#;
    let text = streamed.text();
    assert!(text.contains(&format!("data: {note}\n\n")) && text.contains(answer), "{text}");
    // Who cannot gets the answer alone.
    let body = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "wipe", "arguments": {} },
    });
    let only_json = [("Accept", "application/json")];
    let bearer = developer().bearer();
    let reply = gateway.post_raw("/main/mcp", &bearer, &only_json, body.to_string().as_bytes());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json(), json!({ "jsonrpc": "2.0", "id": 7, "result": { "content": [] } }));
    gateway.backend.answer(Script::Events("data: {}\n\n".to_owned()));
    let broken = gateway.post_raw("/main/mcp", &bearer, &only_json, body.to_string().as_bytes());
    assert_eq!(broken.json()["error"]["code"], -32603);
}

#[test]
fn failures_have_the_codes_of_the_table() {
    let gateway = Gateway::start();
    let code = |script: Script, tool: &str| {
        gateway.backend.answer(script);
        let reply = gateway.call(&developer(), "main", tool, json!({}));
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["error"]["code"], -32603);
        assert_eq!(reply.json()["id"], 7);
        reply.code().unwrap()
    };
    let plain = |status, kind, text: &str| Script::Plain(status, kind, text.to_owned());
    assert_eq!(code(Script::Stall, "slow"), "BACKEND_TIMEOUT");
    assert_eq!(code(Script::HangUp, "wipe"), "BACKEND_ERROR");
    assert_eq!(code(plain(500, "text/html", "<h1>"), "wipe"), "BACKEND_ERROR");
    assert_eq!(code(plain(302, "text/html", ""), "wipe"), "BACKEND_ERROR");
    assert_eq!(code(plain(200, "application/json", "{"), "wipe"), "BACKEND_ERROR");
    let foreign = r#"{"jsonrpc":"2.0","id":"other","result":{}}"#;
    assert_eq!(code(plain(200, "application/json", foreign), "wipe"), "BACKEND_ERROR");
    assert_eq!(code(Script::Huge(40_000_000), "wipe"), "BACKEND_ERROR");
    let done = json!({ "content": [] });
    assert_eq!(code(Script::Result(done), "unreachable"), "BACKEND_UNAVAILABLE");
    let modern = gateway.call_modern(&developer(), "main", "unreachable", json!({}));
    modern.assert_refused(502, "BACKEND_UNAVAILABLE");
}

#[test]
fn large_answers_come_whole() {
    let gateway = Gateway::start();
    gateway.backend.answer(Script::Huge(16 * 1024 * 1024));
    let reply = wipe(&gateway);
    assert_eq!(reply.json()["result"]["x"].as_str().unwrap().len(), 16 * 1024 * 1024);
}

#[test]
fn a_modern_backends_status_is_kept() {
    let gateway = Gateway::start();
    let error = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32021,"message":"x","data":{}}}"#;
    gateway.backend.answer(Script::Plain(400, "application/json", error.to_owned()));
    let reply = gateway.call_modern(&developer(), "main", "wipe", json!({}));
    assert_eq!((reply.status, reply.json()["error"]["code"].as_i64()), (400, Some(-32021)));
}

#[test]
fn statuses_that_speak_to_the_gateway_are_not_passed_on() {
    let gateway = Gateway::start();
    let error = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"x"}}"#;
    for status in [401, 403, 404, 429, 503] {
        gateway.backend.answer(Script::Plain(status, "application/json", error.to_owned()));
        wipe(&gateway).assert_refused(200, "BACKEND_ERROR");
        let rest = gateway.post("/mcp/invoke", &developer(), &json!({ "tool_name": "wipe" }));
        rest.assert_refused(502, "BACKEND_ERROR");
        assert!(rest.header("www-authenticate").is_none());
    }
    gateway.backend.answer(Script::Plain(404, "application/json", error.to_owned()));
    let modern = gateway.call_modern(&developer(), "main", "wipe", json!({}));
    assert_eq!((modern.status, modern.json()["error"]["code"].as_i64()), (404, Some(-32001)));
}

#[test]
fn a_client_that_leaves_is_recorded_as_aborted() {
    use std::io::Write;
    let gateway = Gateway::start();
    gateway.backend.answer(Script::Stall);
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "wipe", "arguments": {} },
    })
    .to_string();
    let head = format!(
        "POST /main/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nAccept: */*\r\nContent-Length: {}\r\n\r\n{body}",
        developer().bearer(),
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(gateway.addr).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    support::eventually::wait_until(
        std::time::Duration::from_secs(5),
        "the call to arrive",
        || !gateway.backend.seen().is_empty(),
    );
    drop(stream);
    let rows: Vec<Value> = gateway.audit_rows("status=aborted", 1);
    assert_eq!(rows[0]["tool_name"], "wipe");
}
