//! The layer of actions: an ordered list of rules by tool and arguments, of
//! which the first that fits decides.
//!
//! A rule fits when its pattern fits the name and its `when` holds. A `when`
//! that comes to nothing denies, whatever the rule would have done; so does one
//! about a member that the arguments have in another case. What no rule fits is
//! denied, unless `rules_default: allow` says otherwise.
//!
//! A name is the one that clients of the scope use. In a scope with
//! `namespace: connection` a rule without `__` also fits the name as the
//! backend has it, when it does not allow: a tool must not escape a rule by its
//! prefix, nor be allowed by a namesake's. What such a rule hides, though, is
//! hidden in a call that another rule or the default allows.

mod condition;
mod file;
mod shadowed;
mod spelling;
#[cfg(test)]
mod tests;
mod variables;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use condition::Failure;
pub(super) use file::{Section, read};
pub(super) use shadowed::Shadow;

use super::model::{Pattern, RulePath};
use super::names::Names;
use super::question::{Question, What};
use super::uri::Reading;
use crate::protocol::json_path::JsonPaths;
use crate::registry::SubjectKind;
use condition::Condition;
use variables::Variables;

/// Stands between a backend's name and the name of what it offers.
const SEPARATOR: &str = "__";

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Deny,
    Approval,
}

/// What is hidden in an allowed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// Where in the arguments, from the audit trail.
    pub(crate) kept: Option<JsonPaths>,
    /// Where in the arguments, from the backend.
    pub(crate) sent: Option<JsonPaths>,
    /// Where in the result.
    pub(crate) result: Option<JsonPaths>,
}

impl Redaction {
    /// All that either hides.
    fn and(&self, other: &Self) -> Self {
        Self {
            kept: union(self.kept.clone(), other.kept.as_ref()),
            sent: union(self.sent.clone(), other.sent.as_ref()),
            result: union(self.result.clone(), other.result.as_ref()),
        }
    }
}

fn union(one: Option<JsonPaths>, other: Option<&JsonPaths>) -> Option<JsonPaths> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or_else(|| other.cloned()),
    }
}

/// How far calls of something get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// None goes on.
    Never,
    /// Some go on when a person approves; none without.
    Approval,
    /// Some go on, by their arguments or surroundings.
    Sometimes,
    /// All go on.
    Always,
}

impl Reach {
    fn of(action: Action) -> Self {
        match action {
            Action::Allow => Self::Always,
            Action::Deny => Self::Never,
            Action::Approval => Self::Approval,
        }
    }

    fn between(least: Self, most: Self) -> Self {
        if most == Self::Always && least != Self::Always { Self::Sometimes } else { most }
    }
}

/// When a rule fits.
#[derive(Debug)]
enum When {
    Always,
    /// All these arguments have these values.
    Equal(Vec<(Box<str>, Value)>),
    Holds(Arc<Condition>),
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    path: RulePath,
    action: Action,
    when: When,
    /// Only at this backend.
    server: Option<Box<str>>,
    /// Its pattern has the separator of namespaced scopes in it, or it names
    /// its server.
    spelled: bool,
    redaction: Option<Arc<Redaction>>,
}

/// All rules.
#[derive(Debug)]
pub(super) struct Actions {
    rules: Vec<Rule>,
    /// Numbers of rules, by what they are about.
    tools: Names<usize>,
    prompts: Names<usize>,
    resources: Vec<(Pattern, usize)>,
    every_resource: Vec<usize>,
    by_default: Action,
    default_path: RulePath,
    operations: HashMap<Box<str>, &'static str>,
    hide_denied: bool,
    /// Some rule hides arguments.
    redacts: bool,
}

/// A rule that fits by its pattern.
struct Fitting<'r> {
    rule: &'r Rule,
    /// It fits a namesake's name: it hides what it hides, and decides nothing.
    only_hides: bool,
}

/// What the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Do(Action, Option<Arc<Redaction>>),
    /// It is denied, and lists do not show it.
    Hide,
    Failed(Failure),
}

impl Actions {
    /// Whether some rule hides parts of results.
    pub(super) fn hide_results(&self) -> bool {
        let redactions = self.rules.iter().filter_map(|rule| rule.redaction.as_ref());
        redactions.into_iter().any(|redaction| redaction.result.is_some())
    }

    /// Judges: of a call by its arguments, of an entry of a list by what holds
    /// for every call of it. A call of what lists hide tells nothing either.
    pub(super) fn judge(
        &self,
        question: &Question<'_>,
        uri: Option<&Reading>,
    ) -> (Said, &RulePath) {
        let (said, path) = self.first(question, uri);
        let denies = matches!(said, Said::Do(Action::Deny, _) | Said::Failed(_));
        if self.hide_denied && denies && question.call.is_some() {
            let listed = Question { call: None, ..*question };
            if self.first(&listed, uri).0 == Said::Hide {
                return (Said::Hide, path);
            }
        }
        (said, path)
    }

    /// What the first rule that fits says.
    fn first(&self, question: &Question<'_>, uri: Option<&Reading>) -> (Said, &RulePath) {
        let variables = Variables::new(question, self.operation(question.what.name));
        // Whether some call of it may go on by a rule further up.
        let mut open = false;
        let mut hidden: Option<Arc<Redaction>> = None;
        for Fitting { rule, only_hides } in self.fitting(&question.what, uri) {
            let fits = match (&rule.when, question.call.is_some()) {
                (When::Always, _) => Ok(true),
                (When::Equal(_) | When::Holds(_), false) => Ok(false),
                (When::Equal(wanted), true) => variables.equal(wanted),
                (When::Holds(condition), true) => condition.holds(&variables),
            };
            match fits {
                Ok(true) if only_hides => hidden = both(hidden, rule.redaction.as_ref()),
                Ok(true) => return (self.said(rule, open, hidden), &rule.path),
                Ok(false) => open |= rule.action != Action::Deny && !only_hides,
                Err(failure) => return (Said::Failed(failure), &rule.path),
            }
        }
        let said = match self.by_default {
            Action::Deny if self.hide_denied && !open => Said::Hide,
            action @ (Action::Allow | Action::Deny | Action::Approval) => Said::Do(action, hidden),
        };
        (said, &self.default_path)
    }

    /// How far calls of something get, whatever their arguments and
    /// surroundings.
    pub(super) fn reach(&self, what: &What<'_>, uri: Option<&Reading>) -> Reach {
        let (mut least, mut most) = (None, Reach::Never);
        for Fitting { rule, only_hides } in self.fitting(what, uri) {
            // Its condition may come to nothing, which denies.
            if matches!(rule.when, When::Holds(_) | When::Equal(_)) {
                least = Some(Reach::Never);
            }
            if only_hides {
                continue;
            }
            let end = Reach::of(rule.action);
            least = Some(least.map_or(end, |least: Reach| least.min(end)));
            most = most.max(end);
            if matches!(rule.when, When::Always) {
                return Reach::between(least.unwrap_or(end), most);
            }
        }
        let end = Reach::of(self.by_default);
        Reach::between(least.map_or(end, |least| least.min(end)), most.max(end))
    }

    fn said(&self, rule: &Rule, open: bool, hidden: Option<Arc<Redaction>>) -> Said {
        let always = matches!(rule.when, When::Always);
        match rule.action {
            Action::Deny if self.hide_denied && always && !open => Said::Hide,
            action @ (Action::Allow | Action::Deny | Action::Approval) => {
                Said::Do(action, both(hidden, rule.redaction.as_ref()))
            }
        }
    }

    /// The rules whose pattern fits, in their order.
    fn fitting<'r, 'q>(
        &'r self,
        what: &What<'q>,
        uri: Option<&Reading>,
    ) -> impl Iterator<Item = Fitting<'r>> + use<'r, 'q> {
        let names = match what.kind {
            SubjectKind::Tool => Some(&self.tools),
            SubjectKind::Prompt => Some(&self.prompts),
            SubjectKind::Resource => None,
        };
        let respelled = what.inner != what.name;
        let found = match names {
            Some(names) => Numbers {
                sources: [
                    names.exactly(what.name),
                    names.everything(),
                    if respelled { names.exactly(what.inner) } else { &[] },
                ],
                fitted: [
                    names.fitting(what.name).copied().collect(),
                    if respelled {
                        names.fitting(what.inner).copied().collect()
                    } else {
                        Vec::new()
                    },
                ],
                at: [0; 5],
            },
            None => Numbers {
                sources: [&[], &self.every_resource, &[]],
                fitted: [self.of_uri(uri), Vec::new()],
                at: [0; 5],
            },
        };
        let server = what.server;
        found.filter_map(move |(number, by_inner)| {
            let rule = self.rules.get(number)?;
            let here = rule.server.as_deref().is_none_or(|wanted| Some(wanted) == server);
            let namesake = by_inner && rule.server.is_none();
            let meant = !namesake || rule.reaches_inner();
            let only_hides = namesake && rule.action == Action::Allow;
            (here && meant).then_some(Fitting { rule, only_hides })
        })
    }

    fn of_uri(&self, uri: Option<&Reading>) -> Vec<usize> {
        let Some(uri) = uri else { return Vec::new() };
        let fits = |(pattern, number): &&(Pattern, usize)| {
            let denies = self.rules.get(*number).is_none_or(|rule| rule.action != Action::Allow);
            pattern.fits(uri, denies)
        };
        self.resources.iter().filter(fits).map(|(_, number)| *number).collect()
    }

    /// Where something of the arguments may be that the audit trail must not
    /// keep, by all rules that could fit a call: of any server where that is not
    /// known, and by every name that may be the backend's.
    pub(super) fn hidden_arguments(&self, what: &What<'_>) -> Option<JsonPaths> {
        if !self.redacts {
            return None;
        }
        let names = match what.kind {
            SubjectKind::Tool => &self.tools,
            SubjectKind::Prompt => &self.prompts,
            SubjectKind::Resource => return None,
        };
        let after = what
            .name
            .match_indices(SEPARATOR)
            .filter_map(|(at, separator)| what.name.get(at + separator.len()..));
        let spellings = [what.name, what.inner].into_iter().chain(after);
        let mut numbers: Vec<usize> = spellings
            .flat_map(|name| names.exactly(name).iter().chain(names.fitting(name)))
            .chain(names.everything())
            .copied()
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let here = |rule: &&Rule| {
            let of = (rule.server.as_deref(), what.server);
            !matches!(of, (Some(wanted), Some(server)) if wanted != server)
        };
        let rules = numbers.into_iter().filter_map(|number| self.rules.get(number)).filter(here);
        rules.fold(None, |hidden, rule| {
            union(hidden, rule.redaction.as_ref().and_then(|it| it.kept.as_ref()))
        })
    }

    /// `read` or `write`, where the policy says which; else nothing.
    fn operation(&self, tool: &str) -> &'static str {
        self.operations.get(tool).copied().unwrap_or_default()
    }

    /// Every tool named in full.
    pub(super) fn named_tools(&self) -> impl Iterator<Item = &str> {
        self.tools.named().chain(self.operations.keys().map(|name| &**name))
    }

    /// Every pattern of tools.
    pub(super) fn tool_patterns(&self) -> impl Iterator<Item = &str> {
        self.tools.patterns()
    }

    /// Every server a rule names, with the rule.
    pub(super) fn named_servers(&self) -> impl Iterator<Item = (&RulePath, &str)> {
        self.rules.iter().filter_map(|rule| Some((&rule.path, rule.server.as_deref()?)))
    }

    /// The paths of all rules.
    pub(super) fn paths(&self) -> impl Iterator<Item = &RulePath> {
        self.rules.iter().map(|rule| &rule.path)
    }

    /// Patterns that fit none of the tools, each with its rule.
    pub(super) fn idle_patterns(&self, tools: &[String]) -> Vec<(String, String)> {
        let idle = self.tools.idle(tools).into_iter();
        let path = |number: &usize| self.rules.get(*number).map(|rule| rule.path.to_string());
        idle.filter_map(|(number, text)| Some((path(number)?, text.to_owned()))).collect()
    }

    /// Rules that fit something, but never decide: an earlier rule without a
    /// condition fits all that they do. `respelled`: some tools have another name
    /// at their backend than for clients.
    pub(super) fn shadowed(&self, respelled: bool) -> Vec<Shadow> {
        shadowed::shadowed(self, respelled)
    }

    /// The text of a rule's condition.
    pub(super) fn condition(&self, path: &str) -> Option<String> {
        let rule = self.rules.iter().find(|rule| &*rule.path == path)?;
        match &rule.when {
            When::Always => None,
            When::Equal(wanted) => {
                let parts: Vec<_> =
                    wanted.iter().map(|(name, it)| format!("{name}: {it}")).collect();
                Some(parts.join(", "))
            }
            When::Holds(condition) => Some(condition.text().to_owned()),
        }
    }
}

impl Rule {
    fn reaches_inner(&self) -> bool {
        !self.spelled && (self.action != Action::Allow || self.redaction.is_some())
    }

    /// Whether it decides about a tool that it fits by its backend's name only.
    fn decides_inner(&self) -> bool {
        self.server.is_some() || (!self.spelled && self.action != Action::Allow)
    }
}

/// What two rules hide together.
fn both(hidden: Option<Arc<Redaction>>, more: Option<&Arc<Redaction>>) -> Option<Arc<Redaction>> {
    match (hidden, more) {
        (Some(hidden), Some(more)) => Some(Arc::new(hidden.and(more))),
        (hidden, more) => hidden.or_else(|| more.map(Arc::clone)),
    }
}

/// Numbers out of several sorted lists, ascending, each once; with whether only
/// the backend's own name has led to it.
struct Numbers<'a> {
    /// By the name, by `*`, by the backend's name.
    sources: [&'a [usize]; 3],
    /// By patterns that fit the name, and the backend's.
    fitted: [Vec<usize>; 2],
    at: [usize; 5],
}

impl Iterator for Numbers<'_> {
    type Item = (usize, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let [name, all, inner] = self.sources;
        let [fitted, fitted_inner] = &self.fitted;
        let lists = [name, all, fitted, inner, fitted_inner];
        let head = |place: usize| lists[place].get(self.at[place]).copied();
        let least = (0..lists.len()).filter_map(head).min()?;
        let outer = (0..3).any(|place| head(place) == Some(least));
        for (list, at) in lists.iter().zip(&mut self.at) {
            while list.get(*at) == Some(&least) {
                *at += 1;
            }
        }
        Some((least, !outer))
    }
}

/// Whether two values are the same: numbers by what they are worth, so that
/// nobody escapes a rule by writing `1.0` for `1`.
///
/// # Errors
/// [`Failure::Varied`] when a member has another case than the one wanted.
fn same(found: &Value, wanted: &Value) -> Result<bool, Failure> {
    Ok(match (found, wanted) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).try_fold(true, |all, (a, b)| Ok(all & same(a, b)?))?
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && b.iter().try_fold(true, |all, (name, wanted)| match a.get(name) {
                    Some(found) => Ok(all & same(found, wanted)?),
                    None if spelling::varies(a, name) => Err(Failure::Varied),
                    None => Ok(false),
                })?
        }
        _ => found == wanted,
    })
}
