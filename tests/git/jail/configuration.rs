//! What git can be told to run or to read.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::json;

use super::{SECRET, ask_about_ref, ask_all};
use crate::process::Service;
use crate::repository::Repository;

/// Everything of git that runs a program or reads another file, set up to
/// leave a mark, in the repository and in the process's surroundings.
#[test]
fn configuration_hooks_filters_and_drivers_run_and_read_nothing() {
    let repository = Repository::with_work_tree("hostile");
    let elsewhere = Repository::bare("elsewhere");
    let hidden = elsewhere.commit_file("hidden.txt", SECRET);
    repository.commit_file("readme.txt", "plain\n");
    repository.commit_file(
        ".gitattributes",
        "* filter=evil diff=evil merge=evil ident working-tree-encoding=UTF-16 eol=crlf\n",
    );
    repository.commit_file("readme.txt", "plain $Id$\nand more\n");
    let marker = repository.folder.join("marker");
    let touch = format!("touch {}", marker.display());
    // Reading this would never end.
    let pipe = repository.folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut config = fs::read_to_string(repository.folder.join(".git/config")).unwrap();
    for (section, keys) in [
        ("filter \"evil\"", &["clean", "smudge", "process"][..]),
        ("diff \"evil\"", &["command", "textconv"]),
        ("diff", &["external"]),
        ("merge \"evil\"", &["driver"]),
        (
            "core",
            &[
                "pager",
                "editor",
                "fsmonitor",
                "sshCommand",
                "gitProxy",
                "alternateRefsCommand",
                "askPass",
            ],
        ),
        ("credential", &["helper"]),
        ("gpg", &["program"]),
        ("alias", &["log", "show"]),
        ("pager", &["log"]),
        ("uploadpack", &["packObjectsHook"]),
    ] {
        writeln!(config, "[{section}]").unwrap();
        for key in keys {
            writeln!(config, "\t{key} = \"!{touch};{touch}\"").unwrap();
        }
    }
    let pipe = pipe.display();
    writeln!(config, "[include]\n\tpath = {pipe}").unwrap();
    writeln!(config, "[includeIf \"gitdir:/\"]\n\tpath = {pipe}").unwrap();
    write!(
        config,
        "[core]\n\tworktree = /etc\n\thooksPath = {0}/hooks\n\tattributesFile = {pipe}\n\t\
         excludesFile = {pipe}\n[mailmap]\n\tfile = {pipe}\n[blame]\n\tignoreRevsFile = {pipe}\n\
         [extensions]\n\tworktreeConfig = true\n\tpartialClone = origin\n\
         [remote \"origin\"]\n\turl = ext::{touch}\n\tpromisor = true\n",
        repository.path().display()
    )
    .unwrap();
    fs::write(repository.folder.join(".git/config"), &config).unwrap();
    fs::write(repository.folder.join(".git/config.worktree"), &config).unwrap();
    for hook in ["post-checkout", "pre-commit", "reference-transaction", "post-index-change"] {
        for folder in [".git/hooks", "hooks"] {
            let path = format!("{folder}/{hook}");
            repository.folder.write(&path, format!("#!/bin/sh\n{touch}\n"));
            let path = repository.folder.join(&path);
            assert!(Command::new("chmod").arg("755").arg(path).status().unwrap().success());
        }
    }
    let objects = elsewhere.folder.join("objects");
    let settings = [
        ("GIT_DIR", elsewhere.path().to_str().unwrap()),
        ("GIT_COMMON_DIR", elsewhere.path().to_str().unwrap()),
        ("GIT_OBJECT_DIRECTORY", objects.to_str().unwrap()),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.to_str().unwrap()),
        ("GIT_EXTERNAL_DIFF", &touch),
        ("GIT_PAGER", &touch),
        ("GIT_SSH_COMMAND", &touch),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "diff.external"),
        ("GIT_CONFIG_VALUE_0", &touch),
        ("HOME", elsewhere.path().to_str().unwrap()),
        // Or the kernel would prove it, and not the service.
        ("GIT_SANDBOX", "off"),
    ];
    let service = Service::with(&[("one", repository.path())], &settings);
    let read = service.call("git_read_file", json!({"path": "readme.txt"}));
    assert_eq!(read["content"], "plain $Id$\nand more\n");
    let shown = service.call("git_show", json!({}));
    let patch = shown["files"][0]["patch"].as_str().unwrap();
    assert!(patch.ends_with("-plain\n+plain $Id$\n+and more\n"), "{patch}");
    let blamed = service.call("git_blame", json!({"path": "readme.txt"}));
    assert_eq!(blamed["total_lines"], 2);
    for reply in ask_all(&service, "").into_iter().chain(ask_about_ref(&service, "main")) {
        assert!(!reply.to_string().contains(SECRET), "{reply}");
    }
    assert!(service.refusal("git_show", json!({"ref": hidden})).contains("no commit"));
    assert!(!marker.exists(), "something was run");
}

#[test]
fn replaced_objects_and_grafts_change_nothing() {
    let repository = Repository::bare("replaced");
    let first = repository.commit_file("a.txt", "one\n");
    let second = repository.commit_file("a.txt", "two\n");
    let third = repository.commit_file("b.txt", "three\n");
    repository.git(&["replace", &second, &first]);
    repository.folder.write("info/grafts", format!("{third}\n"));
    assert_eq!(repository.text(&["log", "--format=%H"]).lines().count(), 1);
    let service = Service::of(&[("one", repository.path())]);
    let page = service.call("git_log", json!({}));
    let ids: Vec<&str> =
        page["commits"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&third, &second, &first]);
    let read = service.call("git_read_file", json!({"ref": second, "path": "a.txt"}));
    assert_eq!(read["content"], "two\n");
}

/// The parts of gitoxide that run programs, open connections, filter files or
/// read configuration are not in the build at all.
#[test]
fn nothing_that_could_run_or_fetch_is_linked() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"gix-odb\""));
    for part in [
        "gix",
        "gix-attributes",
        "gix-command",
        "gix-config",
        "gix-credentials",
        "gix-discover",
        "gix-filter",
        "gix-prompt",
        "gix-protocol",
        "gix-submodule",
        "gix-transport",
        "gix-url",
        "gix-worktree",
        "git2",
        "libgit2-sys",
    ] {
        assert!(!lock.contains(&format!("name = \"{part}\"")), "{part}");
    }
}
