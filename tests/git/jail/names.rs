//! Paths and refs.

use serde_json::json;

use super::{SECRET, ask_about_ref, ask_all};
use crate::process::Service;
use crate::repository::Repository;
use crate::sample::sample;

#[test]
fn paths_that_lead_out_are_refused_by_every_tool() {
    let sample = sample();
    let (_, service) = &*sample;
    for path in [
        "/etc/passwd",
        "../x",
        "..",
        "a/../../x",
        "./readme.txt",
        "src/./x",
        "src//x",
        "//x",
        ".git",
        ".git/config",
        ".GIT/HEAD",
        "src/.git/x",
        "git~1/config",
        ".git./config",
        ".git::$INDEX_ALLOCATION/config",
        "readme.txt\u{0}",
        ".g\u{200c}it/config",
    ] {
        for reply in ask_all(service, path) {
            assert_eq!(reply["error"]["code"], -32602, "{path}: {reply}");
            let message = reply["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("path must"), "{path}: {message}");
        }
        let long = json!({"operation": "log", "path": format!("sample/{path}")});
        assert!(service.refusal("git_readonly", long).starts_with("path must"), "{path}");
    }
    // The same in its other spelling, and one that no text can have.
    for encoded in ["Li4vZXRj", "L2V0Yy9wYXNzd2Q=", "LmdpdC9jb25maWc=", "YQBi"] {
        let refused = service.refusal("git_read_file", json!({"path_base64": encoded}));
        assert!(refused.starts_with("path must"), "{refused}");
    }
    let both = json!({"path": "a", "path_base64": "YQ=="});
    assert_eq!(service.refusal("git_log", both), "give path or path_base64, not both");
}

#[test]
fn paths_like_options_patterns_and_magic_are_only_names_that_do_not_exist() {
    let sample = sample();
    let (repository, service) = &*sample;
    let marker = repository.folder.join("marker");
    for path in [
        "--output=marker",
        "-x",
        "--",
        "--exec=touch marker",
        ":(top)readme.txt",
        ":/readme.txt",
        ":!readme.txt",
        "*",
        "read*",
        "?eadme.txt",
        "[r]eadme.txt",
        "$(touch marker)",
        "`touch marker`",
        ";touch marker",
        "|touch marker",
        "~",
        "%2e%2e/x",
        "..\\x",
        "HEAD:x",
    ] {
        for name in ["git_list_files", "git_read_file", "git_blame"] {
            let refused = service.refusal(name, json!({"path": path}));
            assert_eq!(refused, "path does not exist at this ref", "{name} {path}");
        }
        assert_eq!(service.call("git_log", json!({"path": path}))["commits"], json!([]), "{path}");
    }
    assert!(!marker.exists());
}

#[test]
fn refs_that_are_none_are_refused_by_every_tool() {
    let sample = sample();
    let (repository, service) = &*sample;
    repository.folder.write("ORIG_HEAD", repository.text(&["rev-parse", "main"]) + "\n");
    for revision in [
        "",
        "--all",
        "-n1",
        "--upload-pack=touch marker",
        "--output=marker",
        "main..odd",
        "../config",
        "refs/../config",
        "/etc/passwd",
        "main@{0}",
        "@{-1}",
        "HEAD:readme.txt",
        ":/Edit",
        "HEAD^{tree}",
        "HEAD^{/Edit}",
        "main^!",
        "main^@",
        "a b",
        "main\n",
        "ma\u{0}in",
        "refs/heads/*",
        "config",
        "packed-refs",
        "objects/info/packs",
        "ORIG_HEAD",
        "FETCH_HEAD",
        "refs",
        "refs/heads",
        "refs/heads/",
        ".",
        "main.lock",
        "no-such-branch",
        "main~999",
        "0000000000000000000000000000000000000000",
        "deadbeef",
        "main^3",
    ] {
        for reply in ask_about_ref(service, revision) {
            assert_eq!(reply["error"]["code"], -32602, "{revision}: {reply}");
            let message = reply["error"]["message"].as_str().unwrap();
            assert!(message.contains("ref"), "{revision:?}: {message}");
            assert!(!message.contains(repository.path().to_str().unwrap()), "{message}");
        }
    }
    assert!(!repository.folder.join("marker").exists());
    // A tree's or file's id is no commit.
    for object in ["main^{tree}", "main:readme.txt"] {
        let id = repository.text(&["rev-parse", object]);
        assert!(service.refusal("git_log", json!({"ref": id})).contains("not a commit"));
    }
}

#[test]
fn references_to_odd_places_lead_nowhere() {
    let repository = Repository::bare("symbolic");
    let commit = repository.commit_file("readme.txt", "one\n");
    repository.folder.write("outside", format!("{commit}\n"));
    repository.folder.write("refs/heads/loop", "ref: refs/heads/loop\n");
    repository.folder.write("refs/heads/climbs", "ref: refs/heads/../../outside\n");
    repository.folder.write("refs/heads/leaves", "ref: ../outside\n");
    repository.folder.write("refs/heads/root", "ref: outside\n");
    repository.folder.write("refs/heads/pseudo", "ref: ORIG_HEAD\n");
    repository.folder.write("refs/heads/absolute", "ref: /etc/passwd\n");
    repository.folder.write("refs/heads/garbage", format!("{SECRET}\n"));
    repository.folder.write("refs/heads/long", vec![b'x'; 100_000]);
    repository.folder.write("ORIG_HEAD", format!("{commit}\n"));
    let service = Service::of(&[("one", repository.path())]);
    for name in ["loop", "climbs", "leaves", "root", "pseudo", "absolute", "garbage", "long"] {
        for reply in ask_about_ref(&service, name) {
            assert_eq!(reply["error"]["code"], -32602, "{name}: {reply}");
            assert!(!reply.to_string().contains(SECRET), "{reply}");
        }
    }
    // They do not keep the others from being listed.
    let page = service.call("git_branches_tags", json!({}));
    let names = page["references"].as_array().unwrap();
    assert!(names.iter().any(|one| one["name"] == "main"), "{page}");
    assert!(!page.to_string().contains(SECRET), "{page}");
}
