//! Says whether an audit trail is whole, with public keys alone.
//!
//! [`Verifier`] is given lines, in the order of each chain, from wherever they
//! lie ([`sources`]); it holds a few words a chain and no line. What it finds is
//! named by chain and number ([`Finding`]).

mod chain;
mod judge;
mod line;
mod report;
mod signatures;
mod sources;
mod thread;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;

pub(crate) use report::{Damage, Finding, Verification};
pub(crate) use sources::{read_database, read_file, read_journal};
pub(super) use thread::{Thread, Word};

use super::digest::Digest;
use super::keys::{KeyRing, Trusted};
use chain::Chain;
use line::Line;

/// Findings that are kept; more of them are only counted.
const MOST_FINDINGS: usize = 1000;

/// Of them, of one chain, and of each that is no chain of ours.
const MOST_OF_A_CHAIN: usize = 100;

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
    /// A journal: a part of which the last checkpoint may be gone already.
    Journal,
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
    /// Whether it was as old as it says that events must be.
    is_due: bool,
}

impl Removed {
    fn of(line: &Line<'_>) -> Option<Self> {
        let age = || {
            let removed = line.removed_time.as_deref().and_then(line::at)?;
            Some((line.time()? - removed, TimeDelta::days(line.retention_days?.into())))
        };
        Some(Self {
            by: (line.chain_id.to_string(), line.seq),
            seq: line.removed_seq?,
            hash: line.removed_hash.as_deref().and_then(Digest::from_hex)?,
            is_due: age().is_some_and(|(age, least)| age >= least),
        })
    }
}

/// All of a chain without hashes, as another chain vouches for it.
#[derive(Debug)]
struct Adopted {
    by: (String, i64),
    seq: i64,
    hash: Digest,
}

/// A chain as an earlier report had it.
#[derive(Clone, Debug, Deserialize)]
struct Kept {
    chain_id: String,
    last_seq: i64,
    last_hash: Option<String>,
}

/// What an earlier verification printed with `--json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EarlierReport {
    chains: Vec<Kept>,
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
    adopted: BTreeMap<String, Vec<Adopted>>,
    kept: Vec<Kept>,
    /// Lines whose hashes will be asked for.
    watched: BTreeMap<String, Vec<i64>>,
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
            adopted: BTreeMap::new(),
            kept: Vec::new(),
            watched: BTreeMap::new(),
            cursors: BTreeMap::new(),
            last: String::new(),
            report: Verification::default(),
        }
    }

    /// Asks for what an earlier report has seen: each of its chains must still be
    /// there as it was, or be removed for its age. Before the first line.
    pub(crate) fn expect(&mut self, earlier: EarlierReport) {
        for chain in &earlier.chains {
            self.watch(&chain.chain_id, chain.last_seq);
        }
        self.kept = earlier.chains;
    }

    /// Remembers the hash of a line that is still to come.
    fn watch(&mut self, chain_id: &str, seq: i64) {
        self.watched.entry(chain_id.to_owned()).or_default().push(seq);
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
            let watched = self.watched.get(chain_id).map_or(&[][..], Vec::as_slice);
            self.chains.insert(chain_id.to_owned(), Chain::new(chain_id, watched));
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
                if let (Some(chain_id), Some(removed)) =
                    (&line.removed_chain_id, Removed::of(&line))
                {
                    self.removed.entry(chain_id.to_string()).or_default().push(removed);
                }
            }
            super::chain::kind::ADOPTED => {
                let hash = line.adopted_hash.as_deref().and_then(Digest::from_hex);
                if let (Some(chain_id), Some(seq), Some(hash)) =
                    (&line.adopted_chain_id, line.adopted_seq, hash)
                {
                    let adopted = Adopted { by: by(), seq, hash };
                    self.adopted.entry(chain_id.to_string()).or_default().push(adopted);
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
        self.report.is_judging = true;
        self.judge_beginnings();
        self.judge_ends();
        self.judge_signatures();
        self.judge_kept();
        for (chain_id, chain) in &self.chains {
            let (followed, adopted) =
                (self.is_followed(chain_id, chain), self.is_adopted(chain_id));
            self.report.chains.push(chain.summary(chain_id, followed, adopted));
        }
        self.report.sort();
        self.report
    }
}
