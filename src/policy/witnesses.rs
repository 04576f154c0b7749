//! Names that stand for all names: one for each way in which the patterns of a
//! policy can fit, or not fit, a name.
//!
//! What a policy decides about a name depends on which of its names and patterns
//! fit, and on nothing else. All patterns together are one automaton. Walking
//! through all of its states finds every combination that some name has, with the
//! shortest such name.

use std::collections::{BTreeMap, HashSet};

use globset::GlobSet;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::hybrid::{CacheError, LazyStateID};
use regex_automata::util::alphabet::Unit;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::names::compiled;

/// Most pairs of states that are looked at.
const MOST_STATES: usize = 20_000;

/// Most witnesses.
const MOST: usize = 10_000;

/// Memory of the automaton, in bytes.
const MOST_MEMORY: usize = 16 * 1024 * 1024;

/// Bytes of names: what ASCII can print.
const LETTERS: std::ops::RangeInclusive<u8> = b' '..=b'~';

/// Names and patterns, compiled for finding witnesses.
pub(crate) struct Witnesses {
    automaton: DFA,
}

/// There are too many, or patterns beyond ASCII.
fn unprovable(why: &str) -> String {
    format!("cannot be proven for tools that nothing declares: {why}")
}

impl Witnesses {
    /// Compiles. Names are told apart from all others only where a pattern fits
    /// them, too: the rest are witnesses themselves.
    ///
    /// # Errors
    /// A pattern that is none, or too many of them.
    pub(super) fn new(names: &HashSet<&str>, patterns: &HashSet<&str>) -> Result<Self, String> {
        if let Some(odd) = patterns.iter().find(|pattern| !pattern.is_ascii()) {
            return Err(unprovable(&format!("`{odd}` is not ASCII")));
        }
        let mut globs = GlobSet::builder();
        let mut texts = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let glob = compiled(pattern)?;
            texts.push(glob.regex().to_owned());
            globs.add(glob);
        }
        let globs = globs.build().map_err(|error| unprovable(&error.to_string()))?;
        let parts = |name: &str| name.match_indices("__").map(|(at, _)| at + 2).collect::<Vec<_>>();
        let met = |name: &&&str| {
            globs.is_match(name) || parts(name).into_iter().any(|at| globs.is_match(&name[at..]))
        };
        texts.extend(names.iter().filter(met).map(|name| format!("^{}$", regex::escape(name))));
        texts.sort_unstable();
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .cache_capacity(MOST_MEMORY)
            .skip_cache_capacity_check(true)
            // States are told apart by their ids, which do not outlive a clearing.
            .minimum_cache_clear_count(Some(0));
        let automaton = DFA::builder()
            .configure(config)
            .syntax(syntax::Config::new().utf8(false).dot_matches_new_line(true))
            .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
            .build_many(&texts)
            .map_err(|_| unprovable("the patterns are too large together"))?;
        Ok(Self { automaton })
    }

    /// A name for each combination of names and patterns that fit it as it is,
    /// and with a prefix. Names are told without the prefix.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn of(&self, prefix: &str) -> Result<Vec<String>, String> {
        let mut cache = self.automaton.create_cache();
        match self.walk(&mut cache, prefix) {
            Ok(Some(found)) => Ok(found),
            Ok(None) | Err(_) => Err(unprovable("the patterns fit names in too many ways")),
        }
    }

    fn walk(&self, cache: &mut Cache, prefix: &str) -> Result<Option<Vec<String>>, CacheError> {
        let input = Input::new("").anchored(Anchored::Yes);
        let Ok(start) = self.automaton.start_state_forward(cache, &input) else { return Ok(None) };
        let mut with_prefix = start;
        for byte in prefix.bytes() {
            with_prefix = self.automaton.next_state(cache, with_prefix, byte)?;
        }
        let classes = self.automaton.byte_classes();
        let letters: Vec<u8> = classes.representatives(LETTERS).filter_map(Unit::as_u8).collect();
        let mut seen = HashSet::from([(with_prefix, start)]);
        // The pair, where it was come from, and by which byte.
        let mut met: Vec<((LazyStateID, LazyStateID), usize, u8)> =
            vec![((with_prefix, start), 0, 0)];
        let mut found: BTreeMap<(Vec<usize>, Vec<usize>), usize> = BTreeMap::new();
        let mut at = 0;
        while let Some(&((outer, inner), ..)) = met.get(at) {
            // Nothing is called by an empty name.
            if at > 0 {
                let fit = (self.fitting(cache, outer)?, self.fitting(cache, inner)?);
                found.entry(fit).or_insert(at);
            }
            for &letter in &letters {
                let pair = (
                    self.automaton.next_state(cache, outer, letter)?,
                    self.automaton.next_state(cache, inner, letter)?,
                );
                // The second step may lead back to the start's pair, too.
                if seen.insert(pair) || at == 0 {
                    met.push((pair, at, letter));
                }
            }
            if met.len() > MOST_STATES || found.len() > MOST {
                return Ok(None);
            }
            at += 1;
        }
        let name = |place: usize| {
            let mut bytes = Vec::new();
            let mut place = place;
            while let Some(&(_, from, letter)) = met.get(place).filter(|_| place > 0) {
                bytes.push(letter);
                place = from;
            }
            bytes.reverse();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok(Some(found.into_values().map(name).collect()))
    }

    /// The numbers of the texts that fit what has led to a state.
    fn fitting(&self, cache: &mut Cache, state: LazyStateID) -> Result<Vec<usize>, CacheError> {
        let end = self.automaton.next_eoi_state(cache, state)?;
        if !end.is_match() {
            return Ok(Vec::new());
        }
        let numbers = 0..self.automaton.match_len(cache, end);
        let mut fit: Vec<usize> =
            numbers.map(|at| self.automaton.match_pattern(cache, end, at).as_usize()).collect();
        fit.sort_unstable();
        Ok(fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::names::Globs;

    fn found(names: &[&str], patterns: &[&str], prefix: &str) -> Vec<String> {
        let names = names.iter().copied().collect();
        let patterns = patterns.iter().copied().collect();
        Witnesses::new(&names, &patterns).unwrap().of(prefix).unwrap()
    }

    fn fits(pattern: &str, name: &str) -> bool {
        Globs::read(&[pattern.to_owned()]).unwrap().fit(name)
    }

    #[test]
    fn every_combination_that_some_name_has_is_found() {
        let patterns = ["pay_*", "*_wire", "pay_?", "{a,b}[0-9]", "[!p]*"];
        let witnesses = found(&["pay_x"], &patterns, "");
        let ways = |name: &str| patterns.map(|pattern| fits(pattern, name));
        for name in ["pay_wire", "pay_1", "pay_12", "x_wire", "a1", "p", "pay__wire", "b7", "q"] {
            assert!(
                witnesses.iter().any(|it| ways(it) == ways(name)),
                "{name} is like none of {witnesses:?}"
            );
        }
        // `pay_x` is told apart from its likes.
        assert!(witnesses.iter().any(|it| it != "pay_x" && ways(it) == ways("pay_x")));
        let different: HashSet<_> = witnesses.iter().map(|it| ways(it)).collect();
        assert!(different.len() + 1 >= witnesses.len(), "{witnesses:?}");
    }

    #[test]
    fn names_are_looked_at_with_their_prefix_and_without() {
        let witnesses = found(&[], &["pay__d*", "*rop", "x*"], "pay__");
        let ways = |inner: &str| {
            let outer = format!("pay__{inner}");
            ["pay__d*", "*rop", "x*"].map(|it| (fits(it, &outer), fits(it, inner)))
        };
        for inner in ["drop", "d", "rop", "xrop", "y", "x"] {
            assert!(witnesses.iter().any(|it| ways(it) == ways(inner)), "{inner}: {witnesses:?}");
        }
    }

    #[test]
    fn too_much_is_said_to_be() {
        let odd = HashSet::from(["caf\u{e9}*"]);
        assert!(Witnesses::new(&HashSet::new(), &odd).is_err());
        // Which of the last sixteen letters were an `a`: 2^16 ways to go on.
        let many = HashSet::from(["*a???????????????"]);
        let found = Witnesses::new(&HashSet::new(), &many).and_then(|all| all.of(""));
        assert!(found.unwrap_err().contains("cannot be proven"));
    }
}
