//! The values of mirrored headers: written, and held against the arguments.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Annotated;
use crate::protocol::headers::{PARAM_PREFIX, decode_mirrored, encode_mirrored};
use crate::protocol::number::Decimal;
use crate::protocol::raw::{Object, Unfit, text};

/// A header that does not say what the arguments say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The argument has a value, and the header is missing.
    #[error("header `Mcp-Param-{0}` is missing")]
    Missing(String),
    /// The argument has no value, and the header is there.
    #[error("header `Mcp-Param-{0}` belongs to an argument that has no value")]
    Unexpected(String),
    /// The header's value is another one, or cannot be decoded.
    #[error("header `Mcp-Param-{0}` does not equal its argument")]
    Different(String),
    /// The header comes twice.
    #[error("header `Mcp-Param-{0}` appears twice")]
    Twice(String),
    /// The arguments cannot be read the same way by everyone.
    #[error("the argument of header `Mcp-Param-{0}` is ambiguous")]
    Ambiguous(String),
}

/// What a header can say of an argument.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Text(Cow<'a, str>),
    Number(&'a str),
    Flag(&'a str),
}

/// The headers of a call: name in lower case, value encoded. An argument that
/// is absent or null has none, and neither has an array or an object, which
/// the tool will refuse.
///
/// # Errors
/// [`Unfit::Ambiguous`] when an argument comes twice.
pub fn headers(
    plan: &[Annotated],
    arguments: Option<&RawValue>,
) -> Result<Vec<(String, String)>, Unfit> {
    let mut headers = Vec::new();
    for annotated in plan {
        let value = match said(arguments, &annotated.path)? {
            None => continue,
            Some(Said::Text(text)) => encode_mirrored(&text).into_owned(),
            Some(Said::Flag(flag)) => flag.to_owned(),
            Some(Said::Number(number)) => Decimal::parse(number)
                .and_then(|number| number.integer())
                .unwrap_or_else(|| number.to_owned()),
        };
        let name = format!("{PARAM_PREFIX}{}", annotated.header.to_ascii_lowercase());
        headers.push((name, value));
    }
    Ok(headers)
}

/// Holds the `Mcp-Param-*` headers of a call against its arguments. Names are
/// compared without regard to case. A header that no annotation asks for is
/// none of the gateway's business (it is passed on).
///
/// # Errors
/// [`Mismatch`], naming the first header at fault.
pub fn check<N: AsRef<str>, V: AsRef<str>>(
    plan: &[Annotated],
    mirrored: &[(N, V)],
    arguments: Option<&RawValue>,
) -> Result<(), Mismatch> {
    for annotated in plan {
        let header = || annotated.header.clone();
        let mut values = mirrored
            .iter()
            .filter(|(name, _)| is_header(name.as_ref(), &annotated.header))
            .map(|(_, value)| value.as_ref());
        let value = values.next();
        if values.next().is_some() {
            return Err(Mismatch::Twice(header()));
        }
        let said = said(arguments, &annotated.path).map_err(|_| Mismatch::Ambiguous(header()))?;
        match (value, said) {
            (None, None) => {}
            (None, Some(_)) => return Err(Mismatch::Missing(header())),
            (Some(_), None) => return Err(Mismatch::Unexpected(header())),
            (Some(value), Some(said)) if says(value, &said) => {}
            (Some(_), Some(_)) => return Err(Mismatch::Different(header())),
        }
    }
    Ok(())
}

fn is_header(name: &str, annotated: &str) -> bool {
    name.split_at_checked(PARAM_PREFIX.len()).is_some_and(|(prefix, rest)| {
        prefix.eq_ignore_ascii_case(PARAM_PREFIX) && rest.eq_ignore_ascii_case(annotated)
    })
}

/// Whether a header says this value.
fn says(value: &str, said: &Said<'_>) -> bool {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let Some(decoded) = plain.then(|| decode_mirrored(value)).flatten() else { return false };
    match said {
        Said::Text(text) => *text == decoded,
        Said::Flag(flag) => *flag == decoded,
        Said::Number(number) => {
            let wanted = Decimal::parse(number);
            *number == decoded || (wanted.is_some() && wanted == Decimal::parse(&decoded))
        }
    }
}

/// The value at a path, if a header can say it.
fn said<'a>(arguments: Option<&'a RawValue>, path: &[String]) -> Result<Option<Said<'a>>, Unfit> {
    let mut value = arguments;
    for name in path {
        let Some(object) = value.filter(|value| value.get().starts_with('{')) else {
            return Ok(None);
        };
        value = Object::read(object)?.exact(name)?;
    }
    let Some(value) = value else { return Ok(None) };
    Ok(match value.get().as_bytes().first() {
        Some(b'"') => Some(Said::Text(text(value).ok_or_else(|| {
            // Half of a surrogate pair: readers turn it into different texts.
            Unfit::Ambiguous(path.join("/"))
        })?)),
        Some(b't' | b'f') => Some(Said::Flag(value.get())),
        Some(b'-' | b'0'..=b'9') => Some(Said::Number(value.get())),
        _ => None,
    })
}
