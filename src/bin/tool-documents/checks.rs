//! What `--self-test` tries.

use scopegate::toolkit::Check;
use serde_json::{Value, json};

/// One check a line: what, arguments, sentence.
pub(crate) fn all() -> Vec<Check> {
    vec![
        refuses(
            "makes nothing for nobody",
            json!({"content": "# a", "format": "pdf"}),
            "Missing X-User-ID header",
        ),
        refuses(
            "refuses unknown formats",
            json!({"content": "a", "format": "exe"}),
            "Invalid params",
        ),
        refuses(
            "refuses unknown arguments",
            json!({"content": "a", "format": "html", "template": "x"}),
            "Invalid params",
        ),
        refuses("refuses a call without a text", json!({"format": "html"}), "Invalid params"),
    ]
}

fn refuses(what: &'static str, arguments: Value, sentence: &'static str) -> Check {
    Check::refuses(what, "document_generate", arguments, sentence)
}
