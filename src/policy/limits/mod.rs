//! Limits as policy: which bear on a call. Pure; the room `quota` counts them.
//!
//! A policy has entries, each of which says whom and what it is for (`roles`,
//! `tenants`, `agents`, `scopes`, `tools`; left out: everybody and
//! everything) and by what it counts (`per`). Of the entries of one `per` that
//! match a call, the most specific one that states a rate gives the rate, and
//! the most specific one that states a concurrency gives that. More specific
//! is what names more of the five; of as many, what names the tool in full, else
//! by a pattern, else the agent, the role, the tenant, the scope; else what stands
//! first in the file.
//!
//! Each entry counts for itself: what is counted by the entry of a tool is not
//! counted by the general entry of the same `per`. What identifies its
//! counters is whom and what it is for, not its place or its numbers, so they
//! go on through an edit of those.
//!
//! All of it is sorted at load, by tool: a call looks up its tool once and
//! asks the few entries that can bear on it, most specific first. Patterns are
//! asked, all at once, about tools that no entry names in full.

mod file;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(crate) use rate::Rate;

pub(super) use file::{BudgetsEntry, compile};

use super::model::RulePath;
use super::names::{Builder, Names, is_pattern};

/// By what calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    /// Each caller.
    User,
    /// Each caller and tool.
    UserTool,
    /// Each tool, whoever calls.
    Tool,
    /// Each workspace; callers without one are one.
    Tenant,
    /// Each workspace and tool.
    TenantTool,
    /// All calls.
    Global,
}

impl Per {
    /// All of them, in the order in which limits are told.
    pub(crate) const ALL: [Self; 6] =
        [Self::User, Self::UserTool, Self::Tool, Self::Tenant, Self::TenantTool, Self::Global];

    /// Its spelling in files, headers and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::UserTool => "user_tool",
            Self::Tool => "tool",
            Self::Tenant => "tenant",
            Self::TenantTool => "tenant_tool",
            Self::Global => "global",
        }
    }

    /// What is counted, for a sentence.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Self::User => "calls",
            Self::UserTool => "calls of this tool",
            Self::Tool => "calls of this tool by all callers",
            Self::Tenant => "calls of your workspace",
            Self::TenantTool => "calls of this tool by your workspace",
            Self::Global => "calls by all callers",
        }
    }

    /// Whether it counts calls of tools only.
    pub(crate) fn needs_tool(self) -> bool {
        matches!(self, Self::UserTool | Self::Tool | Self::TenantTool)
    }

    /// Whether each caller has counters of its own.
    pub(crate) fn is_of_caller(self) -> bool {
        matches!(self, Self::User | Self::UserTool)
    }
}

/// One limit, compiled.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) per: Per,
    pub(crate) measure: Measure,
    /// The entry: `quotas[2]`, or `quota.user` for the settings' defaults.
    pub(crate) rule: RulePath,
    /// Whom and what it is for, shortened: part of its counters' names. Empty
    /// for everybody and everything.
    pub(crate) mark: Box<str>,
    /// The item of `RateLimit-Policy`.
    pub(crate) told: Box<str>,
    matcher: Matcher,
}

/// What a limit limits.
#[derive(Debug)]
pub(crate) enum Measure {
    /// Calls over time; `None`: without limit.
    Rate(Option<Rate>, Weight),
    /// Calls in progress; `None`: without limit.
    Concurrency(Option<u32>),
}

/// For how many a call counts.
#[derive(Debug)]
pub(crate) struct Weight {
    of_all: u32,
    of_tools: HashMap<Box<str>, u32>,
}

impl Weight {
    /// For how many a call of this tool counts; at least 1.
    pub(crate) fn of(&self, tool: Option<&str>) -> u32 {
        let named = tool.filter(|_| !self.of_tools.is_empty());
        named.and_then(|tool| self.of_tools.get(tool)).copied().unwrap_or(self.of_all)
    }
}

/// Whom and what an entry is for; an empty list is anybody and anything.
#[derive(Clone, Debug, Default)]
struct Matcher {
    /// Names and patterns.
    tools: Vec<Box<str>>,
    agents: Vec<Box<str>>,
    roles: Vec<Box<str>>,
    tenants: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
}

/// Who calls what, as far as limits depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) roles: &'a [String],
    pub(crate) tenant: Option<&'a str>,
    /// The agent profile, where the token allows exactly one.
    pub(crate) agent: Option<&'a str>,
    pub(crate) scope: &'a str,
    /// As clients of the scope call it; `None` for what is no tool.
    pub(crate) tool: Option<&'a str>,
}

impl Matcher {
    /// Whether it is for this caller, whatever the tool.
    fn matches(&self, asked: &Asked<'_>) -> bool {
        let names = |list: &[Box<str>], found: Option<&str>| {
            list.is_empty() || found.is_some_and(|found| list.iter().any(|name| **name == *found))
        };
        (self.roles.is_empty()
            || self.roles.iter().any(|role| asked.roles.iter().any(|held| **held == **role)))
            && names(&self.agents, asked.agent)
            && names(&self.tenants, asked.tenant)
            && names(&self.scopes, Some(asked.scope))
    }

    /// Larger is more specific, for this tool.
    fn rank(&self, tool: Option<&str>) -> (u32, u8, u32) {
        let named = [&self.tools, &self.agents, &self.roles, &self.tenants, &self.scopes];
        let bits = named.iter().fold(0, |bits, list| bits << 1 | u32::from(!list.is_empty()));
        let in_full = tool.is_some_and(|tool| self.tools.iter().any(|name| **name == *tool));
        let of_tool = u8::from(!self.tools.is_empty()) + u8::from(in_full);
        (bits.count_ones(), of_tool, bits)
    }
}

/// The limits that can bear on a call of one tool: for each `per`, those of
/// the rate and those of the concurrency, most specific first.
type Candidates = [[Box<[u16]>; 2]; Per::ALL.len()];

/// All limits of a policy.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    all: Vec<Arc<Limit>>,
    /// By tools that some entry names.
    named: HashMap<Box<str>, Candidates>,
    /// Of every other tool, and of what is no tool. Those with a pattern are
    /// asked whether it fits.
    others: Candidates,
    /// Patterns of tools, with the numbers of the limits that have them.
    patterns: Names<u16>,
    of_callers: bool,
    pub(crate) budgets: Budgets,
}

/// Most tool calls of a turn, a day, a job. `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budgets {
    pub(crate) turn: Option<u32>,
    pub(crate) day: Option<u32>,
    pub(crate) job: Option<u32>,
}

/// The limits without a policy of their own (C-37), from the settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) user: Rate,
    pub(crate) user_tool: Rate,
}

impl Limits {
    /// Sorts them.
    ///
    /// # Errors
    /// The patterns are too large together.
    fn new(limits: Vec<Limit>, budgets: Budgets) -> Result<Self, String> {
        let mut builder = Builder::default();
        let mut in_full = BTreeSet::new();
        for (at, limit) in (0..).zip(&limits) {
            for tool in &limit.matcher.tools {
                if is_pattern(tool) {
                    // Was read before.
                    _ = builder.add(tool, at);
                } else {
                    in_full.insert(tool.clone());
                }
            }
        }
        let patterns = builder.build()?;
        let named = in_full
            .into_iter()
            .map(|tool| {
                let fitting: Vec<u16> = patterns.fitting(&tool).copied().collect();
                let can_bear = |at: u16, matcher: &Matcher| {
                    let tools = &matcher.tools;
                    tools.is_empty() || tools.contains(&tool) || fitting.contains(&at)
                };
                let found = candidates(&limits, Some(&tool), can_bear);
                (tool, found)
            })
            .collect();
        let others = candidates(&limits, None, |_, matcher| {
            matcher.tools.is_empty() || matcher.tools.iter().any(|tool| is_pattern(tool))
        });
        let of_callers = limits.iter().all(|limit| limit.per.is_of_caller());
        let all = limits.into_iter().map(Arc::new).collect();
        Ok(Self { all, named, others, patterns, of_callers, budgets })
    }

    /// The limits in force for a call, at most two of each `per`.
    pub(crate) fn of<'a>(&'a self, asked: &'a Asked<'_>) -> impl Iterator<Item = &'a Arc<Limit>> {
        let named = asked.tool.and_then(|tool| self.named.get(tool));
        let fitting: Option<Vec<u16>> = match (named, asked.tool) {
            (None, Some(tool)) => Some(self.patterns.fitting(tool).copied().collect()),
            (None, None) => Some(Vec::new()),
            (Some(_), _) => None,
        };
        named.unwrap_or(&self.others).iter().flatten().filter_map(move |some| {
            let mut matching = some.iter().map(|&at| (at, &self.all[usize::from(at)]));
            let found = matching.find(|(at, limit)| {
                let fits =
                    |fitting: &Vec<u16>| limit.matcher.tools.is_empty() || fitting.contains(at);
                (asked.tool.is_some() || !limit.per.needs_tool())
                    && fitting.as_ref().is_none_or(fits)
                    && limit.matcher.matches(asked)
            });
            found.map(|(_, limit)| limit)
        })
    }

    /// Whether every limit counts each caller for itself.
    pub(crate) fn are_of_callers(&self) -> bool {
        self.of_callers
    }

    /// Every tool that an entry names in full.
    pub(super) fn named_tools(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(|tool| &**tool)
    }

    /// Patterns that fit none of the tools, each with its entry.
    pub(super) fn idle_patterns(&self, tools: &[String]) -> Vec<(String, String)> {
        let rule = |at: &u16| self.all.get(usize::from(*at)).map(|limit| limit.rule.to_string());
        let idle = self.patterns.idle(tools).into_iter();
        let mut found: Vec<(String, String)> =
            idle.filter_map(|(at, text)| Some((rule(at)?, text.to_owned()))).collect();
        // An entry with a rate and a concurrency is two limits.
        found.dedup();
        found
    }
}

fn candidates(
    limits: &[Limit],
    tool: Option<&str>,
    of_tool: impl Fn(u16, &Matcher) -> bool,
) -> Candidates {
    Per::ALL.map(|per| {
        [false, true].map(|concurrency| {
            let can_bear = |(at, limit): &(u16, &Limit)| {
                limit.per == per
                    && matches!(limit.measure, Measure::Concurrency(_)) == concurrency
                    && of_tool(*at, &limit.matcher)
            };
            let mut found: Vec<_> = (0..).zip(limits).filter(can_bear).collect();
            found.sort_by_key(|(_, limit)| std::cmp::Reverse(limit.matcher.rank(tool)));
            found.iter().map(|(at, _)| *at).collect()
        })
    })
}
