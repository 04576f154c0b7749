//! What `--self-test` tries. It needs no repository: these are refused before
//! one is opened.

use scopegate::toolkit::Check;
use serde_json::json;

/// One check a line: what, tool, arguments, sentence.
pub(crate) fn all() -> Vec<Check> {
    vec![
        Check::refuses(
            "refuses an absolute path",
            "git_read_file",
            json!({"path": "/etc/passwd"}),
            "path must be relative to the root of the repository",
        ),
        Check::refuses(
            "refuses to climb out of the tree",
            "git_read_file",
            json!({"path": "a/../../x"}),
            "path must not contain . or ..",
        ),
        Check::refuses(
            "refuses to look into .git",
            "git_list_files",
            json!({"path": ".git/hooks"}),
            "path must not lead into .git",
        ),
        Check::refuses(
            "refuses a cursor it has not made",
            "git_log",
            json!({"cursor": "AAAA"}),
            "cursor is not one of this service",
        ),
        Check::refuses(
            "refuses a broken expression",
            "git_search",
            json!({"query": "(", "regex": true}),
            "query is not a regular expression, or is too large a one",
        ),
        Check::refuses(
            "refuses unknown arguments",
            "git_diff",
            json!({"from": "a", "exec": "x"}),
            "Invalid params",
        ),
    ]
}
