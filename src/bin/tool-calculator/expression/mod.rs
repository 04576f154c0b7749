//! Expressions such as `(a + 1.5) * 2 ^ 10`: read, and computed exactly.
//!
//! ```text
//! sum      = product { ("+" | "-") product }
//! product  = signed { ("*" | "/") signed }
//! signed   = { "+" | "-" } power
//! power    = operand [ ("^" | "**") signed ]
//! operand  = number | variable | function "(" sum { "," sum } ")" | "(" sum ")"
//! ```
//!
//! Reading gives a list of steps for a machine with a stack, so that computing
//! never nests. What both may cost is bounded by [`Bounds`]. The room is pure: it
//! knows exact numbers and nothing of the service, which lets the fuzz target compile it
//! alone.

mod evaluate;
mod functions;
mod lex;
mod read;

pub(crate) use self::evaluate::evaluate;
pub(crate) use self::functions::FUNCTIONS;
pub(crate) use self::read::read;

/// What an expression may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Longest text, in bytes.
    pub(crate) longest: usize,
    /// Most digits of a number in it.
    pub(crate) digits: usize,
    /// Deepest nesting of parentheses, calls, signs and powers.
    pub(crate) depth: usize,
    /// Most operations, each multiplication of a power counted.
    pub(crate) steps: usize,
}

/// Longest name of a variable, in bytes.
pub(crate) const LONGEST_NAME: usize = 32;

/// Largest exponent of a power, either way.
pub(crate) const LARGEST_POWER: u32 = 10_000;

/// Most decimal places `round` rounds to.
pub(crate) const MOST_PLACES: i64 = 1000;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// The text is no expression; `at` counts its characters from 1.
    #[error("{what}, at character {at}")]
    Text {
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// It divides by zero, or takes the root of a number below zero.
    #[error("Invalid arithmetic operation")]
    Undefined,
    /// An exponent is a fraction or too large.
    #[error("an exponent must be a whole number from -{LARGEST_POWER} to {LARGEST_POWER}")]
    Exponent,
    /// The second argument of `round` is no number of places.
    #[error("round takes a whole number of places from -{MOST_PLACES} to {MOST_PLACES}")]
    Places,
    /// More operations than allowed.
    #[error("the expression takes too many steps")]
    Steps,
    /// A number on the way has too many digits.
    #[error("a number on the way exceeds the size limit")]
    Size,
    /// The time is up.
    #[error("Timeout")]
    Time,
}

#[cfg(test)]
mod tests;
