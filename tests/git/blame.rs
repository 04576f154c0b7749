//! The same origins of lines as git's own.

use serde_json::json;

use crate::sample::sample;

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
