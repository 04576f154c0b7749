//! Messages arrive as they were written, in both directions.

use serde_json::json;

use crate::client::{Client, MODERN};
use crate::world::WORLD;

/// What a reader that models messages would lose or change: unknown members,
/// numbers of any size, spellings, order, escapes, white space, nothing.
const GOLDEN: &str = r#"{"z": 9223372036854775808, "a":-9223372036854775809,"tiny":1e-400, "zero":-0.0,"one":1.0,"text":"\u00e9 é \/ \ud83e\udd80","no":null,"x":{"":[ ],"y":{ }},"18446744073709551616":18446744073709551616}"#;

/// A call with everything in its arguments, in `_meta` and next to them.
fn request(meta: &str) -> String {
    format!(
        r#"{{"params":{{"x-unknown":{GOLDEN},"arguments":{GOLDEN}, "name":"any","_meta":{{{meta}"com.example/own":{GOLDEN}}}}},"id":"mine","x-envelope":[1.10],"method":"tools/call","jsonrpc":"2.0"}}"#
    )
}

/// A result with everything in it.
const RESULT: &str = r#"{"x-unknown":GOLDEN,"content":[{"type":"x-new","v":GOLDEN}], "structuredContent":null,"_meta":{"com.example/own":GOLDEN},"resultType":"complete"}"#;

fn result() -> String {
    RESULT.replace("GOLDEN", GOLDEN)
}

fn modern_meta() -> String {
    format!(
        r#""io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{"x-own":{GOLDEN}}},"#
    )
}

/// A client, answered with the golden result in one piece or as a stream with
/// a notification before.
fn client(scope: &str, stream: bool) -> Client<'static> {
    let mut client = Client::new(&WORLD.stack, scope);
    WORLD.scripted.script(&client.user, move |seen, reply| {
        if stream {
            reply.stream();
            reply.event(NOTIFICATION);
            reply.event(&seen.response(&result()));
        } else {
            reply.json(&seen.response(&result()));
        }
    });
    if scope == "sessions" {
        client.initialize(json!({}));
    }
    client
}

const NOTIFICATION: &str = r#"{"method":"notifications/message","x":1e-400,"y":1E+400,"jsonrpc":"2.0","params":{"level":"info","data":{"n":9223372036854775808,"s":"\/"},"y":null}}"#;

#[test]
fn a_legacy_request_and_its_answer_are_unchanged() {
    for (scope, stream) in
        [("plain", false), ("plain", true), ("sessions", false), ("sessions", true)]
    {
        let client = client(scope, stream);
        let body = request("");
        let answer = client.request("POST").body(body.clone()).answer(client.port());
        let expected = format!(r#"{{"jsonrpc":"2.0","id":"mine","result":{}}}"#, result());
        if stream {
            let events: Vec<_> = answer.events().rest();
            let data: Vec<_> = events.iter().filter_map(|event| event.data.as_deref()).collect();
            assert_eq!(data, [NOTIFICATION, &expected], "{scope}");
        } else {
            assert_eq!(answer.text(), expected, "{scope}");
        }
        let seen = WORLD.scripted.seen(&client.user).pop().unwrap();
        let own = seen.id();
        assert_eq!(own == "\"mine\"", scope == "plain", "{own}");
        assert_eq!(seen.body, body.replace("\"mine\"", &own), "{scope}");
    }
}

#[test]
fn a_modern_request_and_its_answer_are_unchanged() {
    for stream in [false, true] {
        let client = client("plain", stream);
        let body = request(&modern_meta());
        let message = serde_json::from_str(&body).unwrap();
        let sent = client.modern_request(&message).body(body.clone());
        let answer = sent.answer(client.port());
        let expected = format!(r#"{{"jsonrpc":"2.0","id":"mine","result":{}}}"#, result());
        if stream {
            let data: Vec<_> = answer.events().rest();
            let data: Vec<_> = data.iter().filter_map(|event| event.data.as_deref()).collect();
            assert_eq!(data, [NOTIFICATION, &expected]);
        } else {
            assert_eq!(answer.text(), expected);
        }
        let seen = WORLD.scripted.seen(&client.user).pop().unwrap();
        assert_eq!(seen.body, body);
    }
}

#[test]
fn errors_are_unchanged() {
    const ERROR: &str = r#""error":{"code":-31999,"x":1e-400,"message":"\u0041 no","data":{"n":9223372036854775808,"nothing":null}}"#;
    for scope in ["plain", "sessions"] {
        let client = client(scope, false);
        WORLD.scripted.script(&client.user, |seen, reply| {
            reply.json(&format!(r#"{{"jsonrpc":"2.0","id":{}, {ERROR}}}"#, seen.id()));
        });
        let answer = client.request("POST").body(request("")).answer(client.port());
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.text(),
            format!(r#"{{"jsonrpc":"2.0","id":"mine", {ERROR}}}"#),
            "{scope}"
        );
    }
}

#[test]
fn entries_of_lists_are_unchanged() {
    let tools = format!(
        r#"[{{"name":"a","inputSchema":{{"type":"object","properties":{{"any":true,"none":false}}}},"outputSchema":true,"x":{GOLDEN}}}, {{"inputSchema":{{"type":"object","minimum":9223372036854775808}},"name":"\u0062","_meta":null}}]"#
    );
    let result = format!(
        r#"{{"tools":{tools},"x-unknown":{GOLDEN},"_meta":{{"com.example/own":{GOLDEN}}},"resultType":"complete","ttlMs":5,"cacheScope":"public"}}"#
    );
    for scope in ["plain", "sessions"] {
        let client = client(scope, false);
        let answered = result.clone();
        WORLD.scripted.script(&client.user, move |seen, reply| {
            reply.json(&seen.response(&answered));
        });
        let listing = crate::client::request(1, "tools/list", json!({}));
        let text = client.post(&listing).text();
        let entries = tools.replace("}, {", "},{");
        let tidy = text.replace("}, {", "},{");
        assert!(tidy.contains(&format!(r#""tools":{entries}"#)), "{scope}: {text}");
        assert!(text.contains(&format!(r#""x-unknown":{GOLDEN}"#)), "{scope}: {text}");
        if scope == "plain" {
            let text = client.post_modern(&crate::client::modern(&listing)).text();
            let tidy = text.replace("}, {", "},{");
            assert!(tidy.contains(&format!(r#""tools":{entries}"#)), "{text}");
            assert!(text.contains(r#""cacheScope":"private""#), "{text}");
        }
    }
}
