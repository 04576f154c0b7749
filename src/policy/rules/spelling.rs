//! Names of members that a reader without regard to case takes for one.
//!
//! Many backends read `Dry_Run` as `dry_run`. A rule that looks at one of them
//! must not be decided by a member that the backend does not go by, so where
//! names differ in nothing but their case the arguments have no one reading.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Objects up to this many members are looked through in pairs: that is faster
/// than a table.
const FEW: usize = 16;

/// The letter that stands for all its cases. Simple case folding takes the long
/// s into ASCII, which no lower case does.
fn fold(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let mut lower = letter.to_lowercase();
    match (letter, lower.next(), lower.next()) {
        ('\u{17f}', ..) => 's',
        (_, Some(one), None) => one,
        _ => letter,
    }
}

fn folded(name: &str) -> String {
    name.chars().map(fold).collect()
}

/// Whether two names are different, but in their case only.
fn vary(one: &str, other: &str) -> bool {
    one != other && one.chars().map(fold).eq(other.chars().map(fold))
}

/// The names of members, by what they are without regard to case.
#[derive(Debug, Default)]
pub(super) struct Spellings<'a> {
    /// The first that was met, and whether there are others.
    met: HashMap<String, (&'a str, bool)>,
}

impl<'a> Spellings<'a> {
    /// Those of one object.
    pub(super) fn of(object: &'a Map<String, Value>) -> Self {
        let mut spellings = Self::default();
        spellings.add(object);
        spellings
    }

    /// Adds those of an object.
    pub(super) fn add(&mut self, object: &'a Map<String, Value>) {
        for name in object.keys() {
            let (first, several) = self.met.entry(folded(name)).or_insert((name, false));
            *several |= *first != name.as_str();
        }
    }

    /// Whether a member has this name in another case.
    pub(super) fn vary_from(&self, name: &str) -> bool {
        self.met.get(&folded(name)).is_some_and(|(first, several)| *several || *first != name)
    }
}

/// Whether a member of an object has this name in another case.
pub(super) fn varies(object: &Map<String, Value>, name: &str) -> bool {
    object.keys().any(|found| vary(found, name))
}

/// Whether two members of an object are one without regard to case.
pub(super) fn has_twins(object: &Map<String, Value>) -> bool {
    if object.len() > FEW {
        let mut seen = HashSet::with_capacity(object.len());
        return !object.keys().all(|name| seen.insert(folded(name)));
    }
    let mut names = object.keys();
    while let Some(name) = names.next() {
        if names.clone().any(|other| vary(other, name)) {
            return true;
        }
    }
    false
}

/// Whether an object is so small that [`varies`] is faster than [`Spellings`].
pub(super) fn is_small(object: &Map<String, Value>) -> bool {
    object.len() <= FEW
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn twins_are_found_in_small_objects_and_large_ones() {
        let twins = |value: &Value| has_twins(value.as_object().unwrap());
        assert!(twins(&json!({"dry_run": 1, "Dry_Run": 2})));
        assert!(twins(&json!({"task": 1, "ta\u{17f}k": 2, "x": 0})));
        assert!(twins(&json!({"key": 1, "\u{212a}ey": 2})));
        assert!(twins(&json!({"\u{e9}": 1, "\u{c9}": 2})));
        assert!(!twins(&json!({"dry_run": 1, "dryrun": 2, "run": 3})));
        let many = |more: &str| {
            let names = (0..40).map(|number| format!("n{number}")).chain([more.to_owned()]);
            Value::Object(names.map(|name| (name, Value::Null)).collect())
        };
        assert!(twins(&many("N7")));
        assert!(!twins(&many("N")));
    }

    #[test]
    fn another_case_is_another_spelling_and_the_same_is_none() {
        let value = json!({"Amount": 1, "to": 2, "TO": 3});
        let object = value.as_object().unwrap();
        let all = Spellings::of(object);
        for (name, expected) in
            [("amount", true), ("Amount", false), ("to", true), ("To", true), ("x", false)]
        {
            assert_eq!(varies(object, name), expected, "{name}");
            assert_eq!(all.vary_from(name), expected, "{name}");
        }
    }
}
