//! What is advertised is what is accepted and given (C-55, T-22).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::process::{SECRET, Service, command};
use crate::registry::assert_shipped;
use crate::sample::sample;

/// The tools, in the order they are listed.
const TOOLS: [&str; 9] = [
    "git_log",
    "git_show",
    "git_diff",
    "git_blame",
    "git_search",
    "git_list_files",
    "git_read_file",
    "git_branches_tags",
    "git_readonly",
];

#[test]
fn the_shipped_registry_lists_what_the_service_lists() {
    let listed = Service::launch(&mut command(&[("TOOL_GATEWAY_SHARED_SECRET", SECRET)])).listed();
    let names: Vec<&Value> = listed.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, TOOLS);
    assert_shipped(&mut command(&[]), "git", &listed);
}

#[test]
fn tools_say_that_they_change_nothing() {
    for tool in Service::of(&[]).listed() {
        let expected = json!({"readOnlyHint": true, "destructiveHint": false,
                              "idempotentHint": true, "openWorldHint": false});
        assert_eq!(tool["annotations"], expected, "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["outputSchema"]["type"], "object");
        assert!(!tool["title"].as_str().unwrap().is_empty());
    }
}

/// Calls of every tool, with what is rare in them.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("git_log", json!({"ref": "odd"})),
        ("git_log", json!({"limit": 1, "path": "src"})),
        ("git_show", json!({"ref": "odd~1"})),
        ("git_show", json!({"ref": "v1.0-again", "limit": 1})),
        ("git_show", json!({"ref": "unrelated"})),
        ("git_diff", json!({"from": "main~150", "to": "odd"})),
        ("git_diff", json!({"from": "main", "patch": false})),
        ("git_blame", json!({"ref": "odd", "path_base64": "Y2Fm6S50eHQ="})),
        ("git_blame", json!({"ref": "odd", "path": "becomes-folder/inner.txt"})),
        ("git_search", json!({"query": "step", "limit": 2})),
        ("git_search", json!({"ref": "odd", "query": "other"})),
        ("git_search", json!({"query": "Ticket", "kind": "messages", "limit": 2})),
        ("git_list_files", json!({"ref": "odd"})),
        ("git_list_files", json!({"ref": "odd", "recursive": true})),
        ("git_read_file", json!({"ref": "odd", "path": "binary.dat"})),
        ("git_read_file", json!({"path": "link"})),
        ("git_branches_tags", json!({})),
        ("git_readonly", json!({"operation": "log", "path": "sample"})),
        ("git_readonly", json!({"operation": "diff", "path": "sample/src", "ref": "main~9..main"})),
        ("git_readonly", json!({"operation": "diff", "path": "sample", "ref": "odd"})),
        ("git_readonly", json!({"operation": "blame", "path": "sample/readme.txt"})),
        ("git_readonly", json!({"operation": "search", "path": "sample", "query": "step"})),
    ]
}

#[test]
fn results_fit_the_output_schema_and_arguments_the_input_schema() {
    let sample = sample();
    let (_, service) = &*sample;
    let schemas: BTreeMap<String, Value> = service
        .listed()
        .into_iter()
        .map(|tool| (tool["name"].as_str().unwrap().to_owned(), tool))
        .collect();
    for (name, arguments) in calls() {
        let tool = &schemas[name];
        assert!(jsonschema::validator_for(&tool["inputSchema"]).unwrap().is_valid(&arguments));
        let schema = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
        let result = service.call(name, arguments.clone());
        let problems: Vec<String> =
            schema.iter_errors(&result).map(|error| format!("{error}")).collect();
        assert!(problems.is_empty(), "{name} {arguments}: {problems:?}");
    }
    let called: Vec<&str> = calls().iter().map(|(name, _)| *name).collect();
    assert!(TOOLS.iter().all(|tool| called.contains(tool)));
}

#[test]
fn arguments_outside_of_the_schema_are_refused() {
    let sample = sample();
    let (_, service) = &*sample;
    for (name, arguments) in [
        ("git_log", json!({"format": "%H"})),
        ("git_log", json!({"limit": 0})),
        ("git_log", json!({"limit": 201})),
        ("git_log", json!({"limit": 1.5})),
        ("git_log", json!({"ref": 7})),
        ("git_log", json!({"ref": "a".repeat(256)})),
        ("git_log", json!({"path": "a/".repeat(2049)})),
        ("git_diff", json!({})),
        ("git_diff", json!({"from": "main", "context": 101})),
        ("git_search", json!({})),
        ("git_search", json!({"query": ""})),
        ("git_search", json!({"query": "x".repeat(501)})),
        ("git_readonly", json!({"operation": "push", "path": "sample"})),
        ("git_readonly", json!({"operation": "log"})),
    ] {
        assert_eq!(service.refusal(name, arguments.clone()), "Invalid params", "{arguments}");
    }
}

#[test]
fn the_reference_systems_tool_answers_as_the_others_do() {
    let sample = sample();
    let (_, service) = &*sample;
    for (operation, path, revision, tool, arguments) in [
        ("log", "sample", "main~3", "git_log", json!({"ref": "main~3"})),
        ("log", "sample/src", "odd", "git_log", json!({"ref": "odd", "path": "src"})),
        ("diff", "sample", "main~4..main", "git_diff", json!({"from": "main~4", "to": "main"})),
        (
            "diff",
            "sample/src",
            "main~4..",
            "git_diff",
            json!({"from": "main~4", "to": "HEAD", "path": "src"}),
        ),
        (
            "diff",
            "sample",
            "side...main",
            "git_diff",
            json!({"from": "side", "to": "main", "merge_base": true}),
        ),
        ("diff", "sample", "main", "git_show", json!({"ref": "main"})),
        (
            "blame",
            "sample/readme.txt",
            "odd",
            "git_blame",
            json!({"ref": "odd", "path": "readme.txt"}),
        ),
    ] {
        let asked = json!({"operation": operation, "path": path, "ref": revision});
        let mut short = service.call("git_readonly", asked);
        assert_eq!(short["operation"], operation);
        let mut long = service.call(tool, arguments);
        // Cursors belong to one tool.
        for result in [&mut short["result"], &mut long] {
            result["next_cursor"] = json!(result["next_cursor"].is_string());
        }
        assert_eq!(short["result"], long, "{operation} {path} {revision}");
    }
    let search = json!({"operation": "search", "path": "sample/readme.txt", "query": "sample"});
    let found = service.call("git_readonly", search);
    assert_eq!(found["result"]["matches"][0]["text"], "to the sample");
    let without = json!({"operation": "search", "path": "sample"});
    assert_eq!(service.refusal("git_readonly", without), "search requires query");
    for path in ["other", "other/x", "", "/sample"] {
        let refused = service.refusal("git_readonly", json!({"operation": "log", "path": path}));
        assert_eq!(refused, "Unknown repository; there are: sample", "{path}");
    }
    // Its pages go on, too.
    let mut log = json!({"operation": "log", "path": "sample", "limit": 2});
    let first = service.call("git_readonly", log.clone());
    log["cursor"] = first["result"]["next_cursor"].clone();
    let second = service.call("git_readonly", log);
    assert_ne!(first["result"]["commits"], second["result"]["commits"]);
}

#[test]
fn several_repositories_are_told_apart_by_name() {
    let sample = sample();
    let (repository, service) = &*sample;
    let path = repository.path();
    let two = Service::of(&[("one", path), ("two.git", path)]);
    assert_eq!(two.refusal("git_log", json!({})), "repo is required, one of: one, two.git");
    assert_eq!(
        two.refusal("git_log", json!({"repo": "three"})),
        "Unknown repository; there are: one, two.git"
    );
    assert_eq!(two.call("git_log", json!({"repo": "two.git"}))["repo"], "two.git");
    assert_eq!(service.call("git_log", json!({"repo": "sample"}))["repo"], "sample");
    let none = Service::of(&[]);
    assert_eq!(none.refusal("git_log", json!({})), "No repository is configured");
}
