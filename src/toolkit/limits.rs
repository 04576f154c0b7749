//! Limits every service has, and the variables that set them.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::environment::Environment;

/// Bounds of everything a request can make a service do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Largest output of a call, in characters.
    pub max_output_chars: usize,
    /// Most details in an `Invalid params` error.
    pub max_validation_errors: usize,
    /// Most calls at work at once; further ones wait within their own time.
    pub max_concurrent_calls: usize,
    /// Longest time from a call's arrival to its answer.
    pub call_timeout: Duration,
    /// Longest time a body may take to arrive.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_output_chars: 1024 * 1024,
            max_validation_errors: 5,
            max_concurrent_calls: 16,
            call_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
        }
    }
}

/// What a limit is when nobody sets it, and the most that it can be set to.
#[derive(Clone, Copy, Debug)]
pub struct Range<T> {
    /// When nobody sets it.
    pub default: T,
    /// The most.
    pub most: T,
}

/// Those limits that differ from service to service.
#[derive(Clone, Copy, Debug)]
pub struct Ranges {
    /// Of [`Limits::max_body_bytes`].
    pub body_bytes: Range<usize>,
    /// Of [`Limits::max_output_chars`].
    pub output_chars: Range<usize>,
    /// Of [`Limits::max_concurrent_calls`].
    pub concurrent_calls: Range<usize>,
    /// Of [`Limits::call_timeout`], in milliseconds.
    pub timeout_ms: Range<u64>,
}

/// A variable, the least it can be, and what `--help` says of it.
struct Variable<T> {
    name: &'static str,
    least: T,
    what: &'static str,
    unit: &'static str,
}

const BODY: Variable<usize> =
    Variable::new("MAX_BODY_BYTES", 1024, "Largest request body", " bytes");
const OUTPUT: Variable<usize> =
    Variable::new("MAX_OUTPUT_CHARS", 64, "Longest output of a call", " characters");
const CALLS: Variable<usize> =
    Variable::new("MAX_CONCURRENT_CALLS", 1, "Most calls at work at once", "");
const TIMEOUT: Variable<u64> =
    Variable::new("REQUEST_TIMEOUT_MS", 1, "Longest time of a call", " milliseconds");
const ERRORS: Variable<usize> =
    Variable::new("MAX_VALIDATION_ERRORS", 1, "Most details of an Invalid params error", "");
/// The same for all services.
const MOST_ERRORS: Range<usize> = Range { default: 5, most: 100 };

impl Limits {
    /// Reads the limits from the environment.
    #[must_use]
    pub fn read(env: &mut Environment, ranges: &Ranges) -> Self {
        Self {
            max_body_bytes: BODY.read(env, ranges.body_bytes),
            max_output_chars: OUTPUT.read(env, ranges.output_chars),
            max_validation_errors: ERRORS.read(env, MOST_ERRORS),
            max_concurrent_calls: CALLS.read(env, ranges.concurrent_calls),
            call_timeout: Duration::from_millis(TIMEOUT.read(env, ranges.timeout_ms)),
            ..Self::default()
        }
    }
}

impl Ranges {
    /// The variables as `--help` shows them.
    pub(super) fn manual(&self) -> String {
        [
            TIMEOUT.manual(self.timeout_ms),
            BODY.manual(self.body_bytes),
            OUTPUT.manual(self.output_chars),
            ERRORS.manual(MOST_ERRORS),
            CALLS.manual(self.concurrent_calls),
        ]
        .concat()
    }
}

impl<T: FromStr + PartialOrd + Display + Copy> Variable<T> {
    const fn new(name: &'static str, least: T, what: &'static str, unit: &'static str) -> Self {
        Self { name, least, what, unit }
    }

    fn read(&self, env: &mut Environment, range: Range<T>) -> T {
        env.number(self.name, range.default, &(self.least..=range.most))
    }

    fn manual(&self, Range { default, most }: Range<T>) -> String {
        let Self { name, least, what, unit } = self;
        format!("  {name}\n          {what}, {least} to {most}{unit} [default: {default}]\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: Ranges = Ranges {
        body_bytes: Range { default: 2048, most: 4096 },
        output_chars: Range { default: 100, most: 200 },
        concurrent_calls: Range { default: 2, most: 3 },
        timeout_ms: Range { default: 250, most: 500 },
    };

    #[test]
    fn what_is_set_counts_and_what_goes_too_far_is_told() {
        let mut env = Environment::new(|_| None);
        let limits = Limits::read(&mut env, &RANGES);
        assert_eq!((limits.max_body_bytes, limits.max_output_chars), (2048, 100));
        assert_eq!((limits.max_validation_errors, limits.max_concurrent_calls), (5, 2));
        assert_eq!(limits.call_timeout, Duration::from_millis(250));
        let mut env = Environment::new(|name| {
            Some(if name == "REQUEST_TIMEOUT_MS" { "500" } else { "5000" }.to_owned())
        });
        assert_eq!(Limits::read(&mut env, &RANGES).call_timeout, Duration::from_millis(500));
        assert_eq!(env.problems().len(), 4);
        assert_eq!(env.problems()[0], "MAX_BODY_BYTES must be a whole number from 1024 to 4096");
    }

    #[test]
    fn the_manual_names_each_with_its_bounds() {
        let manual = RANGES.manual();
        assert_eq!(manual.lines().count(), 10);
        let body = "  MAX_BODY_BYTES\n          Largest request body, 1024 to 4096 bytes [default: 2048]\n";
        assert!(manual.contains(body), "{manual}");
    }
}
