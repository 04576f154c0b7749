//! What can be committed: links, submodules, odd trees, and what is damaged.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::SECRET;
use crate::process::Service;
use crate::repository::{Import, Repository};
use crate::sample::sample;

#[test]
fn links_in_a_tree_are_shown_and_never_followed() {
    let sample = sample();
    let (_, service) = &*sample;
    for (path, target) in
        [("link", "readme.txt"), ("outside", "../../../../etc/passwd"), ("absolute", "/etc/passwd")]
    {
        let read = service.call("git_read_file", json!({"path": path}));
        assert_eq!((&read["kind"], &read["content"]), (&json!("symlink"), &json!(target)));
        let below = format!("{path}/passwd");
        let refused = service.refusal("git_read_file", json!({"path": below}));
        assert_eq!(refused, "path does not exist at this ref");
        // Nor is what they point to searched.
        let found = service.call("git_search", json!({"path": path, "query": "root:"}));
        assert_eq!(found["matches"], json!([]));
    }
}

#[test]
fn the_working_tree_and_the_folder_of_git_are_not_looked_at() {
    let repository = Repository::with_work_tree("worktree");
    repository.commit_file("readme.txt", "committed\n");
    repository.git(&["checkout", "-q", "-f", "main"]);
    repository.folder.write("readme.txt", SECRET);
    repository.folder.write("new.txt", SECRET);
    repository.folder.write(".git/secret.txt", SECRET);
    repository.folder.write(".git/info/exclude", SECRET);
    symlink("/etc", repository.folder.join("etc")).unwrap();
    let service = Service::of(&[("one", repository.path())]);
    let read = service.call("git_read_file", json!({"path": "readme.txt"}));
    assert_eq!(read["content"], "committed\n");
    for path in ["new.txt", "etc", "etc/passwd", "secret.txt", "info/exclude"] {
        let refused = service.refusal("git_read_file", json!({"path": path}));
        assert_eq!(refused, "path does not exist at this ref", "{path}");
    }
    let found = service.call("git_search", json!({"query": SECRET}));
    assert_eq!(found["matches"], json!([]));
}

#[test]
fn submodules_are_entries_and_nothing_behind_them_is_read() {
    let module = Repository::with_work_tree("module");
    let inner = module.commit_file("inner.txt", SECRET);
    let repository = Repository::with_work_tree("outer");
    let mut import = Import::default();
    import.commit("main", 1_700_000_000, "With a module");
    let url = module.path().display();
    let modules =
        format!("[submodule \"m\"]\n\tpath = m\n\turl = {url}\n\tupdate = !touch marker\n");
    import.file("100644", b".gitmodules", modules.as_bytes());
    import.submodule(b"m", &inner);
    repository.import(import);
    // Checked out where git would look for it.
    repository.folder.write("m/inner.txt", SECRET);
    repository.folder.write("m/.git", format!("gitdir: {url}/.git\n"));
    let service = Service::of(&[("one", repository.path())]);
    let page = service.call("git_list_files", json!({"recursive": true}));
    assert_eq!(page["entries"][1]["kind"], "submodule");
    assert_eq!(page["entries"][1]["id"], inner);
    for name in ["git_read_file", "git_list_files", "git_blame"] {
        let refused = service.refusal(name, json!({"path": "m/inner.txt"}));
        assert_eq!(refused, "path does not exist at this ref");
    }
    let refused = service.refusal("git_read_file", json!({"path": "m"}));
    assert_eq!(refused, "path is a submodule, not a file");
    assert!(service.refusal("git_show", json!({"ref": inner})).contains("no commit"));
    let found = service.call("git_search", json!({"query": SECRET}));
    assert_eq!(found["matches"], json!([]));
}

/// A tree git would not make, but that can be pushed to a careless server.
#[test]
fn trees_with_odd_names_are_listed_and_lead_nowhere() {
    let repository = Repository::bare("tree");
    let blob = repository.git_with(&["hash-object", "-w", "--stdin"], SECRET.as_bytes());
    let blob = String::from_utf8(blob).unwrap().trim().to_owned();
    let raw: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let mut tree = Vec::new();
    for name in ["..", ".git", "/etc/passwd", "a/b", ""] {
        tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
        tree.extend_from_slice(&raw);
    }
    let hash = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
    let tree = String::from_utf8(repository.git_with(&hash, &tree)).unwrap();
    let commit = repository.text(&["commit-tree", "-m", "Odd", tree.trim()]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let service = Service::of(&[("one", repository.path())]);
    let page = service.call("git_list_files", json!({}));
    assert_eq!(page["entries"].as_array().unwrap().len(), 5);
    for path in ["..", ".git", "/etc/passwd"] {
        assert!(service.refusal("git_read_file", json!({"path": path})).starts_with("path must"));
    }
    assert!(service.refusal("git_read_file", json!({"path": "a/b"})).contains("not exist"));
    service.call("git_show", json!({}));
    service.call("git_search", json!({"query": "outside"}));
}

#[test]
fn what_is_missing_or_damaged_is_said_and_never_fetched() {
    let repository = Repository::bare("damaged");
    repository.git(&["config", "fastimport.unpackLimit", "1000"]);
    repository.commit_file("a.txt", "one\n");
    repository.commit_file("b.txt", "two\n");
    let blob = repository.text(&["rev-parse", "main:a.txt"]);
    let file = repository.folder.join(&format!("objects/{}/{}", &blob[..2], &blob[2..]));
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let service = Service::of(&[("one", repository.path())]);
    let refused = || service.refusal("git_read_file", json!({"path": "a.txt"}));
    assert_eq!(refused(), format!("The object {blob} is not in the repository"));
    for damage in [&whole[..whole.len() / 2], b"nonsense", b""] {
        fs::write(&file, damage).unwrap();
        assert_eq!(refused(), format!("The object {blob} cannot be read"));
    }
    fs::remove_file(&file).unwrap();
    fs::write(&file, &whole).unwrap();
    assert_eq!(service.call("git_read_file", json!({"path": "a.txt"}))["content"], "one\n");
}
