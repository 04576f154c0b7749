//! A count of refused attempts, and its event.

use std::fmt::Write as _;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::audit::facts::{CallerFacts, Decision, Kind, MOST_NAME};
use crate::audit::line::{Body, bounded};
use crate::clock::rfc3339;

/// Most tools that are named in a count; others are counted together.
const MOST_TOOLS: usize = 8;

/// Longest sentence, in bytes.
const MOST_DETAIL: usize = 4096;

/// Who was refused.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Source {
    pub(super) caller: Option<CallerFacts>,
    /// The address, or for IPv6 the first of its network of 64 bits.
    pub(super) address: Option<IpAddr>,
    /// Several, for whom there was no window of their own.
    pub(super) others: bool,
}

impl Source {
    /// All for whom there was no window left.
    pub(super) fn of_others() -> Self {
        Self { caller: None, address: None, others: true }
    }
}

/// Attempts that have no event of their own.
#[derive(Debug)]
pub(in crate::audit) struct Fold {
    source: Source,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    count: u64,
    /// By reason; there are no more than reasons.
    reasons: Vec<(&'static str, u64)>,
    tools: Vec<(Box<str>, u64)>,
    /// Attempts at tools that are not named.
    other_tools: u64,
}

impl Fold {
    pub(super) fn begin(source: Source, now: DateTime<Utc>) -> Self {
        Self {
            source,
            first: now,
            last: now,
            count: 0,
            reasons: Vec::new(),
            tools: Vec::new(),
            other_tools: 0,
        }
    }

    pub(super) fn add(&mut self, reason: &'static str, tool: Option<&str>, now: DateTime<Utc>) {
        self.count += 1;
        self.last = now;
        self.reason(reason, 1);
        if let Some(tool) = tool {
            self.tool(bounded(tool, MOST_NAME), 1);
        }
    }

    fn reason(&mut self, reason: &'static str, times: u64) {
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += times,
            None => self.reasons.push((reason, times)),
        }
    }

    fn tool(&mut self, tool: &str, times: u64) {
        let has_room = self.tools.len() < MOST_TOOLS;
        match self.tools.iter_mut().find(|(known, _)| **known == *tool) {
            Some((_, count)) => *count += times,
            None if has_room => self.tools.push((tool.into(), times)),
            None => self.other_tools += times,
        }
    }

    /// Adds another's counts, and forgets whose they were.
    pub(super) fn join(&mut self, other: &Self) {
        self.source = Source::of_others();
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.other_tools += other.other_tools;
        other.reasons.iter().for_each(|(reason, times)| self.reason(reason, *times));
        other.tools.iter().for_each(|(tool, times)| self.tool(tool, *times));
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
        let caller = self.source.caller.as_ref();
        let only = match self.reasons[..] {
            [(reason, _)] => Some(reason),
            _ => None,
        };
        let address = self.source.address.map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(network) => format!("{network}/64"),
        });
        let mut line = body.begin();
        line.text("agent", caller.and_then(|caller| caller.agent.as_deref()), MOST_NAME);
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.text("client_addr", address.as_deref(), MOST_NAME);
        line.text("decision", Some(Decision::Deny.name()), MOST_NAME);
        line.text("detail", Some(&self.sentence()), MOST_DETAIL);
        line.id("event_id", Some(id));
        line.number("folded_count", Some(self.count));
        line.text("folded_first", Some(rfc3339(self.first).as_str()), MOST_NAME);
        line.text("folded_last", Some(rfc3339(self.last).as_str()), MOST_NAME);
        line.text("folded_reasons", Some(&listed(&self.reasons, 0)), MOST_DETAIL);
        let tools = listed(&self.tools, self.other_tools);
        line.text("folded_tools", Some(&*tools).filter(|tools| !tools.is_empty()), MOST_DETAIL);
        line.text("issuer", caller.and_then(|caller| caller.issuer.as_deref()), 2 * MOST_NAME);
        line.text("kind", Some(Kind::Folded.name()), MOST_NAME);
        line.prev();
        line.text("reason", only, MOST_NAME);
        line.seq();
        line.text("tenant", caller.and_then(|caller| caller.tenant.as_deref()), MOST_NAME);
        line.time("time", time);
        line.text("user_id", caller.map(|caller| &*caller.user_id), MOST_NAME);
        line.end();
    }

    fn sentence(&self) -> String {
        let whose = if self.source.others { " of several sources" } else { "" };
        let (first, last) = (rfc3339(self.first), rfc3339(self.last));
        let mut text = format!(
            "{} more refused attempts{whose} from {} to {}: {}",
            self.count,
            first.as_str(),
            last.as_str(),
            listed(&self.reasons, 0)
        );
        if !self.tools.is_empty() {
            let _ = write!(text, "; tools: {}", listed(&self.tools, self.other_tools));
        }
        text
    }
}

/// `name 3, other 1`; names have no comma where a program reads them.
fn listed(counts: &[(impl AsRef<str>, u64)], others: u64) -> String {
    let mut text = String::new();
    for (name, times) in counts {
        let gap = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{gap}{} {times}", name.as_ref().replace([',', ' '], "_"));
    }
    if others > 0 {
        let _ = write!(text, ", others {others}");
    }
    text
}
