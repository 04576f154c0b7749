//! The calculator's limits (C-50).

use scopegate::toolkit::{Environment, Limits, Range, Ranges};

use crate::arguments::Precision;
use crate::expression;
use crate::round::Form;

/// Bounds of what a call may ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most operands or values.
    pub(crate) max_list_items: usize,
    /// Most digits of one number.
    pub(crate) max_number_digits: usize,
    /// Highest precision, in significant digits.
    pub(crate) max_precision: u32,
    /// The precision of a call that names none.
    pub(crate) default_precision: u32,
    /// Longest result, in characters.
    pub(crate) max_output_chars: usize,
    /// Longest expression, in bytes.
    pub(crate) max_expression_chars: usize,
    /// Deepest nesting of an expression.
    pub(crate) max_expression_depth: usize,
    /// Most operations of an expression.
    pub(crate) max_expression_steps: usize,
    /// Most variables of an expression.
    pub(crate) max_variables: usize,
}

impl Bounds {
    /// How the result of a call with this precision is written.
    pub(crate) fn form(&self, precision: Option<Precision>) -> Form {
        let precision = precision.map_or(self.default_precision, |precision| precision.0);
        let precision = precision.clamp(1, self.max_precision);
        Form { precision: i64::from(precision), longest: self.max_output_chars }
    }

    /// What an expression may cost.
    pub(crate) fn expression(&self) -> expression::Bounds {
        expression::Bounds {
            longest: self.max_expression_chars,
            digits: self.max_number_digits,
            depth: self.max_expression_depth,
            steps: self.max_expression_steps,
        }
    }
}

/// How far the kit's limits can be set.
pub(crate) const RANGES: Ranges = Ranges {
    body_bytes: Range { default: 16_384, most: 1_048_576 },
    output_chars: Range { default: 4096, most: 65_536 },
    concurrent_calls: Range { default: 16, most: 256 },
    timeout_ms: Range { default: 250, most: 60_000 },
};

/// Reads both kinds of limits from the environment. The upper ends keep every
/// single step of a computation far below a call's time.
pub(crate) fn read(env: &mut Environment) -> (Bounds, Limits) {
    let max_precision = env.number("MAX_PRECISION", 100, &(1..=1000));
    let default_precision =
        env.number("DEFAULT_PRECISION", 28.min(max_precision), &(1..=max_precision));
    let limits = Limits::read(env, &RANGES);
    let bounds = Bounds {
        max_list_items: env.number("MAX_LIST_ITEMS", 1000, &(1..=10_000)),
        max_number_digits: env.number("MAX_NUMBER_DIGITS", 200, &(1..=1000)),
        max_precision,
        default_precision,
        max_output_chars: limits.max_output_chars,
        max_expression_chars: env.number("MAX_EXPRESSION_CHARS", 1000, &(1..=16_384)),
        max_expression_depth: env.number("MAX_EXPRESSION_DEPTH", 32, &(1..=100)),
        max_expression_steps: env.number("MAX_EXPRESSION_STEPS", 1000, &(1..=100_000)),
        max_variables: env.number("MAX_VARIABLES", 100, &(1..=1000)),
    };
    (bounds, limits)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let mut env = Environment::new(|_| None);
        let (bounds, limits) = read(&mut env);
        assert!(env.problems().is_empty());
        assert_eq!(bounds.max_list_items, 1000);
        assert_eq!(bounds.max_number_digits, 200);
        assert_eq!((bounds.max_precision, bounds.default_precision), (100, 28));
        let expression = bounds.expression();
        assert_eq!((expression.longest, expression.depth, expression.steps), (1000, 32, 1000));
        assert_eq!((expression.digits, bounds.max_variables), (200, 100));
        assert_eq!((limits.max_body_bytes, limits.max_output_chars), (16_384, 4096));
        assert_eq!(limits.max_validation_errors, 5);
        assert_eq!(limits.call_timeout, Duration::from_millis(250));
    }

    #[test]
    fn a_default_above_the_maximum_is_a_problem_unless_nobody_set_it() {
        let mut env = Environment::new(|name| (name == "MAX_PRECISION").then(|| "10".to_owned()));
        assert_eq!(read(&mut env).0.default_precision, 10);
        assert!(env.problems().is_empty());
        let mut env = Environment::new(|name| match name {
            "MAX_PRECISION" => Some("10".to_owned()),
            "DEFAULT_PRECISION" => Some("11".to_owned()),
            _ => None,
        });
        read(&mut env);
        assert_eq!(env.problems(), ["DEFAULT_PRECISION must be a whole number from 1 to 10"]);
    }
}
