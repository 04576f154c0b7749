//! What every section's own checks share.

use std::fmt::Display;
use std::ops::RangeInclusive;

use url::Url;

use super::problems::Problem;
use crate::secret::Secret;

/// What checks have found. Messages never contain a secret.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Findings {
    pub(super) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    pub(super) fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Problem::new(path, message));
    }

    /// A number must lie in a range.
    pub(super) fn range<N: PartialOrd + Display>(
        &mut self,
        path: impl Into<String>,
        number: &N,
        range: &RangeInclusive<N>,
    ) {
        if !range.contains(number) {
            let message =
                format!("must be from {} to {}, not {number}", range.start(), range.end());
            self.problem(path, message);
        }
    }

    /// A text must hold something.
    pub(super) fn filled(&mut self, path: impl Into<String>, text: &str) {
        if text.trim().is_empty() {
            self.problem(path, "must not be empty");
        }
    }

    /// A secret must be good enough.
    pub(super) fn strong(&mut self, path: impl Into<String>, secret: &Secret) {
        if let Err(weakness) = secret.check_strength() {
            let message = format!("{weakness}; make one with: openssl rand -hex 32");
            self.problem(path, message);
        }
    }

    /// A URL must be plain HTTP(S), without credentials, query or fragment.
    pub(super) fn plain_url(&mut self, path: &str, url: &Url) {
        if !matches!(url.scheme(), "http" | "https") {
            self.problem(path, "must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.problem(path, "must not contain a user name or password");
        }
        if url.fragment().is_some() {
            self.problem(path, "must not contain a fragment (#…)");
        }
    }
}
