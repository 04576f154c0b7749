//! Pages, and the cursors between them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::process::Service;
use crate::repository::Repository;
use crate::sample::sample;

/// A list is the same in one page and in many.
#[test]
fn pages_of_any_size_hold_the_same_items() {
    let sample = sample();
    let (repository, service) = &*sample;
    let one = Service::with(
        &[("sample", repository.path())],
        &[("GIT_MAX_PAGE_ITEMS", "10000"), ("GIT_MAX_PAGE_BYTES", "4194304")],
    );
    for (tool, list, arguments) in [
        ("git_log", "commits", json!({"ref": "odd"})),
        ("git_log", "commits", json!({"ref": "odd", "path": "src", "author": "ada"})),
        ("git_search", "matches", json!({"query": "step"})),
        ("git_search", "commits", json!({"query": "T-1", "kind": "messages"})),
        ("git_list_files", "entries", json!({"ref": "odd", "recursive": true})),
        ("git_diff", "files", json!({"from": "main~150", "to": "odd"})),
        ("git_branches_tags", "references", json!({})),
    ] {
        let mut large = arguments.clone();
        large["limit"] = json!(10_000);
        let (expected, pages) = one.all(tool, list, large);
        assert_eq!(pages, 1, "{tool}");
        assert!(expected.len() > 5, "{tool}");
        for limit in [1, 7] {
            let mut small = arguments.clone();
            small["limit"] = json!(limit);
            let (items, pages) = service.all(tool, list, small);
            assert_eq!(items, expected, "{tool} {arguments} {limit}");
            assert!(pages >= expected.len() / limit, "{tool}: {pages} pages");
        }
    }
}

#[test]
fn small_pages_part_files_and_patches_and_lose_nothing() {
    let sample = sample();
    let (repository, service) = &*sample;
    let small = Service::with(&[("sample", repository.path())], &[("GIT_MAX_PAGE_BYTES", "1024")]);
    for path in ["readme.txt", "binary.dat", "größe/日本.txt", "crlf.txt", "empty"] {
        for revision in ["odd", "odd~2"] {
            let whole = service.call("git_read_file", json!({"ref": revision, "path": path}));
            let mut arguments = json!({"ref": revision, "path": path});
            let mut bytes = Vec::new();
            loop {
                let page = small.call("git_read_file", arguments.clone());
                assert_eq!(page["encoding"], whole["encoding"]);
                assert_eq!(page["offset"], bytes.len());
                bytes.extend(content(&page));
                if page["next_cursor"].is_null() {
                    break;
                }
                arguments["cursor"] = page["next_cursor"].clone();
            }
            assert_eq!(bytes, content(&whole), "{path}");
        }
    }
    let query = json!({"from": "main~150", "to": "main"});
    let text = |service: &Service| {
        let (files, pages) = service.all("git_diff", "files", query.clone());
        let parted = files.iter().filter(|file| file["patch_complete"] == false).count();
        let text: String = files.iter().map(|file| file["patch"].as_str().unwrap()).collect();
        (text, pages, parted)
    };
    let (whole, _, none) = text(service);
    let (parts, pages, parted) = text(&small);
    assert_eq!(parts, whole);
    assert!(none == 0 && parted > 3 && pages > 10, "{none} {parted} {pages}");
}

fn content(page: &Value) -> Vec<u8> {
    let content = page["content"].as_str().unwrap();
    match page["encoding"].as_str().unwrap() {
        "utf-8" => content.as_bytes().to_vec(),
        _ => base64::engine::general_purpose::STANDARD.decode(content).unwrap(),
    }
}

#[test]
fn later_pages_fit_the_first_though_the_branch_moves() {
    let repository = Repository::bare("moving");
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(repository.commit_file("a.txt", &format!("{number}\n")));
    }
    let service = Service::of(&[("one", repository.path())]);
    let first = service.call("git_log", json!({"limit": 3}));
    let search = service.call("git_search", json!({"query": "5", "limit": 1}));
    assert_eq!(search["matches"].as_array().unwrap().len(), 1);
    ids.push(repository.commit_file("a.txt", "new\n"));
    let second = service.call("git_log", json!({"limit": 3, "cursor": first["next_cursor"]}));
    let of = |page: &Value| -> Vec<String> {
        let commits = page["commits"].as_array().unwrap();
        commits.iter().map(|commit| commit["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut expected = ids[..6].to_vec();
    expected.reverse();
    assert_eq!([of(&first), of(&second)].concat(), expected);
    assert_eq!(second["commit"], first["commit"]);
    // Without a cursor it is the branch as it is now.
    assert_eq!(service.call("git_log", json!({}))["commit"], ids[6]);
}

#[test]
fn a_cursor_belongs_to_its_call() {
    let sample = sample();
    let (_, service) = &*sample;
    let cursor = service.call("git_log", json!({"path": "src", "limit": 2}))["next_cursor"].clone();
    // Another size of page is the same call.
    service.call("git_log", json!({"path": "src", "limit": 5, "cursor": cursor}));
    for (tool, arguments) in [
        ("git_log", json!({"path": "docs", "cursor": cursor})),
        ("git_log", json!({"path": "src", "ref": "odd", "cursor": cursor})),
        ("git_log", json!({"cursor": cursor})),
        ("git_list_files", json!({"path": "src", "cursor": cursor})),
        ("git_readonly", json!({"operation": "log", "path": "sample/src", "cursor": cursor})),
    ] {
        let refused = service.refusal(tool, arguments);
        assert_eq!(refused, "cursor belongs to a call with other arguments", "{tool}");
    }
}

/// What a made-up cursor can reach, arguments can reach too; it passes the
/// same checks.
#[test]
fn a_changed_cursor_is_refused_or_harmless() {
    let sample = sample();
    let (repository, service) = &*sample;
    let cursor = service.call("git_log", json!({"limit": 2}))["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    for bad in
        ["", "x", "....", "=", "AAAA", &cursor[1..], &format!("{cursor}A"), &format!("{cursor}=")]
    {
        let refused = service.refusal("git_log", json!({"cursor": bad}));
        assert_eq!(refused, "cursor is not one of this service", "{bad}");
    }
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
    let parts: Vec<&str> = plain.split('.').collect();
    let forged = |commit: &str, at: &str| {
        let text = format!("{}.{}.{commit}.{at}.{}", parts[0], parts[1], parts[4]);
        json!({"cursor": URL_SAFE_NO_PAD.encode(text)})
    };
    assert_eq!(service.call("git_log", forged(parts[2], "2"))["commits"][0]["body"], {
        service.call("git_log", json!({"cursor": cursor}))["commits"][0]["body"].clone()
    });
    for commit in [
        repository.text(&["rev-parse", "main^{tree}"]),
        repository.text(&["rev-parse", "main:readme.txt"]),
        repository.text(&["rev-parse", "v1.0"]),
        "0".repeat(40),
    ] {
        let refused = service.refusal("git_log", forged(&commit, "0"));
        assert_eq!(refused, "cursor is not one of this repository", "{commit}");
    }
    for commit in ["HEAD", "main", "../x", "", "-"] {
        let refused = service.refusal("git_log", forged(commit, "0"));
        assert_eq!(refused, "cursor is not one of this service", "{commit}");
    }
    let far = service.call("git_log", forged(parts[2], "18446744073709551615"));
    assert_eq!((&far["commits"], &far["next_cursor"]), (&json!([]), &Value::Null));
}
