//! What verification has found.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::{MOST_FINDINGS, MOST_OF_A_CHAIN};

/// What was done to a record. The more it says, the earlier it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Damage {
    /// It is not there, though later ones are.
    Missing,
    /// It stands behind a later one.
    Reordered,
    /// It and all behind it are not there.
    Truncated,
    /// There are two with its number.
    Forked,
    /// It stands behind the end of its chain.
    Added,
    /// No signature vouches for it, though there should be one by now.
    Unsigned,
    /// It says that it is signed by a key that did not.
    BadSignature,
    /// It is signed by a key that is not among the given.
    UnknownKey,
    /// Its bytes are not those that were chained.
    Changed,
}

impl Damage {
    fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Forked => "forked",
            Self::Added => "added",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
        }
    }
}

/// A damaged record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// Its chain; empty when that cannot be read.
    pub(crate) chain_id: String,
    /// Its number; the first of several.
    pub(crate) seq: i64,
    /// What was done to it.
    pub(crate) damage: Damage,
    /// What shows it.
    pub(crate) detail: String,
}

impl Finding {
    pub(super) fn new(chain_id: &str, seq: i64, damage: Damage, detail: impl Into<String>) -> Self {
        Self { chain_id: chain_id.to_owned(), seq, damage, detail: detail.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain_id, seq, damage, detail } = self;
        // What a forger wrote must not steer a terminal.
        let chain_id: String = chain_id.chars().filter(|c| !c.is_control()).take(64).collect();
        write!(f, "chain {chain_id}, {seq}: {}: {detail}", damage.name())
    }
}

/// One chain, as far as it is there.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChainSummary {
    pub(crate) chain_id: String,
    pub(super) first_seq: i64,
    pub(crate) last_seq: i64,
    /// Keep this elsewhere, and a tail that is cut later shows.
    pub(super) last_hash: Option<String>,
    pub(super) checkpoints: u64,
    /// Up to here a signature vouches for it, made at that time.
    pub(crate) signed_seq: i64,
    pub(super) signed_at: Option<String>,
    /// `signed`: its last checkpoint says that it ends there. `found`: a later
    /// chain says where it ended. `adopted`: it is of a gateway that did not chain
    /// its lines, and a later chain vouches for all of it. `open`: none of these,
    /// so that what was behind its last checkpoint might be cut without a trace.
    pub(crate) end: &'static str,
    /// Bytes of a line that was not finished.
    pub(super) torn_bytes: usize,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Verification {
    /// Records that were looked at.
    pub(crate) events: u64,
    /// The chains, oldest first.
    pub(crate) chains: Vec<ChainSummary>,
    /// Chains that begin later, from where, and the event that says why.
    pub(super) anchored: Vec<(String, i64, (String, i64))>,
    /// Damaged records, by chain and number.
    pub(crate) findings: Vec<Finding>,
    more: u64,
    /// Findings by chain, so that one chain does not bury the others'.
    of_chains: BTreeMap<String, usize>,
    /// Whether chains are judged as a whole now, for which there is room kept.
    pub(super) is_judging: bool,
}

impl Verification {
    pub(super) fn add(&mut self, finding: Finding) {
        // The same record may show its damage twice.
        let known = self.findings.iter().rev().take(8).any(|other| {
            (&other.chain_id, other.seq, other.damage)
                == (&finding.chain_id, finding.seq, finding.damage)
        });
        if known {
            return;
        }
        let of_chain = self.of_chains.entry(finding.chain_id.clone()).or_default();
        *of_chain += 1;
        let has_room = if self.is_judging {
            self.findings.len() < 2 * MOST_FINDINGS
        } else {
            *of_chain <= MOST_OF_A_CHAIN && self.findings.len() < MOST_FINDINGS
        };
        if has_room {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn sort(&mut self) {
        self.findings.sort();
    }

    /// Whether there was nothing to look at, which proves nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0 && self.findings.is_empty()
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    /// Writes it for people.
    pub(crate) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for chain in &self.chains {
            let ChainSummary { chain_id, first_seq, last_seq, signed_seq, .. } = chain;
            let end = match chain.end {
                "signed" => "ended",
                "found" => "ended; a later chain says where",
                "adopted" => "adopted; a later chain vouches for it",
                _ => "open",
            };
            write!(out, "chain {chain_id}: {first_seq} to {last_seq}, ")?;
            write!(out, "signed up to {signed_seq}, {end}")?;
            if chain.torn_bytes > 0 {
                write!(out, ", and {} bytes of a line", chain.torn_bytes)?;
            }
            writeln!(out)?;
        }
        for (chain_id, seq, (by, by_seq)) in &self.anchored {
            writeln!(out, "chain {chain_id} begins at {seq}: see {by_seq} of chain {by}")?;
        }
        for finding in &self.findings {
            writeln!(out, "DAMAGED {finding}")?;
        }
        if self.more > 0 {
            writeln!(out, "… and {} more", self.more)?;
        }
        let (events, chains) = (self.events, self.chains.len());
        let verdict = match (self.is_empty(), self.is_good()) {
            (true, _) => "NOTHING",
            (false, true) => "good",
            (false, false) => "DAMAGED",
        };
        writeln!(out, "{verdict}: {events} events in {chains} chains")
    }

    /// Writes it as one JSON object.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let anchored = self.anchored.iter().map(|(chain_id, seq, (by, by_seq))| {
            json!({ "chain_id": chain_id, "first_seq": seq, "by_chain_id": by, "by_seq": by_seq })
        });
        let report = json!({
            "good": self.is_good() && !self.is_empty(),
            "events": self.events,
            "chains": self.chains,
            "anchored": anchored.collect::<Vec<_>>(),
            "findings": self.findings,
            "more_findings": self.more,
        });
        writeln!(out, "{report:#}")
    }
}
