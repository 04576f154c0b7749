//! The same answers as git's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sample::sample;

/// Ids of a tool's commits.
pub(crate) fn ids(commits: &[Value]) -> Vec<String> {
    commits.iter().map(|commit| commit["id"].as_str().unwrap().to_owned()).collect()
}

fn log(arguments: Value) -> Vec<String> {
    let mut arguments = arguments;
    arguments["limit"] = json!(17);
    ids(&sample().1.all("git_log", "commits", arguments).0)
}

pub(crate) fn git_log(arguments: &[&str]) -> Vec<String> {
    let all = [&["log", "--format=%H"], arguments].concat();
    sample().0.text(&all).lines().map(str::to_owned).collect()
}

#[test]
fn a_history_has_the_commits_and_the_order_of_git_log() {
    for revision in [
        "HEAD",
        "main",
        "odd",
        "side",
        "unrelated",
        "v1.0",
        "v1.0-again",
        "light",
        "loose/branch",
        "origin/main",
        "main~7",
        "main^^2^2~1",
        "alias",
    ] {
        let expected = match revision {
            // There is no second parent at just any place.
            "main^^2^2~1" => continue,
            _ => git_log(&[revision]),
        };
        assert!(!expected.is_empty());
        assert_eq!(log(json!({"ref": revision})), expected, "{revision}");
    }
    assert_eq!(log(json!({})), git_log(&[]));
    assert_eq!(log(json!({"first_parent": true})), git_log(&["--first-parent"]));
    let short = &git_log(&["-1", "main~20"])[0][..9].to_owned();
    assert_eq!(log(json!({"ref": short})), git_log(&[short]));
}

#[test]
fn every_path_of_every_branch_has_the_history_git_gives_it() {
    let mut paths = BTreeSet::new();
    for branch in ["main", "odd"] {
        for path in sample().0.text(&["log", "--name-only", "--format=", branch]).lines() {
            if !path.is_empty() && !path.starts_with('"') {
                paths.insert(path.to_owned());
                let folders: Vec<&str> = path.split('/').collect();
                paths.insert(folders[0].to_owned());
            }
        }
    }
    assert!(paths.len() > 60, "{}", paths.len());
    for path in paths {
        for branch in ["main", "odd"] {
            let expected = git_log(&[branch, "--", &format!(":(literal){path}")]);
            assert_eq!(log(json!({"ref": branch, "path": path})), expected, "{branch} {path}");
        }
        let first = git_log(&["--first-parent", "main", "--", &format!(":(literal){path}")]);
        assert_eq!(
            log(json!({"ref": "main", "path": path, "first_parent": true})),
            first,
            "{path}"
        );
    }
}

#[test]
fn authors_and_dates_choose_as_in_git() {
    for author in ["Ada", "ada@EXAMPLE.com", "Čapek", "nobody"] {
        assert_eq!(
            log(json!({"author": author})),
            git_log(&["-i", "-F", &format!("--author={author}")]),
            "{author}"
        );
    }
    let middle = "2020-09-13T13:30:00Z";
    assert_eq!(log(json!({"since": middle})), git_log(&[&format!("--since={middle}")]));
    assert_eq!(log(json!({"until": middle})), git_log(&[&format!("--until={middle}")]));
    let both = git_log(&["--since=2020-09-13T13:00:00Z", &format!("--until={middle}")]);
    assert!(both.len() > 3 && both.len() < 200);
    assert_eq!(log(json!({"since": "2020-09-13T13:00:00Z", "until": middle})), both);
    assert_eq!(
        log(json!({"ref": "odd", "since": "2020-09-14"})),
        git_log(&["odd", "--since=2020-09-14T00:00:00Z"])
    );
    let refused = sample().1.refusal("git_log", json!({"since": "yesterday"}));
    assert!(refused.contains("RFC 3339"), "{refused}");
}

#[test]
fn commits_have_the_people_dates_and_messages_git_shows() {
    for branch in ["main", "odd", "unrelated"] {
        let (found, _) = sample().1.all("git_log", "commits", json!({"ref": branch}));
        let format = "--format=%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%s%x00%b%x00";
        let shown = sample().0.git(&["log", "--encoding=UTF-8", format, branch]);
        let shown = String::from_utf8(shown).unwrap();
        let mut fields = shown.split('\0');
        for commit in &found {
            let mut next = || fields.next().unwrap().trim_start_matches('\n');
            assert_eq!(commit["id"], next());
            let parents: Vec<&str> = next().split_whitespace().collect();
            assert_eq!(commit["parents"], json!(parents));
            for person in ["author", "committer"] {
                assert_eq!(commit[person]["name"], next());
                assert_eq!(commit[person]["email"], next());
                let time = next().replace('Z', "+00:00");
                assert_eq!(commit[person]["time"], time);
            }
            assert_eq!(commit["subject"], next());
            // The indentation of a body's first line counts.
            let body = fields.next().unwrap().trim_end_matches('\n');
            assert_eq!(commit["body"], body, "{commit}");
        }
        assert_eq!(fields.next().unwrap().trim(), "");
    }
}

#[test]
fn files_are_listed_as_git_ls_tree_lists_them() {
    for (revision, path) in [
        ("main", ""),
        ("odd", ""),
        ("odd", "src"),
        ("odd", "src/deep"),
        ("odd", "größe/"),
        ("odd", "readme.txt"),
        ("main~40", ""),
        ("v1.0", "a b"),
    ] {
        for recursive in [false, true] {
            let tree = if path.is_empty() || path == "readme.txt" {
                revision.to_owned()
            } else {
                format!("{revision}:{}", path.trim_end_matches('/'))
            };
            let mut arguments = vec!["ls-tree", "-z", "-l", "--full-tree"];
            if recursive {
                arguments.push("-r");
            }
            arguments.push(&tree);
            if path == "readme.txt" {
                arguments.extend(["--", "readme.txt"]);
            }
            let expected = sample().0.git(&arguments);
            let mut listed = Vec::new();
            let query = json!({"ref": revision, "path": path, "recursive": recursive, "limit": 9});
            for entry in sample().1.all("git_list_files", "entries", query).0 {
                let kind = match entry["kind"].as_str().unwrap() {
                    "directory" => "tree",
                    "submodule" => "commit",
                    _ => "blob",
                };
                let size = entry["size"].as_u64().map_or("-".to_owned(), |size| size.to_string());
                let id = entry["id"].as_str().unwrap();
                let mode = entry["mode"].as_str().unwrap();
                listed.extend(format!("{mode} {kind} {id} {size:>7}\t").into_bytes());
                let mut name = path_of(&entry);
                if path != "readme.txt" && !path.is_empty() {
                    name.drain(..=path.trim_end_matches('/').len());
                }
                listed.extend(name);
                listed.push(0);
            }
            assert_eq!(
                String::from_utf8_lossy(&listed),
                String::from_utf8_lossy(&expected),
                "{revision} {path} {recursive}"
            );
            assert_eq!(listed, expected);
        }
    }
}

/// A path's bytes.
pub(crate) fn path_of(item: &Value) -> Vec<u8> {
    match item["path_base64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => item["path"].as_str().unwrap().as_bytes().to_vec(),
    }
}

#[test]
fn every_file_reads_as_git_cat_file_shows_it() {
    let sample = sample();
    let service = &sample.1;
    let (entries, _) =
        service.all("git_list_files", "entries", json!({"ref": "odd", "recursive": true}));
    let mut encodings = BTreeMap::new();
    for entry in entries {
        let mut query = json!({"ref": "odd"});
        match entry["path_base64"].as_str() {
            Some(encoded) => query["path_base64"] = json!(encoded),
            None => query["path"] = entry["path"].clone(),
        }
        if entry["kind"] == "submodule" {
            let refused = service.refusal("git_read_file", query);
            assert_eq!(refused, "path is a submodule, not a file");
            continue;
        }
        let read = service.call("git_read_file", query);
        let content = read["content"].as_str().unwrap();
        let bytes = match read["encoding"].as_str().unwrap() {
            "utf-8" => content.as_bytes().to_vec(),
            _ => STANDARD.decode(content).unwrap(),
        };
        let id = entry["id"].as_str().unwrap();
        assert_eq!(bytes, sample.0.git(&["cat-file", "blob", id]), "{entry}");
        assert_eq!(read["size"], bytes.len());
        assert_eq!(read["next_cursor"], Value::Null);
        *encodings.entry(read["encoding"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert!(encodings["base64"] >= 3 && encodings["utf-8"] > 20, "{encodings:?}");
}

#[test]
fn references_are_those_of_git() {
    let sample = sample();
    let (repository, service) = &*sample;
    let (found, pages) = service.all("git_branches_tags", "references", json!({"limit": 3}));
    assert!(pages > 2);
    let mut text = String::new();
    for reference in &found {
        let commit = reference["commit"].as_str().unwrap_or("");
        writeln!(
            text,
            "{} {} {commit}",
            reference["full_name"].as_str().unwrap(),
            reference["object"].as_str().unwrap(),
        )
        .unwrap();
    }
    let mut expected = String::new();
    let format = "--format=%(refname) %(objectname)";
    let refs = ["refs/heads", "refs/remotes", "refs/tags"];
    for line in repository.text(&[&["for-each-ref", format][..], &refs[..]].concat()).lines() {
        let name = line.split(' ').next().unwrap();
        let commit = match name {
            "refs/tags/just-a-file" => String::new(),
            name => repository.text(&["rev-parse", &format!("{name}^{{commit}}")]),
        };
        writeln!(expected, "{line} {commit}").unwrap();
    }
    assert_eq!(text, expected);
    let page = service.call("git_branches_tags", json!({"kind": "tags", "prefix": "v1"}));
    let names: Vec<&str> = page["references"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["v1.0", "v1.0-again"]);
    assert!(page["references"].as_array().unwrap().iter().all(|r| r["annotated"] == true));
    assert_eq!(page["repositories"], json!(["sample"]));
    assert_eq!(page["head"]["branch"], "main");
    assert_eq!(page["head"]["commit"], repository.text(&["rev-parse", "HEAD"]));
    let refused = service.refusal("git_log", json!({"ref": "just-a-file"}));
    assert_eq!(refused, "ref names a blob, not a commit");
}
