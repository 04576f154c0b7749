//! Every way out of a repository that we know, tried.

mod configuration;
mod disk;
mod inside;
mod names;

use serde_json::{Value, json};

use crate::process::Service;

/// What lies outside, and must never be in an answer.
pub(crate) const SECRET: &str = "outside-secret-5417";

/// Every tool, asked about a path.
pub(crate) fn ask_all(service: &Service, path: &str) -> Vec<Value> {
    let asked = [
        ("git_log", json!({"path": path})),
        ("git_show", json!({"path": path})),
        ("git_diff", json!({"from": "HEAD", "path": path})),
        ("git_blame", json!({"path": path})),
        ("git_search", json!({"query": "e", "path": path})),
        ("git_list_files", json!({"path": path})),
        ("git_read_file", json!({"path": path})),
    ];
    let call = |(name, arguments)| {
        service.rpc("tools/call", json!({"name": name, "arguments": arguments}))
    };
    asked.into_iter().map(call).collect()
}

/// Every tool, asked about a ref.
pub(crate) fn ask_about_ref(service: &Service, revision: &str) -> Vec<Value> {
    let asked = [
        ("git_log", json!({"ref": revision})),
        ("git_show", json!({"ref": revision})),
        ("git_diff", json!({"from": revision})),
        ("git_diff", json!({"from": "HEAD", "to": revision})),
        ("git_blame", json!({"ref": revision, "path": "readme.txt"})),
        ("git_search", json!({"ref": revision, "query": "e"})),
        ("git_list_files", json!({"ref": revision})),
        ("git_read_file", json!({"ref": revision, "path": "readme.txt"})),
    ];
    let call = |(name, arguments)| {
        service.rpc("tools/call", json!({"name": name, "arguments": arguments}))
    };
    asked.into_iter().map(call).collect()
}
