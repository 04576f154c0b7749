//! What `--self-test` tries. It needs no repository: these are refused before
//! one is opened.

use scopegate::protocol::codes;
use scopegate::toolkit::{Check, Expect};
use serde_json::{Value, json};

/// One check a line: what, tool, arguments, sentence.
pub(crate) fn all() -> Vec<Check> {
    vec![
        check(
            "refuses an absolute path",
            "git_read_file",
            json!({"path": "/etc/passwd"}),
            "path must be relative to the root of the repository",
        ),
        check(
            "refuses to climb out of the tree",
            "git_read_file",
            json!({"path": "a/../../x"}),
            "path must not contain . or ..",
        ),
        check(
            "refuses to look into .git",
            "git_list_files",
            json!({"path": ".git/hooks"}),
            "path must not lead into .git",
        ),
        check(
            "refuses a cursor it has not made",
            "git_log",
            json!({"cursor": "AAAA"}),
            "cursor is not one of this service",
        ),
        check(
            "refuses a broken expression",
            "git_search",
            json!({"query": "(", "regex": true}),
            "query is not a regular expression, or is too large a one",
        ),
        check(
            "refuses unknown arguments",
            "git_diff",
            json!({"from": "a", "exec": "x"}),
            "Invalid params",
        ),
    ]
}

fn check(
    what: &'static str,
    tool: &'static str,
    arguments: Value,
    sentence: &'static str,
) -> Check {
    Check { what, tool, arguments, expect: Expect::Error(codes::INVALID_PARAMS, sentence) }
}
