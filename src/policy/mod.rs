//! Who may reach what: tools, prompts, resources and completions by one
//! evaluator. Pure once loaded: no I/O, no clock.
//!
//! # Layers
//!
//! A policy has up to three layers. Each is asked in this order, the first that
//! does not allow decides, and so the most restrictive wins:
//!
//! | layer | rooms' file | says | refused with |
//! |---|---|---|---|
//! | roles | `roles.rs` | whether the caller's roles and workspace reach it | `tool_not_allowed`, `prompt_not_allowed`, `resource_not_allowed`: as if it did not exist |
//! | agents | `agents/` | whether the caller's agent profile may use the server and the tool | the same; `invalid_agent_id`, `fallback_agent_not_in_rules`, `no_fallback_configured` where the profile is at fault |
//! | rules | `rules/` | what becomes of a call with these arguments: allow, deny, approval, redact | `denied_by_policy`, `condition_failed`, `approval_unavailable`; the tool is in lists all the same |
//!
//! The roles are always asked: a policy without any denies everything. The
//! other two are asked where the policy has them.
//!
//! # One evaluator
//!
//! [`Active::decide`] answers a [`Question`]: who wants what, and how. Lists,
//! calls, explanations, tests and replays all ask it; a list asks without a
//! call, and is told whether some call may go on. It is total: what cannot be
//! evaluated is denied.
//!
//! # Cost
//!
//! Everything is compiled when the policy is loaded: names into hash tables,
//! patterns into one automaton a list, conditions into trees. A decision by
//! roles costs a lookup for each role; rules cost a lookup, and one pass over
//! the name for all patterns together. Arguments are read when a condition
//! first asks for them. `tests/cost.rs` holds it to 2 µs with 10 rules and 5 µs
//! with 10,000, and loading 10,000 to 200 ms.

mod agents;
mod decide;
mod explain;
mod file;
mod findings;
mod limits;
mod lists;
mod model;
mod names;
mod permit;
mod question;
mod roles;
mod rules;
mod schema;
mod subject;
#[cfg(test)]
mod tests;
mod uri;
mod witnesses;

use std::path::Path;
use std::sync::Arc;

pub(crate) use decide::{Decision, Denial, Layer, Verdict};
pub(crate) use explain::Explanation;
pub(crate) use file::Beside;
pub(crate) use findings::{Weight, World};
pub(crate) use limits::{Asked, Defaults, Limit, Limits, Measure, Per, Rate};
pub(crate) use model::RulePath;
pub(crate) use names::Globs;
pub(crate) use permit::{Moment, Permit};
pub(crate) use question::{Arguments, How, Question, Unknown, What, Who};
pub(crate) use rules::{Failure, Reach};
pub(crate) use schema::schema;
pub(crate) use witnesses::Witnesses;

use crate::authn::Caller;
use crate::protocol::json_path::JsonPaths;
use crate::registry::{Scope, SubjectKind, Tool};
use model::Rules;
use roles::BuiltIn;

/// Largest file that is read, in bytes.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// The rules in force.
pub(crate) struct Policy {
    active: Active,
    /// Rules that are asked, and never obeyed.
    shadow: Option<Active>,
}

/// One generation of rules.
pub(crate) struct Active {
    rules: Rules,
    built_in: BuiltIn,
    generation: u64,
}

/// Where a policy comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// The policy file. One that does not exist denies everything.
    pub(crate) file: &'a Path,
    /// A `.mcp-gateway-rules.json`, where the settings name one.
    pub(crate) agent_rules: Option<&'a Path>,
    /// The agent profile of callers without one.
    pub(crate) default_agent: Option<&'a str>,
    /// The limits where the file states none; `None` where no call is counted.
    pub(crate) limits: Option<Defaults>,
}

impl Policy {
    /// Reads the policy.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(sources: Sources<'_>) -> Result<Self, Vec<String>> {
        Ok(Self::of(Active::load(sources)?))
    }

    /// The same with rules that are asked beside it and never obeyed.
    ///
    /// # Errors
    /// As [`load`](Self::load); also that there is no file. What would deny
    /// everything is no candidate.
    pub(crate) fn with_shadow(mut self, sources: Sources<'_>) -> Result<Self, Vec<String>> {
        if !sources.file.exists() {
            return Err(vec!["policy.shadow: names a file that does not exist".to_owned()]);
        }
        self.shadow = Some(Active::load(sources)?);
        Ok(self)
    }

    fn of(active: Active) -> Self {
        Self { active, shadow: None }
    }

    #[cfg(test)]
    fn from_rules(rules: Rules) -> Self {
        Self::of(Active::new(rules))
    }

    /// The same as so many policies of this process have been in force.
    pub(crate) fn numbered(mut self, generation: u64) -> Self {
        self.active.generation = generation;
        self
    }

    /// Whether it decides as the other does, and so does its shadow.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let shadow = |policy: &Self| policy.shadow().map(|shadow| Arc::clone(shadow.digest()));
        self.active.digest() == other.active.digest() && shadow(self) == shadow(other)
    }

    /// The rules that decide.
    pub(crate) fn active(&self) -> &Active {
        &self.active
    }

    /// The rules that are only asked.
    pub(crate) fn shadow(&self) -> Option<&Active> {
        self.shadow.as_ref()
    }
}

impl Active {
    fn new(rules: Rules) -> Self {
        Self { rules, built_in: BuiltIn::default(), generation: 1 }
    }

    /// Reads a policy from its files.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(sources: Sources<'_>) -> Result<Self, Vec<String>> {
        let text = match bounded(sources.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(
                    file = %sources.file.display(),
                    "no policy file: every call is denied"
                );
                String::new()
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let agent_rules = sources.agent_rules.map(|path| {
            bounded(path).map_err(|error| vec![format!("agent rules {}: {error}", path.display())])
        });
        let agent_rules = agent_rules.transpose()?;
        let beside = Beside {
            agent_rules: agent_rules.as_deref(),
            default_agent: sources.default_agent,
            limits: sources.limits,
        };
        Self::read(&text, beside)
    }

    /// Reads a policy from text.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn read(text: &str, beside: Beside<'_>) -> Result<Self, Vec<String>> {
        file::read_with(text, beside).map(Self::new)
    }

    /// Decides.
    pub(crate) fn decide(&self, question: &Question<'_>) -> Decision {
        decide::decide(&self.rules, &self.built_in, question)
    }

    /// How far calls of something get, whatever their arguments and
    /// surroundings.
    pub(crate) fn reach(&self, who: Who<'_>, what: What<'_>) -> Reach {
        decide::reach(&self.rules, &self.built_in, &Question { who, what, call: None })
    }

    /// Where in the arguments of a call, decided or not, values may stand that a
    /// rule hides from the audit trail.
    pub(crate) fn hidden_arguments(&self, what: &What<'_>) -> Option<JsonPaths> {
        self.rules.actions.as_ref()?.hidden_arguments(what)
    }

    /// Whether a decision may depend on which backend has something.
    pub(crate) fn knows_servers(&self) -> bool {
        !self.rules.knows_no_server()
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.rules.limits
    }

    /// Whether some rule hides parts of results.
    pub(crate) fn hides_results(&self) -> bool {
        self.rules.actions.as_ref().is_some_and(rules::Actions::hide_results)
    }

    /// The roles of the policy, sorted.
    pub(crate) fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self.rules.roles.keys().map(String::as_str).collect();
        roles.sort_unstable();
        roles
    }

    /// Every role that a tool asks for, sorted.
    pub(crate) fn required_roles(&self) -> Vec<&str> {
        let lists = self.rules.required.values().flat_map(|(_, roles)| roles);
        let mut roles: Vec<&str> = lists.map(String::as_str).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Lists of roles, of each of which a caller needs one, on top of one that
    /// allows it.
    pub(crate) fn requirements<'a>(&'a self, what: &What<'a>) -> Vec<Vec<&'a str>> {
        let policy = self
            .rules
            .required_for(what)
            .map(|(_, roles)| roles.iter().map(String::as_str).collect::<Vec<_>>());
        let registry: Vec<&str> = what.registry_roles.iter().map(|role| &**role).collect();
        policy.chain(Some(registry)).filter(|roles| !roles.is_empty()).collect()
    }

    /// Witnesses for all names of tools, as this policy and some further patterns
    /// can tell them apart; and all names that stand in the policy in full.
    ///
    /// # Errors
    /// There are too many ways to tell them apart.
    pub(crate) fn witnesses(&self, further: &[String]) -> Result<(Witnesses, Vec<String>), String> {
        let mut names = self.rules.exact_tools();
        let mut patterns = self.rules.tool_patterns();
        for text in further {
            if names::is_pattern(text) {
                patterns.insert(text);
            } else {
                names.insert(text);
            }
        }
        patterns.remove("*");
        let witnesses = Witnesses::new(&names, &patterns)?;
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        Ok((witnesses, names))
    }

    /// The workspaces of the policy, sorted.
    pub(crate) fn workspaces(&self) -> Vec<&str> {
        let mut found: Vec<&str> = self.rules.workspaces.keys().map(String::as_str).collect();
        found.sort_unstable();
        found
    }

    /// The agent profiles of the policy, sorted; `None` where nobody is held to
    /// one.
    pub(crate) fn agents(&self) -> Option<Vec<&str>> {
        self.rules.agents.as_ref().map(agents::Agents::ids)
    }

    /// Whether a caller without an agent profile is denied, where there are
    /// profiles.
    pub(crate) fn denies_without_agent(&self) -> bool {
        self.rules.agents.as_ref().is_some_and(agents::Agents::denies_on_missing)
    }

    /// The paths of all rules that can decide, for telling which of them a set
    /// of cases has met.
    pub(crate) fn rule_paths(&self) -> Vec<RulePath> {
        self.rules.paths()
    }

    /// SHA-256 of the policy, hexadecimal.
    pub(crate) fn digest(&self) -> &Arc<str> {
        &self.rules.digest
    }

    /// Counts the policies this process has had in force, from 1.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the caller may see and call the tool: one evaluator for both.
    pub(crate) fn allows(&self, caller: &Caller, tool: &Tool) -> bool {
        self.shows(caller, What::of_tool(tool))
    }

    /// Whether the caller may see something in a list.
    fn shows(&self, caller: &Caller, what: What<'_>) -> bool {
        self.decide(&Question { who: Who::of(caller), what, call: None }).visible()
    }

    /// Whether the caller may see and call what a scope has under that name,
    /// declared or not. Where the name does not say which backend has it, one
    /// that could must do. What this says of an entry of a list,
    /// [`Policy::authorize`] says of its call.
    pub(crate) fn allows_in(
        &self,
        caller: &Caller,
        scope: &Scope,
        kind: SubjectKind,
        name: &str,
    ) -> bool {
        if let Some(tool) = scope.tool(name).filter(|_| kind == SubjectKind::Tool) {
            return self.allows(caller, tool);
        }
        if scope.withholds(kind, name) {
            return false;
        }
        let spelled = (kind != SubjectKind::Resource).then(|| scope.split(name)).flatten();
        match spelled {
            Some((place, _)) => self.allows_at(caller, scope, place, kind, name),
            None if self.rules.knows_no_server() => {
                self.shows(caller, What::undeclared(scope, None, kind, name))
            }
            None => (0..scope.backends.len())
                .any(|place| self.allows_at(caller, scope, place, kind, name)),
        }
    }

    /// Whether the caller may be told what becomes of a resource of the backend at
    /// a place: what subscribing to it would be answered.
    pub(crate) fn permits_news(
        &self,
        caller: &Caller,
        scope: &Scope,
        place: usize,
        uri: &str,
        moment: Moment<'_>,
    ) -> bool {
        let kind = SubjectKind::Resource;
        let nothing = serde_json::Value::Object(serde_json::Map::new());
        let call = How {
            method: "resources/subscribe",
            arguments: &nothing,
            now: moment.now,
            client: moment.client,
            session: moment.session,
            past: false,
        };
        let what = What::undeclared(scope, Some(place), kind, uri);
        let question = Question { who: Who::of(caller), what, call: Some(call) };
        !scope.withholds(kind, uri) && matches!(self.decide(&question).verdict, Verdict::Allow(_))
    }

    /// The same of what the backend at a place in the scope offers; `name` is
    /// the one that clients of the scope use.
    pub(crate) fn allows_at(
        &self,
        caller: &Caller,
        scope: &Scope,
        place: usize,
        kind: SubjectKind,
        name: &str,
    ) -> bool {
        match scope.tool(name).filter(|_| kind == SubjectKind::Tool) {
            Some(tool) => self.allows(caller, tool),
            None => {
                !scope.withholds(kind, name)
                    && self.shows(caller, What::undeclared(scope, Some(place), kind, name))
            }
        }
    }
}

/// A file's text, if it is not too large.
fn bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MOST_TEXT + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_TEXT {
        return Err(std::io::Error::other(format!("is larger than {MOST_TEXT} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
impl Limits {
    /// The limits of a policy file, for the tests of other rooms.
    pub(crate) fn for_test(text: &str, defaults: Option<Defaults>) -> Arc<Self> {
        file::read_with(text, Beside { limits: defaults, ..Beside::default() }).unwrap().limits
    }
}
