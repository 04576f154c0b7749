//! Headers that mirror a modern message (MCP 2026-07-28, streamable HTTP).

use std::borrow::Cow;

use awc::http::header::{HeaderName, HeaderValue};

use crate::protocol::headers;

const METHOD: HeaderName = HeaderName::from_static(headers::METHOD);
const NAME: HeaderName = HeaderName::from_static(headers::NAME);

/// `Mcp-Method`, `Mcp-Name` and the mirrored arguments.
pub(super) fn of(
    method: &str,
    name: Option<&str>,
    arguments: &[(Cow<'_, str>, Cow<'_, str>)],
) -> Vec<(HeaderName, HeaderValue)> {
    let mut mirrored = Vec::with_capacity(2 + arguments.len());
    if let Ok(method) = HeaderValue::from_str(method) {
        mirrored.push((METHOD, method));
    }
    if let Some(name) = name
        && let Ok(name) = HeaderValue::from_str(&headers::encode_mirrored(name))
    {
        mirrored.push((NAME, name));
    }
    for (name, value) in arguments {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            mirrored.push((name, value));
        }
    }
    mirrored
}
