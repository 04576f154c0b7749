//! Rules that never decide, because an earlier one always does.
//!
//! This runs at every start and reload, so nothing here compares each rule with
//! each other: names are looked up, and URIs sorted, so that what covers one
//! stands before it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Action, Actions, Rule, When};
use crate::policy::model::{Pattern, RulePath};

/// A rule, and the earlier one that decides in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) struct Shadow {
    pub(in crate::policy) rule: RulePath,
    pub(in crate::policy) earlier: RulePath,
    /// What can be read in two ways is left to it: it denies, and the earlier one
    /// allows only what has one reading.
    pub(in crate::policy) but_odd: bool,
}

/// The first rules without a condition, by the server they are for.
#[derive(Default)]
struct Firsts<'a> {
    by_name: HashMap<Option<&'a str>, usize>,
    /// Those of them that also decide about the name as the backend has it.
    by_either_name: HashMap<Option<&'a str>, usize>,
}

impl<'a> Firsts<'a> {
    fn of(actions: &'a Actions, numbers: impl Iterator<Item = usize>) -> Self {
        let mut firsts = Self::default();
        numbers.for_each(|number| firsts.add(actions, number));
        firsts
    }

    fn add(&mut self, actions: &'a Actions, number: usize) {
        let Some(rule) = actions.rules.get(number) else { return };
        if !matches!(rule.when, When::Always) {
            return;
        }
        let server = rule.server.as_deref();
        let note = |firsts: &mut HashMap<Option<&'a str>, usize>| {
            let first = firsts.entry(server).or_insert(number);
            *first = (*first).min(number);
        };
        note(&mut self.by_name);
        if rule.decides_inner() {
            note(&mut self.by_either_name);
        }
    }

    /// The first that comes before a rule, and is for its server or for any; where
    /// asked, only one that decides by either name.
    fn before(&self, number: usize, rule: &Rule, either: bool) -> Option<usize> {
        let firsts = if either { &self.by_either_name } else { &self.by_name };
        let any = firsts.get(&None);
        let same = rule.server.as_deref().and_then(|server| firsts.get(&Some(server)));
        any.into_iter().chain(same).copied().filter(|first| *first < number).min()
    }
}

/// Rules that an earlier one covers: one without a condition, at the same server
/// or at all, for everything, for the same name or pattern, or by a pattern that
/// fits the name. `respelled`: some tools have another name at their backend than
/// for clients, so that a rule may still decide by that.
pub(super) fn shadowed(actions: &Actions, respelled: bool) -> Vec<Shadow> {
    let mut found = Vec::new();
    let mut note = |number: usize, everything: &Firsts<'_>, others: &[&Firsts<'_>]| {
        let Some(rule) = actions.rules.get(number) else { return };
        let either = respelled && (rule.server.is_some() || rule.reaches_inner());
        let others = others.iter().filter_map(|firsts| firsts.before(number, rule, either));
        let first = others.chain(everything.before(number, rule, false)).min();
        found.extend(first.and_then(|first| shadow(actions, number, first)));
    };
    for names in [&actions.tools, &actions.prompts] {
        let everything = Firsts::of(actions, names.everything().iter().copied());
        for number in names.everything() {
            note(*number, &everything, &[]);
        }
        for name in names.named() {
            let numbers = names.exactly(name);
            let same = Firsts::of(actions, numbers.iter().copied());
            let fitting = Firsts::of(actions, names.fitting(name).copied());
            for number in numbers {
                note(*number, &everything, &[&same, &fitting]);
            }
        }
        let mut by_pattern: HashMap<&str, Vec<usize>> = HashMap::new();
        for (pattern, number) in names.patterned() {
            by_pattern.entry(pattern).or_default().push(*number);
        }
        for numbers in by_pattern.into_values() {
            let same = Firsts::of(actions, numbers.iter().copied());
            for number in numbers {
                note(number, &everything, &[&same]);
            }
        }
    }
    found.extend(of_resources(actions));
    found.sort_unstable();
    found.dedup();
    found
}

fn shadow(actions: &Actions, number: usize, first: usize) -> Option<Shadow> {
    let (rule, earlier) = (actions.rules.get(number)?, actions.rules.get(first)?);
    Some(Shadow {
        rule: Arc::clone(&rule.path),
        earlier: Arc::clone(&earlier.path),
        but_odd: false,
    })
}

/// Rules for URIs that begin alike, or are one.
struct Alike<'a> {
    pattern: &'a Pattern,
    firsts: Firsts<'a>,
    /// Of those that decide in either reading: all but what allows.
    wary: Firsts<'a>,
    /// Every rule for it.
    numbers: Vec<usize>,
}

impl<'a> Alike<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        let (firsts, wary) = (Firsts::default(), Firsts::default());
        Self { pattern, firsts, wary, numbers: Vec::new() }
    }

    fn add(&mut self, actions: &'a Actions, number: usize) {
        self.firsts.add(actions, number);
        if !allows(actions, number) {
            self.wary.add(actions, number);
        }
        self.numbers.push(number);
    }
}

fn allows(actions: &Actions, number: usize) -> bool {
    actions.rules.get(number).is_some_and(|rule| rule.action == Action::Allow)
}

fn order(pattern: &Pattern) -> (&str, bool, &str) {
    (pattern.uri.strict(), !pattern.prefix, pattern.uri.loose())
}

/// Sorted by the strict reading, whatever begins as another does follows that, and
/// everything between the two begins so as well. So those that a URI begins as are
/// a stack.
fn of_resources(actions: &Actions) -> Vec<Shadow> {
    let everything = Firsts::of(actions, actions.every_resource.iter().copied());
    let mut found = Vec::new();
    for number in &actions.every_resource {
        let rule = actions.rules.get(*number);
        let first = rule.and_then(|rule| everything.before(*number, rule, false));
        found.extend(first.and_then(|first| shadow(actions, *number, first)));
    }
    let mut all: Vec<&(Pattern, usize)> = actions.resources.iter().collect();
    all.sort_unstable_by(|(one, _), (other, _)| order(one).cmp(&order(other)));
    let mut groups: Vec<Alike<'_>> = Vec::new();
    for (pattern, number) in all {
        let other = |last: &Alike<'_>| {
            last.pattern.uri != pattern.uri || last.pattern.prefix != pattern.prefix
        };
        if groups.last().is_none_or(other) {
            groups.push(Alike::new(pattern));
        }
        if let Some(last) = groups.last_mut() {
            last.add(actions, *number);
        }
    }
    let mut beginnings: Vec<&Alike<'_>> = Vec::new();
    for group in &groups {
        let uri = &group.pattern.uri;
        beginnings.retain(|it| uri.strict().starts_with(it.pattern.uri.strict()));
        let mut covers: Vec<&Alike<'_>> = beginnings.clone();
        covers.retain(|it| uri.surely_begins(&it.pattern.uri));
        covers.push(group);
        for number in &group.numbers {
            let Some(rule) = actions.rules.get(*number) else { continue };
            let is_allowing = allows(actions, *number);
            // What allows decides in both readings only, and less than what denies
            // does. Of one URI, it leaves those with something behind it, too.
            let whole = covers.iter().map(|it| if is_allowing { &it.firsts } else { &it.wary });
            let whole = whole.chain([&everything]);
            let whole = whole.filter_map(|it| it.before(*number, rule, false)).min();
            let most = covers.iter().filter(|it| it.pattern.prefix).map(|it| &it.firsts);
            let most = most.filter_map(|it| it.before(*number, rule, false)).min();
            let Some(first) = whole.or(most) else { continue };
            let but_odd = whole.is_none();
            found
                .extend(shadow(actions, *number, first).map(|shadow| Shadow { but_odd, ..shadow }));
        }
        if group.pattern.prefix {
            beginnings.push(group);
        }
    }
    found
}
