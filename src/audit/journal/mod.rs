//! The audit journal: where every event is before it takes effect.
//!
//! Each process writes a chain of its own, in a folder named after the chain,
//! as lines numbered from 1 in segments of bounded size. An event goes in two
//! steps: [`Journal::append`] numbers its line and queues it, [`Journal::settle`]
//! has everything queued written and says what came of it. Calls that are in
//! flight together so share one write; the order of the file is the order of
//! the numbers, whichever thread does the writing.
//!
//! [`Queue::push`] settles the order of lines; whoever writes them puts into
//! each the hash of the one before ([`super::chain`]) and, when it is time, signs
//! a checkpoint behind them. So nobody waits for a hash but who waits for the
//! file anyway.
//!
//! A crash of the process loses nothing that [`Journal::settle`] confirmed, since
//! the kernel has it. With `durability: disk` the disk has it too; otherwise it
//! has it a moment later ([`super::keeper`]). Segments are removed once the
//! database has them, which gets only what the disk has.

mod files;
mod limits;
mod queue;
mod settle;
mod trouble;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::chain::Notary;
use super::keeper::Wakers;
use super::line::Body;
use super::segment::{Segment, sync_folder};
use files::Files;
pub(super) use limits::{JournalError, Limits, Room};
pub(super) use queue::Queued;
use queue::{Queue, Teller};
use trouble::Trouble;

/// Lines that wait before the shipper is woken before its time.
const ENOUGH: i64 = 512;

/// Whether lines are written with a checkpoint behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checkpoint {
    /// When there are enough lines.
    Due,
    /// When there is a line that has none.
    Now,
    /// In any case.
    Beat,
    /// As the last line of the chain.
    Last,
}

/// The journal of this process.
#[derive(Debug)]
pub(super) struct Journal {
    chain_id: String,
    folder: PathBuf,
    limits: Limits,
    notary: Notary,
    /// Never locked while waiting for `files`: it is the other way round.
    queue: Mutex<Queue>,
    files: Mutex<Files>,
    /// Locked while something is brought to the disk, before `files`: who comes
    /// second finds nothing to do, and must not take that for done.
    syncing: Mutex<()>,
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
    trouble: Trouble,
    /// Whether the keeper was told that there is something to keep.
    dirty: AtomicBool,
    threads: Wakers,
    /// Says to other processes that this chain is alive.
    _lock: File,
}

impl Journal {
    /// Begins a chain in its own `folder`, on which the caller holds `lock`.
    /// `threads` are woken when there is something for them to do.
    pub(super) fn begin(
        chain_id: String,
        folder: &Path,
        lock: File,
        limits: Limits,
        notary: Notary,
        threads: Wakers,
    ) -> io::Result<Self> {
        let now = notary.clock.monotonic();
        let files = Files::begin(folder, &chain_id, now)?;
        Ok(Self {
            chain_id,
            folder: folder.to_owned(),
            limits,
            notary,
            queue: Mutex::new(Queue::begin()),
            files: Mutex::new(files),
            syncing: Mutex::default(),
            written: AtomicU64::new(0),
            shipped: AtomicU64::new(0),
            left: AtomicU64::new(0),
            last_seq: AtomicI64::new(0),
            shipped_seq: AtomicI64::new(0),
            woken: AtomicBool::new(false),
            enough: Notify::new(),
            trouble: Trouble::default(),
            dirty: AtomicBool::new(false),
            threads,
            _lock: lock,
        })
    }

    /// The chain's id.
    pub(super) fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// Writes of the chain itself.
    pub(super) fn notary(&self) -> &Notary {
        &self.notary
    }

    /// Numbers an event's line and queues it.
    pub(super) fn append(&self, body: &Body, room: Room) -> Result<Queued, JournalError> {
        if room == Room::Limited && self.backlog_bytes() >= self.limits.max_backlog_bytes {
            return Err(JournalError::Full);
        }
        self.queue().push(body).ok_or(JournalError::Ended)
    }

    /// Writes what is still queued: lines whose requests were dropped before
    /// they could settle them.
    pub(super) fn write_queued(&self) {
        self.write(Checkpoint::Due);
    }

    /// Signs a checkpoint, if there is a line that has none.
    pub(super) fn checkpoint(&self) {
        self.write(Checkpoint::Now);
    }

    /// Signs a checkpoint in any case, as a sign of life.
    pub(super) fn beat(&self) {
        self.write(Checkpoint::Beat);
    }

    /// Ends the chain with a checkpoint that says so.
    pub(super) fn end(&self) {
        self.write(Checkpoint::Last);
    }

    fn write(&self, checkpoint: Checkpoint) {
        let mut files = self.files();
        let (fate, first_seq, last_seq) = {
            let mut queue = self.queue();
            let since = files
                .links
                .since
                .saturating_add(u32::try_from(queue.holes.len()).unwrap_or(u32::MAX));
            let due = match checkpoint {
                Checkpoint::Due => since >= self.notary.every_events,
                Checkpoint::Now => since > 0,
                Checkpoint::Beat | Checkpoint::Last => true,
            };
            if due && !queue.ended {
                // It ends the lines it is written with: what it says of the
                // checkpoint before is known.
                let ended = checkpoint == Checkpoint::Last;
                let body = self.notary.checkpoint(&self.chain_id, &files.links, ended);
                let _ = queue.push(&body);
                queue.ended = ended;
            }
            if queue.lines.is_empty() {
                return;
            }
            // Whatever a write that fell over has left.
            files.lines.clear();
            files.holes.clear();
            std::mem::swap(&mut queue.lines, &mut files.lines);
            std::mem::swap(&mut queue.holes, &mut files.holes);
            let (first_seq, next_seq) = (queue.first_seq, queue.next_seq);
            queue.first_seq = next_seq;
            (Teller(std::mem::take(&mut queue.fate)), first_seq, next_seq - 1)
        };
        let written = files.write(first_seq, &self.folder, &self.limits, &self.notary);
        files.lines.clear();
        files.holes.clear();
        match written {
            Ok(bytes) => {
                self.written.fetch_add(bytes, Ordering::Relaxed);
                self.last_seq.store(last_seq, Ordering::Release);
                fate.0.tell(Ok(()));
                drop(files);
                self.trouble.note(None);
                let waiting = last_seq - self.shipped_seq.load(Ordering::Relaxed);
                if waiting >= ENOUGH && !self.woken.swap(true, Ordering::Relaxed) {
                    self.enough.notify_one();
                }
                if !self.dirty.load(Ordering::Relaxed) && !self.dirty.swap(true, Ordering::Relaxed)
                {
                    // It is awake when there is no room.
                    let _ = self.threads.keeper.try_send(());
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                let later = self.queue().take_back(first_seq);
                for fate in [&fate.0, &later] {
                    fate.tell(Err(Arc::clone(&error)));
                }
                drop(files);
                self.trouble.note(Some(&error));
            }
        }
    }

    /// What is to be done every now and then: brings to the disk what was
    /// written, signs a checkpoint and turns the segment when it is time.
    pub(super) fn keep(&self) {
        self.dirty.store(false, Ordering::Relaxed);
        // Told where it matters: at the next write.
        let _ = self.sync();
        let now = self.notary.clock.monotonic();
        let due = {
            let mut files = self.files();
            let age = self.limits.segment_age;
            files.live_since = files.live_since.filter(|since| now.saturating_sub(*since) < age);
            files.links.since > 0
                && now.saturating_sub(files.checkpoint_at) >= self.limits.checkpoint_age
        };
        self.write(if due { Checkpoint::Now } else { Checkpoint::Due });
    }

    /// Brings everything written to the disk. Nobody who writes waits for it,
    /// but the next write fails if this does.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _turn = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let (segments, folder) = {
            let mut files = self.files();
            let live = files.live.clone();
            let mut segments = std::mem::take(&mut files.unsynced);
            segments.extend((live.len > live.synced).then_some(live));
            (segments, std::mem::take(&mut files.folder_unsynced))
        };
        if segments.is_empty() && !folder {
            return Ok(());
        }
        let synced = segments
            .iter()
            .try_for_each(|segment| segment.file.sync_data())
            .and_then(|()| if folder { sync_folder(&self.folder) } else { Ok(()) });
        let mut files = self.files();
        if synced.is_err() {
            files.sync_failed = true;
            files.folder_unsynced |= folder;
            let first_live = files.live.first_seq;
            files.unsynced.extend(segments.into_iter().filter(|it| it.first_seq != first_live));
            return synced;
        }
        for segment in &segments {
            files.note_synced(segment);
        }
        Ok(())
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
        self.trouble.told()
    }

    /// Waits until many lines wait for the shipper.
    pub(super) async fn enough(&self) {
        self.enough.notified().await;
        self.woken.store(false, Ordering::Relaxed);
    }

    /// The segments as the disk has them. What the database has must not be
    /// more, or a crash of the machine would look like a forgery.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let files = self.files();
        let mut segments = Vec::with_capacity(files.full.len() + 1);
        for segment in files.full.iter().chain([&files.live]) {
            segments.push(segment.on_disk());
            if segment.synced < segment.len {
                // The disk may have a later segment first; what lies between must
                // not be passed over.
                break;
            }
        }
        segments
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
        if self.trouble.is_there() {
            let probed = trouble::probe(&self.folder);
            let mended = probed.and_then(|()| self.files().mend(&self.folder));
            self.trouble.note(mended.err().as_ref());
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        // A panic in between leaves at worst a torn line, which `mend` cuts.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its files lie.
    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A disk that takes its time: nothing is written as long as this is held.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Drop + '_ {
        self.files()
    }

    /// As if the disk had so much less of the oldest segment, or again all.
    #[cfg(test)]
    pub(super) fn lag(&self, bytes: u64) {
        let mut files = self.files();
        let oldest = files.full.front_mut().unwrap();
        oldest.synced = oldest.len - bytes;
    }

    #[cfg(test)]
    pub(super) fn replace_file(&self, file: File) {
        self.files().live.file = Arc::new(file);
    }
}
