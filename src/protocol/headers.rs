//! Header names of MCP over HTTP and of the road between gateway and tools,
//! and the encoding of header values that mirror body members.
//!
//! Source: `basic/transports/streamable-http`, revision 2026-07-28.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The revision a request speaks.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// Mirrors `method`; required on modern requests.
pub const METHOD: &str = "mcp-method";
/// Mirrors `params.name`, `params.uri` or `params.taskId`.
pub const NAME: &str = "mcp-name";
/// Names a legacy session.
pub const SESSION_ID: &str = "mcp-session-id";
/// Prefix of headers that mirror annotated arguments.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Proves to a tool that the gateway is calling.
pub const GATEWAY_AUTH: &str = "x-gateway-auth";
/// Tells a tool for whom the gateway is calling.
pub const USER_ID: &str = "x-user-id";
/// One id for a request on its whole way.
pub const REQUEST_ID: &str = "x-request-id";
/// Whether the client brought the request id (`client`) or nginx made it.
pub const REQUEST_ID_ORIGIN: &str = "x-request-id-origin";
/// The turn of an agent that a call belongs to.
pub const TURN_ID: &str = "x-mcp-turn-id";
/// The job of an agent that a call belongs to.
pub const JOB_ID: &str = "x-mcp-job-id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C trace context, vendor part.
pub const TRACESTATE: &str = "tracestate";

const SENTINEL_START: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// Decodes a mirrored value: as it stands, or from the Base64 sentinel
/// `=?base64?…?=`. White space around the value is not part of it (RFC 9110
/// §5.5). `None` when the sentinel holds no Base64 of UTF-8.
#[must_use]
pub fn decode_mirrored(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_matches([' ', '\t']);
    let Some(encoded) =
        value.strip_prefix(SENTINEL_START).and_then(|rest| rest.strip_suffix(SENTINEL_END))
    else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Encodes a value for a mirrored header, with the sentinel where it could
/// not stand as it is.
#[must_use]
pub fn encode_mirrored(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && !value.starts_with([' ', '\t'])
        && !value.ends_with([' ', '\t'])
        && !value.starts_with(SENTINEL_START);
    if plain {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("{SENTINEL_START}{}{SENTINEL_END}", STANDARD.encode(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_values_survive_the_round_trip() {
        for value in
            ["add", "a b", " edge ", "größe", "=?base64?x?=", "tab\tinside", "", "line\nbreak"]
        {
            assert_eq!(
                decode_mirrored(&encode_mirrored(value)).as_deref(),
                Some(value),
                "{value:?}"
            );
        }
    }

    #[test]
    fn broken_sentinels_decode_to_nothing() {
        assert_eq!(decode_mirrored("=?base64?***?="), None);
        assert_eq!(decode_mirrored("=?base64?/w==?="), None);
        assert_eq!(decode_mirrored("  add\t").as_deref(), Some("add"));
    }
}
