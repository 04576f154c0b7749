//! What the gateway says of itself in either handshake.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::meta;
use crate::protocol::mcp::meta as names;
use crate::protocol::raw::quote;

/// The result of `initialize`. Capabilities and server info are JSON objects.
pub(crate) fn initialize_result(
    version: &str,
    capabilities: &str,
    server_info: &RawValue,
    instructions: Option<&str>,
) -> Bytes {
    let mut members = vec![
        ("protocolVersion", quote(version)),
        ("capabilities", capabilities.to_owned()),
        ("serverInfo", server_info.get().to_owned()),
    ];
    members.extend(instructions.map(|text| ("instructions", quote(text))));
    meta::object(&members).into()
}

/// The result of `server/discover`. Capabilities and server info are JSON
/// objects; `ttl_ms` is how long a client may keep the answer, and `public`
/// says that it is the same for every caller.
pub(crate) fn discover_result(
    versions: &[&str],
    capabilities: &str,
    server_info: &RawValue,
    instructions: Option<&str>,
    ttl_ms: u32,
    public: bool,
) -> Bytes {
    let versions: Vec<String> = versions.iter().map(|version| quote(version)).collect();
    let versions = String::from_utf8(meta::array(&versions)).unwrap_or_default();
    let scope = if public { "\"public\"" } else { "\"private\"" };
    let mut members = vec![
        ("resultType", "\"complete\"".to_owned()),
        ("supportedVersions", versions),
        ("capabilities", capabilities.to_owned()),
        ("ttlMs", ttl_ms.to_string()),
        ("cacheScope", scope.to_owned()),
        ("_meta", format!("{{{}:{}}}", quote(names::SERVER_INFO), server_info.get())),
    ];
    members.extend(instructions.map(|text| ("instructions", quote(text))));
    meta::object(&members).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::raw;

    #[test]
    fn the_gateway_says_the_same_in_both_eras() {
        let info = raw(r#"{"name":"g","version":"1"}"#);
        let said = initialize_result("2025-11-25", r#"{"tools":{}}"#, info, Some("a\"b"));
        assert_eq!(
            said,
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"g","version":"1"},"instructions":"a\"b"}"#
        );
        let said = discover_result(&["2026-07-28"], "{}", info, None, 60_000, false);
        assert_eq!(
            said,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"g","version":"1"}}}"#
        );
    }
}
