//! Everything that is wrong with a configuration, in one list.

use std::fmt::{self, Display, Formatter};

/// Most problems listed; the rest is counted. Keeps a hostile or binary file
/// from filling the terminal.
const MOST_LISTED: usize = 100;

/// Where the value that is wrong came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// No layer sets it, or the problem is not about one value.
    #[default]
    Nowhere,
    /// A file; line and column count from 1.
    File {
        /// As it was named on the command line.
        file: String,
        /// Line and column, where the parser could tell.
        position: Option<(usize, usize)>,
    },
    /// The environment variable of this name.
    Environment(String),
}

/// One thing that is wrong, or (as a warning) doubtful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
    place: Place,
    set_by: Vec<String>,
}

/// Something doubtful that does not prevent the start.
pub type Warning = Problem;

impl Problem {
    /// A problem with the setting at `path` (`server.listen`), or with
    /// nothing in particular when it is empty. The message must not contain
    /// a secret.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            place: Place::Nowhere,
            set_by: Vec::new(),
        }
    }

    /// Says in which file, and where the line and column are known, there.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>, position: Option<(usize, usize)>) -> Self {
        self.place = Place::File { file: file.into(), position };
        self
    }

    /// Says where the value came from.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Names the environment variables that would set the value.
    #[must_use]
    pub fn set_by(mut self, names: Vec<String>) -> Self {
        self.set_by = names;
        self
    }

    /// The path of the setting; may be empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where the value came from.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The environment variables that would set the value.
    #[must_use]
    pub fn environment_names(&self) -> &[String] {
        &self.set_by
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::File { file, position: None } => f.write_str(file),
            Self::File { file, position: Some((line, column)) } => {
                write!(f, "{file}:{line}:{column}")
            }
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.place != Place::Nowhere {
            write!(f, "{}: ", self.place)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if !self.set_by.is_empty() {
            write!(f, " (environment: {})", self.set_by.join(" or "))?;
        }
        Ok(())
    }
}

/// All problems of a configuration, in the order they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    /// No problem yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; the same one twice counts once.
    pub fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.unlisted += 1;
        } else if !self.listed.contains(&problem) {
            self.listed.push(problem);
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        self.unlisted += other.unlisted;
        other.listed.into_iter().for_each(|problem| self.push(problem));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len() + self.unlisted
    }

    /// Those that are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.listed.iter()
    }

    /// Puts them in the order in which one would mend them: the file from
    /// top to bottom, the environment, what is missing.
    pub(super) fn sort(&mut self) {
        self.listed.sort_by_key(|problem| match &problem.place {
            Place::File { position, .. } => (0, *position),
            Place::Environment(_) => (1, None),
            Place::Nowhere => (2, None),
        });
    }

    /// Whether further problems will only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.listed.len() >= MOST_LISTED
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        let mut list = Self::new();
        problems.into_iter().for_each(|problem| list.push(problem));
        list
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count = self.len();
        let plural = if count == 1 { "" } else { "s" };
        writeln!(f, "{count} problem{plural} in the configuration:")?;
        let width = self.listed.len().to_string().len();
        for (number, problem) in (1..).zip(&self.listed) {
            writeln!(f, "  {number:>width$}. {problem}")?;
        }
        if self.unlisted > 0 {
            writeln!(f, "  and {} more", self.unlisted)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_numbered_and_says_where_and_how() {
        let problems: Problems = [
            Problem::new("server.listen", "is no address")
                .in_file("gateway.yaml", Some((2, 11)))
                .set_by(vec!["SCOPEGATE__SERVER__LISTEN".to_owned()]),
            Problem::new("", "cannot be read").in_file("policy.yaml", None),
            Problem::new("quota.user.burst", "must be at least 1")
                .at(Place::Environment("SCOPEGATE__QUOTA__USER__BURST".to_owned())),
        ]
        .into_iter()
        .collect();
        insta::assert_snapshot!(problems.to_string(), @r"
        3 problems in the configuration:
          1. gateway.yaml:2:11: server.listen: is no address (environment: SCOPEGATE__SERVER__LISTEN)
          2. policy.yaml: cannot be read
          3. environment variable SCOPEGATE__QUOTA__USER__BURST: quota.user.burst: must be at least 1
        ");
    }

    #[test]
    fn the_list_is_bounded_and_counts_the_rest() {
        let problems: Problems =
            (0..250).map(|number| Problem::new(format!("key{number}"), "is unknown")).collect();
        assert_eq!(problems.len(), 250);
        assert_eq!(problems.iter().count(), MOST_LISTED);
        assert!(problems.to_string().ends_with("  and 150 more\n"));
    }

    #[test]
    fn the_same_problem_is_listed_once() {
        let problem = Problem::new("a", "b");
        let problems: Problems = [problem.clone(), problem].into_iter().collect();
        assert_eq!(problems.len(), 1);
    }
}
