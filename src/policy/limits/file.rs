//! `quotas:` and `budgets:` of a policy file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::{Budgets, Defaults, Limit, Limits, Matcher, Measure, Per, Rate, Weight};
use crate::policy::names::{compiled, is_pattern};
use crate::secret::hex;

/// Most entries of `quotas`.
const MOST_ENTRIES: usize = 1000;

/// Most names in one list of an entry.
const MOST_NAMES: usize = 1000;

/// Largest concurrency, and budget.
const MOST: u32 = 1_000_000;

const UNLIMITED: &str = "unlimited";
const WILDCARD: &str = "*";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    per: Per,
    rate: Option<String>,
    burst: Option<u32>,
    concurrency: Option<Concurrency>,
    weight: Option<WeightEntry>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    tenants: Vec<String>,
    #[serde(default)]
    agents: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    tools: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Concurrency {
    Number(u32),
    Word(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WeightEntry {
    All(u32),
    Tools(BTreeMap<String, u32>),
}

/// `budgets:`, in the spelling of the reference systems.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as the file spells them")]
pub(crate) struct BudgetsEntry {
    #[serde(default)]
    max_tool_calls_per_turn: u32,
    #[serde(default)]
    max_tool_calls_per_day: u32,
    #[serde(default)]
    max_tool_calls_per_job: u32,
}

/// Compiles both sections; what is wrong becomes complaints with their paths.
/// The defaults stand behind all entries.
pub(crate) fn compile(
    entries: Vec<serde_yaml::Value>,
    budgets: &BudgetsEntry,
    defaults: Option<Defaults>,
    knows_role: impl Fn(&str) -> bool,
    complaints: &mut Vec<String>,
) -> Limits {
    if entries.len() > MOST_ENTRIES {
        complaints.push(format!("quotas: more than {MOST_ENTRIES} entries"));
    }
    let mut limits = Vec::new();
    let mut places: HashMap<(Per, bool, Box<str>), String> = HashMap::new();
    for (index, entry) in entries.into_iter().take(MOST_ENTRIES).enumerate() {
        let at = format!("quotas[{index}]");
        let entry = match serde_yaml::from_value::<Entry>(entry) {
            Ok(entry) => entry,
            Err(fault) => {
                complaints.push(format!("{at}: {fault}"));
                continue;
            }
        };
        let before = complaints.len();
        let found = read(&at, entry, &knows_role, complaints);
        for limit in found {
            let concurrency = matches!(limit.measure, Measure::Concurrency(_));
            let place = (limit.per, concurrency, limit.mark.clone());
            if let Some(earlier) = places.insert(place, at.clone()) {
                complaints.push(format!("{at}: says the same of the same as {earlier}"));
            }
            if complaints.len() == before {
                limits.push(limit);
            }
        }
    }
    if let Some(Defaults { user, user_tool }) = defaults {
        for (per, rate, rule) in
            [(Per::User, user, "quota.user"), (Per::UserTool, user_tool, "quota.user_tool")]
        {
            // An entry for everybody and everything stands in its place.
            if !places.contains_key(&(per, false, Box::default())) {
                let weight = Weight { of_all: 1, of_tools: HashMap::new() };
                limits.push(limit(
                    per,
                    Measure::Rate(Some(rate), weight),
                    rule,
                    Matcher::default(),
                ));
            }
        }
    }
    let mut budget = |name: &str, number: u32| {
        if number > MOST {
            complaints.push(format!("budgets.{name}: must be at most {MOST}"));
        }
        // Nothing and 0 are no budget.
        (number > 0).then_some(number)
    };
    let budgets = Budgets {
        turn: budget("maxToolCallsPerTurn", budgets.max_tool_calls_per_turn),
        day: budget("maxToolCallsPerDay", budgets.max_tool_calls_per_day),
        job: budget("maxToolCallsPerJob", budgets.max_tool_calls_per_job),
    };
    Limits::new(limits, budgets).unwrap_or_else(|fault| {
        complaints.push(format!("quotas: {fault}"));
        Limits::default()
    })
}

/// The limits of one entry: of a rate, of a concurrency, or both.
fn read(
    at: &str,
    entry: Entry,
    knows_role: &impl Fn(&str) -> bool,
    complaints: &mut Vec<String>,
) -> Vec<Limit> {
    for (index, tool) in entry.tools.iter().enumerate().filter(|(_, tool)| is_pattern(tool)) {
        if let Err(fault) = compiled(tool) {
            complaints.push(format!("{at}.tools[{index}]: `{tool}` {fault}"));
        }
    }
    let tools = names(&format!("{at}.tools"), entry.tools, true, complaints);
    let mut list = |field: &str, list| names(&format!("{at}.{field}"), list, false, complaints);
    let matcher = Matcher {
        tools,
        agents: list("agents", entry.agents),
        roles: list("roles", entry.roles),
        tenants: list("tenants", entry.tenants),
        scopes: list("scopes", entry.scopes),
    };
    let mut complain = |field: &str, what: &str| complaints.push(format!("{at}{field}: {what}"));
    // A slip of the pen would otherwise switch the limit off without a word.
    for role in matcher.roles.iter().filter(|role| !knows_role(role)) {
        complain(".roles", &format!("`roles` has no `{role}`"));
    }
    let mut found = Vec::new();
    if entry.rate.is_none() && entry.concurrency.is_none() {
        complain("", "give a `rate`, a `concurrency`, or both");
    }
    if entry.rate.is_none() && (entry.burst.is_some() || entry.weight.is_some()) {
        complain("", "`burst` and `weight` mean nothing without `rate`");
    }
    if let Some(text) = entry.rate {
        let rate = match (text.as_str(), entry.burst) {
            (UNLIMITED, None) => Ok(None),
            (UNLIMITED, Some(_)) => Err("`unlimited` has no burst"),
            (text, burst) => Rate::read(text, burst).map(Some),
        };
        let weight = match entry.weight {
            None => Weight { of_all: 1, of_tools: HashMap::new() },
            Some(WeightEntry::All(of_all)) => Weight { of_all, of_tools: HashMap::new() },
            Some(WeightEntry::Tools(tools)) => {
                let of_tools = tools.into_iter().map(|(tool, weight)| (tool.into(), weight));
                Weight { of_all: 1, of_tools: of_tools.collect() }
            }
        };
        match rate {
            Ok(rate) => {
                let most = rate.map_or(u32::MAX, |rate| rate.burst());
                if std::iter::once(&weight.of_all)
                    .chain(weight.of_tools.values())
                    .any(|weight| *weight == 0 || *weight > most)
                {
                    complain(".weight", "must be at least 1 and at most the burst");
                }
                let measure = Measure::Rate(rate, weight);
                found.push(limit(entry.per, measure, at, matcher.clone()));
            }
            Err(fault) => complain(".rate", fault),
        }
    }
    if let Some(concurrency) = entry.concurrency {
        let most = match &concurrency {
            Concurrency::Number(most @ 1..=MOST) => Ok(Some(*most)),
            Concurrency::Word(word) if word == UNLIMITED => Ok(None),
            Concurrency::Number(_) | Concurrency::Word(_) => Err(()),
        };
        match most {
            Ok(most) => found.push(limit(entry.per, Measure::Concurrency(most), at, matcher)),
            Err(()) => {
                complain(".concurrency", &format!("must be from 1 to {MOST}, or `{UNLIMITED}`"));
            }
        }
    }
    found
}

/// The names of one list, and patterns where they are read, sorted. `*` alone is
/// any, like no list at all.
fn names(
    at: &str,
    list: Vec<String>,
    patterns: bool,
    complaints: &mut Vec<String>,
) -> Vec<Box<str>> {
    if list == [WILDCARD] {
        return Vec::new();
    }
    if list.len() > MOST_NAMES {
        complaints.push(format!("{at}: more than {MOST_NAMES} names"));
    }
    for (index, name) in list.iter().enumerate() {
        if name.is_empty() {
            complaints.push(format!("{at}[{index}]: empty"));
        } else if patterns && name == WILDCARD {
            complaints.push(format!("{at}[{index}]: `*` must stand alone"));
        } else if !patterns && name.contains(WILDCARD) {
            complaints.push(format!(
                "{at}[{index}]: `{name}`: patterns are not read here; write the name, or `*` alone"
            ));
        }
    }
    let mut names: Vec<Box<str>> = list.into_iter().map(Into::into).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn limit(per: Per, measure: Measure, rule: &str, matcher: Matcher) -> Limit {
    let told = match &measure {
        Measure::Rate(Some(rate), _) => {
            let window = rate.tolerance().div_ceil(1_000_000);
            format!("\"{}\";q={};w={window}", per.name(), rate.burst())
        }
        Measure::Rate(None, _) | Measure::Concurrency(_) => String::new(),
    };
    Limit { per, measure, rule: Arc::from(rule), mark: mark(&matcher), told: told.into(), matcher }
}

/// 64 bits of a hash of whom and what an entry is for: no two entries of a
/// file are told the same by it unless they are.
fn mark(matcher: &Matcher) -> Box<str> {
    let Matcher { tools, agents, roles, tenants, scopes } = matcher;
    let lists = [tools, agents, roles, tenants, scopes];
    if lists.iter().all(|list| list.is_empty()) {
        return Box::default();
    }
    // As JSON, in which no two lists of texts look alike.
    let text = serde_json::to_string(&lists).unwrap_or_default();
    hex(&digest(&SHA256, text.as_bytes()).as_ref()[..8]).into()
}
