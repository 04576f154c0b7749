//! Arguments and members of results that several tools have.

use serde_json::{Map, Value, json};

use super::form::{
    boolean, exactly, flag, id, list, members, nullable, number, object, string, text,
};
use crate::limits::Bounds;
use crate::names::{cursor, path, revision};
use crate::repositories::LONGEST_NAME;

/// Longest text that is searched for, in characters.
pub(super) const LONGEST_QUERY: usize = 500;

/// Repository, ref and path.
pub(super) fn place(path: &str) -> Map<String, Value> {
    let mut input = members(json!({
        "repo": repo(),
        "ref": text(revision::LONGEST, "A branch, tag or commit id, with ~n and ^n; HEAD without it."),
    }));
    input.extend(path_members(path));
    input
}

pub(super) fn repo() -> Value {
    text(
        LONGEST_NAME,
        "The repository; not needed when there is only one. git_branches_tags tells their names.",
    )
}

pub(super) fn path_members(what: &str) -> Map<String, Value> {
    members(json!({
        "path": text(path::LONGEST, what),
        "path_base64": text(path::LONGEST.div_ceil(3) * 4, "The path instead, where it is not UTF-8."),
    }))
}

pub(super) fn style(input: &mut Map<String, Value>, bounds: &Bounds) {
    input.insert("patch".into(), flag(true, "Show the changed lines, not only the files."));
    input.insert("renames".into(), flag(true, "Find renamed files."));
    input.insert(
        "context".into(),
        json!({
            "type": "integer", "minimum": 0, "maximum": 100, "default": 3,
            "description": "Unchanged lines around each change.",
        }),
    );
    paged(input, bounds, 50, "files");
}

pub(super) fn range(input: &mut Map<String, Value>) {
    for (name, what) in [("from_line", "The first line, from 1."), ("to_line", "The last line.")] {
        input.insert(
            name.into(),
            json!({
                "type": "integer", "minimum": 1, "maximum": 10_000_000, "description": what,
            }),
        );
    }
}

pub(super) fn query() -> Value {
    let mut query = text(LONGEST_QUERY, "What is searched for, in one line.");
    query["minLength"] = json!(1);
    query
}

pub(super) fn paged(input: &mut Map<String, Value>, bounds: &Bounds, default: usize, what: &str) {
    input.insert(
        "limit".into(),
        json!({
            "type": "integer", "minimum": 1, "maximum": bounds.page_items,
            "default": default.min(bounds.page_items),
            "description": format!("Most {what} on a page."),
        }),
    );
    input.insert("cursor".into(), cursor_member());
}

pub(super) fn cursor_member() -> Value {
    text(cursor::LONGEST, "next_cursor of the page before, with the same other arguments.")
}

/// Members of `git_diff`'s and `git_show`'s result.
pub(super) fn changes() -> Map<String, Value> {
    let mut file = path_shown();
    file.extend(members(json!({
        "status": {"type": "string", "enum": ["A", "D", "M", "R", "T"],
                   "description": "Added, deleted, modified, renamed, or of another type."},
        "old_path": string("Of a renamed file, the path it had."),
        "old_path_base64": base64(),
        "similarity": number("Of a renamed file, in percent."),
        "old_mode": nullable(string("As git writes it.")),
        "new_mode": nullable(string("As git writes it.")),
        "old_id": nullable(id("The content before.")),
        "new_id": nullable(id("The content after.")),
        "additions": nullable(number("Lines that came; null where lines are not compared.")),
        "deletions": nullable(number("Lines that went.")),
        "binary": boolean("Not compared: it is no text."),
        "too_large": boolean("Not compared: it is too large."),
        "patch": nullable(string("The patch, or the part of it this page has room for.")),
        "patch_offset": number("How much of the patch is on earlier pages, in bytes."),
        "patch_complete": boolean("Whether the patch ends here."),
        "patch_lossy": boolean("Whether bytes that are not UTF-8 were replaced."),
    })));
    let required = [
        "status",
        "path",
        "old_mode",
        "new_mode",
        "old_id",
        "new_id",
        "additions",
        "deletions",
        "binary",
        "too_large",
        "patch",
        "patch_offset",
        "patch_complete",
        "patch_lossy",
    ];
    members(json!({
        "total_files": number("Changed files on all pages."),
        "files": list(object(&required, file)),
    }))
}

pub(super) fn commit() -> Value {
    exactly(json!({
        "id": id("The commit."),
        "parents": list(id("A parent.")),
        "author": person(),
        "committer": person(),
        "subject": string("The first paragraph of the message."),
        "body": string("What follows it."),
        "body_truncated": boolean("Whether there is more of it."),
    }))
}

pub(super) fn person() -> Value {
    exactly(json!({
        "name": string("Name."), "email": string("Address."),
        "time": string("RFC 3339, with the offset of where it was written."),
    }))
}

pub(super) fn path_shown() -> Map<String, Value> {
    members(
        json!({"path": string("The path from the root of the repository."), "path_base64": base64()}),
    )
}

pub(super) fn base64() -> Value {
    string("The path whole, where it is not UTF-8.")
}

pub(super) fn file_members() -> Map<String, Value> {
    members(json!({
        "kind": {"type": "string", "enum": ["file", "executable", "symlink", "directory", "submodule"]},
        "mode": string("As git writes it."),
        "id": id("The content; of a submodule, its commit."),
    }))
}

pub(super) fn asked() -> Value {
    string("As it was asked for.")
}
