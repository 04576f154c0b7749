//! Reading: the files of one user, those that have expired left out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::names::{FileName, UserId};

/// The folder of all files, to read from.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// A file in the list of its owner.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: FileName,
    /// In bytes.
    pub size: u64,
    /// From when on it cannot be read any more.
    pub expires: DateTime<Utc>,
}

/// A file, open for reading.
#[derive(Debug)]
pub struct Opened {
    /// From its beginning.
    pub file: File,
    /// What the list would say of it.
    pub entry: Entry,
}

impl Shelf {
    /// Files below this folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder of all users.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a user.
    pub(super) fn folder_of(&self, user: &UserId) -> PathBuf {
        self.folder.join(user.as_str())
    }

    /// Opens a file; `None` where there is none, or none any more. Blocks.
    ///
    /// # Errors
    /// When the disk fails, or what lies there is not what [`Store`](super::Store)
    /// puts there.
    pub fn open(
        &self,
        user: &UserId,
        name: FileName,
        now: DateTime<Utc>,
    ) -> io::Result<Option<Opened>> {
        let folder = self.folder_of(user);
        let found = check(&folder).and_then(|()| {
            // Never a link, and never a pipe that nobody writes to.
            let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
            OpenOptions::new().read(true).custom_flags(flags).open(folder.join(name.to_string()))
        });
        let file = match found {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("the file of a user is none"));
        }
        let entry = Entry { name, size: metadata.len(), expires: metadata.modified()?.into() };
        Ok((entry.expires > now).then_some(Opened { file, entry }))
    }

    /// The files of a user, those that expire last first. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self, user: &UserId, now: DateTime<Utc>) -> io::Result<Vec<Entry>> {
        let folder = self.folder_of(user);
        let mut entries = match check(&folder) {
            Ok(()) => entries_in(&folder)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        entries.retain(|entry| entry.expires > now);
        entries.sort_by_key(|entry| (std::cmp::Reverse(entry.expires), entry.name.to_string()));
        Ok(entries)
    }
}

/// Whether the folder of a user is one, and no link to that of another.
pub(super) fn check(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.is_dir() {
        Ok(())
    } else {
        Err(io::Error::other("the folder of a user is none"))
    }
}

/// All files in a folder, expired ones too; none where there is no folder.
pub(super) fn entries_in(folder: &Path) -> io::Result<Vec<Entry>> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for found in listing {
        let found = found?;
        let Some(Ok(name)) = found.file_name().to_str().map(str::parse) else { continue };
        // It may just have been removed.
        let Ok(metadata) = found.metadata() else { continue };
        if metadata.is_file() {
            let expires = metadata.modified()?.into();
            entries.push(Entry { name, size: metadata.len(), expires });
        }
    }
    Ok(entries)
}
