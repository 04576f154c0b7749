//! The layer of agent profiles: which servers, and which of their tools,
//! prompts and resources an agent may use.
//!
//! A rule is *explicit* when it has no `*`, and a *wildcard* when it has one.
//! The first of these that fits decides (B-40; with `precedence: deny_first`
//! the second and third change places, B-41):
//!
//! 1. explicit deny, 2. explicit allow, 3. wildcard deny, 4. wildcard allow,
//! 5. the server is allowed and has no allow rule of this kind: allowed,
//! 6. denied.
//!
//! Servers come first: one that is denied, or not allowed, has nothing to
//! offer, whatever the rules for its tools say.

mod file;
mod overlap;
#[cfg(test)]
mod tests;
mod unknown;

use std::collections::HashMap;

pub(super) use file::{Section, read_json, read_section};
pub(super) use overlap::differences;
pub(super) use unknown::unknown;

use super::decide::AgentFault;
use super::model::{ByKind, Pattern, RulePath};
use super::names::Names;
use super::question::Who;
use super::uri::Reading;
use crate::registry::SubjectKind;

/// The agent whose rules hold for callers without one, if there is one.
const DEFAULT_AGENT: &str = "default";

/// The key of `tools` that stands for every server.
const EVERY_SERVER: &str = "*";

/// Which of two rules wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Precedence {
    /// An explicit allow wins over a wildcard deny.
    #[default]
    Documented,
    /// Every deny wins over every allow.
    DenyFirst,
}

/// All profiles.
#[derive(Debug)]
pub(super) struct Agents {
    by_id: HashMap<Box<str>, Agent>,
    /// Callers without a profile are denied.
    deny_on_missing: bool,
    precedence: Precedence,
    /// The profile of callers without one, by the settings.
    fallback: Option<Box<str>>,
    missing: RulePath,
}

/// One profile.
#[derive(Debug)]
struct Agent {
    allow: Side,
    deny: Side,
    /// `agents.<id>`: decides when nothing else does.
    path: RulePath,
}

/// What a profile allows, or denies.
#[derive(Debug)]
struct Side {
    servers: HashMap<Box<str>, RulePath>,
    every_server: Option<RulePath>,
    rules: ByKind<HashMap<Box<str>, List>>,
}

/// The rules for one kind of one server.
#[derive(Debug, Default)]
struct List {
    names: Names<RulePath>,
    uris: Vec<Pattern>,
}

/// What a profile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'r> {
    Allow(&'r RulePath),
    Deny(&'r RulePath),
    Fault(AgentFault, &'r RulePath),
}

/// What is wanted, as this layer sees it.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) kind: SubjectKind,
    pub(super) server: Option<&'a str>,
    pub(super) inner: &'a str,
    pub(super) uri: Option<&'a Reading>,
}

impl Agents {
    /// The lists of tools of all profiles.
    pub(super) fn tool_lists(&self) -> impl Iterator<Item = &Names<RulePath>> {
        let sides = self.by_id.values().flat_map(|agent| [&agent.allow, &agent.deny]);
        sides.flat_map(|side| side.rules.tools.values()).map(|list| &list.names)
    }

    /// Judges. Of a caller who may act as several agents and has chosen none,
    /// each of them must allow it.
    pub(super) fn judge(&self, who: &Who<'_>, of: Of<'_>) -> Said<'_> {
        let held = |agent: &str| who.agents.iter().any(|held| held == agent);
        match (who.agent, who.agents) {
            (Some(agent), _) if !held(agent) => self.fault(AgentFault::Invalid),
            (Some(agent), _) => self.of_agent(agent, of),
            (None, []) => self.of_fallback(of),
            (None, agents) => {
                let mut said = None;
                for agent in agents {
                    match self.of_agent(agent, of) {
                        allow @ Said::Allow(_) => _ = said.get_or_insert(allow),
                        other @ (Said::Deny(_) | Said::Fault(..)) => return other,
                    }
                }
                said.unwrap_or(self.fault(AgentFault::Invalid))
            }
        }
    }

    fn fault(&self, fault: AgentFault) -> Said<'_> {
        Said::Fault(fault, &self.missing)
    }

    fn of_agent(&self, agent: &str, of: Of<'_>) -> Said<'_> {
        match self.by_id.get(agent) {
            Some(agent) => agent.judge(of, self.precedence),
            None => self.fault(AgentFault::Invalid),
        }
    }

    /// The rules of callers without a profile (B-19 to B-22).
    fn of_fallback(&self, of: Of<'_>) -> Said<'_> {
        if self.deny_on_missing {
            return self.fault(AgentFault::Invalid);
        }
        match &self.fallback {
            Some(agent) if self.by_id.contains_key(agent) => self.of_agent(agent, of),
            Some(_) => self.fault(AgentFault::FallbackNotInRules),
            None if self.by_id.contains_key(DEFAULT_AGENT) => self.of_agent(DEFAULT_AGENT, of),
            None => self.fault(AgentFault::NoFallback),
        }
    }

    /// Whether callers without a profile are denied.
    pub(super) fn denies_on_missing(&self) -> bool {
        self.deny_on_missing
    }

    /// The profiles, sorted.
    pub(super) fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.by_id.keys().map(|id| &**id).collect();
        ids.sort_unstable();
        ids
    }

    /// Every server a rule names, with the profile's id and where.
    pub(super) fn named_servers(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        for (id, agent) in &self.by_id {
            for (word, side) in [("allow", &agent.allow), ("deny", &agent.deny)] {
                let listed = side.servers.keys().map(|server| ("servers", &**server));
                let kinds = [
                    ("tools", &side.rules.tools),
                    ("prompts", &side.rules.prompts),
                    ("resources", &side.rules.resources),
                ];
                let keyed = kinds
                    .into_iter()
                    .flat_map(|(kind, rules)| rules.keys().map(move |server| (kind, &**server)));
                for (section, server) in listed.chain(keyed) {
                    if server != EVERY_SERVER {
                        found.push((format!("agent {id} {word}.{section}"), server));
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }
}

impl Agent {
    fn judge(&self, of: Of<'_>, precedence: Precedence) -> Said<'_> {
        // A server that nobody can name is none that a rule allows.
        let Some(server) = of.server else { return Said::Deny(&self.path) };
        if let Some(rule) = self.deny.server(server) {
            return Said::Deny(rule);
        }
        let Some(allowed) = self.allow.server(server) else { return Said::Deny(&self.path) };
        let (deny, allow) =
            (self.deny.found(server, of, true), self.allow.found(server, of, false));
        let order = match precedence {
            Precedence::Documented => [
                deny.explicit.map(Said::Deny),
                allow.explicit.map(Said::Allow),
                deny.wildcard.map(Said::Deny),
                allow.wildcard.map(Said::Allow),
            ],
            Precedence::DenyFirst => [
                deny.explicit.map(Said::Deny),
                deny.wildcard.map(Said::Deny),
                allow.explicit.map(Said::Allow),
                allow.wildcard.map(Said::Allow),
            ],
        };
        let first = order.into_iter().flatten().next();
        first.unwrap_or(if allow.has_rules { Said::Deny(&self.path) } else { Said::Allow(allowed) })
    }
}

/// The rules of one side that fit.
struct Found<'r> {
    explicit: Option<&'r RulePath>,
    wildcard: Option<&'r RulePath>,
    /// Whether there are any of this kind for the server.
    has_rules: bool,
}

impl Side {
    fn server(&self, server: &str) -> Option<&RulePath> {
        self.servers.get(server).or(self.every_server.as_ref())
    }

    fn found(&self, server: &str, of: Of<'_>, denies: bool) -> Found<'_> {
        let lists = self.rules.of_kind(of.kind);
        let mut found = Found { explicit: None, wildcard: None, has_rules: false };
        for list in [lists.get(server), lists.get(EVERY_SERVER)].into_iter().flatten() {
            found.has_rules |= !list.names.is_empty() || !list.uris.is_empty();
            let (explicit, wildcard) = list.find(of, denies);
            found.explicit = found.explicit.or(explicit);
            found.wildcard = found.wildcard.or(wildcard);
        }
        found
    }
}

impl List {
    fn find(&self, of: Of<'_>, denies: bool) -> (Option<&RulePath>, Option<&RulePath>) {
        let Some(uri) = of.uri else {
            let explicit = self.names.exactly(of.inner).first();
            let wildcard = self.names.fitting(of.inner).next();
            return (explicit, wildcard.or(self.names.everything().first()));
        };
        let fitting = |prefix: bool| {
            let mut fit = self.uris.iter().filter(|pattern| pattern.prefix == prefix);
            fit.find(|pattern| pattern.fits(uri, denies)).map(|pattern| &pattern.rule)
        };
        (fitting(false), fitting(true).or(self.names.everything().first()))
    }
}
