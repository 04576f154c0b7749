//! The audit journal: where every event is before it takes effect.
//!
//! Each process writes a chain of its own, in a folder named after the chain,
//! as lines numbered from 1 in segments of bounded size. Appending is a short
//! critical section: number the line, write it. Several threads may append;
//! the order of the file is the order of the numbers.
//!
//! A crash of the process loses nothing that [`Journal::append`] confirmed,
//! since the kernel has it; a crash of the machine may lose the last moments.
//! Segments are removed once the database has them. (Chaining, signing, syncing
//! and keeping them is to come; it all happens in [`Writer::append`], where the
//! line is whole and its order is settled.)

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::line::Body;
use super::segment::Segment;

/// Lines that wait before the shipper is woken before its time.
const ENOUGH: i64 = 1024;

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
    Io(#[from] io::Error),
}

/// The journal of this process.
#[derive(Debug)]
pub(super) struct Journal {
    chain_id: String,
    folder: PathBuf,
    segment_bytes: u64,
    max_backlog_bytes: u64,
    writer: Mutex<Writer>,
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

#[derive(Debug)]
struct Writer {
    /// Full segments, which wait for the shipper, oldest first.
    full: VecDeque<Segment>,
    /// The one that is written to.
    live: Segment,
    next_seq: i64,
    /// Whether the live segment may end in a part of a line.
    torn: bool,
    line: Vec<u8>,
}

impl Journal {
    /// Begins a chain in its own `folder`, on which the caller holds `lock`.
    pub(super) fn begin(
        chain_id: String,
        folder: &Path,
        lock: File,
        (segment_bytes, max_backlog_bytes): (u64, u64),
    ) -> io::Result<Self> {
        let writer = Writer {
            full: VecDeque::new(),
            live: Segment::create(folder, 1, 0)?,
            next_seq: 1,
            torn: false,
            line: Vec::with_capacity(4096),
        };
        Ok(Self {
            chain_id,
            folder: folder.to_owned(),
            segment_bytes,
            max_backlog_bytes,
            writer: Mutex::new(writer),
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

    /// Writes an event. Once this returns, the event has happened.
    pub(super) fn append(&self, body: &Body, room: Room) -> Result<(), JournalError> {
        if room == Room::Limited && self.backlog_bytes() >= self.max_backlog_bytes {
            return Err(JournalError::Full);
        }
        let mut writer = self.writer();
        let appended = writer.append(body, &self.folder, self.segment_bytes);
        if let Ok(bytes) = &appended {
            self.written.fetch_add(*bytes, Ordering::Relaxed);
            self.last_seq.store(writer.next_seq - 1, Ordering::Release);
        }
        let waiting = writer.next_seq - 1 - self.shipped_seq.load(Ordering::Relaxed);
        drop(writer);
        if waiting >= ENOUGH && !self.woken.swap(true, Ordering::Relaxed) {
            self.enough.notify_one();
        }
        match appended {
            Ok(_) => {
                self.note_trouble(None);
                Ok(())
            }
            Err(error) => {
                self.note_trouble(Some(&error));
                Err(error.into())
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
        let writer = self.writer();
        writer.full.iter().chain([&writer.live]).cloned().collect()
    }

    /// Notes that the database has everything before `seq`, which is the first
    /// `bytes` of the chain, and removes the segments it has whole.
    pub(super) fn note_shipped(&self, seq: i64, bytes: u64) {
        self.shipped.store(bytes, Ordering::Relaxed);
        self.shipped_seq.store(seq - 1, Ordering::Relaxed);
        let mut done = Vec::new();
        let mut writer = self.writer();
        while writer.full.front().is_some_and(|oldest| oldest.end() <= bytes) {
            done.extend(writer.full.pop_front());
        }
        drop(writer);
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
            .and_then(|()| self.writer().mend());
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

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic in between leaves at worst a torn line, which `mend` cuts.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn replace_file(&self, file: File) {
        self.writer().live.file = std::sync::Arc::new(file);
    }
}

impl Writer {
    fn append(&mut self, body: &Body, folder: &Path, segment_bytes: u64) -> io::Result<u64> {
        self.mend()?;
        self.line.clear();
        body.complete(self.next_seq, &mut self.line);
        let bytes = self.line.len() as u64;
        if self.live.len > 0 && self.live.len.saturating_add(bytes) > segment_bytes {
            let next = Segment::create(folder, self.next_seq, self.live.end())?;
            self.full.push_back(std::mem::replace(&mut self.live, next));
        }
        if let Err(error) = (&*self.live.file).write_all(&self.line) {
            self.torn = true;
            // If this fails too, the next line tries again first.
            let _ = self.mend();
            return Err(error);
        }
        self.live.len += bytes;
        self.next_seq += 1;
        Ok(bytes)
    }

    /// Cuts off what a failed write may have left of a line.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.live.file.set_len(self.live.len)?;
            self.torn = false;
        }
        Ok(())
    }
}
