//! A history of 50,000 commits: the same answers as git's, and how long each
//! call takes. To see that of a release build:
//!
//! ```text
//! cargo build --release --bin tool-git
//! TOOL_GIT_BINARY=target/release/tool-git cargo test --test git large -- --nocapture
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use scopegate::clock::Clock;
use serde_json::{Value, json};

use crate::process::Service;
use crate::repository::{Import, Repository};

const COMMITS: usize = 50_000;
/// Each file keeps its latest so many lines.
const LINES: usize = 120;

/// 50,000 commits, each to one of a thousand files in forty folders.
fn make() -> Repository {
    let repository = Repository::bare("large");
    let mut import = Import::default();
    let mut files = vec![Vec::<String>::new(); 1000];
    for number in 0..COMMITS {
        // Spread, but the same in every run.
        let file = number * 7919 % 1009 % files.len();
        let lines = &mut files[file];
        if lines.len() > 5 && number % 3 == 0 {
            let at = number / 1000 % lines.len();
            lines[at] = format!("changed by {number}");
        } else {
            lines.push(format!("line of {number}"));
        }
        if lines.len() > LINES {
            lines.remove(0);
        }
        let who = format!("Dev {0} <dev{0}@example.com>", number % 7);
        let message = format!("Change {number}\n\nTicket T-{}\n", number % 1000);
        import.commit_by("main", &who, 1_500_000_000 + number as u64 * 60, message.as_bytes());
        let path = format!("dir{}/file{}.txt", file % 40, file / 40);
        import.file("100644", path.as_bytes(), (lines.join("\n") + "\n").as_bytes());
    }
    repository.import(import);
    // As a server packs it for a clone.
    repository.git(&["repack", "-a", "-d", "-f", "-q"]);
    repository
}

struct Timed {
    service: Service,
    clock: Clock,
    table: String,
}

impl Timed {
    /// Calls three times and notes the shortest.
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut best = Duration::MAX;
        let mut result = Value::Null;
        for _ in 0..3 {
            let begun = self.clock.monotonic();
            result = self.service.call(tool, arguments.clone());
            best = best.min(self.clock.monotonic().saturating_sub(begun));
        }
        writeln!(self.table, "{:>10.2} ms  {tool} {arguments}", best.as_secs_f64() * 1000.0)
            .unwrap();
        result
    }
}

fn ids(page: &Value) -> Vec<&str> {
    page["commits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|commit| commit["id"].as_str().unwrap())
        .collect()
}

#[test]
fn fifty_thousand_commits_are_answered_as_git_answers() {
    let repository = make();
    let git = |arguments: &[&str]| repository.text(arguments);
    let service = Service::of(&[("large", repository.path())]);
    let mut timed = Timed { service, clock: Clock::system(), table: String::new() };
    let path = "dir3/file7.txt";

    let page = timed.call("git_log", json!({}));
    let expected = git(&["log", "--format=%H", "-30"]);
    assert_eq!(ids(&page), expected.lines().collect::<Vec<_>>());

    let page = timed.call("git_log", json!({"path": path, "limit": 200}));
    let expected = git(&["log", "--format=%H", "--", path]);
    assert_eq!(ids(&page), expected.lines().collect::<Vec<_>>());
    assert!(ids(&page).len() > 30);

    let page = timed.call("git_log", json!({"path": "dir3", "limit": 30}));
    let expected = git(&["log", "--format=%H", "-30", "--", "dir3"]);
    assert_eq!(ids(&page), expected.lines().collect::<Vec<_>>());

    let page = timed.call("git_search", json!({"query": "T-777", "kind": "messages"}));
    let expected = git(&["log", "--format=%H", "--grep=T-777"]);
    assert_eq!(ids(&page), expected.lines().collect::<Vec<_>>());
    assert_eq!(ids(&page).len(), 50);

    let page = timed.call("git_search", json!({"query": "by 4999"}));
    let expected = git(&["grep", "-n", "-F", "by 4999", "HEAD"]);
    let found: Vec<String> = page["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            format!(
                "HEAD:{}:{}:{}",
                hit["path"].as_str().unwrap(),
                hit["line"],
                hit["text"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(found, expected.lines().collect::<Vec<_>>());

    let page = timed.call("git_blame", json!({"path": path}));
    let blamed = git(&["blame", "-s", "-l", "--root", path, "HEAD"].map(|part| part));
    let expected: Vec<&str> = blamed.lines().map(|line| &line[..40]).collect();
    let mut found = Vec::new();
    for hunk in page["hunks"].as_array().unwrap() {
        for _ in hunk["lines"].as_array().unwrap() {
            found.push(hunk["commit"].as_str().unwrap());
        }
    }
    assert_eq!(found, expected);

    let page = timed.call("git_diff", json!({"from": "HEAD~500", "patch": false, "limit": 200}));
    let expected = git(&["diff", "--name-only", "HEAD~500", "HEAD"]);
    assert_eq!(page["total_files"], expected.lines().count());

    let page = timed.call("git_show", json!({"ref": "HEAD~25000"}));
    let expected = repository.git(&["diff", "--full-index", "HEAD~25001", "HEAD~25000"]);
    assert_eq!(page["files"][0]["patch"], String::from_utf8(expected).unwrap());

    let page = timed.call("git_list_files", json!({"recursive": true, "limit": 200}));
    let expected = git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    let found: Vec<&str> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(found, expected.lines().take(200).collect::<Vec<_>>());

    let page = timed.call("git_read_file", json!({"ref": "HEAD~40000", "path": path}));
    assert_eq!(page["content"], git(&["show", &format!("HEAD~40000:{path}")]) + "\n");
    timed.call("git_branches_tags", json!({}));

    // The last page of all commits.
    let service = &timed.service;
    let (all, pages) =
        service.all("git_log", "commits", json!({"limit": 200, "since": "2017-08-10"}));
    let count = git(&["rev-list", "--count", "--since=2017-08-10T00:00:00Z", "HEAD"]);
    assert_eq!(all.len().to_string(), count);
    println!("{} pages; shortest of three calls on {COMMITS} commits:\n{}", pages, timed.table);
}
