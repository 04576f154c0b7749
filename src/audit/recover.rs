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
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::chain::{Notary, kind};
use super::digest::Digest;
use super::expiry::is_bare;
use super::journal::{Journal, JournalError, Limits, Room};
use super::keeper::Wakers;
use super::line::Body;
use super::segment::{Segment, Torn, make_folder};

/// Name of the file that is locked, in the journal's folder and in each chain's.
const LOCK: &str = "lock";

/// Ending of the name of a chain's folder that is to be removed.
const GONE: &str = "gone";

/// A chain that nobody writes any more.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) chain_id: String,
    pub(super) segments: Vec<Segment>,
    pub(super) end: End,
    /// Whether it is of a gateway that did not chain its lines.
    pub(super) is_bare: bool,
    /// Why it cannot be shipped.
    pub(super) aside: Option<Aside>,
    folder: PathBuf,
    /// Keeps others from shipping it at the same time.
    _lock: File,
}

/// Of a chain that cannot be shipped.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    /// What was in the way.
    pub(super) why: String,
    /// When to try again, monotonic.
    pub(super) until: Duration,
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
    /// Takes the chain's files away, once the database has them. It has another
    /// name first, under which nobody takes it for a chain: what is left of it
    /// after a crash would look as if it had been emptied.
    pub(super) fn remove(self) {
        let gone = self.folder.with_extension(GONE);
        match std::fs::rename(&self.folder, &gone) {
            Ok(()) => clear(&gone),
            Err(error) => cannot_remove(&self.folder, &error),
        }
    }

    /// Bytes of all its lines.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end)
    }
}

/// What was found of others in the journal's folder.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Chains nobody writes any more, oldest first. They are ours now.
    pub(super) left: Vec<Left>,
    /// Chains that cannot be looked at, and why. They hold up nobody.
    pub(super) unread: Vec<String>,
}

/// Looks for chains of others in the journal's folder.
#[derive(Clone, Debug)]
pub(super) struct Finder {
    folder: PathBuf,
}

impl Finder {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Takes chains whose process has gone since, and writes into ours where
    /// they ended. `None`: another process is looking.
    pub(super) fn find(&self, journal: &Journal) -> io::Result<Option<Findings>> {
        let gate = lock_file(&self.folder)?;
        match gate.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let found = self.look()?;
        if !found.left.is_empty() {
            announce(journal, None, &found.left).map_err(io::Error::other)?;
        }
        Ok(Some(found))
    }

    /// To be called by who holds the folder's lock.
    fn look(&self) -> io::Result<Findings> {
        let mut found = Findings::default();
        for entry in self.folder.read_dir()? {
            let path = entry?.path();
            if !path.is_dir() {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let gone = name.strip_suffix(GONE).and_then(|name| name.strip_suffix('.'));
            if gone.is_some_and(is_chain) {
                clear(&path);
            } else if is_chain(name) {
                match take(&path, name) {
                    Ok(chain) => found.left.extend(chain),
                    // Somebody has shipped it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        tracing::error!(
                            path = %path.display(),
                            error = %error,
                            "a chain that was left behind cannot be read, and stays where it is"
                        );
                        found.unread.push(format!("chain {name} cannot be read: {error}"));
                    }
                }
            }
        }
        found.left.sort_unstable_by(|one, other| one.chain_id.cmp(&other.chain_id));
        Ok(found)
    }
}

/// Begins the chain `chain_id` in the journal's folder, and finds the chains left
/// behind there.
pub(super) fn open(
    finder: &Finder,
    chain_id: &str,
    limits: Limits,
    notary: Notary,
    threads: Wakers,
) -> io::Result<(Journal, Findings)> {
    make_folder(&finder.folder)?;
    // While this is held, no chain is half made.
    let gate = lock_file(&finder.folder)?;
    gate.lock()?;
    let found = finder.look()?;
    let own = finder.folder.join(chain_id);
    make_folder(&own)?;
    let lock = lock_file(&own)?;
    lock.try_lock()?;
    let journal = Journal::begin(chain_id.to_owned(), &own, lock, limits, notary, threads)?;
    let opening = journal.notary().opening(chain_id);
    announce(&journal, Some(opening), &found.left).map_err(io::Error::other)?;
    Ok((journal, found))
}

/// Writes who begins this chain, if it begins, and where the others ended, and
/// signs it: from now on, what they were cannot be denied.
fn announce(journal: &Journal, opening: Option<Body>, left: &[Left]) -> Result<(), JournalError> {
    let (notary, chain_id) = (journal.notary(), journal.chain_id());
    let found = left.iter().map(|left| notary.found(chain_id, &left.chain_id, &left.end));
    let mut last = None;
    for body in opening.into_iter().chain(found) {
        last = Some(journal.append(&body, Room::Granted)?);
    }
    // One write, so that no part of it is without the signature.
    journal.checkpoint();
    last.map_or(Ok(()), |last| journal.settle(&last))?;
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
    if segments.last().is_none_or(|last| last.first_seq <= 1 && last.len == 0) {
        // Not a line of it was ever written, or somebody else has shipped them all.
        clear(folder);
        return Ok(None);
    }
    let first = segments.first().map(Segment::first_line).transpose()?.flatten();
    let first = first.and_then(|first| String::from_utf8(first).ok());
    Ok(Some(Left {
        is_bare: first.is_some_and(|first| is_bare(&first)),
        chain_id: chain_id.to_owned(),
        end: End::of(&segments, torn)?,
        segments,
        aside: None,
        folder: folder.to_owned(),
        _lock: lock,
    }))
}

fn is_chain(name: &str) -> bool {
    Uuid::try_parse(name).is_ok()
}

/// Removes the folder of a chain that is not needed any more.
fn clear(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        cannot_remove(folder, &error);
    }
}

fn cannot_remove(folder: &Path, error: &io::Error) {
    tracing::warn!(
        path = %folder.display(),
        error = %error,
        "cannot remove a chain of the audit journal that is no longer needed"
    );
}

fn lock_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))
}
