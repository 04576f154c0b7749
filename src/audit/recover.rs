//! Chains that other processes left behind.
//!
//! The journal's folder holds a folder for each chain, locked by the process
//! that writes it. A chain whose lock is free belongs to a process that is
//! gone; whoever finds it ships the rest of it, and first writes into its own
//! chain where the other ended. So gateways may share a folder, and one that
//! starts while its predecessor still drains disturbs nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use serde::Deserialize;
use uuid::Uuid;

use super::chain::{Notary, kind};
use super::digest::Digest;
use super::journal::{Journal, JournalError, Limits, Room};
use super::segment::{Segment, Torn, make_folder};

/// Name of the file that is locked, in the journal's folder and in each chain's.
const LOCK: &str = "lock";

/// A chain that nobody writes any more.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) chain_id: String,
    pub(super) segments: Vec<Segment>,
    pub(super) end: End,
    folder: PathBuf,
    /// Keeps others from shipping it at the same time.
    _lock: File,
}

/// Where a chain ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Number of its last line; 0 when it has none.
    pub(super) seq: i64,
    /// Hash of that line, unless it is not here any more.
    pub(super) hash: Option<Digest>,
    /// Whether the line says that it is the last.
    pub(super) ended: bool,
    /// What was behind it.
    pub(super) torn: Option<Torn>,
}

impl End {
    /// What the last line says.
    fn of(segments: &[Segment], torn: Option<Torn>) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Last<'a> {
            seq: i64,
            kind: &'a str,
            #[serde(default)]
            ended: bool,
        }
        let before = segments.first().map_or(0, |first| first.first_seq - 1);
        let empty = Self { seq: before, hash: None, ended: false, torn };
        let Some(segment) = segments.iter().rev().find(|segment| segment.len > 0) else {
            return Ok(empty);
        };
        let Some(line) = segment.last_line()? else { return Ok(empty) };
        // What cannot be read is for the verifier to judge.
        let last = serde_json::from_slice::<Last<'_>>(&line).ok();
        Ok(Self {
            seq: last.as_ref().map_or(segment.first_seq, |last| last.seq),
            hash: Some(Digest::of(&line)),
            ended: last.is_some_and(|last| last.ended && last.kind == kind::CHECKPOINT),
            torn,
        })
    }
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
    limits: Limits,
    notary: Notary,
    keeper: SyncSender<()>,
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
    let journal = Journal::begin(chain_id.to_owned(), &own, lock, limits, notary, keeper)?;
    introduce(&journal, &left).map_err(io::Error::other)?;
    Ok((journal, left))
}

/// Writes who begins this chain, and where the others ended.
fn introduce(journal: &Journal, left: &[Left]) -> Result<(), JournalError> {
    let (notary, chain_id) = (journal.notary(), journal.chain_id());
    let found = left.iter().map(|left| notary.found(chain_id, &left.chain_id, &left.end));
    for body in std::iter::once(notary.opening(chain_id)).chain(found) {
        let queued = journal.append(&body, Room::Granted)?;
        journal.settle(&queued)?;
    }
    if left.is_empty() {
        return Ok(());
    }
    // From now on, what they were cannot be denied.
    journal.checkpoint();
    journal.sync().map_err(|error| JournalError::Io(Arc::new(error)))
}

fn take(folder: &Path, chain_id: &str) -> io::Result<Option<Left>> {
    let lock = lock_file(folder)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let (segments, torn) = Segment::read_all(folder)?;
    Ok(Some(Left {
        chain_id: chain_id.to_owned(),
        end: End::of(&segments, torn)?,
        segments,
        folder: folder.to_owned(),
        _lock: lock,
    }))
}

fn lock_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))
}
