//! What `--self-test` tries.

use scopegate::protocol::codes;
use scopegate::toolkit::{Check, Expect};
use serde_json::{Value, json};

/// One check a line: what, arguments, sentence.
pub(crate) fn all() -> Vec<Check> {
    vec![
        check(
            "makes nothing for nobody",
            json!({"content": "# a", "format": "pdf"}),
            "Missing X-User-ID header",
        ),
        check(
            "refuses unknown formats",
            json!({"content": "a", "format": "exe"}),
            "Invalid params",
        ),
        check(
            "refuses unknown arguments",
            json!({"content": "a", "format": "html", "template": "x"}),
            "Invalid params",
        ),
        check("refuses a call without a text", json!({"format": "html"}), "Invalid params"),
    ]
}

fn check(what: &'static str, arguments: Value, sentence: &'static str) -> Check {
    let expect = Expect::Error(codes::INVALID_PARAMS, sentence);
    Check { what, tool: "document_generate", arguments, expect }
}
