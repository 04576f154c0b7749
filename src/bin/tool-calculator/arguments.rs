//! What is left to judge once the arguments fit the schema: the number of
//! digits.

use std::borrow::Cow;

use scopegate::toolkit::{Detail, ToolError};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::exact::Exact;
use crate::limits::Bounds;

/// Significant digits: a whole number, which JSON may also write as `28.0`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precision(pub(crate) u32);

impl<'de> Deserialize<'de> for Precision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        number
            .as_u64()
            .or_else(|| whole(number.as_f64()?))
            .and_then(|digits| u32::try_from(digits).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom("is not a small whole number"))
    }
}

/// A float that is a whole number of at most nine digits.
fn whole(float: f64) -> Option<u64> {
    let fits = float.fract() == 0.0 && (0.0..1e9).contains(&float);
    fits.then(|| format!("{float:.0}").parse().ok()).flatten()
}

/// Reads arguments that fit the schema. A failure here means that the schema
/// and the code differ, and is told like any other wrong shape.
pub(crate) fn typed<T: DeserializeOwned>(arguments: Value) -> Result<T, ToolError> {
    serde_json::from_value(arguments).map_err(|error| {
        tracing::error!(line = error.line(), "arguments fit the schema but not the code");
        wrong(Vec::new(), "do not fit", "schema")
    })
}

/// Reads one number.
pub(crate) fn number(text: &str, loc: &[&str], bounds: &Bounds) -> Result<Exact, ToolError> {
    let loc = || loc.iter().map(|&member| Value::from(member)).collect();
    read(text, bounds).map_err(|problem| wrong(loc(), problem.0, problem.1))
}

/// Reads a list of numbers; all that are no good are told.
pub(crate) fn numbers(
    texts: &[String],
    member: &str,
    bounds: &Bounds,
) -> Result<Vec<Exact>, ToolError> {
    let mut read_ones = Vec::with_capacity(texts.len());
    let mut details = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match read(text, bounds) {
            Ok(number) => read_ones.push(number),
            Err((msg, rule)) => {
                details.push(detail(vec![Value::from(member), Value::from(index)], msg, rule));
            }
        }
    }
    if details.is_empty() { Ok(read_ones) } else { Err(ToolError::InvalidArguments(details)) }
}

fn read(text: &str, bounds: &Bounds) -> Result<Exact, (&'static str, &'static str)> {
    if text.bytes().filter(u8::is_ascii_digit).count() > bounds.max_number_digits {
        return Err(("has too many digits", "maxLength"));
    }
    Exact::parse(text).ok_or(("is not a decimal number", "pattern"))
}

pub(crate) fn wrong(loc: Vec<Value>, msg: &'static str, rule: &'static str) -> ToolError {
    ToolError::InvalidArguments(vec![detail(loc, msg, rule)])
}

/// Wrong in one argument, with a sentence made for the case.
pub(crate) fn spot(member: &'static str, msg: String, rule: &'static str) -> ToolError {
    let loc = vec![Value::from(member)];
    ToolError::InvalidArguments(vec![Detail { loc, msg, rule: Cow::Borrowed(rule) }])
}

fn detail(loc: Vec<Value>, msg: &'static str, rule: &'static str) -> Detail {
    Detail { loc, msg: msg.to_owned(), rule: Cow::Borrowed(rule) }
}
