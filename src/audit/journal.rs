//! The audit journal: where every event is before it takes effect.
//!
//! Each process writes a chain of its own, in a folder named after the chain,
//! as lines numbered from 1 in segments of bounded size. An event goes in two
//! steps: [`Journal::append`] numbers its line and queues it, [`Journal::settle`]
//! has everything queued written and says what came of it. Calls that are in
//! flight together so share one write; the order of the file is the order of
//! the numbers, whichever thread does the writing.
//!
//! A crash of the process loses nothing that [`Journal::settle`] confirmed,
//! since the kernel has it; a crash of the machine may lose the last moments.
//! Segments are removed once the database has them. (Chaining, signing, syncing
//! and keeping them is to come: the order of lines is settled in
//! [`Queue::push`], the group that is synced together is that of `settle`.)

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use super::line::Body;
use super::segment::Segment;

/// Lines that wait before the shipper is woken before its time.
const ENOUGH: i64 = 512;

/// Size of the file that tells whether writing is possible again, in bytes.
const PROBE_BYTES: usize = 4096;

/// Whether an event may be left out when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// The event waits for nothing; its request is refused instead.
    Limited,
    /// The event tells the end of a call that has happened. There are no more
    /// of them than calls in flight.
    Granted,
}

/// Why an event is not in the journal.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    /// The database takes nothing, and the journal has reached its limit.
    #[error("the audit journal is full")]
    Full,
    /// The file system refused.
    #[error("the audit journal cannot be written: {0}")]
    Io(Arc<io::Error>),
}

/// What became of the lines that were written together; unset until then.
type Fate = OnceLock<Result<(), Arc<io::Error>>>;

/// A line that is queued. Its event has not happened before
/// [`Journal::settle`] says so.
#[derive(Debug)]
#[must_use = "a queued event has not happened yet"]
pub(super) struct Queued(Arc<Fate>);

/// The journal of this process.
#[derive(Debug)]
pub(super) struct Journal {
    chain_id: String,
    folder: PathBuf,
    segment_bytes: u64,
    max_backlog_bytes: u64,
    /// Never locked while waiting for `files`: it is the other way round.
    queue: Mutex<Queue>,
    files: Mutex<Files>,
    /// Bytes written to this chain, and how many of them are in the database.
    written: AtomicU64,
    shipped: AtomicU64,
    /// Bytes of chains left behind by other processes, not yet in the database.
    left: AtomicU64,
    last_seq: AtomicI64,
    shipped_seq: AtomicI64,
    /// Whether `enough` was notified and nobody has looked since.
    woken: AtomicBool,
    enough: Notify,
    in_trouble: AtomicBool,
    trouble: Mutex<Option<String>>,
    /// Says to other processes that this chain is alive.
    _lock: File,
}

/// Lines that are numbered and not yet written.
#[derive(Debug)]
struct Queue {
    lines: Vec<u8>,
    /// Number of the first of them.
    first_seq: i64,
    next_seq: i64,
    /// Of these lines.
    fate: Arc<Fate>,
}

/// Where lines are written.
#[derive(Debug)]
struct Files {
    /// Full segments, which wait for the shipper, oldest first.
    full: VecDeque<Segment>,
    /// The one that is written to.
    live: Segment,
    /// Whether the live segment may end in a part of a line.
    torn: bool,
    /// The lines being written; changes places with those of the queue.
    lines: Vec<u8>,
}

impl Journal {
    /// Begins a chain in its own `folder`, on which the caller holds `lock`.
    pub(super) fn begin(
        chain_id: String,
        folder: &Path,
        lock: File,
        (segment_bytes, max_backlog_bytes): (u64, u64),
    ) -> io::Result<Self> {
        let files = Files {
            full: VecDeque::new(),
            live: Segment::create(folder, 1, 0)?,
            torn: false,
            lines: Vec::with_capacity(4096),
        };
        let queue = Queue {
            lines: Vec::with_capacity(4096),
            first_seq: 1,
            next_seq: 1,
            fate: Arc::default(),
        };
        Ok(Self {
            chain_id,
            folder: folder.to_owned(),
            segment_bytes,
            max_backlog_bytes,
            queue: Mutex::new(queue),
            files: Mutex::new(files),
            written: AtomicU64::new(0),
            shipped: AtomicU64::new(0),
            left: AtomicU64::new(0),
            last_seq: AtomicI64::new(0),
            shipped_seq: AtomicI64::new(0),
            woken: AtomicBool::new(false),
            enough: Notify::new(),
            in_trouble: AtomicBool::new(false),
            trouble: Mutex::new(None),
            _lock: lock,
        })
    }

    /// The chain's id.
    pub(super) fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// Numbers an event's line and queues it.
    pub(super) fn append(&self, body: &Body, room: Room) -> Result<Queued, JournalError> {
        if room == Room::Limited && self.backlog_bytes() >= self.max_backlog_bytes {
            return Err(JournalError::Full);
        }
        Ok(self.queue().push(body))
    }

    /// Writes what is still queued: lines whose requests were dropped before
    /// they could settle them.
    pub(super) fn write_queued(&self) {
        self.write();
    }

    /// Sees to it that a queued line is written, with all that are queued by
    /// now. Once this returns well, the event has happened; otherwise it has
    /// not, and its number goes to another.
    pub(super) fn settle(&self, queued: &Queued) -> Result<(), JournalError> {
        if queued.0.get().is_none() {
            self.write();
        }
        match queued.0.get() {
            Some(Err(error)) => Err(JournalError::Io(Arc::clone(error))),
            Some(Ok(())) => Ok(()),
            // After `write`, whoever had the line in hand has told its fate,
            // or has fallen over it.
            None => Err(JournalError::Io(Arc::new(io::Error::other("the write was given up")))),
        }
    }

    fn write(&self) {
        let mut files = self.files();
        let (fate, first_seq, last_seq) = {
            let mut queue = self.queue();
            if queue.lines.is_empty() {
                return;
            }
            // Whatever a write that fell over has left.
            files.lines.clear();
            std::mem::swap(&mut queue.lines, &mut files.lines);
            let (first_seq, next_seq) = (queue.first_seq, queue.next_seq);
            queue.first_seq = next_seq;
            (std::mem::take(&mut queue.fate), first_seq, next_seq - 1)
        };
        let written = files.write(first_seq, &self.folder, self.segment_bytes);
        files.lines.clear();
        match written {
            Ok(bytes) => {
                self.written.fetch_add(bytes, Ordering::Relaxed);
                self.last_seq.store(last_seq, Ordering::Release);
                // Nobody asks for it twice.
                let _ = fate.set(Ok(()));
                drop(files);
                self.note_trouble(None);
                let waiting = last_seq - self.shipped_seq.load(Ordering::Relaxed);
                if waiting >= ENOUGH && !self.woken.swap(true, Ordering::Relaxed) {
                    self.enough.notify_one();
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                let later = self.queue().take_back(first_seq);
                for fate in [fate, later] {
                    let _ = fate.set(Err(Arc::clone(&error)));
                }
                drop(files);
                self.note_trouble(Some(&error));
            }
        }
    }

    /// Bytes that are not in the database yet.
    pub(super) fn backlog_bytes(&self) -> u64 {
        let written = self.written.load(Ordering::Relaxed);
        let shipped = self.shipped.load(Ordering::Relaxed);
        written.saturating_sub(shipped).saturating_add(self.left.load(Ordering::Relaxed))
    }

    /// Number of the last event; 0 before the first.
    pub(super) fn last_seq(&self) -> i64 {
        self.last_seq.load(Ordering::Acquire)
    }

    /// The last error of writing, until writing works again.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until many lines wait for the shipper.
    pub(super) async fn enough(&self) {
        self.enough.notified().await;
        self.woken.store(false, Ordering::Relaxed);
    }

    /// The segments as they are now.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let files = self.files();
        files.full.iter().chain([&files.live]).cloned().collect()
    }

    /// Notes that the database has everything before `seq`, which is the first
    /// `bytes` of the chain, and removes the segments it has whole.
    pub(super) fn note_shipped(&self, seq: i64, bytes: u64) {
        self.shipped.store(bytes, Ordering::Relaxed);
        self.shipped_seq.store(seq - 1, Ordering::Relaxed);
        let mut done = Vec::new();
        let mut files = self.files();
        while files.full.front().is_some_and(|oldest| oldest.end() <= bytes) {
            done.extend(files.full.pop_front());
        }
        drop(files);
        done.iter().for_each(Segment::remove);
    }

    /// Notes how many bytes of other processes are not in the database.
    pub(super) fn note_left(&self, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// After trouble: sees whether writing works again. Without this, a
    /// gateway that refuses every call would never find out.
    pub(super) fn probe(&self) {
        if !self.in_trouble.load(Ordering::Relaxed) {
            return;
        }
        let path = self.folder.join("probe");
        let probed = std::fs::write(&path, [b' '; PROBE_BYTES])
            .and_then(|()| std::fs::remove_file(&path))
            .and_then(|()| self.files().mend());
        self.note_trouble(probed.err().as_ref());
    }

    fn note_trouble(&self, error: Option<&io::Error>) {
        if error.is_none() && !self.in_trouble.load(Ordering::Relaxed) {
            return;
        }
        let had = self.in_trouble.swap(error.is_some(), Ordering::Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            error.map(ToString::to_string);
        match error {
            Some(error) if !had => {
                tracing::error!(error = %error, "the audit journal cannot be written; calls are refused");
            }
            None if had => tracing::info!("the audit journal can be written again"),
            Some(_) | None => {}
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        // A panic in between leaves at worst a torn line, which `mend` cuts.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn replace_file(&self, file: File) {
        self.files().live.file = Arc::new(file);
    }
}

impl Queue {
    fn push(&mut self, body: &Body) -> Queued {
        body.complete(self.next_seq, &mut self.lines);
        self.next_seq += 1;
        Queued(Arc::clone(&self.fate))
    }

    /// Forgets what is queued, and begins again at a number whose line could
    /// not be written: what was numbered after it would follow nothing. The
    /// fate of what is forgotten is returned, to be told.
    fn take_back(&mut self, seq: i64) -> Arc<Fate> {
        self.lines.clear();
        (self.first_seq, self.next_seq) = (seq, seq);
        std::mem::take(&mut self.fate)
    }
}

impl Files {
    /// Writes the lines, of which the first has this number.
    fn write(&mut self, first_seq: i64, folder: &Path, segment_bytes: u64) -> io::Result<u64> {
        self.mend()?;
        let bytes = self.lines.len() as u64;
        if self.live.len > 0 && self.live.len.saturating_add(bytes) > segment_bytes {
            let next = Segment::create(folder, first_seq, self.live.end())?;
            self.full.push_back(std::mem::replace(&mut self.live, next));
        }
        if let Err(error) = (&*self.live.file).write_all(&self.lines) {
            self.torn = true;
            // If this fails too, the next attempt tries again first.
            let _ = self.mend();
            return Err(error);
        }
        self.live.len += bytes;
        Ok(bytes)
    }

    /// Cuts off what a failed write may have left.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.live.file.set_len(self.live.len)?;
            self.torn = false;
        }
        Ok(())
    }
}
