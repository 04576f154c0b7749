//! Paths into JSON (RFC 9535), as far as pointing at values needs them.
//!
//! A path is `$` and then any number of `.name`, `['name']`, `[3]`, `[*]`, `.*`
//! and `..name` (at any depth below). Filters, slices, unions and negative
//! indexes are refused. Names are compared without regard to ASCII case: who
//! hides a value must not miss it under another spelling.
//!
//! Paths are followed while a text is read from front to back: [`Place`] is
//! where a reader stands, and [`Place::member`] and [`Place::item`] lead down.

use std::fmt;

/// Most steps of one path.
const MOST_STEPS: usize = 32;

/// Most paths of one list.
const MOST_PATHS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(Box<str>),
    Index(usize),
    Any,
    /// The next step, here or at any depth below.
    Descend,
}

/// A list of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonPaths {
    paths: Vec<Vec<Step>>,
}

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// Which of the paths; counts from 0.
    pub index: usize,
    message: &'static str,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

/// Where a reader of JSON stands, as the paths see it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Path and step before which it stands.
    open: Vec<(u16, u16)>,
    whole: bool,
}

impl JsonPaths {
    /// Reads paths.
    ///
    /// # Errors
    /// The first path that is none of ours.
    pub fn read<T: AsRef<str>>(texts: &[T]) -> Result<Self, PathError> {
        if texts.len() > MOST_PATHS {
            return Err(PathError { index: MOST_PATHS, message: "more than 64 paths" });
        }
        let read = |(index, text): (usize, &T)| {
            path(text.as_ref()).map_err(|message| PathError { index, message })
        };
        Ok(Self { paths: texts.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// These paths and others, each once.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        for path in &others.paths {
            if !self.paths.contains(path) {
                self.paths.push(path.clone());
            }
        }
        self
    }

    /// Where reading begins.
    #[must_use]
    pub fn start(&self) -> Place {
        let mut place = Place::default();
        for (path, _) in (0..).zip(&self.paths) {
            self.arrive(&mut place, path, 0);
        }
        place
    }

    fn steps(&self, path: u16) -> &[Step] {
        self.paths.get(usize::from(path)).map_or(&[], Vec::as_slice)
    }

    fn arrive(&self, place: &mut Place, path: u16, step: u16) {
        if usize::from(step) == self.steps(path).len() {
            place.whole = true;
        } else if !place.open.contains(&(path, step)) {
            place.open.push((path, step));
        }
    }

    fn descend(&self, from: &Place, fits: impl Fn(&Step) -> bool) -> Place {
        let mut place = Place::default();
        for &(path, at) in &from.open {
            let mut step = at;
            if self.steps(path).get(usize::from(step)) == Some(&Step::Descend) {
                self.arrive(&mut place, path, step);
                step += 1;
            }
            if self.steps(path).get(usize::from(step)).is_some_and(&fits) {
                self.arrive(&mut place, path, step + 1);
            }
        }
        place
    }
}

impl Place {
    /// Whether a path points at the value here.
    #[must_use]
    pub fn is_meant(&self) -> bool {
        self.whole
    }

    /// Whether no path leads further down from here.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// The place of a member of the object here.
    #[must_use]
    pub fn member(&self, paths: &JsonPaths, name: &str) -> Self {
        paths.descend(self, |step| match step {
            Step::Name(wanted) => wanted.eq_ignore_ascii_case(name),
            Step::Any => true,
            Step::Index(_) | Step::Descend => false,
        })
    }

    /// The place of an item of the array here; counts from 0.
    #[must_use]
    pub fn item(&self, paths: &JsonPaths, index: usize) -> Self {
        paths.descend(self, |step| match step {
            Step::Index(wanted) => *wanted == index,
            Step::Any => true,
            Step::Name(_) | Step::Descend => false,
        })
    }
}

fn path(text: &str) -> Result<Vec<Step>, &'static str> {
    let mut rest = text.strip_prefix('$').ok_or("must begin with `$`, such as $.card.number")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Descend);
            if after.starts_with('[') { bracket(after)? } else { name(after)? }
        } else if let Some(after) = rest.strip_prefix('.') {
            name(after)?
        } else {
            bracket(rest)?
        };
        steps.push(step);
        if steps.len() > MOST_STEPS {
            return Err("has more than 32 steps");
        }
    }
    Ok(steps)
}

fn name(text: &str) -> Result<(Step, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Step::Any, rest));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    if name.is_empty() || !name.chars().all(plain) {
        return Err("a name after `.` has letters, digits, `_` and `-`; write others as ['name']");
    }
    Ok((Step::Name(name.into()), rest))
}

fn bracket(text: &str) -> Result<(Step, &str), &'static str> {
    const UNKNOWN: &str = "between brackets stands 'name', an index from 0, or *";
    let inside = text.strip_prefix('[').ok_or(UNKNOWN)?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = inside.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(quote).ok_or(UNKNOWN)?;
            let rest = rest.strip_prefix(']').ok_or(UNKNOWN)?;
            if name.contains('\\') {
                return Err("a quoted name holds no backslash");
            }
            return Ok((Step::Name(name.into()), rest));
        }
    }
    let (index, rest) = inside.split_once(']').ok_or(UNKNOWN)?;
    if index == "*" {
        return Ok((Step::Any, rest));
    }
    if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UNKNOWN);
    }
    Ok((Step::Index(index.parse().map_err(|_| UNKNOWN)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Pointers to the values meant, by walking.
    fn meant(paths: &[&str], value: &Value) -> Vec<String> {
        fn walk(
            paths: &JsonPaths,
            place: &Place,
            value: &Value,
            at: &str,
            found: &mut Vec<String>,
        ) {
            if place.is_meant() {
                found.push(at.to_owned());
            }
            if let Some(members) = value.as_object() {
                for (name, value) in members {
                    walk(paths, &place.member(paths, name), value, &format!("{at}/{name}"), found);
                }
            }
            for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                walk(paths, &place.item(paths, index), value, &format!("{at}/{index}"), found);
            }
        }
        let paths = JsonPaths::read(paths).unwrap();
        let mut found = Vec::new();
        walk(&paths, &paths.start(), value, "", &mut found);
        found
    }

    #[test]
    fn paths_point_at_values() {
        let value = json!({
            "card": { "Number": 1, "x y": 2, "other": { "number": 3 } },
            "items": [{ "note": 4 }, { "note": 5, "number": 6 }],
        });
        for (path, found) in [
            ("$", vec![""]),
            ("$.card.number", vec!["/card/Number"]),
            ("$['card']['x y']", vec!["/card/x y"]),
            ("$.items[1].note", vec!["/items/1/note"]),
            ("$.items[*].note", vec!["/items/0/note", "/items/1/note"]),
            ("$..number", vec!["/card/Number", "/card/other/number", "/items/1/number"]),
            ("$.card..number", vec!["/card/Number", "/card/other/number"]),
            ("$..[0]", vec!["/items/0"]),
            ("$.items.*", vec!["/items/0", "/items/1"]),
            ("$.absent.number", vec![]),
        ] {
            assert_eq!(meant(&[path], &value), found, "{path}");
        }
        assert_eq!(meant(&["$.items[0]", "$.card['x y']"], &value).len(), 2);
    }

    #[test]
    fn what_is_no_path_of_ours_is_refused() {
        for text in [
            "",
            "card",
            "$.",
            "$..",
            "$.a.",
            "$[",
            "$['a'",
            "$[-1]",
            "$[0:2]",
            "$[?@.a]",
            "$x",
            "$['a','b']",
            "$.a b",
            "$[99999999999999999999]",
            "$['a\\n']",
        ] {
            assert_eq!(JsonPaths::read(&["$.a", text]).unwrap_err().index, 1, "{text}");
        }
        assert!(JsonPaths::read(&["$.a"; 65]).is_err());
        assert!(JsonPaths::read(&[".a".repeat(33).replacen('.', "$.", 1)]).is_err());
    }
}
