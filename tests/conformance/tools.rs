//! The bundled tools alone. They have none of the tools, prompts and resources
//! that most scenarios call; all scenarios that do not need them pass, and of the
//! others nothing fails but for the want of them.

use std::collections::BTreeSet;
use std::path::Path;

use support::tool::{SECRET, Tool};

use crate::suite::Report;

/// Scenarios of 2025-11-25 that pass.
const LEGACY: &[&str] = &["dns-rebinding-protection", "ping", "server-initialize", "tools-list"];

/// Scenarios of 2026-07-28 that pass.
const MODERN: &[&str] = &[
    "dns-rebinding-protection",
    "input-required-result-ignore-extra-params",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-validate-input",
    "sep-2164-resource-not-found",
    "server-sse-multiple-streams",
    "tools-list",
];

/// How the suite says that a server has not got what it asks for.
const WANTING: &[&str] = &[
    "Method not found",
    "Tool not found",
    "Resource not found",
    "Not testable",
    "Expected InputRequiredResult",
    "could not get initial InputRequiredResult",
];

fn start(program: &str, arguments: &[&str]) -> Tool {
    let environment = [("TOOL_GATEWAY_SHARED_SECRET", SECRET), ("REQUEST_TIMEOUT_MS", "20000")];
    Tool::start(Path::new(program), arguments, &environment)
}

fn passes_what_applies(tool: &Tool) {
    passes(tool, (LEGACY, MODERN), (4, 3));
}

/// `caching` is how many checks of caching pass, and how many need lists that the
/// tool has not.
fn passes(
    tool: &Tool,
    (legacy_passes, modern_passes): (&[&str], &[&str]),
    caching: (usize, usize),
) {
    let url = format!("http://{}/mcp", tool.address());
    let run = |revision| Report::of(revision, &url, Some(("X-Gateway-Auth", SECRET)));
    let legacy = run("2025-11-25");
    assert_eq!(legacy.passing(), legacy_passes.iter().copied().collect::<BTreeSet<_>>());
    let modern = run("2026-07-28");
    assert_eq!(modern.passing(), modern_passes.iter().copied().collect::<BTreeSet<_>>());
    for failure in legacy.failures().chain(modern.failures()) {
        let wanting = WANTING.iter().any(|words| failure.reason.contains(words));
        assert!(wanting, "{failure}");
    }
    // Four checks need tools of the suite's own.
    assert_eq!(modern.checks("server-stateless"), (21, 4));
    assert_eq!(modern.checks("caching"), caching);
}

#[test]
fn tool_alone_calculator() {
    passes_what_applies(&start(env!("CARGO_BIN_EXE_tool-calculator"), &[]));
}

#[test]
fn tool_alone_git() {
    passes_what_applies(&start(env!("CARGO_BIN_EXE_tool-git"), &[]));
}

/// It has resources, and templates of them.
#[test]
fn tool_alone_documents() {
    let folder = support::scratch::Scratch::new("conformance-documents");
    let path = folder.path().display().to_string();
    let tool = start(env!("CARGO_BIN_EXE_tool-documents"), &["--folder", &path]);
    let legacy = [LEGACY, &["resources-list"]].concat();
    let modern = [MODERN, &["resources-list"]].concat();
    passes(&tool, (&legacy, &modern), (6, 1));
}
