//! Which room may import which. The table is the one of `ARCHITECTURE.md`; a
//! `use crate::…` outside of it fails here.

#![expect(clippy::unwrap_used, reason = "a test, also where it is no `#[test]` function")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms it may import, next to itself.
const TABLE: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("clock", &[]),
    ("secret", &[]),
    ("error", &["protocol"]),
    ("outbound", &[]),
    ("redis_link", &[]),
    ("lifecycle", &[]),
    ("settings", &["secret"]),
    ("telemetry", &["settings", "clock"]),
    ("handshake", &["protocol", "translate"]),
    ("translate", &["protocol"]),
    ("inbound", &["protocol", "error"]),
    ("authn", &["protocol", "error", "clock", "settings", "secret", "outbound"]),
    ("registry", &["protocol", "error", "authn", "secret"]),
    ("policy", &["protocol", "error", "authn", "registry", "secret"]),
    ("quota", &["error", "policy", "clock", "settings", "secret", "redis_link"]),
    ("session", &["protocol", "error", "clock", "settings", "secret", "redis_link"]),
    ("store", &["error", "clock", "settings", "secret"]),
    ("audit", &["protocol", "error", "store", "clock", "settings", "secret"]),
    ("invocation", &["protocol", "error", "registry"]),
    (
        "upstream",
        &[
            "protocol",
            "translate",
            "error",
            "clock",
            "settings",
            "outbound",
            "audit",
            "quota",
            "registry",
            "session",
            // Who calls.
            "authn",
        ],
    ),
    ("pins", &["secret"]),
    ("generation", &["pins", "policy", "registry"]),
    (
        "reload",
        &[
            "authn",
            "clock",
            "error",
            "generation",
            "pins",
            "policy",
            "quota",
            "registry",
            "review",
            "settings",
        ],
    ),
    (
        "gateway",
        &[
            "audit",
            "authn",
            "clock",
            "generation",
            "handshake",
            "inbound",
            "pins",
            "quota",
            "registry",
            "reload",
            "session",
            "store",
            "upstream",
        ],
    ),
    (
        "pipeline",
        &[
            "audit",
            "authn",
            "error",
            "gateway",
            "generation",
            "handshake",
            "inbound",
            "invocation",
            "pins",
            "policy",
            "protocol",
            "quota",
            "registry",
            "session",
            "translate",
            "upstream",
        ],
    ),
    (
        "ingress",
        &[
            "pipeline",
            "gateway",
            "protocol",
            "error",
            "inbound",
            "settings",
            "telemetry",
            // Read functions and words of the rooms.
            "audit",
            "authn",
            "quota",
            "reload",
            "review",
            "session",
            "store",
            "trail",
            "upstream",
        ],
    ),
    (
        "app",
        &[
            "audit",
            "authn",
            "cli",
            "clock",
            "error",
            "gateway",
            "generation",
            "handshake",
            "inbound",
            "ingress",
            "lifecycle",
            "pins",
            "policy",
            "quota",
            "registry",
            "reload",
            "review",
            "secret",
            "session",
            "settings",
            "store",
            "telemetry",
            "trail",
            "upstream",
        ],
    ),
    ("bridge", &["protocol", "clock", "secret", "outbound", "lifecycle"]),
    ("cli", &["settings", "clock", "bridge"]),
    ("trail", &["cli", "clock", "secret", "store"]),
    ("review", &["cli", "clock", "policy", "protocol", "registry", "settings", "store", "trail"]),
    ("toolkit", &["protocol", "telemetry", "lifecycle", "clock", "secret"]),
];

/// What the bundled services may take from the library.
const FOR_BINARIES: &[&str] = &["toolkit", "protocol", "telemetry", "clock", "secret", "lifecycle"];

#[test]
fn rooms_import_only_what_the_table_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, BTreeSet<&str>> =
        TABLE.iter().map(|(room, may)| (*room, may.iter().copied().collect())).collect();
    let mut faults = Vec::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let room = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = room.trim_end_matches(".rs");
        if matches!(room, "lib" | "main") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let (allowed, marker) = if room == "bin" {
            (FOR_BINARIES.iter().copied().collect(), "scopegate::")
        } else {
            let Some(allowed) = table.get(room) else {
                faults.push(format!("{room}: no row in the table"));
                continue;
            };
            (allowed.clone(), "crate::")
        };
        // What only tests import does not bind the rooms together.
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if relative.file_name().unwrap() == "tests.rs"
            || relative.components().any(|c| c.as_os_str() == "tests")
        {
            continue;
        }
        for named in named_rooms(shipped, marker) {
            if named != room && !allowed.contains(named.as_str()) {
                faults.push(format!("{}: {room} must not import {named}", relative.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().map(|(room, may)| (*room, *may)).collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready: Vec<&str> = table
            .iter()
            .filter(|(room, may)| !done.contains(*room) && may.iter().all(|m| done.contains(m)))
            .map(|(room, _)| *room)
            .collect();
        if ready.is_empty() {
            break;
        }
        done.extend(ready);
    }
    let left: Vec<_> = table.keys().filter(|room| !done.contains(*room)).collect();
    assert!(left.is_empty(), "in a cycle: {left:?}");
}

#[test]
fn an_import_is_found_in_every_spelling() {
    let text = "use crate::policy::Permit;\nuse crate::{quota, error::Reason};\nlet x = crate::store::y();\n// crate::app is only named here\n";
    let found: Vec<String> = named_rooms(text, "crate::").into_iter().collect();
    assert_eq!(found, ["error", "policy", "quota", "store"]);
}

/// The first path segments after `marker`, outside of comments.
fn named_rooms(text: &str, marker: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices(marker) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + marker.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.insert(first_word(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            rooms.insert(first_word(&item));
        } else {
            rooms.insert(first_word(rest));
        }
    }
    rooms.remove("");
    rooms
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
