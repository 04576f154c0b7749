//! Writing: within what a user may keep, whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::names::{FileKind, FileName, UserId};
use super::shelf::{Entry, Shelf, check, entries_in};
use crate::clock::Clock;

/// How the name of a file begins that is still being written.
const UNFINISHED: &str = ".unfinished-";
/// How old one must be to count as left behind.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Most files of a user.
    pub files: usize,
    /// Most bytes of a user.
    pub bytes: u64,
    /// Most bytes of all users together; looked at by each [`Store::sweep`], and
    /// added to in between.
    pub total_bytes: u64,
    /// How long a file is kept.
    pub keep_for: Duration,
}

/// The folder of all files, to write to.
#[derive(Debug)]
pub struct Store {
    shelf: Shelf,
    room: Room,
    clock: Clock,
    /// Bytes of all files, as far as known, and of those that are being written.
    total: AtomicU64,
    /// Held by who writes, so that a sweep counts no file that is half there.
    writing: RwLock<()>,
}

/// A file that was written.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Its name.
    pub name: FileName,
    /// Until when it can be read.
    pub expires: DateTime<Utc>,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The user has as many files as may be.
    #[error("you have {0} files, and no more are kept; the first of them expires at {1}")]
    TooMany(usize, String),
    /// The user's files would be larger than may be.
    #[error("your files would take more than {0} bytes; the first of them expires at {1}")]
    TooLarge(u64, String),
    /// The files of all users would be larger than may be.
    #[error("there is no room for further files at the moment")]
    Full,
    /// The disk failed.
    #[error("the file cannot be stored")]
    Disk(#[from] io::Error),
}

impl Store {
    /// Makes the folder where it is missing, and looks through it.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(shelf: Shelf, room: Room, clock: Clock) -> io::Result<Self> {
        make_folder(shelf.folder())?;
        let store = Self { shelf, room, clock, total: AtomicU64::new(0), writing: RwLock::new(()) };
        store.sweep()?;
        Ok(store)
    }

    /// The same folder, to read from.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The clock that files expire by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Writes a file and brings it to the disk. Blocks.
    ///
    /// # Errors
    /// [`KeepError`]; then nothing of it is left.
    pub fn keep(&self, user: &UserId, kind: FileKind, bytes: &[u8]) -> Result<Kept, KeepError> {
        let folder = self.shelf.folder_of(user);
        make_folder(&folder)?;
        check(&folder)?;
        // Other calls, and other processes, count one after the other.
        let lock = File::open(&folder)?;
        lock.lock()?;
        let now = self.clock.now();
        let size = bytes.len() as u64;
        let mut writing = self.writing.read().unwrap_or_else(PoisonError::into_inner);
        self.make_room(&folder, now, size)?;
        if !self.take(size) {
            // What has expired of others may make room.
            drop(writing);
            self.sweep()?;
            writing = self.writing.read().unwrap_or_else(PoisonError::into_inner);
            if !self.take(size) {
                return Err(KeepError::Full);
            }
        }
        let kept = Kept { name: FileName::new(kind), expires: now + self.room.keep_for };
        let unfinished = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4()));
        let finished = folder.join(kept.name.to_string());
        let written = write(&unfinished, bytes, kept.expires)
            .and_then(|()| fs::rename(&unfinished, &finished))
            .and_then(|()| lock.sync_all());
        if let Err(error) = written {
            // What cannot be removed either, a sweep will find.
            let _ = fs::remove_file(&unfinished).or_else(|_| fs::remove_file(&finished));
            self.give_back(size);
            return Err(error.into());
        }
        drop(writing);
        Ok(kept)
    }

    /// Removes what has expired of a user, and sees whether so many bytes of the
    /// user's fit.
    fn make_room(&self, folder: &Path, now: DateTime<Utc>, size: u64) -> Result<(), KeepError> {
        let mut entries = entries_in(folder)?;
        entries.retain(|entry| entry.expires > now || !self.remove(folder, entry));
        let first = || {
            let first = entries.iter().map(|entry| entry.expires).min().unwrap_or(now);
            first.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        if entries.len() >= self.room.files {
            return Err(KeepError::TooMany(entries.len(), first()));
        }
        let used: u64 = entries.iter().map(|entry| entry.size).sum();
        if used.saturating_add(size) > self.room.bytes {
            return Err(KeepError::TooLarge(self.room.bytes, first()));
        }
        Ok(())
    }

    /// Takes so many bytes of what all may have together, if they fit.
    fn take(&self, size: u64) -> bool {
        let fits = |total: u64| total.checked_add(size).filter(|sum| *sum <= self.room.total_bytes);
        self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, size: u64) {
        let less = |total: u64| Some(total.saturating_sub(size));
        let _ = self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Removes what has expired of all users, and what a crash has left. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(&self) -> io::Result<()> {
        let _alone = self.writing.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut total: u64 = 0;
        for found in fs::read_dir(self.shelf.folder())? {
            let found = found?;
            let of_user =
                found.file_name().to_str().is_some_and(|name| name.parse::<UserId>().is_ok());
            if !of_user || !found.file_type()?.is_dir() {
                continue;
            }
            let folder = found.path();
            for entry in entries_in(&folder)? {
                if entry.expires > now || !self.remove(&folder, &entry) {
                    total = total.saturating_add(entry.size);
                }
            }
            remove_unfinished(&folder, now);
        }
        self.total.store(total, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the file is gone.
    fn remove(&self, folder: &Path, entry: &Entry) -> bool {
        match fs::remove_file(folder.join(entry.name.to_string())) {
            Ok(()) => {
                self.give_back(entry.size);
                true
            }
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

/// With the times and rights that the file is to have in the end.
fn write(path: &Path, bytes: &[u8], expires: DateTime<Utc>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
    file.write_all(bytes)?;
    file.set_modified(expires.into())?;
    file.sync_all()
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(path)
}

fn remove_unfinished(folder: &Path, now: DateTime<Utc>) {
    let Ok(listing) = fs::read_dir(folder) else { return };
    for found in listing.flatten() {
        let unfinished =
            found.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        let Some(Ok(written)) = unfinished.then(|| found.metadata().and_then(|m| m.modified()))
        else {
            continue;
        };
        // A finished one has a time in the future for the blink of an eye only.
        if DateTime::<Utc>::from(written) + LEFT_BEHIND < now {
            let _ = fs::remove_file(found.path());
        }
    }
}
