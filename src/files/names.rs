//! Names of users and files, as they are safe in a path.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use uuid::Uuid;

/// Longest user id that can have files, in bytes (C-58).
const LONGEST_USER: usize = 128;

/// A user id that can be the name of a folder: a letter or digit, then those and
/// any of `.`, `_`, `@`, `-` (C-58).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(Box<str>);

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Portable Document Format.
    Pdf,
    /// Office Open XML text.
    Docx,
    /// HTML.
    Html,
}

/// The name of a file: 122 random bits and what it holds, `UUID.pdf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileName {
    id: Uuid,
    kind: FileKind,
}

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It could lead somewhere else.
    #[error("the name of a file has no `..`, `/` or `\\`")]
    Unsafe,
    /// No file is ever called so.
    #[error("no file has such a name")]
    Unknown,
    /// It cannot be the name of a folder.
    #[error("Invalid user id")]
    User,
}

impl UserId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
        if begins && bytes.all(goes_on) && text.len() <= LONGEST_USER {
            Ok(Self(text.into()))
        } else {
            Err(BadName::User)
        }
    }
}

impl Display for UserId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Pdf, Self::Docx, Self::Html];

    /// The end of its name, and what callers call it.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Html => "html",
        }
    }

    /// The media type, as `Content-Type` has it.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

impl FromStr for FileKind {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::ALL.into_iter().find(|kind| kind.extension() == text).ok_or(BadName::Unknown)
    }
}

impl FileName {
    /// A name that nobody can guess.
    #[must_use]
    pub fn new(kind: FileKind) -> Self {
        Self { id: Uuid::new_v4(), kind }
    }

    /// What the file holds.
    #[must_use]
    pub const fn kind(self) -> FileKind {
        self.kind
    }
}

impl FromStr for FileName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.contains("..") || text.contains(['/', '\\', '\0']) {
            return Err(BadName::Unsafe);
        }
        let (id, kind) = text.split_once('.').ok_or(BadName::Unknown)?;
        let name =
            Self { id: Uuid::parse_str(id).map_err(|_| BadName::Unknown)?, kind: kind.parse()? };
        // A UUID has several spellings, a file has one name.
        if name.to_string() == text { Ok(name) } else { Err(BadName::Unknown) }
    }
}

impl Display for FileName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id.as_hyphenated(), self.kind.extension())
    }
}
