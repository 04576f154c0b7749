//! Chains that other processes left behind.
//!
//! The journal's folder holds a folder for each chain, locked by the process
//! that writes it. A chain whose lock is free belongs to a process that is
//! gone; whoever finds it ships the rest of it. So gateways may share a folder,
//! and one that starts while its predecessor still drains disturbs nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::journal::Journal;
use super::segment::{Segment, make_folder};

/// Name of the file that is locked, in the journal's folder and in each chain's.
const LOCK: &str = "lock";

/// A chain that nobody writes any more.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) chain_id: String,
    pub(super) segments: Vec<Segment>,
    folder: PathBuf,
    /// Keeps others from shipping it at the same time.
    _lock: File,
}

impl Left {
    /// Takes the chain's files away, once the database has them.
    pub(super) fn remove(self) {
        self.segments.iter().for_each(Segment::remove);
        let gone = std::fs::remove_file(self.folder.join(LOCK))
            .and_then(|()| std::fs::remove_dir(&self.folder));
        if let Err(error) = gone {
            tracing::warn!(
                path = %self.folder.display(),
                error = %error,
                "cannot remove a chain of the audit journal that is no longer needed"
            );
        }
    }

    /// Bytes of all its lines.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end)
    }
}

/// Begins the chain `chain_id` in the journal's `folder`, and finds the chains
/// left behind there, oldest first.
pub(super) fn open(
    folder: &Path,
    chain_id: &str,
    limits: (u64, u64),
) -> io::Result<(Journal, Vec<Left>)> {
    make_folder(folder)?;
    // While this is held, no chain is half made.
    let gate = lock_file(folder)?;
    gate.lock()?;
    let mut left = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if Uuid::try_parse(name).is_ok()
            && path.is_dir()
            && let Some(chain) = take(&path, name)?
        {
            left.push(chain);
        }
    }
    left.sort_unstable_by(|one, other| one.chain_id.cmp(&other.chain_id));
    let own = folder.join(chain_id);
    make_folder(&own)?;
    let lock = lock_file(&own)?;
    lock.try_lock()?;
    Ok((Journal::begin(chain_id.to_owned(), &own, lock, limits)?, left))
}

fn take(folder: &Path, chain_id: &str) -> io::Result<Option<Left>> {
    let lock = lock_file(folder)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(Some(Left {
        chain_id: chain_id.to_owned(),
        segments: Segment::read_all(folder)?,
        folder: folder.to_owned(),
        _lock: lock,
    }))
}

fn lock_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))
}
