//! What is left to judge once the arguments fit the schema: the number of
//! digits.

use scopegate::toolkit::{Detail, ToolError};
use serde::de::Error as _;
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

/// Reads one number.
pub(crate) fn number(text: &str, loc: &[&str], bounds: &Bounds) -> Result<Exact, ToolError> {
    read(text, bounds).map_err(|(msg, rule)| wrong(loc, msg, rule))
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
                let loc = vec![Value::from(member), Value::from(index)];
                details.push(Detail { loc, msg: msg.to_owned(), rule: rule.into() });
            }
        }
    }
    if details.is_empty() { Ok(read_ones) } else { Err(ToolError::InvalidArguments(details)) }
}

/// Wrong in one argument.
pub(crate) fn wrong(loc: &[&str], msg: impl Into<String>, rule: &'static str) -> ToolError {
    ToolError::invalid(loc.iter().map(|&member| Value::from(member)).collect(), msg, rule)
}

fn read(text: &str, bounds: &Bounds) -> Result<Exact, (&'static str, &'static str)> {
    if text.bytes().filter(u8::is_ascii_digit).count() > bounds.max_number_digits {
        return Err(("has too many digits", "maxLength"));
    }
    Exact::parse(text).ok_or(("is not a decimal number", "pattern"))
}
