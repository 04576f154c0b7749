//! Settings of a service, from its environment, every problem at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::secret::Secret;

/// Variable that holds the gateway's shared secret (C-18).
const SECRET: &str = "TOOL_GATEWAY_SHARED_SECRET";
/// Variable that names a file with it.
const SECRET_FILE: &str = "TOOL_GATEWAY_SHARED_SECRET_FILE";
/// Largest secret file, in bytes.
const SECRET_FILE_BYTES: u64 = 4096;

type Lookup = dyn Fn(&str) -> Option<String>;

/// The environment and what is wrong with it. Readers give the default for a
/// value that is no good and remember the problem; a service with problems
/// does not start.
pub struct Environment {
    lookup: Box<Lookup>,
    /// What options of the command line say instead of a variable.
    given: BTreeMap<&'static str, Vec<String>>,
    problems: Vec<String>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        // A value that is not Unicode becomes text that no reader accepts.
        Self::new(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// An environment given by a function.
    #[must_use]
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup), given: BTreeMap::new(), problems: Vec::new() }
    }

    /// A variable's text; `None` when it is not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// A variable's list of texts, by commas, or what the option in its place
    /// says; empty when neither is given. Empty texts are left out.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        if let Some(given) = self.given.get(name) {
            return given.clone();
        }
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    /// Puts the values of an option in the place of a variable.
    pub(super) fn give(&mut self, variable: &'static str, values: Vec<String>) {
        self.given.insert(variable, values);
    }

    /// A variable's value, or the default when it is not set.
    pub fn value<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        let Some(text) = self.text(name) else { return default };
        text.trim().parse().unwrap_or_else(|_| {
            self.problem(format!("{name} must be {expected}"));
            default
        })
    }

    /// A whole number within bounds, or the default when it is not set.
    pub fn number<T>(&mut self, name: &str, default: T, bounds: &RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let number = self.value(name, default, &expected);
        if bounds.contains(&number) {
            return number;
        }
        self.problem(format!("{name} must be {expected}"));
        default
    }

    /// Remembers something that is wrong.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Everything that is wrong so far.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The gateway's shared secret, from a file or from the environment; a
    /// weak one is a problem, none at all is not.
    pub(super) fn secret(&mut self, file: Option<PathBuf>) -> Option<Secret> {
        let direct = self.text(SECRET);
        let named = self.text(SECRET_FILE).map(PathBuf::from);
        if direct.is_some() && named.is_some() {
            self.problem(format!("set {SECRET} or {SECRET_FILE}, not both"));
            return None;
        }
        let (origin, secret) = match (file.or(named), direct) {
            (Some(path), _) => match read_secret(&path) {
                Ok(secret) => (format!("the secret in {}", path.display()), secret),
                Err(problem) => {
                    self.problem(format!("the secret file {}: {problem}", path.display()));
                    return None;
                }
            },
            (None, Some(value)) => (SECRET.to_owned(), Secret::new(value)),
            (None, None) => return None,
        };
        match secret.check_strength() {
            Ok(()) => Some(secret),
            Err(weakness) => {
                self.problem(format!("{origin} {weakness}"));
                None
            }
        }
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > SECRET_FILE_BYTES {
        return Err(format!("is larger than {SECRET_FILE_BYTES} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> Environment {
        Environment::new(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_bad_number_is_reported() {
        let mut env = environment(&[("A", "7"), ("B", "-1"), ("C", "x"), ("D", ""), ("E", " 9 ")]);
        assert_eq!(env.number("A", 1, &(1..=7)), 7);
        assert_eq!(env.number("B", 2_u32, &(1..=7)), 2);
        assert_eq!(env.number("C", 3, &(1..=7)), 3);
        assert_eq!(env.number("D", 4, &(1..=7)), 4);
        assert_eq!(env.number("E", 5, &(1..=7)), 5);
        assert_eq!(env.number("UNSET", 6, &(1..=7)), 6);
        assert_eq!(env.problems().len(), 4);
        assert_eq!(env.problems()[0], "B must be a whole number from 1 to 7");
    }

    #[test]
    fn a_list_is_parted_by_commas_and_an_option_comes_before_it() {
        let mut env = environment(&[("A", " x, y z ,,"), ("B", "")]);
        assert_eq!(env.list("A"), ["x", "y z"]);
        assert!(env.list("B").is_empty() && env.list("UNSET").is_empty());
        env.give("A", vec!["one,with,commas".to_owned()]);
        assert_eq!(env.list("A"), ["one,with,commas"]);
    }

    #[test]
    fn weak_and_double_secrets_are_problems_and_no_secret_is_none() {
        assert!(environment(&[]).secret(None).is_none());
        let mut empty = environment(&[(SECRET, "")]);
        assert!(empty.secret(None).is_none());
        assert_eq!(empty.problems(), ["TOOL_GATEWAY_SHARED_SECRET is empty"]);
        let mut double = environment(&[(SECRET, "a"), (SECRET_FILE, "b")]);
        assert!(double.secret(None).is_none());
        assert_eq!(double.problems().len(), 1);
        let mut absent = environment(&[(SECRET_FILE, "no/such/file")]);
        assert!(absent.secret(None).is_none());
        assert!(absent.problems()[0].contains("no/such/file"));
        let mut good = environment(&[(SECRET, "0123456789abcdef0123456789abcdef")]);
        assert!(good.secret(None).is_some());
        assert!(good.problems().is_empty());
    }
}
