//! The segments of a chain that is being written, and what the disk has of them.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use super::limits::Limits;
use crate::audit::chain::{Links, Notary};
use crate::audit::line::Hole;
use crate::audit::segment::{Segment, sync_folder};
use crate::settings::Durability;

/// Where lines are written.
#[derive(Debug)]
pub(super) struct Files {
    /// Full segments, which wait for the shipper, oldest first.
    pub(super) full: VecDeque<Segment>,
    /// The one that is written to.
    pub(super) live: Segment,
    /// Whether the live segment may end in a part of a line.
    torn: bool,
    /// The lines being written; changes places with those of the queue.
    pub(super) lines: Vec<u8>,
    pub(super) holes: Vec<Hole>,
    /// How far the chain is, with all that is written.
    pub(super) links: Links,
    /// Full segments of which the disk may lack something.
    pub(super) unsynced: Vec<Segment>,
    /// Whether the disk may lack the name of a segment.
    pub(super) folder_unsynced: bool,
    /// Whether the disk refused to take what was written.
    pub(super) sync_failed: bool,
    /// Since when the live segment is there, monotonic; `None` when it is too
    /// old for another line.
    pub(super) live_since: Option<Duration>,
    /// When the last checkpoint was signed, monotonic.
    pub(super) checkpoint_at: Duration,
}

impl Files {
    /// For a chain that begins in `folder`, at `now` by the monotonic clock.
    pub(super) fn begin(folder: &Path, chain_id: &str, now: Duration) -> io::Result<Self> {
        Ok(Self {
            full: VecDeque::new(),
            live: Segment::create(folder, 1, 0)?,
            torn: false,
            lines: Vec::with_capacity(4096),
            holes: Vec::new(),
            links: Links::begin(chain_id),
            unsynced: Vec::new(),
            folder_unsynced: true,
            sync_failed: false,
            live_since: Some(now),
            checkpoint_at: now,
        })
    }

    /// Writes the lines, of which the first has this number.
    pub(super) fn write(
        &mut self,
        first_seq: i64,
        folder: &Path,
        limits: &Limits,
        notary: &Notary,
    ) -> io::Result<u64> {
        self.mend(folder)?;
        let mut links = self.links.clone();
        links
            .link(&mut self.lines, &self.holes, first_seq, &notary.signer)
            .ok_or_else(|| io::Error::other("the checkpoint could not be signed"))?;
        let bytes = self.lines.len() as u64;
        let full = self.live.len.saturating_add(bytes) > limits.segment_bytes;
        if self.live.len > 0 && (full || self.live_since.is_none()) {
            let next = Segment::create(folder, first_seq, self.live.end())?;
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
                self.sync_now(folder)?;
            }
            Ok(())
        });
        if let Err(error) = written {
            self.torn = true;
            // If this fails too, the next attempt tries again first.
            let _ = self.mend(folder);
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
    pub(super) fn mend(&mut self, folder: &Path) -> io::Result<()> {
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
    pub(super) fn note_synced(&mut self, synced: &Segment) {
        for segment in self.full.iter_mut().chain([&mut self.live]) {
            if segment.first_seq == synced.first_seq {
                segment.synced = segment.synced.max(synced.len);
            }
        }
    }
}
