//! Paths, revisions and cursors of the git tools: whatever is accepted stays
//! inside, means one thing, and comes back as it was.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;

#[path = "../../../src/bin/tool-git/names/mod.rs"]
mod names;

use names::cursor::Cursor;
use names::path::TreePath;
use names::quote::quoted;
use names::revision::{Base, Revision, Step};

fuzz_target!(|input: &[u8]| {
    path(input);
    let unquoted = unquote(&quoted("", input));
    assert_eq!(unquoted, input);
    if let Ok(text) = std::str::from_utf8(input) {
        revision(text);
        cursor(text);
    }
});

fn path(input: &[u8]) {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(path) = TreePath::parse(input) else { return };
    assert!(path.as_bytes().len() <= names::path::LONGEST);
    assert_eq!(path.as_bytes(), input.strip_suffix(b"/").unwrap_or(input));
    assert_eq!(TreePath::parse(path.as_bytes()).as_ref(), Ok(&path));
    assert_eq!(path.is_root(), path.components().next().is_none());
    let joined: Vec<&[u8]> = path.components().collect();
    assert_eq!(joined.join(&b'/'), path.as_bytes());
    // The file system would see it in the same way, and stay below.
    let there = Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
    assert!(there.is_relative());
    assert_eq!(there.components().count(), joined.len());
    for component in there.components() {
        let Component::Normal(name) = component else { panic!("{path:?}") };
        assert!(!name.as_bytes().eq_ignore_ascii_case(b".git"), "{path:?}");
    }
}

fn revision(text: &str) {
    let Ok(revision) = Revision::parse(text) else { return };
    assert!(text.len() <= names::revision::LONGEST);
    let back: u64 = revision
        .steps
        .iter()
        .map(|step| match step {
            Step::Back(number) => u64::from(*number),
            Step::Parent(_) => 1,
        })
        .sum();
    assert!(back <= 100_000, "{text:?}");
    match revision.base {
        Base::Head => {}
        Base::Id(hex) => assert!(hex.len() == 40 && hex.bytes().all(|b| b.is_ascii_hexdigit())),
        Base::Name(name) | Base::NameOrPrefix(name) => {
            assert!(!name.starts_with('-') && !name.contains("..") && !name.contains("@{"));
            assert!(!name.chars().any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c)));
            // As the path of a file below `refs/` it stays there.
            let below = Path::new(name);
            assert!(below.components().all(|part| matches!(part, Component::Normal(_))));
            assert_eq!(below.components().count(), name.split('/').count());
        }
    }
}

fn cursor(text: &str) {
    let Ok(cursor) = Cursor::parse(text) else { return };
    assert!(text.len() <= names::cursor::LONGEST);
    assert_eq!(cursor.to_text(), text);
    for id in &cursor.commits {
        assert!(matches!(Revision::parse(id).map(|one| one.base), Ok(Base::Id(_))));
    }
}

/// Git's quoting, undone.
fn unquote(text: &str) -> Vec<u8> {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.as_bytes().to_vec();
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            digit @ b'0'..=b'3' => {
                let next = |rest: &mut std::str::Bytes<'_>| rest.next().unwrap() - b'0';
                (digit - b'0') << 6 | next(&mut rest) << 3 | next(&mut rest)
            }
            other => other,
        });
    }
    bytes
}
