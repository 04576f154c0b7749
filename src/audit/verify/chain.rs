//! One chain, line by line.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use super::line::{Line, introduce, mended};
use super::report::{ChainSummary, Damage, Finding, Verification};
use super::signatures::{Signatures, Vouched};
use crate::audit::chain::{genesis, kind};
use crate::audit::digest::Digest;
use crate::audit::keys::Trusted;

/// Gaps that are kept, for lines that come late.
const MOST_GAPS: usize = 64;

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
    signatures: Signatures,
    /// Of a chain whose lines hold no hashes: what all of them amount to.
    bare: Option<Sum>,
    /// Whether the first line is the one that every chain begins with.
    opened: bool,
    /// Numbers somebody asks the hash of.
    watched: BTreeMap<i64, Option<Digest>>,
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
            signatures: Signatures::default(),
            bare: None,
            opened: false,
            watched: watched.iter().map(|seq| (*seq, None)).collect(),
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
        self.signatures.good.0
    }

    /// What is too much behind the last checkpoint, if anything.
    pub(super) fn overdue(&self) -> Option<String> {
        self.signatures.overdue(self.first_seq(), self.last_seq())
    }

    /// The hash of a line that was asked for beforehand.
    pub(super) fn hash_of(&self, seq: i64) -> Option<Digest> {
        self.watched.get(&seq).copied().flatten()
    }

    /// Whether a checkpoint is signed by a key that is not known: said already.
    pub(super) fn has_unknown_key(&self) -> bool {
        self.signatures.has_unknown_key()
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
        let own = self.signatures.judge(line, bytes, trusted, report);
        if let Some(ended) = self.signatures.ended.filter(|ended| *ended < line.seq) {
            let detail = format!("the chain says that it ends with {ended}");
            self.add(report, line.seq, Damage::Added, detail);
            self.signatures.ended = None;
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
            self.signatures.note(line, hash, own, report);
        }
        self.signatures.follow(own, line.time.as_deref());
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
            checkpoints: self.signatures.count,
            signed_seq: self.signed_seq(),
            signed_at: Some(self.signatures.good.1.clone()).filter(|time| !time.is_empty()),
            end: if self.signatures.ended.is_some() {
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
