//! Paths inside of a tree of a repository.
//!
//! They never become paths of the file system: each component is looked up in
//! a tree object. The checks below only make a path mean one thing, and refuse
//! early, with a sentence, what can only be meant badly.

use super::Fault;

/// Longest path, in bytes.
pub(crate) const LONGEST: usize = 4096;
/// Longest component, in bytes.
const LONGEST_COMPONENT: usize = 255;

/// A path inside of a tree: components without `.`, `..` and `.git`, joined
/// by single slashes. The root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreePath(Vec<u8>);

impl TreePath {
    /// Checks a path as a caller gives it. One slash at its end is left out;
    /// nothing else is changed or made up.
    ///
    /// # Errors
    /// [`Fault`] for absolute paths, empty, `.`, `..` and `.git` components,
    /// NUL bytes, and what is too long.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault("path is longer than 4096 bytes"));
        }
        if text.contains(&0) {
            return Err(Fault("path must not contain a NUL byte"));
        }
        if text.first() == Some(&b'/') {
            return Err(Fault("path must be relative to the root of the repository"));
        }
        let text = text.strip_suffix(b"/").unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::default());
        }
        for component in text.split(|byte| *byte == b'/') {
            check(component)?;
        }
        Ok(Self(text.to_vec()))
    }

    /// Whether this is the root of a tree.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, from the outside in; none for the root.
    pub(crate) fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The whole path.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn check(component: &[u8]) -> Result<(), Fault> {
    match component {
        b"" => Err(Fault("path must not contain an empty component")),
        b"." | b".." => Err(Fault("path must not contain . or ..")),
        _ if component.len() > LONGEST_COMPONENT => {
            Err(Fault("path has a component of more than 255 bytes"))
        }
        _ if is_dot_git(component) => Err(Fault("path must not lead into .git")),
        _ => Ok(()),
    }
}

/// Whether some file system takes a name for `.git`: in other case, under its
/// short name, with a stream, dots or spaces behind it, or with characters in
/// it that HFS+ ignores. Git itself never puts such names into a tree.
fn is_dot_git(component: &[u8]) -> bool {
    // A stream's name follows a colon; a backslash parts components.
    let name = component.split(|byte| matches!(byte, b':' | b'\\')).next().unwrap_or_default();
    let name = name.trim_ascii_end();
    let end = name.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |at| at + 1);
    let name = &name[..end];
    if name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1") {
        return true;
    }
    std::str::from_utf8(component).is_ok_and(|text| {
        text.chars().any(is_ignorable)
            && text
                .chars()
                .filter(|c| !is_ignorable(*c))
                .collect::<String>()
                .eq_ignore_ascii_case(".git")
    })
}

/// Characters HFS+ leaves out when it compares names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_stay_as_they_are() {
        for text in [
            "a",
            "a/b c/d",
            "-x",
            "--output=x",
            ":(top)x",
            "a\\b",
            "*",
            ".gitignore",
            ".github/x",
            "..x",
            "x..",
            "git",
            "größe/\u{202e}x",
        ] {
            let path = TreePath::parse(text.as_bytes()).unwrap();
            assert_eq!(path.as_bytes(), text.as_bytes());
            assert_eq!(path.components().count(), text.matches('/').count() + 1);
        }
        assert_eq!(TreePath::parse(b"a/").unwrap().as_bytes(), b"a");
        assert_eq!(TreePath::parse(b"caf\xe9").unwrap().as_bytes(), b"caf\xe9");
        assert!(TreePath::parse(b"").unwrap().is_root());
        assert_eq!(TreePath::default().components().count(), 0);
    }

    #[test]
    fn whatever_could_lead_out_is_refused() {
        let long = vec![b'a'; 4097];
        let component = vec![b'a'; 256];
        let bad: [&[u8]; 22] = [
            b"/",
            b"/etc/passwd",
            b"//",
            b"a//b",
            b"a//",
            b".",
            b"..",
            b"../x",
            b"a/../b",
            b"a/./b",
            b"a/..",
            b"./a",
            b"a\0b",
            b".git",
            b".git/config",
            b"a/.GIT/hooks",
            b"git~1/config",
            b".git /x",
            b".git.",
            b".git::$INDEX_ALLOCATION/x",
            &long,
            &component,
        ];
        for text in bad {
            assert!(TreePath::parse(text).is_err(), "{:?}", String::from_utf8_lossy(text));
        }
        assert!(TreePath::parse(".g\u{200c}it/config".as_bytes()).is_err());
        assert!(TreePath::parse(b".git\\config").is_err());
    }
}
