//! The same patches as git's own.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::sample::sample;

/// All patches of a difference, together.
fn patch(tool: &str, arguments: Value) -> (String, Vec<Value>) {
    let (files, _) = sample().1.all(tool, "files", arguments);
    let text = files.iter().map(|file| file["patch"].as_str().unwrap()).collect();
    (text, files)
}

fn git_diff(arguments: &[&str]) -> String {
    let fixed = ["diff", "--full-index", "--no-ext-diff", "--no-textconv"];
    String::from_utf8_lossy(&sample().0.git(&[&fixed[..], arguments].concat())).into_owned()
}

/// Says where two patches part.
fn assert_same(shown: &str, expected: &str, what: &str) {
    if shown != expected {
        let same = shown.lines().zip(expected.lines()).take_while(|(one, other)| one == other);
        let from = same.count().saturating_sub(12);
        let near = |text: &str| text.lines().skip(from).take(40).collect::<Vec<_>>().join("\n");
        panic!("{what}\n--- shown\n{}\n--- expected\n{}", near(shown), near(expected));
    }
}

/// Every commit of the sample, compared with its first parent.
#[test]
fn every_commit_shows_the_patch_git_shows() {
    let sample = sample();
    let (repository, _) = &*sample;
    let mut kinds = std::collections::BTreeMap::new();
    let commits = repository.text(&["rev-list", "odd", "unrelated"]);
    for commit in commits.lines() {
        let root = ["diff-tree", "--root", "--no-commit-id", "-p", "-M", "--full-index", commit];
        let has_parent = !repository.text(&["log", "-1", "--format=%P", commit]).is_empty();
        let expected = if has_parent {
            git_diff(&[&format!("{commit}^1"), commit])
        } else {
            String::from_utf8_lossy(&repository.git(&root)).into_owned()
        };
        let (shown, files) = patch("git_show", json!({"ref": commit, "limit": 4}));
        assert_same(&shown, &expected, commit);
        for file in files {
            *kinds.entry(file["status"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    for (kind, least) in [("A", 20), ("D", 3), ("M", 100), ("R", 10), ("T", 1)] {
        assert!(kinds[kind] >= least, "{kinds:?}");
    }
}

/// There is one index, which tests share.
static INDEX: Mutex<()> = Mutex::new(());

/// Where one edit can be told in several ways of the same length, git's choice
/// and this one's may differ. Then the files must be the same, and the patch
/// must lead from one commit to the other.
fn assert_equivalent(from: &str, to: &str, shown: &str, expected: &str) {
    if shown == expected {
        return;
    }
    let heads = |text: &str| {
        let is_head = |line: &&str| !line.starts_with(['+', '-', ' ', '@', '\\']);
        text.lines().filter(is_head).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(heads(shown), heads(expected), "{from} {to}");
    let sample = sample();
    let (repository, _) = &*sample;
    let _held = INDEX.lock().unwrap();
    repository.git(&["read-tree", from]);
    repository.git_with(&["apply", "--cached", "--unidiff-zero", "-"], shown.as_bytes());
    let tree = repository.text(&["write-tree"]);
    assert_eq!(tree, repository.text(&["rev-parse", &format!("{to}^{{tree}}")]), "{from} {to}");
}

#[test]
fn any_two_commits_differ_as_git_says() {
    for (from, to, path) in [
        ("main~150", "main", ""),
        ("main", "main~120", ""),
        ("unrelated", "odd", ""),
        ("main~90", "main~30", "src"),
        ("odd~3", "odd", "caf"),
        ("light", "v1.0", ""),
        ("odd~2", "odd", "becomes-folder"),
        ("main", "main", ""),
    ] {
        for context in [0_u64, 3, 10] {
            let unified = format!("-U{context}");
            let mut wanted = vec![unified.as_str(), from, to];
            if !path.is_empty() {
                wanted.extend(["--", path]);
            }
            let arguments = json!({"from": from, "to": to, "path": path, "context": context});
            let (shown, files) = patch("git_diff", arguments);
            let expected = git_diff(&wanted);
            if path.is_empty() {
                assert_equivalent(from, to, &shown, &expected);
            } else {
                assert_same(&shown, &expected, &format!("{from} {to} {path} {context}"));
            }
            wanted[0] = "--numstat";
            let number = |text: &str| text.parse::<i64>().ok();
            // What all came to, for each file.
            let expected: Vec<Option<i64>> = git_diff(&wanted)
                .lines()
                .map(|line| {
                    let mut parts = line.split('\t');
                    let (come, gone) = (parts.next().unwrap(), parts.next().unwrap());
                    number(come).zip(number(gone)).map(|(come, gone)| come - gone)
                })
                .collect();
            let found: Vec<Option<i64>> = files
                .iter()
                .map(|file| {
                    let lines = file["additions"].as_i64().zip(file["deletions"].as_i64());
                    lines.map(|(come, gone)| come - gone)
                })
                .collect();
            assert_eq!(found, expected, "{from} {to} {path}");
        }
    }
}

#[test]
fn differences_can_do_without_renames_and_begin_where_histories_part() {
    let sample = sample();
    let (repository, service) = &*sample;
    let query = json!({"from": "main~150", "to": "main", "renames": false});
    let (shown, files) = patch("git_diff", query);
    let expected = git_diff(&["--no-renames", "main~150", "main"]);
    assert_equivalent("main~150", "main", &shown, &expected);
    assert!(files.iter().all(|file| file["similarity"].is_null()));
    for (one, other) in [("side", "main"), ("main", "side"), ("odd", "main~10")] {
        let query = json!({"from": one, "to": other, "merge_base": true, "limit": 5});
        let base = repository.text(&["merge-base", one, other]);
        let expected = git_diff(&[&format!("{one}...{other}")]);
        assert_equivalent(&base, other, &patch("git_diff", query.clone()).0, &expected);
        assert_eq!(service.call("git_diff", query)["from_commit"], base, "{one} {other}");
    }
    let apart = json!({"from": "unrelated", "to": "main", "merge_base": true});
    assert_eq!(service.refusal("git_diff", apart), "from and to have no common ancestor");
}

/// What a rename or an odd name looks like beside its patch.
#[test]
fn a_change_says_what_it_is() {
    let sample = sample();
    let (_, service) = &*sample;
    let (_, files) = patch("git_show", json!({"ref": "odd~1"}));
    let of = |path: &str| files.iter().find(|file| file["path"] == path).unwrap().clone();
    assert_eq!(of("becomes-link")["status"], "T");
    assert_eq!(of("becomes-link")["new_mode"], "120000");
    assert_eq!(of("becomes-folder/inner.txt")["old_path"], "becomes-folder");
    assert_eq!(of("becomes-folder/inner.txt")["similarity"], 100);
    assert_eq!(of("moved.dat")["status"], "R");
    assert_eq!(
        (&of("moved.dat")["binary"], &of("moved.dat")["additions"]),
        (&json!(true), &Value::Null)
    );
    let latin = of("caf\u{fffd}.txt");
    assert_eq!(latin["path_base64"], "Y2Fm6S50eHQ=");
    assert_eq!(of("latin1.txt")["patch_lossy"], true);
    assert_eq!(latin["patch_lossy"], false);
    let only = json!({"ref": "odd~1", "path_base64": "Y2Fm6S50eHQ=", "patch": false});
    let page = service.call("git_show", only);
    assert_eq!((&page["total_files"], &page["files"][0]["patch"]), (&json!(1), &Value::Null));
    assert_eq!(page["files"][0]["additions"], 1);
}

#[test]
fn a_tag_is_shown_with_its_commit_and_a_merge_with_the_parent_asked_for() {
    let sample = sample();
    let (repository, service) = &*sample;
    let page = service.call("git_show", json!({"ref": "v1.0"}));
    assert_eq!(page["tag"]["name"], "v1.0");
    assert_eq!(page["tag"]["tagger"]["email"], "c@example.com");
    assert!(page["tag"]["message"].as_str().unwrap().ends_with("With notes.\n"));
    assert_eq!(page["commit"]["id"], repository.text(&["rev-parse", "v1.0^{commit}"]));
    assert_eq!(service.call("git_show", json!({"ref": "light"}))["tag"], Value::Null);
    let merge = repository.text(&["log", "-1", "--merges", "--format=%H"]);
    let (shown, _) = patch("git_show", json!({"ref": merge, "parent": 2}));
    assert_eq!(shown, git_diff(&[&format!("{merge}^2"), &merge]));
    let refused = service.refusal("git_show", json!({"ref": merge, "parent": 3}));
    assert_eq!(refused, "The commit has no such parent");
}
