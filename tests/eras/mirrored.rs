//! Arguments that are repeated in headers.

use serde_json::{Value, json};

use crate::client::{Client, call, modern, request};
use crate::stack::Door;
use crate::watch;
use crate::world::{MODERN, WORLD};

const TOOL: &str = "test_x_mcp_header";
const HEADER: &str = "mcp-param-region";

fn of(region: &Value) -> Value {
    call(1, TOOL, json!({ "region": region }))
}

#[test]
fn the_gateway_repeats_the_arguments_of_legacy_clients() {
    for scope in MODERN {
        let client = Client::seated(&WORLD.stack, scope);
        for (region, header) in
            [("us-west1", "us-west1"), ("São Paulo", "=?base64?U8OjbyBQYXVsbw==?=")]
        {
            let response = client.post(&of(&json!(region))).response();
            assert!(response["result"].is_object(), "{scope}: {response}");
            assert_ne!(response["result"]["isError"], true, "{scope}: {response}");
            let seen = watch::exchanges(WORLD.backend(scope), &client.user, |seen| {
                seen["message"] == "tools/call" && seen["headers"][HEADER] == header
            });
            assert_eq!(seen.len(), 1, "{scope}: {seen:?}");
        }
    }
}

#[test]
fn the_gateway_holds_headers_of_modern_clients_against_the_body() {
    for scope in MODERN {
        let client = Client::new(&WORLD.stack, scope).through(Door::First);
        // It knows what is to be repeated from the list that went by.
        let listing = modern(&request(1, "tools/list", json!({})));
        assert!(client.post_modern(&listing).response()["result"]["tools"].is_array());
        let message = modern(&of(&json!("us-west1")));
        let plain = || client.modern_request(&message);
        let refused = |request: crate::http::Request| {
            let answer = request.answer(client.port());
            let (status, response) = (answer.status, answer.response());
            assert_eq!((status, &response["error"]["code"]), (400, &json!(-32020)), "{scope}");
            assert_eq!(response["id"], 1);
        };
        refused(plain());
        refused(plain().header("Mcp-Param-Region", "eu"));
        refused(plain().header("Mcp-Param-Region", "US-WEST1"));
        let seen = |fits: fn(&Value) -> bool| {
            let observed = WORLD.backend(scope).observed();
            let all = observed["exchanges"].as_array().unwrap().iter();
            all.filter(|one| one["headers"]["x-user-id"] == *client.user && fits(one)).count()
        };
        assert_eq!(seen(|one| one["message"] == "tools/call"), 0, "none of them has arrived");
        // What no schema asks for is not the gateway's to judge.
        let fitting = plain()
            .header("Mcp-Param-Region", "us-west1")
            .header("Mcp-Param-Other", "x")
            .answer(client.port());
        assert_eq!(fitting.status, 200, "{scope}");
        assert!(fitting.response()["result"].is_object(), "{scope}");
        let passed = |one: &Value| one["headers"]["mcp-param-other"] == "x";
        assert_eq!(seen(passed), 1, "{scope}");
    }
}
