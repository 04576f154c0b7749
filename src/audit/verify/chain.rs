//! One chain, line by line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::report::{ChainSummary, Damage, Finding, Verification};
use crate::audit::chain::{genesis, kind, signed_bytes};
use crate::audit::digest::{Digest, unhex};
use crate::audit::keys::{Endorsement, PublicKey, Trusted};

/// What verification reads of a line.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) chain_id: Cow<'a, str>,
    pub(super) seq: i64,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) prev: Option<Cow<'a, str>>,
    // Of checkpoints.
    #[serde(borrow, default)]
    pub(super) key_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    checkpoint_hash: Option<Cow<'a, str>>,
    #[serde(default)]
    checkpoint_seq: Option<i64>,
    #[serde(default)]
    checkpoint_events: Option<i64>,
    #[serde(default)]
    checkpoint_seconds: Option<i64>,
    #[serde(default)]
    ended: bool,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    // Of a chain's first event, and of checkpoints.
    #[serde(borrow, default)]
    public_key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    endorsed_by: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    endorsement: Option<Cow<'a, str>>,
    // Of what it tells of other chains.
    #[serde(borrow, default)]
    pub(super) found_chain_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) found_seq: Option<i64>,
    #[serde(borrow, default)]
    pub(super) found_hash: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) removed_chain_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) removed_seq: Option<i64>,
    #[serde(borrow, default)]
    pub(super) removed_hash: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) removed_time: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) retention_days: Option<u32>,
    #[serde(borrow, default)]
    pub(super) adopted_chain_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) adopted_seq: Option<i64>,
    #[serde(borrow, default)]
    pub(super) adopted_hash: Option<Cow<'a, str>>,
}

impl Line<'_> {
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        self.time.as_deref().and_then(at)
    }
}

/// A time as lines have it.
pub(super) fn at(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// What a chain says of its own checkpoints, at most, and for a chain that does
/// not say it: what the settings allow.
const MOST_EVENTS: i64 = 1_000_000;
const MOST_SECONDS: i64 = 86_400;

/// Lines that may be written at once before their checkpoint, and how late one
/// may be, in seconds: the machine may be busy, or the disk.
const AT_ONCE: i64 = 1024;
const LATE: i64 = 60;

/// Gaps that are kept, for lines that come late.
const MOST_GAPS: usize = 64;

/// What a line's own signature says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vouched {
    Not,
    Good,
    Bad,
}

/// The line before, as far as the next is judged by it.
#[derive(Clone, Copy, Debug)]
struct Tip {
    hash: Digest,
    vouched: Vouched,
}

/// A line that does not hold the hash of the one before: which of the two was
/// changed shows with the next.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    seq: i64,
    /// Hash of the line as it is, and as it would be with the right `prev`.
    hash: Digest,
    mended: Digest,
    before: Vouched,
    own: Vouched,
}

/// A hash over lines so far.
struct Sum(Context);

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sum(…)")
    }
}

/// How far a chain is.
#[derive(Debug)]
pub(super) struct Chain {
    id: String,
    /// Number and `prev` of the first line.
    first: Option<(i64, Option<Digest>)>,
    /// Number of the next line.
    next: i64,
    /// `None`: unknown, since the line before cannot be read or is missing.
    tip: Option<Tip>,
    suspicion: Option<Suspicion>,
    /// Numbers that were skipped: first, last, and whether one has come late.
    gaps: Vec<(i64, i64, bool)>,
    checkpoint: Option<(i64, Digest)>,
    checkpoints: u64,
    signed: (i64, String),
    unknown_key: Option<String>,
    /// When the next one is due after the last: lines and seconds.
    due: (i64, i64),
    /// Time of the first line behind it, and of the last; empty: there is none.
    tail_from: String,
    tail_to: String,
    /// Of a chain whose lines hold no hashes: what all of them amount to.
    bare: Option<Sum>,
    /// Whether the first line is the one that every chain begins with.
    opened: bool,
    /// Numbers somebody asks the hash of.
    watched: BTreeMap<i64, Option<Digest>>,
    /// Where it says that it ends.
    ended: Option<i64>,
    pub(super) torn_bytes: usize,
}

impl Chain {
    /// A chain of which some lines' hashes will be asked for.
    pub(super) fn new(chain_id: &str, watched: &[i64]) -> Self {
        Self {
            id: chain_id.to_owned(),
            first: None,
            next: 1,
            tip: None,
            suspicion: None,
            gaps: Vec::new(),
            checkpoint: None,
            checkpoints: 0,
            signed: (0, String::new()),
            unknown_key: None,
            due: (MOST_EVENTS, MOST_SECONDS),
            tail_from: String::new(),
            tail_to: String::new(),
            bare: None,
            opened: false,
            watched: watched.iter().map(|seq| (*seq, None)).collect(),
            ended: None,
            torn_bytes: 0,
        }
    }

    pub(super) fn first_seq(&self) -> i64 {
        self.first.map_or(1, |(seq, _)| seq)
    }

    pub(super) fn first_prev(&self) -> Option<Digest> {
        self.first.and_then(|(_, prev)| prev)
    }

    pub(super) fn last_seq(&self) -> i64 {
        self.next - 1
    }

    pub(super) fn gaps(&self) -> usize {
        self.gaps.len()
    }

    pub(super) fn tip(&self) -> Option<Digest> {
        self.tip.map(|tip| tip.hash)
    }

    /// Up to where a valid signature vouches for it.
    pub(super) fn signed_seq(&self) -> i64 {
        self.signed.0
    }

    /// The hash of a line that was asked for beforehand.
    pub(super) fn hash_of(&self, seq: i64) -> Option<Digest> {
        self.watched.get(&seq).copied().flatten()
    }

    /// Whether a checkpoint is signed by a key that is not known: said already.
    pub(super) fn has_unknown_key(&self) -> bool {
        self.unknown_key.is_some()
    }

    /// Whether it is only just begun, so that its first checkpoint may not be
    /// there yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.opened && self.last_seq() == 1
    }

    /// What all lines of a chain without hashes amount to.
    pub(super) fn sum(&self) -> Option<Digest> {
        self.bare.as_ref().map(|sum| Digest::from(sum.0.clone()))
    }

    /// What is too much behind the last checkpoint, if anything.
    pub(super) fn overdue(&self) -> Option<String> {
        let lines = self.last_seq() - self.signed.0.max(self.first_seq() - 1);
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

    pub(super) fn line(
        &mut self,
        line: &Line<'_>,
        bytes: &[u8],
        trusted: &mut Trusted,
        report: &mut Verification,
    ) {
        let prev = line.prev.as_deref().and_then(Digest::from_hex);
        if line.seq < 1 || line.seq == i64::MAX {
            self.unreadable(report);
            return;
        }
        if self.first.is_some() && line.seq < self.next {
            self.late(line.seq, report);
            return;
        }
        if line.endorsement.is_some() && matches!(&*line.kind, kind::CHAIN | kind::CHECKPOINT) {
            introduce(line, trusted);
        }
        let hash = Digest::of(bytes);
        if let Some(watched) = self.watched.get_mut(&line.seq) {
            *watched = Some(hash);
        }
        let own = self.checkpoint(line, bytes, trusted, report);
        if let Some(ended) = self.ended.filter(|ended| *ended < line.seq) {
            let detail = format!("the chain says that it ends with {ended}");
            self.add(report, line.seq, Damage::Added, detail);
            self.ended = None;
        }
        if self.first.is_none() {
            self.first = Some((line.seq, prev));
            self.next = line.seq;
            self.opened = line.seq == 1 && line.kind == kind::CHAIN;
            if line.seq == 1 && line.prev.is_none() && !self.opened {
                self.bare = Some(Sum(Context::new(&SHA256)));
            } else if line.seq == 1 {
                self.tip = Some(Tip { hash: genesis(&self.id), vouched: Vouched::Good });
            }
        }
        self.resolve(prev, report);
        if line.seq > self.next {
            self.skipped(line.seq, prev, report);
        } else if line.kind == "damaged" {
            let detail = "the gateway could not read this line of its journal";
            self.add(report, line.seq, Damage::Changed, detail);
        } else if let Some(tip) = self.tip
            && prev != Some(tip.hash)
        {
            let mended = mended(bytes, line.prev.as_deref(), tip.hash);
            let (seq, before) = (line.seq, tip.vouched);
            self.suspicion = Some(Suspicion { seq, hash, mended, before, own });
        }
        if line.kind == kind::CHECKPOINT {
            self.note_checkpoint(line, hash, own, report);
        }
        if own == Vouched::Good {
            self.tail_from.clear();
            self.tail_to.clear();
        } else if let Some(time) = &line.time {
            let tail =
                if self.tail_from.is_empty() { &mut self.tail_from } else { &mut self.tail_to };
            tail.clear();
            tail.push_str(time);
        }
        self.next = line.seq + 1;
        if let Some(sum) = &mut self.bare {
            sum.0.update(bytes);
            sum.0.update(b"\n");
            return;
        }
        self.tip = (line.kind != "damaged").then_some(Tip { hash, vouched: own });
    }

    /// A line that is no event.
    pub(super) fn unreadable(&mut self, report: &mut Verification) {
        self.resolve(None, report);
        self.add(report, self.next, Damage::Changed, "it cannot be read");
        self.first.get_or_insert((self.next, None));
        self.next = self.next.saturating_add(1);
        self.tip = None;
    }

    /// There are no more lines.
    pub(super) fn close(&mut self, report: &mut Verification) {
        self.resolve(None, report);
        for (first, last, came_late) in std::mem::take(&mut self.gaps) {
            if !came_late {
                let detail = if first == last {
                    "it is not there".to_owned()
                } else {
                    format!("{first} to {last} are not there")
                };
                self.add(report, first, Damage::Missing, detail);
            }
        }
    }

    /// Decides which of two lines was changed, now that the hash of the second
    /// is known as the third holds it.
    fn resolve(&mut self, prev: Option<Digest>, report: &mut Verification) {
        let Some(suspicion) = self.suspicion.take() else { return };
        let second = suspicion.seq;
        // A signature of its own counts for more.
        let changed = match (suspicion.before, suspicion.own, prev) {
            (Vouched::Good, ..) | (_, Vouched::Bad, _) => second,
            (Vouched::Bad, ..) | (_, Vouched::Good, _) => second - 1,
            (_, _, Some(prev)) if prev == suspicion.mended && prev != suspicion.hash => {
                // This explains the link to the third, too.
                if let Some(tip) = &mut self.tip {
                    tip.hash = prev;
                }
                second
            }
            _ => second - 1,
        };
        let changed = changed.max(1);
        let other = if changed == second { second - 1 } else { second };
        let detail = format!("its hash is not the one that the chain holds at {second}");
        let detail = if suspicion.own == Vouched::Not && prev.is_none() {
            format!("{detail}; it may be {other} instead")
        } else {
            detail
        };
        self.add(report, changed, Damage::Changed, detail);
    }

    /// A number that was passed already.
    fn late(&mut self, seq: i64, report: &mut Verification) {
        let gap = self.gaps.iter_mut().find(|(first, last, _)| (*first..=*last).contains(&seq));
        match gap {
            Some((first, _, came_late)) => {
                if !*came_late {
                    *came_late = true;
                    let first = *first;
                    let detail = format!("{seq} stands behind {}", self.next - 1);
                    self.add(report, first, Damage::Reordered, detail);
                }
            }
            None if self.first.is_some_and(|(first, _)| seq < first) => {
                self.add(report, seq, Damage::Reordered, "it stands behind later ones");
            }
            None => self.add(report, seq, Damage::Forked, "there are two lines with this number"),
        }
    }

    /// Numbers are left out before this one.
    fn skipped(&mut self, seq: i64, prev: Option<Digest>, report: &mut Verification) {
        if self.tip.is_some_and(|tip| Some(tip.hash) == prev) {
            let detail = format!("it has the number {seq}, but follows {}", self.next - 1);
            self.add(report, self.next, Damage::Changed, detail);
        } else if self.gaps.len() < MOST_GAPS {
            self.gaps.push((self.next, seq - 1, false));
        } else {
            let detail = format!("{} to {} are not there", self.next, seq - 1);
            self.add(report, self.next, Damage::Missing, detail);
        }
    }

    /// Judges a checkpoint's signature.
    fn checkpoint(
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
                self.add(report, line.seq, Damage::UnknownKey, format!("it is signed by key {id}"));
            }
            return Vouched::Not;
        };
        if is_signed(line, bytes, key) {
            return Vouched::Good;
        }
        self.add(report, line.seq, Damage::BadSignature, format!("it is not signed by key {id}"));
        Vouched::Bad
    }

    fn note_checkpoint(
        &mut self,
        line: &Line<'_>,
        hash: Digest,
        own: Vouched,
        report: &mut Verification,
    ) {
        let before = line.checkpoint_hash.as_deref().and_then(Digest::from_hex);
        let named = line.checkpoint_seq.zip(before);
        if own == Vouched::Good && self.checkpoint.is_some() && named != self.checkpoint {
            let detail = "it follows another checkpoint than the one before it";
            self.add(report, line.seq, Damage::Forked, detail);
        }
        self.checkpoint = Some((line.seq, hash));
        if own == Vouched::Good {
            self.checkpoints += 1;
            self.signed = (line.seq, line.time.as_deref().unwrap_or_default().to_owned());
            self.ended = line.ended.then_some(line.seq);
            let bounded = |said: Option<i64>, most: i64| said.unwrap_or(most).clamp(1, most);
            self.due = (
                bounded(line.checkpoint_events, MOST_EVENTS),
                bounded(line.checkpoint_seconds, MOST_SECONDS),
            );
        }
    }

    fn add(&self, report: &mut Verification, seq: i64, damage: Damage, detail: impl Into<String>) {
        report.add(Finding::new(&self.id, seq, damage, detail));
    }

    /// `followed`: another chain vouches for where it ends; `adopted`: for all of
    /// it.
    pub(super) fn summary(&self, chain_id: &str, followed: bool, adopted: bool) -> ChainSummary {
        ChainSummary {
            chain_id: chain_id.to_owned(),
            first_seq: self.first_seq(),
            last_seq: self.last_seq(),
            last_hash: self.tip().map(|hash| hash.to_string()),
            checkpoints: self.checkpoints,
            signed_seq: self.signed.0,
            signed_at: Some(self.signed.1.clone()).filter(|time| !time.is_empty()),
            end: if self.ended.is_some() {
                "signed"
            } else if adopted {
                "adopted"
            } else if followed {
                "found"
            } else {
                "open"
            },
            torn_bytes: self.torn_bytes,
        }
    }
}

/// Whether a checkpoint is signed by this key.
pub(super) fn is_signed(line: &Line<'_>, bytes: &[u8], key: PublicKey) -> bool {
    let signed = line.signature.as_deref().and_then(|text| {
        let at = memchr::memmem::rfind(bytes, text.as_bytes())?;
        Some((signed_bytes(bytes, at)?, unhex::<64>(text)?))
    });
    signed.is_some_and(|(message, signature)| key.signed(&message, &signature))
}

/// Believes the key of a chain that a believed one has endorsed.
pub(super) fn introduce(line: &Line<'_>, trusted: &mut Trusted) {
    let (Some(key), Some(by), Some(endorsement)) =
        (&line.public_key, &line.endorsed_by, &line.endorsement)
    else {
        return;
    };
    let endorsement =
        Endorsement { endorsed_by: by.to_string(), endorsement: endorsement.to_string() };
    trusted.admit(key, &endorsement);
}

/// The hash of a line if it held the right one of the line before.
fn mended(bytes: &[u8], prev: Option<&str>, right: Digest) -> Digest {
    let prev = prev.filter(|prev| prev.len() == 64);
    match prev.and_then(|prev| memchr::memmem::find(bytes, prev.as_bytes())) {
        Some(at) => Digest::of_all([&bytes[..at], &right.to_hex()[..], &bytes[at + 64..]]),
        None => Digest::of(bytes),
    }
}
