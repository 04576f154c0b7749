//! Every limit is held, and said when it is met.

use serde_json::{Value, json};

use crate::process::Service;
use crate::repository::{Import, Repository};
use crate::sample::sample;

fn limited(repository: &Repository, name: &str, value: &str) -> Service {
    Service::with(&[("one", repository.path())], &[(name, value)])
}

#[test]
fn the_commits_of_a_page_are_counted() {
    let sample = sample();
    let (repository, _) = &*sample;
    let service = limited(repository, "GIT_MAX_COMMITS", "10");
    // A rare author: pages that look at ten commits each, some of them empty.
    let (all, pages) = service.all("git_log", "commits", json!({"author": "nobody"}));
    assert!(all.is_empty() && pages > 15, "{pages}");
    let (all, _) = service.all("git_log", "commits", json!({"path": "readme.txt"}));
    assert_eq!(all.len(), 1);
    let deep = json!({"from": "main~150", "to": "side~3", "merge_base": true});
    assert!(service.refusal("git_diff", deep).contains("more than 10 commits"));
    let one = limited(repository, "GIT_MAX_COMMITS", "1");
    let path = repository.text(&["ls-tree", "-r", "--name-only", "main", "src/"]);
    let path = path.lines().next().unwrap();
    assert!(one.refusal("git_blame", json!({"path": path})).contains("More than 1 commits"));
}

#[test]
fn entries_and_depth_are_counted() {
    let sample = sample();
    let (repository, _) = &*sample;
    let service = limited(repository, "GIT_MAX_ENTRIES", "5");
    for (tool, arguments) in [
        ("git_list_files", json!({"recursive": true})),
        ("git_search", json!({"query": "no such text"})),
        ("git_diff", json!({"from": "unrelated"})),
        ("git_branches_tags", json!({})),
    ] {
        let refused = service.refusal(tool, arguments);
        assert!(refused.starts_with("More than 5 entries"), "{tool}: {refused}");
    }
    let repository = Repository::bare("deep");
    let mut import = Import::default();
    import.commit("main", 1_700_000_000, "Deep");
    import.file("100644", format!("{}file", "d/".repeat(600)).as_bytes(), b"deep\n");
    import.file("100644", b"a/b/file", b"shallow\n");
    repository.import(import);
    let service = Service::of(&[("one", repository.path())]);
    let deep = "d/".repeat(200);
    for (tool, arguments) in [
        ("git_list_files", json!({"recursive": true})),
        ("git_list_files", json!({"path": deep})),
        ("git_search", json!({"query": "deep"})),
        ("git_show", json!({})),
        ("git_log", json!({"path": format!("{deep}x")})),
    ] {
        assert_eq!(
            service.refusal(tool, arguments),
            "The tree is deeper than 64 folders",
            "{tool}"
        );
    }
    let near = service.call("git_read_file", json!({"path": "a/b/file"}));
    assert_eq!(near["content"], "shallow\n");
    let two = limited(&repository, "GIT_MAX_DEPTH", "2");
    assert!(two.refusal("git_read_file", json!({"path": "a/b/file"})).contains("deeper than 2"));
}

/// Folders in folders, ten of one and the same in each: ten objects that are ten
/// billion folders, none with a file in it.
#[test]
fn folders_without_files_count_too() {
    let repository = Repository::bare("folders");
    let tree = |entries: &str| {
        let made = repository.git_with(&["mktree"], entries.as_bytes());
        String::from_utf8(made).unwrap().trim().to_owned()
    };
    let mut folder = tree("");
    for _ in 0..10 {
        let entries =
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|at| format!("040000 tree {folder}\t{at}\n"));
        folder = tree(&entries.concat());
    }
    let commit = repository.text(&["commit-tree", "-m", "Folders", &folder]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let service = limited(&repository, "GIT_MAX_ENTRIES", "5000");
    for (tool, arguments) in [
        ("git_show", json!({})),
        ("git_list_files", json!({"recursive": true})),
        ("git_search", json!({"query": "x"})),
    ] {
        let refused = service.refusal(tool, arguments);
        assert!(refused.starts_with("More than 5000 entries"), "{tool}: {refused}");
    }
}

/// Folders of 70,000 entries in each other, all of which would be in memory at once.
#[test]
fn what_large_folders_hold_together_is_bounded() {
    let repository = Repository::bare("wide");
    let blob = repository.git_with(&["hash-object", "-w", "--stdin"], b"x\n");
    let blob = String::from_utf8(blob).unwrap();
    let blob = blob.trim();
    let files = (0..70_000).map(|at| format!("100644 blob {blob}\tf{at:05}\n"));
    let files = files.collect::<Vec<_>>().concat();
    let tree = |first: &str| {
        let made = repository.git_with(&["mktree"], format!("{first}{files}").as_bytes());
        String::from_utf8(made).unwrap().trim().to_owned()
    };
    let mut folder = tree("");
    for _ in 0..15 {
        folder = tree(&format!("040000 tree {folder}\ta\n"));
    }
    let commit = repository.text(&["commit-tree", "-m", "Wide", &folder]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let service = Service::of(&[("one", repository.path())]);
    for (tool, arguments) in [
        ("git_show", json!({"patch": false})),
        ("git_list_files", json!({"recursive": true, "limit": 1})),
        ("git_search", json!({"query": "x", "limit": 1})),
    ] {
        let refused = service.refusal(tool, arguments);
        assert!(refused.starts_with("More than 200000 entries"), "{tool}: {refused}");
    }
    // One by one they are small enough, and so are some in each other.
    let some = json!({"path": "a/a/a/a", "limit": 1, "recursive": true});
    assert_eq!(service.call("git_list_files", some)["entries"].as_array().unwrap().len(), 1);
}

/// What an expression takes on a long line cannot be cut short; a text can be found
/// in any.
#[test]
fn expressions_are_not_looked_for_in_long_lines() {
    let repository = Repository::bare("long");
    repository.commit_file("long.txt", &format!("{}needle\n", "x".repeat(70_000)));
    repository.commit_file("short.txt", "a needle\n");
    let service = limited(&repository, "GIT_MAX_FILE_BYTES", "100000");
    let found = service.call("git_search", json!({"query": "need.e", "regex": true}));
    assert_eq!(found["matches"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&found["matches"][0]["path"], &found["skipped_files"]),
        (&json!("short.txt"), &json!(1))
    );
    let found = service.call("git_search", json!({"query": "needle"}));
    assert_eq!(found["matches"].as_array().unwrap().len(), 2);
    assert_eq!(found["skipped_files"], 0);
    let wide = json!({"query": "(?-u:[01]*1[01]{10000}x)", "regex": true});
    assert!(service.refusal("git_search", wide).contains("too large a one"));
}

#[test]
fn large_files_are_not_looked_into() {
    let repository = Repository::bare("large");
    let lines = "a line of text\n".repeat(1000);
    repository.commit_file("large.txt", &lines);
    repository.commit_file("large.txt", &format!("{lines}more\n"));
    repository.commit_file("small.txt", "a line of text\n");
    let service = limited(&repository, "GIT_MAX_FILE_BYTES", "10000");
    let refused = service.refusal("git_read_file", json!({"path": "large.txt"}));
    assert_eq!(refused, "The file has 15005 bytes; the limit is 10000");
    assert!(service.refusal("git_blame", json!({"path": "large.txt"})).contains("too large"));
    let found = service.call("git_search", json!({"query": "line"}));
    assert_eq!(found["matches"].as_array().unwrap().len(), 1);
    assert_eq!(found["skipped_files"], 1);
    let shown = service.call("git_show", json!({"ref": "HEAD~1"}));
    let file = &shown["files"][0];
    assert_eq!((&file["too_large"], &file["additions"]), (&json!(true), &Value::Null));
    assert!(file["patch"].as_str().unwrap().contains("Binary files"));
    let listed = service.call("git_list_files", json!({"path": "large.txt"}));
    assert_eq!(listed["entries"][0]["size"], 15005);
}

/// Half a million lines of one letter each: comparing them would take minutes.
#[test]
fn files_of_very_many_lines_are_not_compared() {
    let repository = Repository::bare("lines");
    let mut letter = 7_u32;
    let mut lines = |count: usize| {
        let mut text = String::new();
        for _ in 0..count {
            letter = letter.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(char::from(b'a' + u8::try_from(letter >> 24).unwrap() % 26));
            text.push('\n');
        }
        text
    };
    let same = lines(200_000);
    repository.commit_file("all.txt", &lines(500_000));
    repository.commit_file("all.txt", &lines(500_000));
    repository.commit_file("some.txt", &format!("{same}{}{same}", lines(100)));
    repository.commit_file("some.txt", &format!("{same}{}{same}", lines(120)));
    let service = Service::of(&[("one", repository.path())]);
    let file =
        |revision: &str| service.call("git_show", json!({"ref": revision}))["files"][0].clone();
    let all = file("HEAD~2");
    assert_eq!((&all["too_large"], &all["additions"]), (&json!(true), &Value::Null));
    let blamed = json!({"path": "all.txt", "limit": 3});
    assert_eq!(
        service.refusal("git_blame", blamed),
        "The file is, or was, too large to be compared"
    );
    // What they begin and end with in common does not count.
    assert!(file("HEAD")["additions"].as_u64().unwrap() <= 120);
}

/// A small object that says it is a very large one, and one that is.
#[test]
fn what_unpacks_to_too_much_is_not_unpacked() {
    let repository = Repository::bare("bomb");
    let mut import = Import::default();
    import.commit("main", 1_700_000_000, "Zeroes");
    import.file("100644", b"zero", &vec![b'0'; 300 * 1024 * 1024]);
    repository.import(import);
    let service = Service::of(&[("one", repository.path())]);
    let refused = service.refusal("git_read_file", json!({"path": "zero"}));
    assert!(refused.contains("the limit is 4194304"), "{refused}");
    service.call("git_show", json!({}));
    service.call("git_search", json!({"query": "0"}));
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 * 1024, "{peak} KiB");
}

#[test]
fn time_is_limited() {
    let sample = sample();
    let (repository, _) = &*sample;
    let service = limited(repository, "REQUEST_TIMEOUT_MS", "1");
    // Renames among hundreds of files take longer than that.
    let reply = service.rpc(
        "tools/call",
        json!({"name": "git_log", "arguments": {"author": "nobody", "path": "src"}}),
    );
    assert_eq!(reply["error"], json!({"code": -32003, "message": "Timeout"}));
    assert_eq!(service.rpc("ping", json!({}))["result"], json!({}));
}

#[test]
fn expressions_are_limited_and_cannot_be_slow() {
    let sample = sample();
    let (_, service) = &*sample;
    for query in ["(a{1000}){1000}", r"\p{L}{9000}", "(", "(?=a)", &"(".repeat(100)] {
        let refused = service.refusal("git_search", json!({"query": query, "regex": true}));
        assert!(refused.starts_with("query is not a regular expression"), "{refused}");
    }
    // Exponential in engines that go back.
    let slow = json!({"query": "(s*)*(t*)*(e*)*(p*)*$^x", "regex": true});
    assert_eq!(service.call("git_search", slow)["matches"], json!([]));
}

#[test]
fn a_shallow_clone_ends_where_it_ends() {
    let sample = sample();
    let (repository, _) = &*sample;
    let shallow = Repository::bare("shallow");
    let url = format!("file://{}", repository.path().display());
    shallow.git(&["fetch", "-q", "--depth=3", &url, "main:main"]);
    let service = Service::of(&[("one", shallow.path())]);
    let (commits, _) = service.all("git_log", "commits", json!({}));
    assert_eq!(commits.len(), shallow.text(&["rev-list", "main"]).lines().count());
    let last = commits.last().unwrap()["id"].as_str().unwrap();
    assert_eq!(service.call("git_show", json!({"ref": last}))["compared_with"], Value::Null);
    assert!(service.refusal("git_log", json!({"ref": "main~9"})).contains("beyond the first"));
}

#[test]
fn a_repository_without_commits_says_so() {
    let empty = Repository::bare("empty");
    let service = Service::of(&[("one", empty.path())]);
    assert_eq!(service.refusal("git_log", json!({})), "HEAD names a branch without commits");
    let page = service.call("git_branches_tags", json!({}));
    assert_eq!(page["head"], json!({"branch": "main", "commit": null}));
    assert_eq!(page["references"], json!([]));
    // And takes what is fetched into it.
    let commit = empty.commit_file("a.txt", "a\n");
    assert_eq!(service.call("git_log", json!({}))["commit"], commit);
}
