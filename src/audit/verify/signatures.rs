//! What of a chain is signed, and what should be by now.

use super::line::{Line, at, is_signed};
use super::report::{Damage, Finding, Verification};
use crate::audit::chain::kind;
use crate::audit::digest::Digest;
use crate::audit::keys::Trusted;

/// What a chain says of its own checkpoints, at most, and for a chain that does
/// not say it: what the settings allow.
const MOST_EVENTS: i64 = 1_000_000;
const MOST_SECONDS: i64 = 86_400;

/// Lines that may be written at once before their checkpoint, and how late one
/// may be, in seconds: the machine may be busy, or the disk.
const AT_ONCE: i64 = 1024;
const LATE: i64 = 60;

/// What a line's own signature says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vouched {
    Not,
    Good,
    Bad,
}

/// The checkpoints of a chain, so far.
#[derive(Debug)]
pub(super) struct Signatures {
    /// Number and hash of the last one.
    last: Option<(i64, Digest)>,
    /// How many are good.
    pub(super) count: u64,
    /// Number and time of the last good one.
    pub(super) good: (i64, String),
    unknown_key: Option<String>,
    /// When the next one is due after the last: lines and seconds.
    due: (i64, i64),
    /// Time of the first line behind it, and of the last; empty: there is none.
    tail_from: String,
    tail_to: String,
    /// Where the chain says that it ends.
    pub(super) ended: Option<i64>,
}

impl Default for Signatures {
    fn default() -> Self {
        Self {
            last: None,
            count: 0,
            good: (0, String::new()),
            unknown_key: None,
            due: (MOST_EVENTS, MOST_SECONDS),
            tail_from: String::new(),
            tail_to: String::new(),
            ended: None,
        }
    }
}

impl Signatures {
    /// Whether a checkpoint is signed by a key that is not known: said already.
    pub(super) fn has_unknown_key(&self) -> bool {
        self.unknown_key.is_some()
    }

    /// What is too much behind the last checkpoint of a chain from `first` to
    /// `last`, if anything.
    pub(super) fn overdue(&self, first: i64, last: i64) -> Option<String> {
        let lines = last - self.good.0.max(first - 1);
        let (most_lines, most_seconds) = self.due;
        if lines > most_lines + AT_ONCE {
            return Some(format!("{lines} lines follow without a signature"));
        }
        let span = at(&self.tail_to)? - at(&self.tail_from)?;
        (span.num_seconds() > most_seconds + LATE).then(|| {
            let seconds = span.num_seconds();
            format!("lines of {seconds} seconds follow without a signature")
        })
    }

    /// Judges a checkpoint's signature.
    pub(super) fn judge(
        &mut self,
        line: &Line<'_>,
        bytes: &[u8],
        trusted: &Trusted,
        report: &mut Verification,
    ) -> Vouched {
        if line.kind != kind::CHECKPOINT {
            return Vouched::Not;
        }
        let id = line.key_id.as_deref().unwrap_or_default();
        let Some(key) = trusted.get(id) else {
            if self.unknown_key.as_deref() != Some(id) {
                self.unknown_key = Some(id.to_owned());
                let id: String = id.chars().take(64).collect();
                let detail = format!("it is signed by key {id}");
                report.add(Finding::new(&line.chain_id, line.seq, Damage::UnknownKey, detail));
            }
            return Vouched::Not;
        };
        if is_signed(line, bytes, key) {
            return Vouched::Good;
        }
        let detail = format!("it is not signed by key {id}");
        report.add(Finding::new(&line.chain_id, line.seq, Damage::BadSignature, detail));
        Vouched::Bad
    }

    /// Takes a checkpoint for the last one.
    pub(super) fn note(
        &mut self,
        line: &Line<'_>,
        hash: Digest,
        own: Vouched,
        report: &mut Verification,
    ) {
        let before = line.checkpoint_hash.as_deref().and_then(Digest::from_hex);
        let named = line.checkpoint_seq.zip(before);
        if own == Vouched::Good && self.last.is_some() && named != self.last {
            let detail = "it follows another checkpoint than the one before it";
            report.add(Finding::new(&line.chain_id, line.seq, Damage::Forked, detail));
        }
        self.last = Some((line.seq, hash));
        if own == Vouched::Good {
            self.count += 1;
            self.good = (line.seq, line.time.as_deref().unwrap_or_default().to_owned());
            self.ended = line.ended.then_some(line.seq);
            let bounded = |said: Option<i64>, most: i64| said.unwrap_or(most).clamp(1, most);
            self.due = (
                bounded(line.checkpoint_events, MOST_EVENTS),
                bounded(line.checkpoint_seconds, MOST_SECONDS),
            );
        }
    }

    /// Notes the time of a line, as far as nothing has signed it yet.
    pub(super) fn follow(&mut self, own: Vouched, time: Option<&str>) {
        if own == Vouched::Good {
            self.tail_from.clear();
            self.tail_to.clear();
        } else if let Some(time) = time {
            let tail =
                if self.tail_from.is_empty() { &mut self.tail_from } else { &mut self.tail_to };
            tail.clear();
            tail.push_str(time);
        }
    }
}
