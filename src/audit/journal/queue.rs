//! Lines that wait to be written, and what becomes of them.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::audit::line::{Body, Hole};

/// What became of the lines that were written together.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Unset until then.
    pub(super) told: OnceLock<Result<(), Arc<io::Error>>>,
    pub(super) heard: Notify,
}

impl Fate {
    pub(super) fn tell(&self, result: Result<(), Arc<io::Error>>) {
        // Nobody is told twice.
        let _ = self.told.set(result);
        self.heard.notify_waiters();
    }
}

/// Sees to it that those who wait are told something, even if the write falls
/// over.
pub(super) struct Teller(pub(super) Arc<Fate>);

impl Drop for Teller {
    fn drop(&mut self) {
        if self.0.told.get().is_none() {
            self.0.tell(Err(Arc::new(io::Error::other("the write was given up"))));
        }
    }
}

/// A line that is queued. Its event has not happened before
/// [`settle`](super::Journal::settle) says so.
#[derive(Debug)]
#[must_use = "a queued event has not happened yet"]
pub(in crate::audit) struct Queued {
    pub(super) fate: Arc<Fate>,
    seq: i64,
}

impl Queued {
    /// The line's number, once it is settled.
    pub(in crate::audit) fn seq(&self) -> i64 {
        self.seq
    }
}

/// Lines that are numbered and not yet written.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) lines: Vec<u8>,
    pub(super) holes: Vec<Hole>,
    /// Whether the last checkpoint is queued or written.
    pub(super) ended: bool,
    /// Number of the first of them.
    pub(super) first_seq: i64,
    pub(super) next_seq: i64,
    /// Of these lines.
    pub(super) fate: Arc<Fate>,
}

impl Queue {
    /// For a chain that begins.
    pub(super) fn begin() -> Self {
        Self {
            lines: Vec::with_capacity(4096),
            holes: Vec::new(),
            ended: false,
            first_seq: 1,
            next_seq: 1,
            fate: Arc::default(),
        }
    }

    /// `None` when the chain has ended.
    pub(super) fn push(&mut self, body: &Body) -> Option<Queued> {
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
    pub(super) fn take_back(&mut self, seq: i64) -> Arc<Fate> {
        self.lines.clear();
        self.holes.clear();
        (self.first_seq, self.next_seq) = (seq, seq);
        self.ended = false;
        std::mem::take(&mut self.fate)
    }
}
