//! Start, settings, log and stop of the real process.

use serde_json::json;

use crate::process::{SECRET, Service, command, run};
use crate::repository::Repository;
use crate::sample::sample;

#[test]
fn the_self_test_needs_no_repository_and_holds() {
    let (code, out, err) = run(command(&[]).arg("--self-test"));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.lines().count() > 10);
    assert!(out.lines().all(|line| line.starts_with("ok ")), "{out}");
}

#[test]
fn help_is_a_manual() {
    let (code, out, _) = run(command(&[]).arg("--help"));
    assert_eq!(code, Some(0));
    for part in [
        "Usage:",
        "--repo <NAME=PATH>",
        "GIT_REPOSITORIES",
        "GIT_SANDBOX",
        "Examples:",
        "git_blame",
    ] {
        assert!(out.contains(part), "{part}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn every_bad_setting_is_told_at_once() {
    let one = Repository::bare("settings");
    one.commit_file("a", "a\n");
    let settings = [
        ("GIT_MAX_DEPTH", "0"),
        ("GIT_SANDBOX", "perhaps"),
        ("GIT_LISTEN", "nowhere"),
        ("REQUEST_TIMEOUT_MS", "soon"),
    ];
    let path = one.path().display();
    let (code, _, err) = run(command(&settings)
        .args(["--repo", &format!("same={path}"), "--repo", &format!("same={path}")])
        .args(["--repo", "no-path", "--repo", "=x", "--repo", &format!("../x={path}")])
        .args(["--repo", "absent=/no/such/folder"]));
    assert_eq!(code, Some(2));
    for part in [
        "GIT_MAX_DEPTH must be",
        "GIT_SANDBOX must be require, try or off",
        "GIT_LISTEN must be",
        "REQUEST_TIMEOUT_MS must be",
        "two repositories are named same",
        "\"no-path\" must be NAME=PATH",
        "the name \"\"",
        "the name \"../x\"",
        "/no/such/folder is not a git repository",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[test]
fn repositories_come_from_the_environment_too() {
    let sample = sample();
    let (repository, _) = &*sample;
    let path = repository.path().display();
    let list = format!("one={path}, two={path}");
    let settings = [("TOOL_GATEWAY_SHARED_SECRET", SECRET), ("GIT_REPOSITORIES", &list)];
    let service = Service::launch(&mut command(&settings));
    let page = service.call("git_branches_tags", json!({"repo": "two"}));
    assert_eq!(page["repositories"], json!(["one", "two"]));
    // The option comes before the environment.
    let service = Service::launch(command(&settings).args(["--repo", &format!("three={path}")]));
    assert_eq!(service.call("git_branches_tags", json!({}))["repositories"], json!(["three"]));
}

#[test]
fn calls_need_the_secret() {
    let sample = sample();
    let (_, service) = &*sample;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "git_log", "arguments": {}}});
    let json = [("content-type", "application/json")];
    let mut open = crate::http::Connection::open(service.address());
    let reply = open.send("POST", "/mcp", &json, body.to_string().as_bytes());
    assert_eq!(reply.json()["error"]["code"], -32004);
    assert_eq!(service.send("GET", "/health", b"").json()["service"], "tool-git");
    assert_eq!(service.send("GET", "/mcp/tools", b"").json()["count"], 9);
    assert_eq!(open.send("GET", "/mcp/tools", &[], b"").status, 401);
}

#[test]
fn the_log_tells_of_calls_but_not_of_what_was_asked_or_found() {
    let repository = Repository::bare("quiet");
    repository.commit_file("quiet-path.txt", "quiet-content\n");
    let mut service = Service::of(&[("one", repository.path())]);
    service.call("git_search", json!({"query": "quiet-content"}));
    service.refusal("git_read_file", json!({"path": "quiet-path.txt/x"}));
    service.refusal("git_log", json!({"ref": "quiet-branch"}));
    assert_eq!(service.stop(), Some(0));
    let log = service.rest_of_log().join("\n");
    assert_eq!(log.matches("call finished").count(), 3, "{log}");
    assert!(log.contains("\"refused\"") && log.contains("git_search"), "{log}");
    assert!(!log.contains("quiet-") && !log.contains(SECRET), "{log}");
}

#[test]
fn what_is_fetched_while_it_serves_is_seen() {
    let repository = Repository::bare("fetched");
    repository.commit_file("a.txt", "one\n");
    let service = Service::of(&[("one", repository.path())]);
    assert_eq!(service.call("git_read_file", json!({"path": "a.txt"}))["content"], "one\n");
    for round in 0..5 {
        let commit = repository.commit_file("a.txt", &format!("round {round}\n"));
        let read = service.call("git_read_file", json!({"path": "a.txt"}));
        assert_eq!(
            (&read["commit"], &read["content"]),
            (&json!(commit), &json!(format!("round {round}\n")))
        );
    }
    // Also when everything moves into another pack.
    repository.git(&["gc", "-q", "--prune=now"]);
    let (commits, _) = service.all("git_log", "commits", json!({}));
    assert_eq!(commits.len(), 6);
    let commit = repository.commit_file("a.txt", "behind gc\n");
    assert_eq!(service.call("git_log", json!({}))["commit"], commit);
}
