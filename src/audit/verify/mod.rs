//! Says whether an audit trail is whole, with public keys alone.
//!
//! [`Verifier`] is given lines, in the order of each chain, from wherever they
//! lie ([`sources`]); it holds a few words a chain and no line. What it finds is
//! named by chain and number ([`Finding`]).

mod chain;
mod report;
mod sources;

use std::collections::BTreeMap;

pub(crate) use report::{Damage, Finding, Verification};
pub(crate) use sources::{read_database, read_file, read_journal};

use super::digest::Digest;
use super::keys::{KeyRing, Trusted};
use chain::{Chain, Line};

/// Findings that are kept; more of them are only counted.
const MOST_FINDINGS: usize = 1000;

/// Longest line that is read, in bytes. None of ours is as long: arguments are
/// cut at 1 MiB.
const MOST_LINE: usize = 16 << 20;

/// How much of the trail is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: chains begin at 1, or where their retention says, and none
    /// that another one names is missing.
    Whole,
    /// A part: chains may begin anywhere and be missing, but not end early.
    Part,
}

/// Where another chain says that a chain ended.
#[derive(Debug)]
struct Found {
    by: (String, i64),
    chain_id: String,
    seq: i64,
    hash: Option<Digest>,
}

/// Up to where another chain says that a chain was removed.
#[derive(Debug)]
struct Removed {
    by: (String, i64),
    seq: i64,
    hash: Digest,
}

/// Where the database says that a chain is.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// The number it wanted next, before its rows were read, and after.
    before: i64,
    after: i64,
}

/// Looks at lines.
#[derive(Debug)]
pub(crate) struct Verifier {
    trusted: Trusted,
    extent: Extent,
    chains: BTreeMap<String, Chain>,
    found: Vec<Found>,
    removed: BTreeMap<String, Vec<Removed>>,
    cursors: BTreeMap<String, Cursor>,
    /// Chain of the line before.
    last: String,
    report: Verification,
}

impl Verifier {
    /// Believes these keys, and those they have endorsed.
    pub(crate) fn new(ring: &KeyRing, extent: Extent) -> Self {
        Self {
            trusted: Trusted::of(ring),
            extent,
            chains: BTreeMap::new(),
            found: Vec::new(),
            removed: BTreeMap::new(),
            cursors: BTreeMap::new(),
            last: String::new(),
            report: Verification::default(),
        }
    }

    /// Looks at the next line, which the source says is of chain `of`, if it
    /// says so.
    fn line(&mut self, of: Option<&str>, bytes: &[u8]) {
        self.report.events += 1;
        let line = serde_json::from_slice::<Line<'_>>(bytes).ok();
        let line = line.filter(|line| of.is_none_or(|of| of == line.chain_id));
        let Some(chain_id) = of.or(line.as_ref().map(|line| &*line.chain_id)) else {
            // Most likely the one after the line before; that one is missed there.
            let (chain_id, seq) = (&self.last, self.progress_of(&self.last).0 + 1);
            let detail = format!("record {} of the file cannot be read", self.report.events);
            self.report.add(Finding::new(chain_id, seq, Damage::Changed, detail));
            return;
        };
        if !self.chains.contains_key(chain_id) {
            self.chains.insert(chain_id.to_owned(), Chain::new(chain_id));
        }
        if self.last != chain_id {
            chain_id.clone_into(&mut self.last);
        }
        let Some(chain) = self.chains.get_mut(chain_id) else { return };
        let Some(line) = line else {
            chain.unreadable(&mut self.report);
            return;
        };
        chain.line(&line, bytes, &mut self.trusted, &mut self.report);
        let by = || (line.chain_id.to_string(), line.seq);
        match &*line.kind {
            super::chain::kind::FOUND => {
                if let (Some(chain_id), Some(seq)) = (&line.found_chain_id, line.found_seq) {
                    let hash = line.found_hash.as_deref().and_then(Digest::from_hex);
                    self.found.push(Found { by: by(), chain_id: chain_id.to_string(), seq, hash });
                }
            }
            super::chain::kind::RETENTION => {
                let hash = line.removed_hash.as_deref().and_then(Digest::from_hex);
                if let (Some(chain_id), Some(seq), Some(hash)) =
                    (&line.removed_chain_id, line.removed_seq, hash)
                {
                    let removed = Removed { by: by(), seq, hash };
                    self.removed.entry(chain_id.to_string()).or_default().push(removed);
                }
            }
            _ => {}
        }
    }

    /// The number of the last line of a chain, and how much was found of it.
    fn progress_of(&self, chain_id: &str) -> (i64, usize) {
        self.chains.get(chain_id).map_or((0, 0), |chain| (chain.last_seq(), chain.gaps()))
    }

    /// A row that is not what its line says.
    fn misplaced(&mut self, chain_id: &str, seq: i64, detail: &str) {
        self.report.add(Finding::new(chain_id, seq, Damage::Changed, detail));
    }

    /// Behind the last line there is a part of one.
    fn torn(&mut self, chain_id: &str, bytes: usize) {
        if let Some(chain) = self.chains.get_mut(chain_id) {
            chain.torn_bytes = bytes;
        }
    }

    /// Where the database says that a chain is.
    fn cursor(&mut self, chain_id: String, before: i64, after: i64) {
        self.cursors.insert(chain_id, Cursor { before, after });
    }

    /// There are no more lines.
    pub(crate) fn finish(mut self) -> Verification {
        for chain in self.chains.values_mut() {
            chain.close(&mut self.report);
        }
        self.judge_beginnings();
        self.judge_ends();
        for (chain_id, chain) in &self.chains {
            let followed = self.found.iter().any(|found| found.chain_id == *chain_id);
            self.report.chains.push(chain.summary(chain_id, followed));
        }
        self.report.sort();
        self.report
    }

    fn judge_beginnings(&mut self) {
        for (chain_id, chain) in &self.chains {
            let first = chain.first_seq();
            if first <= 1 || self.extent == Extent::Part {
                continue;
            }
            let removed = self.removed.get(chain_id).into_iter().flatten();
            let cut = removed
                .filter(|cut| self.is_signed(&cut.by))
                // While it is being removed, there is more.
                .find(|cut| {
                    cut.seq >= first || cut.seq == first - 1 && chain.first_prev() == Some(cut.hash)
                });
            if let Some(cut) = cut {
                self.report.anchored.push((chain_id.clone(), first, cut.by.clone()));
            } else {
                let gone = first - 1;
                let detail =
                    format!("1 to {gone} are not there, and no signed retention event says why");
                self.report.add(Finding::new(chain_id, 1, Damage::Missing, detail));
            }
        }
    }

    fn judge_ends(&mut self) {
        for found in &self.found {
            let (by, by_seq) = &found.by;
            let told = format!("chain {by}, {by_seq}, found it ending with {}", found.seq);
            let Some(chain) = self.chains.get(&found.chain_id) else {
                let gone = self.is_removed(&found.chain_id, found.seq);
                if found.seq > 0 && !gone && self.extent == Extent::Whole {
                    let detail = format!("the whole chain is not there; {told}");
                    self.report.add(Finding::new(&found.chain_id, 1, Damage::Missing, detail));
                }
                continue;
            };
            let last = chain.last_seq();
            let (seq, damage) = if last < found.seq {
                (last + 1, Damage::Truncated)
            } else if last > found.seq {
                (found.seq + 1, Damage::Added)
            } else if found.hash.is_some_and(|hash| chain.tip() != Some(hash)) {
                (last, Damage::Changed)
            } else {
                continue;
            };
            self.report.add(Finding::new(&found.chain_id, seq, damage, told));
        }
        for (chain_id, cursor) in &self.cursors {
            let last = self.chains.get(chain_id).map_or(0, Chain::last_seq);
            let (before, after) = (cursor.before - 1, cursor.after - 1);
            if last < before && !(last == 0 && self.is_removed(chain_id, before)) {
                let detail = format!("the database has had up to {before}");
                self.report.add(Finding::new(chain_id, last + 1, Damage::Truncated, detail));
            } else if last > after {
                let detail = format!("the gateway has shipped up to {after} only");
                self.report.add(Finding::new(chain_id, after + 1, Damage::Added, detail));
            }
        }
    }

    /// Whether a signed event says that a chain was removed up to here.
    fn is_removed(&self, chain_id: &str, seq: i64) -> bool {
        let removed = self.removed.get(chain_id).into_iter().flatten();
        removed.filter(|cut| cut.seq >= seq).any(|cut| self.is_signed(&cut.by))
    }

    fn is_signed(&self, (chain_id, seq): &(String, i64)) -> bool {
        self.chains.get(chain_id).is_some_and(|chain| chain.signed_seq() >= *seq)
    }
}
