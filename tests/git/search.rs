//! The same hits as git's own.

use serde_json::{Value, json};

use crate::answers::{git_log, ids, path_of};
use crate::sample::sample;

/// `path:line:column` of all hits.
fn hits(arguments: Value) -> Vec<String> {
    let mut arguments = arguments;
    arguments["limit"] = json!(13);
    let (found, _) = sample().1.all("git_search", "matches", arguments);
    let line = |hit: &Value| {
        let path = String::from_utf8_lossy(&path_of(hit)).into_owned();
        format!("{path}:{}:{}:{}", hit["line"], hit["column"], hit["text"].as_str().unwrap())
    };
    found.iter().map(line).collect()
}

fn git_grep(arguments: &[&str], revision: &str, path: &str) -> Vec<String> {
    let fixed = ["-c", "core.quotePath=false", "grep", "-I", "-n", "--column", "-z"];
    let mut all = [&fixed[..], arguments, &[revision]].concat();
    if !path.is_empty() {
        all.extend(["--", path]);
    }
    let shown = sample().0.git(&all);
    String::from_utf8_lossy(&shown)
        .lines()
        .map(|line| {
            let line = line.strip_prefix(&format!("{revision}:")).unwrap();
            line.replace('\0', ":").trim_end_matches('\r').to_owned()
        })
        .collect()
}

#[test]
fn a_search_finds_the_lines_git_grep_finds() {
    let plain = |query: &str, path: &str| hits(json!({"ref": "odd", "query": query, "path": path}));
    for (query, path) in [
        ("step(", ""),
        ("step(", "src"),
        ("step(", "src/deep/er"),
        ("Größe", ""),
        ("latin", ""),
        ("one", "crlf.txt"),
        ("last", ""),
    ] {
        let expected = git_grep(&["-F", "-e", query], "odd", path);
        assert!(!expected.is_empty(), "{query} {path}");
        assert_eq!(plain(query, path), expected, "{query} {path}");
    }
    let expression = r"changed\([0-9]*7\);$";
    assert_eq!(
        hits(json!({"ref": "main", "query": expression, "regex": true})),
        git_grep(&["-E", "-e", expression], "main", "")
    );
    assert_eq!(
        hits(json!({"ref": "odd", "query": "WELCOME", "ignore_case": true})),
        git_grep(&["-F", "-i", "-e", "WELCOME"], "odd", "")
    );
    assert!(hits(json!({"query": "found nowhere at all"})).is_empty());
    // Nothing in a query is an option.
    assert!(hits(json!({"query": "--no-index"})).is_empty());
}

#[test]
fn a_search_of_messages_finds_the_commits_git_finds() {
    for (query, path) in [("T-7", ""), ("Ticket T-1", "src"), ("Größe", ""), ("two lines", "")] {
        let arguments =
            json!({"ref": "odd", "kind": "messages", "query": query, "path": path, "limit": 4});
        let found = ids(&sample().1.all("git_search", "commits", arguments).0);
        let grep = format!("--grep={query}");
        let mut expected = vec!["odd", "-F", &grep, "--"];
        if !path.is_empty() {
            expected.push(path);
        }
        let expected = git_log(&expected);
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(found, expected, "{query} {path}");
    }
}
