//! One chain, line by line.

use std::borrow::Cow;

use serde::Deserialize;

use super::report::{ChainSummary, Damage, Finding, Verification};
use crate::audit::chain::{genesis, kind, signed_bytes};
use crate::audit::digest::{Digest, unhex};
use crate::audit::keys::{Endorsement, Trusted};

/// What verification reads of a line.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) chain_id: Cow<'a, str>,
    pub(super) seq: i64,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    prev: Option<Cow<'a, str>>,
    // Of checkpoints.
    #[serde(borrow, default)]
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    checkpoint_hash: Option<Cow<'a, str>>,
    #[serde(default)]
    checkpoint_seq: Option<i64>,
    #[serde(default)]
    ended: bool,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    // Of a chain's first event.
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
}

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
    /// Where it says that it ends.
    ended: Option<i64>,
    pub(super) torn_bytes: usize,
}

impl Chain {
    pub(super) fn new(chain_id: &str) -> Self {
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
        if line.kind == kind::CHAIN {
            introduce(line, trusted);
        }
        let hash = Digest::of(bytes);
        let own = self.checkpoint(line, bytes, trusted, report);
        if let Some(ended) = self.ended.filter(|ended| *ended < line.seq) {
            let detail = format!("the chain says that it ends with {ended}");
            self.add(report, line.seq, Damage::Added, detail);
            self.ended = None;
        }
        if self.first.is_none() {
            self.first = Some((line.seq, prev));
            self.next = line.seq;
            if line.seq == 1 {
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
        self.next = line.seq + 1;
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
        let signed = line.signature.as_deref().and_then(|text| {
            let at = memchr::memmem::rfind(bytes, text.as_bytes())?;
            Some((signed_bytes(bytes, at)?, unhex::<64>(text)?))
        });
        if signed.is_some_and(|(message, signature)| key.signed(&message, &signature)) {
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
        }
    }

    fn add(&self, report: &mut Verification, seq: i64, damage: Damage, detail: impl Into<String>) {
        report.add(Finding::new(&self.id, seq, damage, detail));
    }

    pub(super) fn summary(&self, chain_id: &str, followed: bool) -> ChainSummary {
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
            } else if followed {
                "found"
            } else {
                "open"
            },
            torn_bytes: self.torn_bytes,
        }
    }
}

/// Believes the key of a chain that a believed one has endorsed.
fn introduce(line: &Line<'_>, trusted: &mut Trusted) {
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
