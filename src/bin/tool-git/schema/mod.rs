//! The schemas the tools advertise; arguments are judged by them.

mod form;
mod parts;

use serde_json::{Value, json};

use self::form::{
    boolean, exactly, flag, id, list, members, nullable, number, object, result, string, text,
};
use self::parts::{
    LONGEST_QUERY, asked, base64, changes, commit, cursor_member, file_members, paged,
    path_members, path_shown, person, place, query, range, repo, style,
};
use crate::limits::Bounds;
use crate::names::{path, revision};

/// Of a tool's arguments, and of its result.
pub(crate) struct Schemas {
    pub(crate) input: Value,
    pub(crate) output: Value,
}

pub(crate) fn log(bounds: &Bounds) -> Schemas {
    let mut input = place("Only commits that changed this file or folder.");
    input.insert(
        "author".into(),
        text(
            LONGEST_QUERY,
            "Only commits whose author's name or address contains this, in any case.",
        ),
    );
    input.insert(
        "since".into(),
        text(40, "Only commits of this day or moment (RFC 3339) and later; a day is in UTC."),
    );
    input.insert("until".into(), text(40, "Only commits of this day or moment and earlier."));
    input.insert("first_parent".into(), flag(false, "Follow only the first parent of merges."));
    paged(&mut input, bounds, 30, "commits");
    Schemas {
        input: object(&[], input),
        output: result(
            &["ref", "commit", "commits"],
            json!({
                "ref": asked(), "commit": id("The commit the ref named."),
                "commits": list(commit()),
            }),
        ),
    }
}

pub(crate) fn show(bounds: &Bounds) -> Schemas {
    let mut input = place("Only changes of this file or folder.");
    input.insert(
        "parent".into(),
        json!({
            "type": "integer", "minimum": 1, "maximum": 1000, "default": 1,
            "description": "Which parent a merge is compared with.",
        }),
    );
    style(&mut input, bounds);
    let mut output = changes();
    output.insert("ref".into(), asked());
    output.insert("commit".into(), commit());
    output.insert(
        "tag".into(),
        nullable(exactly(json!({
            "id": id("The tag itself."), "name": string("Its name."),
            "tagger": nullable(person()), "message": string("Its message."),
        }))),
    );
    output.insert("compared_with".into(), nullable(id("The parent; null for a first commit.")));
    let required = ["ref", "commit", "tag", "compared_with", "total_files", "files"];
    Schemas { input: object(&[], input), output: result(&required, Value::Object(output)) }
}

pub(crate) fn diff(bounds: &Bounds) -> Schemas {
    let mut input = members(json!({
        "repo": repo(),
        "from": text(revision::LONGEST, "The older commit: a branch, tag or id, with ~n and ^n."),
        "to": text(revision::LONGEST, "The newer commit; HEAD without it."),
    }));
    input.extend(path_members("Only changes of this file or folder."));
    input.insert(
        "merge_base".into(),
        flag(false, "Compare from where the two histories part, as git's three dots do."),
    );
    style(&mut input, bounds);
    let mut output = changes();
    output.extend(members(json!({
        "from": asked(), "to": asked(),
        "from_commit": id("The commit compared from."), "to_commit": id("The commit compared to."),
    })));
    let required = ["from", "to", "from_commit", "to_commit", "total_files", "files"];
    Schemas { input: object(&["from"], input), output: result(&required, Value::Object(output)) }
}

pub(crate) fn blame(bounds: &Bounds) -> Schemas {
    let mut input = place("The file.");
    range(&mut input);
    paged(&mut input, bounds, bounds.page_items, "lines");
    let hunk = object(
        &["line", "commit", "author", "subject", "original_path", "original_line", "lines"],
        members(json!({
            "line": number("The first line, from 1."),
            "commit": id("The commit they come from."),
            "author": person(),
            "subject": string("The first paragraph of its message."),
            "original_path": string("The path of the file in that commit."),
            "original_path_base64": base64(),
            "original_line": number("The first line there."),
            "lines": list(string("A line without its end; at most 500 characters.")),
        })),
    );
    let mut output = path_shown();
    output.extend(members(json!({
        "ref": asked(), "commit": id("The commit the ref named."),
        "total_lines": number("How many lines the file has."),
        "hunks": list(hunk),
    })));
    let required = ["ref", "commit", "path", "total_lines", "hunks"];
    Schemas { input: object(&[], input), output: result(&required, Value::Object(output)) }
}

pub(crate) fn search(bounds: &Bounds) -> Schemas {
    let mut input = place("Only in this file or folder, or in commits that changed it.");
    input.insert("query".into(), query());
    input.insert(
        "kind".into(),
        json!({
            "type": "string", "enum": ["content", "messages"], "default": "content",
            "description": "Whether files or messages of commits are searched.",
        }),
    );
    input.insert(
        "regex".into(),
        flag(
            false,
            "Read query as a regular expression (syntax of Rust's regex, without look-around).",
        ),
    );
    input.insert("ignore_case".into(), flag(false, "Take upper and lower case for the same."));
    paged(&mut input, bounds, 50, "hits");
    let mut hit = path_shown();
    hit.extend(members(json!({
        "line": number("The line, from 1."),
        "column": number("The byte the hit begins at, from 1."),
        "text": string("The line; at most 300 characters."),
        "text_complete": boolean("Whether that is all of it."),
    })));
    let required = ["path", "line", "column", "text", "text_complete"];
    Schemas {
        input: object(&["query"], input),
        output: result(
            &["ref", "commit", "kind", "matches", "commits", "skipped_files"],
            json!({
                "ref": asked(), "commit": id("The commit the ref named."),
                "kind": {"type": "string", "enum": ["content", "messages"]},
                "matches": list(object(&required, hit)),
                "commits": list(commit()),
                "skipped_files": number("Files of this page that were not searched: binary, too large, or (with regex) with a line of more than 65536 bytes."),
            }),
        ),
    }
}

pub(crate) fn list_files(bounds: &Bounds) -> Schemas {
    let mut input = place("The folder; the root without it.");
    input.insert(
        "recursive".into(),
        flag(false, "List all files below the folder, and no folders."),
    );
    paged(&mut input, bounds, bounds.page_items, "entries");
    let mut entry = path_shown();
    entry.extend(file_members());
    entry.insert("size".into(), nullable(number("In bytes; of files and links.")));
    let required = ["path", "kind", "mode", "id", "size"];
    Schemas {
        input: object(&[], input),
        output: result(
            &["ref", "commit", "entries"],
            json!({
                "ref": asked(), "commit": id("The commit the ref named."),
                "entries": list(object(&required, entry)),
            }),
        ),
    }
}

pub(crate) fn read_file(_: &Bounds) -> Schemas {
    let mut input = place("The file. A link is read as its target's path and never followed.");
    range(&mut input);
    input.insert("cursor".into(), cursor_member());
    let mut output = path_shown();
    output.extend(file_members());
    output.extend(members(json!({
        "ref": asked(), "commit": id("The commit the ref named."),
        "size": number("Of the whole file, in bytes."),
        "encoding": {"type": "string", "enum": ["utf-8", "base64"],
                     "description": "base64 when the file is not UTF-8."},
        "offset": number("Where in the file this part begins, in bytes."),
        "content": string("The file, or a part of it."),
    })));
    let required =
        ["ref", "commit", "path", "kind", "mode", "id", "size", "encoding", "offset", "content"];
    Schemas { input: object(&[], input), output: result(&required, Value::Object(output)) }
}

pub(crate) fn branches_tags(bounds: &Bounds) -> Schemas {
    let mut input = members(json!({
        "repo": repo(),
        "kind": {
            "type": "string", "enum": ["all", "branches", "remotes", "tags"], "default": "all",
            "description": "Which are listed.",
        },
        "prefix": text(revision::LONGEST, "Only names that begin so."),
    }));
    paged(&mut input, bounds, bounds.page_items, "names");
    let reference = exactly(json!({
        "name": string("The short name."),
        "full_name": string("The whole name."),
        "kind": {"type": "string", "enum": ["branch", "remote", "tag"]},
        "object": id("What it points to itself."),
        "commit": nullable(id("The commit behind that.")),
        "annotated": boolean("Whether it is an annotated tag."),
    }));
    Schemas {
        input: object(&[], input),
        output: result(
            &["repositories", "head", "references"],
            json!({
                "repositories": list(string("The name of a repository.")),
                "head": exactly(json!({
                    "branch": nullable(string("The default branch.")),
                    "commit": nullable(id("Its commit; null when it has none.")),
                })),
                "references": list(reference),
            }),
        ),
    }
}

pub(crate) fn readonly(bounds: &Bounds) -> Schemas {
    let mut input = members(json!({
        "operation": {
            "type": "string", "enum": ["log", "diff", "blame", "search"],
            "description": "What to do.",
        },
        "path": text(path::LONGEST, "A repository, and behind a slash a file or folder in it."),
        "ref": text(2 * revision::LONGEST + 3, "A branch, tag or commit, HEAD without it. For diff also A..B or A...B; of one commit, what it changed."),
        "query": query(),
    }));
    paged(&mut input, bounds, 30, "items");
    let results: Vec<Value> =
        [log, show, diff, blame, search].iter().map(|schemas| schemas(bounds).output).collect();
    let output = exactly(json!({
        "operation": {"type": "string", "enum": ["log", "diff", "blame", "search"]},
        "result": {"anyOf": results, "description": "As git_log, git_show, git_diff, git_blame or git_search answers."},
    }));
    Schemas { input: object(&["operation", "path"], input), output }
}
