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

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::chain::{Links, Notary};
use super::keeper::Wakers;
use super::line::{Body, Hole};
use super::segment::{Segment, sync_folder};
use crate::settings::{AuditSettings, Durability};

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
    /// The chain has ended, since the gateway stops.
    #[error("the audit journal has ended")]
    Ended,
    /// The file system refused.
    #[error("the audit journal cannot be written: {0}")]
    Io(Arc<io::Error>),
}

/// What bounds a journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    segment_bytes: u64,
    segment_age: Duration,
    max_backlog_bytes: u64,
    durability: Durability,
    checkpoint_age: Duration,
}

impl Limits {
    pub(super) fn of(settings: &AuditSettings) -> Self {
        Self {
            segment_bytes: settings.segment_bytes,
            segment_age: Duration::from_secs(settings.segment_seconds),
            max_backlog_bytes: settings.max_backlog_bytes,
            durability: settings.durability,
            checkpoint_age: Duration::from_secs(settings.checkpoint_seconds),
        }
    }
}

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

/// What became of the lines that were written together.
#[derive(Debug, Default)]
struct Fate {
    /// Unset until then.
    told: OnceLock<Result<(), Arc<io::Error>>>,
    heard: Notify,
}

impl Fate {
    fn tell(&self, result: Result<(), Arc<io::Error>>) {
        // Nobody is told twice.
        let _ = self.told.set(result);
        self.heard.notify_waiters();
    }
}

/// Sees to it that those who wait are told something, even if the write falls
/// over.
struct Teller(Arc<Fate>);

impl Drop for Teller {
    fn drop(&mut self) {
        if self.0.told.get().is_none() {
            self.0.tell(Err(Arc::new(io::Error::other("the write was given up"))));
        }
    }
}

/// A line that is queued. Its event has not happened before
/// [`Journal::settle`] says so.
#[derive(Debug)]
#[must_use = "a queued event has not happened yet"]
pub(super) struct Queued {
    fate: Arc<Fate>,
    seq: i64,
}

impl Queued {
    /// The line's number, once it is settled.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }
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
    /// Whether the keeper was told that there is something to keep.
    dirty: AtomicBool,
    threads: Wakers,
    /// Says to other processes that this chain is alive.
    _lock: File,
}

/// Lines that are numbered and not yet written.
#[derive(Debug)]
struct Queue {
    lines: Vec<u8>,
    holes: Vec<Hole>,
    /// Whether the last checkpoint is queued or written.
    ended: bool,
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
    holes: Vec<Hole>,
    /// How far the chain is, with all that is written.
    links: Links,
    /// Full segments of which the disk may lack something.
    unsynced: Vec<Segment>,
    /// Whether the disk may lack the name of a segment.
    folder_unsynced: bool,
    /// Whether the disk refused to take what was written.
    sync_failed: bool,
    /// Since when the live segment is there, monotonic; `None` when it is too
    /// old for another line.
    live_since: Option<Duration>,
    /// When the last checkpoint was signed, monotonic.
    checkpoint_at: Duration,
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
        let files = Files {
            full: VecDeque::new(),
            live: Segment::create(folder, 1, 0)?,
            torn: false,
            lines: Vec::with_capacity(4096),
            holes: Vec::new(),
            links: Links::begin(&chain_id),
            unsynced: Vec::new(),
            folder_unsynced: true,
            sync_failed: false,
            live_since: Some(now),
            checkpoint_at: now,
        };
        let queue = Queue {
            lines: Vec::with_capacity(4096),
            holes: Vec::new(),
            ended: false,
            first_seq: 1,
            next_seq: 1,
            fate: Arc::default(),
        };
        Ok(Self {
            chain_id,
            folder: folder.to_owned(),
            limits,
            notary,
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

    /// Sees to it that a queued line is written, with all that are queued by
    /// now. Once this returns well, the event has happened; otherwise it has
    /// not, and its number goes to another.
    pub(super) fn settle(&self, queued: &Queued) -> Result<(), JournalError> {
        if queued.fate.told.get().is_none() {
            self.write(Checkpoint::Due);
        }
        match queued.fate.told.get() {
            Some(Err(error)) => Err(JournalError::Io(Arc::clone(error))),
            Some(Ok(())) => Ok(()),
            // After `write`, whoever had the line in hand has told its fate,
            // or has fallen over it.
            None => Err(JournalError::Io(Arc::new(io::Error::other("the write was given up")))),
        }
    }

    /// [`settle`](Self::settle) for who must not wait for a disk: where the disk
    /// has to have the line, a thread of its own brings it there.
    pub(super) async fn settle_soon(&self, queued: &Queued) -> Result<(), JournalError> {
        if let Some(writer) = &self.threads.writer {
            loop {
                let heard = queued.fate.heard.notified();
                let mut heard = std::pin::pin!(heard);
                heard.as_mut().enable();
                if queued.fate.told.get().is_some() {
                    break;
                }
                // It is awake when there is no room.
                if let Err(TrySendError::Disconnected(())) = writer.try_send(()) {
                    break;
                }
                heard.await;
            }
        }
        self.settle(queued)
    }

    /// The same for who does not ask what comes of it.
    pub(super) fn settle_some_time(&self, queued: &Queued) {
        let woken = self.threads.writer.as_ref().map(|writer| writer.try_send(()));
        if !matches!(woken, Some(Ok(()) | Err(TrySendError::Full(())))) {
            // The journal says what is wrong.
            let _ = self.settle(queued);
        }
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
        let written = files.write(first_seq, self);
        files.lines.clear();
        files.holes.clear();
        match written {
            Ok(bytes) => {
                self.written.fetch_add(bytes, Ordering::Relaxed);
                self.last_seq.store(last_seq, Ordering::Release);
                fate.0.tell(Ok(()));
                drop(files);
                self.note_trouble(None);
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
                self.note_trouble(Some(&error));
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
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
                // Of two who sync at once, one may be done with a later segment
                // first; what lies between must not be passed over.
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
        if !self.in_trouble.load(Ordering::Relaxed) {
            return;
        }
        let path = self.folder.join("probe");
        let written = std::fs::write(&path, [b' '; PROBE_BYTES]);
        // A disk that is full takes a part of it.
        let removed = std::fs::remove_file(&path);
        let probed = written.and(removed).and_then(|()| self.files().mend(&self.folder));
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

impl Queue {
    /// `None` when the chain has ended.
    fn push(&mut self, body: &Body) -> Option<Queued> {
        if self.ended {
            return None;
        }
        let hole = body.complete(self.next_seq, &mut self.lines);
        self.holes.push(hole);
        let seq = self.next_seq;
        self.next_seq += 1;
        Some(Queued { fate: Arc::clone(&self.fate), seq })
    }

    /// Forgets what is queued, and begins again at a number whose line could
    /// not be written: what was numbered after it would follow nothing. The
    /// fate of what is forgotten is returned, to be told.
    fn take_back(&mut self, seq: i64) -> Arc<Fate> {
        self.lines.clear();
        self.holes.clear();
        (self.first_seq, self.next_seq) = (seq, seq);
        self.ended = false;
        std::mem::take(&mut self.fate)
    }
}

impl Files {
    /// Writes the lines, of which the first has this number.
    fn write(&mut self, first_seq: i64, journal: &Journal) -> io::Result<u64> {
        let (limits, notary) = (&journal.limits, &journal.notary);
        self.mend(&journal.folder)?;
        let mut links = self.links.clone();
        links
            .link(&mut self.lines, &self.holes, first_seq, &notary.signer)
            .ok_or_else(|| io::Error::other("the checkpoint could not be signed"))?;
        let bytes = self.lines.len() as u64;
        let full = self.live.len.saturating_add(bytes) > limits.segment_bytes;
        if self.live.len > 0 && (full || self.live_since.is_none()) {
            let next = Segment::create(&journal.folder, first_seq, self.live.end())?;
            let last = std::mem::replace(&mut self.live, next);
            if last.synced < last.len {
                self.unsynced.push(last.clone());
            }
            self.full.push_back(last);
            self.folder_unsynced = true;
            self.live_since = Some(notary.clock.monotonic());
        }
        let written = (&*self.live.file).write_all(&self.lines).and_then(|()| {
            if limits.durability == Durability::Disk {
                self.sync_now(&journal.folder)?;
            }
            Ok(())
        });
        if let Err(error) = written {
            self.torn = true;
            // If this fails too, the next attempt tries again first.
            let _ = self.mend(&journal.folder);
            return Err(error);
        }
        self.live.len += bytes;
        if limits.durability == Durability::Disk {
            self.live.synced = self.live.len;
        }
        if links.since == 0 {
            self.checkpoint_at = notary.clock.monotonic();
        }
        self.links = links;
        Ok(bytes)
    }

    /// Cuts off what a failed write may have left, and sees to it that the disk
    /// takes what it refused before.
    fn mend(&mut self, folder: &Path) -> io::Result<()> {
        if self.torn {
            self.live.file.set_len(self.live.len)?;
            self.torn = false;
        }
        if self.sync_failed {
            self.sync_now(folder)?;
            self.live.synced = self.live.len;
            self.sync_failed = false;
        }
        Ok(())
    }

    fn sync_now(&mut self, folder: &Path) -> io::Result<()> {
        for segment in std::mem::take(&mut self.unsynced) {
            if let Err(error) = segment.file.sync_data() {
                self.unsynced.push(segment);
                return Err(error);
            }
            self.note_synced(&segment);
        }
        self.live.file.sync_data()?;
        if self.folder_unsynced {
            sync_folder(folder)?;
            self.folder_unsynced = false;
        }
        Ok(())
    }

    /// Notes how much of a segment the disk has.
    fn note_synced(&mut self, synced: &Segment) {
        for segment in self.full.iter_mut().chain([&mut self.live]) {
            if segment.first_seq == synced.first_seq {
                segment.synced = segment.synced.max(synced.len);
            }
        }
    }
}
