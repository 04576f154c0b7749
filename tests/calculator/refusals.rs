//! Bad input: a stable answer, and a healthy service after it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::process::{SECRET, Service, command};

fn assert_healthy(service: &Service) {
    let reply = service.call("exact_calculate", json!({"operator": "add", "operands": ["1", "1"]}));
    assert_eq!(reply["result"]["structuredContent"]["result"], "2", "{reply}");
}

/// `data.details` of an `Invalid params` error.
fn details(service: &Service, tool: &str, arguments: Value) -> Vec<Value> {
    let reply = service.call(tool, arguments.clone());
    assert_eq!(reply["error"]["code"], -32602, "{arguments}: {reply}");
    assert_eq!(reply["error"]["message"], "Invalid params", "{arguments}: {reply}");
    reply["error"]["data"]["details"].as_array().unwrap().clone()
}

#[test]
fn only_the_gateway_is_answered() {
    let service = Service::patient();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let json_type = ("content-type", "application/json");
    let secret = ("x-gateway-auth", SECRET);
    let near = format!("{SECRET} x");
    let strangers: [&[(&str, &str)]; 5] = [
        &[json_type],
        &[json_type, ("x-gateway-auth", "")],
        &[json_type, ("x-gateway-auth", &SECRET[1..])],
        &[json_type, ("x-gateway-auth", &near)],
        &[json_type, secret, secret],
    ];
    for headers in strangers {
        let reply = service.connect().send("POST", "/mcp", headers, body.as_bytes());
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (200, &json!(-32004)));
        for (method, path) in [("POST", "/v1/compute"), ("GET", "/mcp/tools")] {
            let reply = service.connect().send(method, path, headers, b"");
            let expected = json!({"error": "Unauthorized gateway request"});
            assert_eq!((reply.status, reply.json()), (401, expected), "{path}");
        }
    }
    let health = service.connect().send("GET", "/health", &[], b"");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    assert_eq!(health.json()["service"], "tool-calculator");
    assert!(health.json()["uptime_seconds"].is_u64());
    assert_healthy(&service);
}

#[test]
fn a_page_in_a_browser_is_refused_even_with_the_secret() {
    let service = Service::patient();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        for (method, path) in [("POST", "/mcp"), ("GET", "/mcp/tools"), ("POST", "/v1/compute")] {
            let reply = service.send(method, path, &[("origin", origin)], body.as_bytes());
            let expected = json!({"error": "Origin not allowed"});
            assert_eq!((reply.status, reply.json()), (403, expected), "{path} {origin}");
        }
    }
    // Tools for developers run on the same machine.
    let near = [("origin", "http://localhost:6274")];
    assert_eq!(service.send("POST", "/mcp", &near, body.as_bytes()).json()["result"], json!({}));
    let both = [("origin", "http://localhost:6274"), ("origin", "https://evil.example")];
    assert_eq!(service.send("POST", "/mcp", &both, body.as_bytes()).status, 403);
}

#[test]
fn a_stranger_with_a_large_body_gets_an_answer_without_an_id() {
    let service = Service::patient();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(300_000));
    let headers = [("content-type", "application/json")];
    let reply = service.connect().send("POST", "/mcp", &headers, body.as_bytes());
    assert_eq!(reply.json()["error"]["code"], -32004);
    assert_eq!(reply.json()["id"], Value::Null);
}

#[test]
fn without_a_secret_every_call_is_refused() {
    let service = Service::launch(&mut command(&[]));
    drop(service.connect()); // It does listen.
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    for headers in [vec![], vec![("x-gateway-auth", "")], vec![("x-gateway-auth", SECRET)]] {
        let reply = service.connect().send("POST", "/mcp", &headers, body.as_bytes());
        assert_eq!(
            reply.json()["error"],
            json!({"code": -32004, "message": "Gateway authentication not configured"})
        );
        assert_eq!(service.connect().send("POST", "/v1/compute", &headers, b"").status, 503);
    }
}

#[test]
fn arguments_of_the_wrong_shape_are_named() {
    let service = Service::patient();
    let of = |arguments| details(&service, "exact_calculate", arguments);
    let missing = of(json!({"operator": "add"}));
    assert_eq!(missing, [json!({"loc": ["operands"], "msg": "is required", "type": "required"})]);
    let wrong = [
        (json!({"operator": "add", "operands": [1]}), json!(["operands", 0]), "type"),
        (json!({"operator": "pow", "operands": ["1"]}), json!(["operator"]), "enum"),
        (json!({"operator": "add", "operands": []}), json!(["operands"]), "minItems"),
        (json!({"operator": "add", "operands": "1"}), json!(["operands"]), "type"),
        (
            json!({"operator": "add", "operands": ["1"], "precision": 0}),
            json!(["precision"]),
            "minimum",
        ),
        (
            json!({"operator": "add", "operands": ["1"], "precision": 101}),
            json!(["precision"]),
            "maximum",
        ),
        (
            json!({"operator": "add", "operands": ["1"], "precision": 2.5}),
            json!(["precision"]),
            "type",
        ),
        (
            json!({"operator": "add", "operands": ["1"], "precision": null}),
            json!(["precision"]),
            "type",
        ),
        (
            json!({"operator": "add", "operands": ["1"], "Precision": 2}),
            json!(["Precision"]),
            "additionalProperties",
        ),
        (json!([]), json!([]), "type"),
        (json!(null), json!([]), "type"),
    ];
    for (arguments, loc, rule) in wrong {
        let found = of(arguments.clone());
        assert_eq!((&found[0]["loc"], &found[0]["type"]), (&loc, &json!(rule)), "{arguments}");
    }
    for number in
        ["", "+", "1.", ".", "1e3", "1,5", " 1", "1\n", "Infinity", "NaN", "0x1", "٣", "−1", "1_0"]
    {
        let found = of(json!({"operator": "add", "operands": [number]}));
        assert_eq!(found[0]["type"], "pattern", "{number:?}");
    }
    assert_healthy(&service);
}

#[test]
fn at_most_five_details_are_given_and_no_value_is_repeated() {
    let service = Service::patient();
    let found = details(
        &service,
        "exact_calculate",
        json!({"operator": "add", "operands": vec!["my-private-value"; 40]}),
    );
    assert_eq!(found.len(), 5);
    assert!(!json!(found).to_string().contains("private"));
    let many: serde_json::Map<String, Value> =
        (0..50).map(|n| (format!("k{n}"), json!(1))).collect();
    assert_eq!(details(&service, "exact_calculate", Value::Object(many)).len(), 5);
    let digits = vec!["1".repeat(201); 9];
    assert_eq!(
        details(&service, "exact_statistics", json!({"function": "sum", "values": digits})).len(),
        5
    );
}

#[test]
fn limits_hold_at_their_edge() {
    let service = Service::patient();
    let largest = "9".repeat(200);
    let edge = json!({"operator": "add", "operands": [format!("-{}.{}", &largest[..100], &largest[100..])]});
    assert!(service.call("exact_calculate", edge)["result"].is_object());
    for over in ["1".repeat(201), format!("{}.5", "1".repeat(200)), format!("+{}", "1".repeat(201))]
    {
        let found =
            details(&service, "exact_calculate", json!({"operator": "add", "operands": [over]}));
        assert_eq!(
            (&found[0]["loc"], &found[0]["type"]),
            (&json!(["operands", 0]), &json!("maxLength"))
        );
    }
    let full = json!({"function": "count", "values": vec!["1"; 1000]});
    let counted = service.call("exact_statistics", full);
    assert_eq!(counted["result"]["structuredContent"]["result"], "1000");
    let over = details(
        &service,
        "exact_statistics",
        json!({"function": "count", "values": vec!["1"; 1001]}),
    );
    assert_eq!(over[0]["type"], "maxItems");
    // JSON knows one kind of number: 3.0 is a whole one.
    let third = json!({"operator": "div", "operands": ["1", "3"], "precision": 3.0});
    assert_eq!(
        service.call("exact_calculate", third)["result"]["structuredContent"]["result"],
        "0.333"
    );
}

#[test]
fn a_result_that_would_be_too_long_is_refused() {
    let service = Service::patient();
    let huge = json!({"operator": "mul", "operands": vec!["9".repeat(200); 40]});
    let tiny = json!({"operator": "mul", "operands": vec![format!(".{}1", "0".repeat(199)); 40]});
    for arguments in [huge, tiny] {
        let reply = service.call("exact_calculate", arguments);
        assert_eq!(reply["error"], json!({"code": -32602, "message": "output exceeds size limit"}));
    }
    // What only passes through a huge number on the way is answered.
    let operands: Vec<String> =
        [vec!["1".to_owned() + &"0".repeat(199); 30], vec![format!(".{}1", "0".repeat(198)); 30]]
            .concat();
    let reply = service.call("exact_calculate", json!({"operator": "mul", "operands": operands}));
    assert_eq!(reply["result"]["structuredContent"]["result"], "1");
}

#[test]
fn bodies_over_the_limit_get_413_and_an_answer_not_a_reset() {
    let service = Service::patient();
    let padded = |size: usize| {
        let frame = r#"{"jsonrpc":"2.0","id":1,"method":"ping","x":""}"#;
        frame.replace(r#""x":"""#, &format!(r#""x":"{}""#, "y".repeat(size - frame.len())))
    };
    let edge = padded(16_384);
    assert_eq!(edge.len(), 16_384);
    assert_eq!(service.send("POST", "/mcp", &[], edge.as_bytes()).json()["result"], json!({}));
    let too_large = json!({"error": "request body too large"});
    for size in [16_385, 4 * 1024 * 1024 + 1] {
        for path in ["/mcp", "/v1/compute"] {
            let reply = service.send("POST", path, &[], padded(size).as_bytes());
            assert_eq!((reply.status, reply.json()), (413, too_large.clone()), "{path} {size}");
        }
    }
    // The same without a length told beforehand.
    let mut connection = service.connect();
    let mut chunked = format!(
        "POST /mcp HTTP/1.1\r\nhost: test\r\nx-gateway-auth: {SECRET}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for _ in 0..20 {
        write!(chunked, "400\r\n{}\r\n", "z".repeat(1024)).unwrap();
    }
    chunked.push_str("0\r\n\r\n");
    connection.write(chunked.as_bytes());
    let reply = connection.read();
    assert_eq!((reply.status, reply.json()), (413, too_large));
    assert_healthy(&service);
}

#[test]
fn what_is_no_message_is_refused() {
    let service = Service::patient();
    let nested =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}}}"#, "[".repeat(8000));
    let cases: [(&str, i64, Value); 12] = [
        ("", -32700, json!(null)),
        ("nonsense", -32700, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,", -32700, json!(null)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, -32700, json!(null)),
        ("[]", -32600, json!(null)),
        ("42", -32600, json!(null)),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, json!(null)),
        (r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#, -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, json!(1)),
        (&nested, -32600, json!(null)),
    ];
    for (body, code, id) in cases {
        let reply = service.send("POST", "/mcp", &[], body.as_bytes());
        let found = reply.json();
        let shown: String = body.chars().take(80).collect();
        assert_eq!((reply.status, &found["error"]["code"]), (400, &json!(code)), "{shown}");
        assert_eq!(found["id"], id, "{shown}");
    }
    let latin1 =
        service.send("POST", "/mcp", &[], b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xe4\"}");
    assert_eq!(latin1.status, 400);
    assert_healthy(&service);
}

#[test]
fn parameters_of_the_wrong_shape_are_refused() {
    let service = Service::patient();
    let post = |params: &str, method: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let reply = service.send("POST", "/mcp", &[], body.as_bytes());
        (reply.status, reply.json()["error"]["code"].as_i64())
    };
    let invalid = (200, Some(-32602));
    for params in [
        "[]",
        "7",
        "{}",
        r#"{"name":7}"#,
        r#"{"name":"a","name":"b"}"#,
        r#"{"name":"a","Name":"b"}"#,
    ] {
        assert_eq!(post(params, "tools/call"), invalid, "{params}");
    }
    assert_eq!(post("{}", "initialize"), invalid);
    assert_eq!(post(r#"{"cursor":""}"#, "tools/list"), invalid);
    let twice = r#"{"name":"exact_calculate","arguments":{"operator":"add","operands":["1"],"operands":["2"]}}"#;
    assert_eq!(post(twice, "tools/call"), invalid);
    let deep =
        format!(r#"{{"name":"exact_calculate","arguments":{}{}}}"#, "[".repeat(60), "]".repeat(60));
    assert_eq!(post(&deep, "tools/call"), invalid);
    assert_healthy(&service);
}

#[test]
fn only_json_is_read() {
    let service = Service::patient();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let with = |content_type: &str| {
        let headers = [("x-gateway-auth", SECRET), ("content-type", content_type)];
        service.connect().send("POST", "/mcp", &headers, body.as_bytes()).status
    };
    assert_eq!(with("Application/JSON; charset=utf-8"), 200);
    assert_eq!(with("text/plain"), 415);
    assert_eq!(with("application/json-rpc"), 415);
    let none =
        service.connect().send("POST", "/mcp", &[("x-gateway-auth", SECRET)], body.as_bytes());
    assert_eq!(none.status, 415);
}

#[test]
fn a_user_id_that_is_none_is_refused() {
    let service = Service::patient();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "exact_calculate", "arguments": {"operator": "add", "operands": ["1"]}}});
    let with = |headers: &[(&str, &str)]| {
        service.send("POST", "/mcp", headers, body.to_string().as_bytes()).json()
    };
    let long = "u".repeat(257);
    let bad: [&[(&str, &str)]; 3] =
        [&[("x-user-id", "")], &[("x-user-id", &long)], &[("x-user-id", "a"), ("x-user-id", "b")]];
    for headers in bad {
        assert_eq!(with(headers)["error"]["message"], "Invalid user id", "{headers:?}");
    }
    assert!(with(&[("x-user-id", "Jörg Größe")])["result"].is_object());
    assert!(with(&[("x-request-id", &long)])["result"].is_object());
}
