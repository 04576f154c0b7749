//! The same answers as git's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sample::sample;

/// Ids of a tool's commits.
fn ids(commits: &[Value]) -> Vec<String> {
    commits.iter().map(|commit| commit["id"].as_str().unwrap().to_owned()).collect()
}

fn log(arguments: Value) -> Vec<String> {
    let mut arguments = arguments;
    arguments["limit"] = json!(17);
    ids(&sample().1.all("git_log", "commits", arguments).0)
}

fn git_log(arguments: &[&str]) -> Vec<String> {
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
fn path_of(item: &Value) -> Vec<u8> {
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

#[test]
fn every_line_has_the_origin_git_blame_gives_it() {
    let sample = sample();
    let (repository, service) = &*sample;
    let (entries, _) =
        service.all("git_list_files", "entries", json!({"ref": "odd", "recursive": true}));
    let mut compared = 0;
    let mut renamed = 0;
    for entry in entries {
        let path = entry["path"].as_str().unwrap();
        let text = matches!(entry["kind"].as_str().unwrap(), "file" | "executable");
        if !text || entry["path_base64"].is_string() || path.contains(".dat") {
            continue;
        }
        let porcelain = repository.git(&[
            "-c",
            "core.quotePath=false",
            "blame",
            "--line-porcelain",
            "odd",
            "--",
            path,
        ]);
        let porcelain = String::from_utf8_lossy(&porcelain).into_owned();
        let mut expected = Vec::new();
        let mut lines = porcelain.lines();
        while let Some(head) = lines.next() {
            let parts: Vec<&str> = head.split(' ').collect();
            let quoted = lines.by_ref().find_map(|line| line.strip_prefix("filename ")).unwrap();
            // Git's quoting is JSON's, for these names.
            let name: String = serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_owned());
            let line = lines.next().unwrap().strip_prefix('\t').unwrap();
            let original: u64 = parts[1].parse().unwrap();
            renamed += usize::from(name != path);
            expected.push((parts[0].to_owned(), original, name, line.to_owned()));
        }
        let query = json!({"ref": "odd", "path": path, "limit": 21});
        let mut found = Vec::new();
        for hunk in service.all("git_blame", "hunks", query).0 {
            assert_eq!(hunk["line"].as_u64().unwrap(), found.len() as u64 + 1);
            for (offset, line) in (0..).zip(hunk["lines"].as_array().unwrap()) {
                found.push((
                    hunk["commit"].as_str().unwrap().to_owned(),
                    hunk["original_line"].as_u64().unwrap() + offset,
                    hunk["original_path"].as_str().unwrap().to_owned(),
                    line.as_str().unwrap().to_owned(),
                ));
            }
        }
        compared += found.len();
        assert_eq!(found, expected, "{path}");
    }
    assert!(compared > 500 && renamed > 20, "{compared} lines, {renamed} from other paths");
}

#[test]
fn a_range_of_lines_is_blamed_alone() {
    let sample = sample();
    let (_, service) = &*sample;
    let query = json!({"ref": "odd", "path": "crlf.txt", "from_line": 2, "to_line": 2});
    let hunks = service.call("git_blame", query)["hunks"].clone();
    assert_eq!(hunks.as_array().unwrap().len(), 1);
    assert_eq!((&hunks[0]["line"], &hunks[0]["lines"]), (&json!(2), &json!(["2"])));
    assert_eq!(hunks[0]["author"]["name"], "Dev One");
    let beyond = json!({"ref": "odd", "path": "crlf.txt", "from_line": 4});
    assert_eq!(service.refusal("git_blame", beyond), "The file has 3 lines");
    let empty = service.call("git_blame", json!({"ref": "odd~1", "path": "empty"}));
    assert_eq!((&empty["total_lines"], &empty["hunks"]), (&json!(0), &json!([])));
}

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
