//! What a repository's folder must be like on disk, so that nothing outside
//! of it is read.
//!
//! Git lets a repository point elsewhere: by symbolic links, by a `.git` file
//! and `commondir` (linked worktrees, submodules), by `objects/info/alternates`.
//! All of these are refused, before each call, for what is read at start may
//! be something else later. Configuration, hooks, attributes and filters need
//! no check: nothing in this service reads them.

use std::fs::{self, FileType};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Most loose objects, loose references and packs of one repository.
const MOST_FILES: usize = 500_000;
/// Deepest folder below `refs`.
const DEEPEST: usize = 32;
/// Largest `config` that is looked at, in bytes.
const CONFIG_BYTES: u64 = 1_048_576;

/// Why a folder is not served; without any path, for callers hear of it too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("is not a git repository")]
    NoRepository,
    #[error("cannot be read: {0}")]
    Unreadable(ErrorKind),
    #[error("points to a repository elsewhere (a linked worktree or a submodule's checkout)")]
    PointsElsewhere,
    #[error("has a symbolic link or a special file at {0}")]
    Link(&'static str),
    #[error("borrows objects of another repository (objects/info/alternates)")]
    Alternates,
    #[error("has too many files at {0}")]
    TooMany(&'static str),
    #[error("keeps its objects or references in a form that is not served ({0})")]
    Form(&'static str),
}

/// Finds the folder with `objects` and `refs`, for a path an operator has
/// configured: the repository itself when it is bare, else its `.git`. Links
/// on the way to it are the operator's own and are followed here, once.
pub(crate) fn git_dir(path: &Path) -> Result<PathBuf, Breach> {
    let root = path.canonicalize().map_err(|error| {
        let kind = error.kind();
        if kind == ErrorKind::NotFound { Breach::NoRepository } else { Breach::Unreadable(kind) }
    })?;
    let folder = match kind_of(&root.join(".git"))? {
        Some(kind) if kind.is_dir() => root.join(".git"),
        Some(_) => return Err(Breach::PointsElsewhere),
        None => root,
    };
    for part in ["HEAD", "objects", "refs"] {
        if kind_of(&folder.join(part))?.is_none() {
            return Err(Breach::NoRepository);
        }
    }
    check(&folder)?;
    check_form(&folder)?;
    Ok(folder)
}

/// Checks everything that is read of a repository. It takes some microseconds
/// for each folder; names are listed, files not opened.
pub(crate) fn check(git_dir: &Path) -> Result<(), Breach> {
    if !kind_of(git_dir)?.ok_or(Breach::NoRepository)?.is_dir() {
        return Err(Breach::Link("the repository"));
    }
    for (name, is_folder) in [
        ("HEAD", false),
        ("packed-refs", false),
        ("shallow", false),
        ("objects", true),
        ("objects/info", true),
        ("objects/pack", true),
        ("refs", true),
    ] {
        if let Some(kind) = kind_of(&git_dir.join(name))? {
            let right = if is_folder { kind.is_dir() } else { kind.is_file() };
            if !right {
                return Err(Breach::Link(name));
            }
        }
    }
    if kind_of(&git_dir.join("commondir"))?.is_some() {
        return Err(Breach::PointsElsewhere);
    }
    if kind_of(&git_dir.join("objects/info/alternates"))?.is_some() {
        return Err(Breach::Alternates);
    }
    let mut left = MOST_FILES;
    walk(&git_dir.join("objects"), "objects", 1, &mut left)?;
    walk(&git_dir.join("refs"), "refs", DEEPEST, &mut left)
}

/// Whether a folder's entries are files and folders only.
fn walk(folder: &Path, name: &'static str, depth: usize, left: &mut usize) -> Result<(), Breach> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Breach::Unreadable(error.kind())),
    };
    for entry in entries {
        let unreadable = |error: std::io::Error| Breach::Unreadable(error.kind());
        let entry = entry.map_err(unreadable)?;
        *left = left.checked_sub(1).ok_or(Breach::TooMany(name))?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            if depth > 0 {
                walk(&entry.path(), name, depth - 1, left)?;
            } else if name == "refs" {
                return Err(Breach::TooMany(name));
            }
        } else if !kind.is_file() {
            return Err(Breach::Link(name));
        }
    }
    Ok(())
}

/// Only SHA-1 objects and references in files are served. The configuration
/// is not read as such: its text is searched for these two words.
fn check_form(git_dir: &Path) -> Result<(), Breach> {
    let path = git_dir.join("config");
    match kind_of(&path)? {
        None => return Ok(()),
        Some(kind) if kind.is_file() => {}
        Some(_) => return Err(Breach::Link("config")),
    }
    let unreadable = |error: std::io::Error| Breach::Unreadable(error.kind());
    let mut text = Vec::new();
    let file = fs::File::open(&path).map_err(unreadable)?;
    file.take(CONFIG_BYTES).read_to_end(&mut text).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
    for line in text.lines() {
        let line: String = line.split_whitespace().collect();
        if line.contains("objectformat=sha256") {
            return Err(Breach::Form("SHA-256"));
        }
        if line.contains("refstorage=reftable") {
            return Err(Breach::Form("reftable"));
        }
    }
    Ok(())
}

/// What lies at a path, a link itself and not what it points to.
fn kind_of(path: &Path) -> Result<Option<FileType>, Breach> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Breach::Unreadable(error.kind())),
    }
}
