//! A count of refused attempts, and its event.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::network;
use crate::audit::facts::{Decision, Facts, Kind, MOST_NAME};
use crate::audit::line::{Body, bounded};
use crate::clock::rfc3339;

/// Most tools of the registry that are named in a count.
const MOST_TOOLS: usize = 32;

/// Most names that nobody has which are named in a count; others are counted
/// together.
const MOST_STRAYS: usize = 8;

/// Most addresses that are named in a count.
const MOST_ADDRESSES: usize = 8;

/// Longest sentence, in bytes.
const MOST_DETAIL: usize = 4096;

/// Whose window it is.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Source {
    /// The issuer and the user, where they are known.
    pub(super) user: Option<(Option<Arc<str>>, Arc<str>)>,
    /// Several, for whom there was no window of their own.
    pub(super) others: bool,
}

impl Source {
    /// All for whom there was no window left.
    pub(super) fn of_others() -> Self {
        Self { user: None, others: true }
    }
}

/// What became of a request, as far as it matters here.
#[derive(Clone, Copy)]
pub(in crate::audit) struct Attempt<'a> {
    pub(in crate::audit) facts: &'a Facts,
    pub(in crate::audit) reason: &'static str,
    pub(in crate::audit) decision: Decision,
}

/// What all attempts of a count have in common, if anything.
#[derive(Debug, Default)]
enum Common<T> {
    #[default]
    Nobody,
    All(Option<T>),
    Several,
}

impl<T: PartialEq + Clone> Common<T> {
    fn meet(&mut self, value: Option<&T>) {
        match self {
            Self::Nobody => *self = Self::All(value.cloned()),
            Self::All(known) if known.as_ref() == value => {}
            Self::All(_) | Self::Several => *self = Self::Several,
        }
    }

    fn join(&mut self, other: &Self) {
        match other {
            Self::Nobody => {}
            Self::All(value) => self.meet(value.as_ref()),
            Self::Several => *self = Self::Several,
        }
    }

    fn get(&self) -> Option<&T> {
        match self {
            Self::All(value) => value.as_ref(),
            Self::Nobody | Self::Several => None,
        }
    }
}

/// Names, and how often each came; the rest together.
#[derive(Debug)]
struct Counts<T> {
    named: Vec<(T, u64)>,
    others: u64,
}

impl<T> Default for Counts<T> {
    fn default() -> Self {
        Self { named: Vec::new(), others: 0 }
    }
}

impl<T: PartialEq> Counts<T> {
    fn add(&mut self, name: T, times: u64, most: usize) {
        let has_room = self.named.len() < most;
        match self.named.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += times,
            None if has_room => self.named.push((name, times)),
            None => self.others += times,
        }
    }

    fn join(&mut self, other: &Self, most: usize)
    where
        T: Clone,
    {
        other.named.iter().for_each(|(name, times)| self.add(name.clone(), *times, most));
        self.others += other.others;
    }
}

/// Attempts that have no event of their own.
#[derive(Debug)]
pub(in crate::audit) struct Fold {
    source: Source,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    count: u64,
    decision: Decision,
    tenant: Common<Arc<str>>,
    agent: Common<Arc<str>>,
    /// Where they came from: addresses, or for IPv6 the first of their networks
    /// of 64 bits.
    address: Common<IpAddr>,
    addresses: Counts<IpAddr>,
    /// By reason; there are no more than reasons.
    reasons: Vec<(&'static str, u64)>,
    /// Tools of the registry.
    tools: Counts<Box<str>>,
    /// Names that nobody has.
    strays: Counts<Box<str>>,
}

impl Fold {
    pub(super) fn begin(source: Source, decision: Decision, now: DateTime<Utc>) -> Self {
        Self {
            source,
            first: now,
            last: now,
            count: 0,
            decision,
            tenant: Common::default(),
            agent: Common::default(),
            address: Common::default(),
            addresses: Counts::default(),
            reasons: Vec::new(),
            tools: Counts::default(),
            strays: Counts::default(),
        }
    }

    pub(super) fn add(&mut self, attempt: Attempt<'_>, now: DateTime<Utc>) {
        let Attempt { facts, reason, decision } = attempt;
        let caller = facts.caller.as_ref();
        let address = facts.opening.client_addr.map(network);
        self.count += 1;
        self.last = now;
        self.decided(decision);
        self.tenant.meet(caller.and_then(|caller| caller.tenant.as_ref()));
        self.agent.meet(caller.and_then(|caller| caller.agent.as_ref()));
        self.address.meet(address.as_ref());
        if let Some(address) = address {
            self.addresses.add(address, 1, MOST_ADDRESSES);
        }
        self.reason(reason, 1);
        if let Some(tool) = facts.tool() {
            let tool = bounded(tool, MOST_NAME).into();
            if facts.declared {
                self.tools.add(tool, 1, MOST_TOOLS);
            } else {
                self.strays.add(tool, 1, MOST_STRAYS);
            }
        }
    }

    /// One word for all: what they have in common, else that they were refused.
    fn decided(&mut self, decision: Decision) {
        if self.decision != decision {
            self.decision = Decision::Deny;
        }
    }

    fn reason(&mut self, reason: &'static str, times: u64) {
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += times,
            None => self.reasons.push((reason, times)),
        }
    }

    /// Adds another's counts, and forgets whose they were.
    pub(super) fn join(&mut self, other: &Self) {
        self.source = Source::of_others();
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.decided(other.decision);
        self.tenant.join(&other.tenant);
        self.agent.join(&other.agent);
        self.address.join(&other.address);
        self.addresses.join(&other.addresses, MOST_ADDRESSES);
        other.reasons.iter().for_each(|(reason, times)| self.reason(reason, *times));
        self.tools.join(&other.tools, MOST_TOOLS);
        self.strays.join(&other.strays, MOST_STRAYS);
    }

    /// How many attempts it stands for.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Writes the event. Members in the order of RFC 8785.
    pub(in crate::audit) fn write(
        &self,
        (time, id): (DateTime<Utc>, Uuid),
        chain_id: &str,
        body: &mut Body,
    ) {
        let user = self.source.user.as_ref();
        let only = match self.reasons[..] {
            [(reason, _)] => Some(reason),
            _ => None,
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let address = self.address.get().map(shown);
        let mut line = body.begin();
        line.text("agent", self.agent.get().map(|agent| &**agent), MOST_NAME);
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.text("client_addr", address.as_deref(), MOST_NAME);
        line.text("decision", Some(self.decision.name()), MOST_NAME);
        line.text("detail", Some(&self.sentence()), MOST_DETAIL);
        line.id("event_id", Some(id));
        line.text("folded_addresses", some(self.from()).as_deref(), MOST_DETAIL);
        line.number("folded_count", Some(self.count));
        line.text("folded_first", Some(rfc3339(self.first).as_str()), MOST_NAME);
        line.text("folded_last", Some(rfc3339(self.last).as_str()), MOST_NAME);
        line.text("folded_reasons", Some(&listed(&self.reasons)), MOST_DETAIL);
        line.text("folded_tools", some(self.at()).as_deref(), MOST_DETAIL);
        line.text("issuer", user.and_then(|(issuer, _)| issuer.as_deref()), 2 * MOST_NAME);
        line.text("kind", Some(Kind::Folded.name()), MOST_NAME);
        line.prev();
        line.text("reason", only, MOST_NAME);
        line.seq();
        line.text("tenant", self.tenant.get().map(|tenant| &**tenant), MOST_NAME);
        line.time("time", time);
        line.text("user_id", user.map(|(_, user)| &**user), MOST_NAME);
        line.end();
    }

    /// Where they came from.
    fn from(&self) -> String {
        let named: Vec<_> =
            self.addresses.named.iter().map(|(address, times)| (shown(address), *times)).collect();
        with_others(listed(&named), self.addresses.others)
    }

    /// What they were after: what the registry has before what nobody has.
    fn at(&self) -> String {
        let lists = [listed(&self.tools.named), listed(&self.strays.named)];
        let named: Vec<&str> =
            lists.iter().map(String::as_str).filter(|list| !list.is_empty()).collect();
        with_others(named.join(", "), self.tools.others + self.strays.others)
    }

    fn sentence(&self) -> String {
        let whose = if self.source.others { " of several sources" } else { "" };
        let (first, last) = (rfc3339(self.first), rfc3339(self.last));
        let mut text = format!(
            "{} more refused attempts{whose} from {} to {}: {}",
            self.count,
            first.as_str(),
            last.as_str(),
            listed(&self.reasons)
        );
        for (label, list) in [("tools", self.at()), ("addresses", self.from())] {
            if !list.is_empty() && (label == "tools" || self.address.get().is_none()) {
                let _ = write!(text, "; {label}: {list}");
            }
        }
        text
    }
}

/// An address; of IPv6, the network.
fn shown(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(network) => format!("{network}/64"),
    }
}

/// `name 3, other 1`; names have no comma where a program reads them.
fn listed(counts: &[(impl AsRef<str>, u64)]) -> String {
    let mut text = String::new();
    for (name, times) in counts {
        let gap = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{gap}{} {times}", name.as_ref().replace([',', ' '], "_"));
    }
    text
}

fn with_others(mut text: String, others: u64) -> String {
    if others > 0 {
        let gap = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{gap}others {others}");
    }
    text
}
