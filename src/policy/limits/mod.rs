//! Limits as policy: which bear on a call. Pure; the room `quota` counts them.
//!
//! A policy has entries, each of which says whom and what it is for (`roles`,
//! `tenants`, `agents`, `scopes`, `tools`; left out: everybody and
//! everything) and by what it counts (`per`). Of the entries of one `per` that
//! match a call, the most specific one that states a rate gives the rate, and
//! the most specific one that states a concurrency gives that. More specific
//! is what names more of the five; of as many, what names the tool, else the
//! agent, the role, the tenant, the scope; else what stands first in the file.
//!
//! Each entry counts for itself: what is counted by the entry of a tool is not
//! counted by the general entry of the same `per`. What identifies its
//! counters is whom and what it is for, not its place or its numbers, so they
//! go on through an edit of those.
//!
//! All of it is sorted at load, by tool: a call looks up its tool once and
//! asks the few entries that can bear on it, most specific first.

mod file;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use rate::Rate;

pub(super) use file::{BudgetsEntry, compile};

use super::model::RulePath;

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
    fn matches(&self, asked: &Asked<'_>) -> bool {
        let names = |list: &[Box<str>], found: Option<&str>| {
            list.is_empty() || found.is_some_and(|found| list.iter().any(|name| **name == *found))
        };
        (self.roles.is_empty()
            || self.roles.iter().any(|role| asked.roles.iter().any(|held| **held == **role)))
            && names(&self.tools, asked.tool)
            && names(&self.agents, asked.agent)
            && names(&self.tenants, asked.tenant)
            && names(&self.scopes, Some(asked.scope))
    }

    /// Larger is more specific.
    fn rank(&self) -> (u32, u32) {
        let named = [&self.tools, &self.agents, &self.roles, &self.tenants, &self.scopes];
        let bits = named.iter().fold(0, |bits, list| bits << 1 | u32::from(!list.is_empty()));
        (bits.count_ones(), bits)
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
    /// Of every other tool, and of what is no tool.
    others: Candidates,
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
    fn new(limits: Vec<Limit>, budgets: Budgets) -> Self {
        let mut named = HashMap::new();
        for tool in limits.iter().flat_map(|limit| &limit.matcher.tools) {
            named.entry(tool.clone()).or_insert_with(|| candidates(&limits, Some(tool)));
        }
        let others = candidates(&limits, None);
        let of_callers = limits.iter().all(|limit| limit.per.is_of_caller());
        let all = limits.into_iter().map(Arc::new).collect();
        Self { all, named, others, of_callers, budgets }
    }

    /// The limits in force for a call, at most two of each `per`.
    pub(crate) fn of<'a>(&'a self, asked: &'a Asked<'_>) -> impl Iterator<Item = &'a Arc<Limit>> {
        let named = asked.tool.filter(|_| !self.named.is_empty());
        let candidates = named.and_then(|tool| self.named.get(tool)).unwrap_or(&self.others);
        candidates.iter().flatten().filter_map(|some| {
            let mut matching = some.iter().map(|&at| &self.all[usize::from(at)]);
            matching.find(|limit| {
                (asked.tool.is_some() || !limit.per.needs_tool()) && limit.matcher.matches(asked)
            })
        })
    }

    /// Whether every limit counts each caller for itself.
    pub(crate) fn are_of_callers(&self) -> bool {
        self.of_callers
    }

    /// Every tool that an entry names.
    pub(super) fn named_tools(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(|tool| &**tool)
    }
}

fn candidates(limits: &[Limit], tool: Option<&str>) -> Candidates {
    Per::ALL.map(|per| {
        [false, true].map(|concurrency| {
            let can_bear = |(_, limit): &(usize, &Limit)| {
                let tools = &limit.matcher.tools;
                limit.per == per
                    && matches!(limit.measure, Measure::Concurrency(_)) == concurrency
                    && (tools.is_empty()
                        || tool.is_some_and(|tool| tools.iter().any(|name| **name == *tool)))
            };
            let mut found: Vec<_> = limits.iter().enumerate().filter(can_bear).collect();
            found.sort_by_key(|(_, limit)| std::cmp::Reverse(limit.matcher.rank()));
            found.iter().filter_map(|(at, _)| u16::try_from(*at).ok()).collect()
        })
    })
}
