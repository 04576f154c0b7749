//! What a server says of itself: read from a backend, and said by the gateway.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::meta;
use crate::protocol::mcp::meta as names;
use crate::protocol::raw::{Object, Unfit, elements, quote, text};

/// What a backend offers, in either era's words.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// Revisions it speaks, in its order; one after `initialize`.
    pub(crate) versions: Vec<Cow<'a, str>>,
    /// Its capabilities, an object.
    pub(crate) capabilities: &'a RawValue,
    /// Name and version.
    pub(crate) server_info: Option<&'a RawValue>,
    /// How to use it, for a model.
    pub(crate) instructions: Option<Cow<'a, str>>,
}

impl<'a> Offer<'a> {
    /// Reads the result of `initialize`.
    ///
    /// # Errors
    /// [`Unfit`] when a member is missing, of the wrong type or ambiguous.
    pub(crate) fn from_initialize(result: &'a RawValue) -> Result<Self, Unfit> {
        let object = Object::read(result)?;
        Ok(Self {
            versions: vec![object.text("protocolVersion")?],
            capabilities: capabilities(&object)?,
            server_info: object.get("serverInfo")?,
            instructions: object.get("instructions")?.and_then(text),
        })
    }

    /// Reads the result of `server/discover`.
    ///
    /// # Errors
    /// [`Unfit`] when a member is missing, of the wrong type or ambiguous.
    pub(crate) fn from_discover(result: &'a RawValue) -> Result<Self, Unfit> {
        const VERSIONS: &str = "supportedVersions";
        let object = Object::read(result)?;
        let versions = elements(object.get(VERSIONS)?.ok_or(Unfit::Missing(VERSIONS))?)?;
        let server_info = match meta::of(&object)? {
            Some(meta) => Object::read(meta)?.get(names::SERVER_INFO)?,
            None => None,
        };
        Ok(Self {
            versions: versions.into_iter().filter_map(text).collect(),
            capabilities: capabilities(&object)?,
            server_info,
            instructions: object.get("instructions")?.and_then(text),
        })
    }
}

fn capabilities<'a>(result: &Object<'a>) -> Result<&'a RawValue, Unfit> {
    result
        .get("capabilities")?
        .filter(|capabilities| capabilities.get().starts_with('{'))
        .ok_or(Unfit::Missing("capabilities"))
}

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
    fn offers_are_read_from_both_eras() {
        let legacy = Offer::from_initialize(raw(
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{ }},"serverInfo":{"name":"s"},"instructions":"Do."}"#,
        ))
        .unwrap();
        assert_eq!(legacy.versions, ["2025-11-25"]);
        assert_eq!(legacy.capabilities.get(), r#"{"tools":{ }}"#);
        assert_eq!(legacy.server_info.unwrap().get(), r#"{"name":"s"}"#);
        assert_eq!(legacy.instructions.as_deref(), Some("Do."));
        let modern = Offer::from_discover(raw(
            r#"{"supportedVersions":["2026-07-28","2025-11-25",7],"capabilities":{},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}"#,
        ))
        .unwrap();
        assert_eq!(modern.versions, ["2026-07-28", "2025-11-25"]);
        assert_eq!(modern.server_info.unwrap().get(), r#"{"name":"s"}"#);
        assert_eq!(modern.instructions, None);
        for broken in [
            "{}",
            "[]",
            r#"{"supportedVersions":[]}"#,
            r#"{"supportedVersions":[],"capabilities":[]}"#,
        ] {
            assert!(Offer::from_discover(raw(broken)).is_err(), "{broken}");
            assert!(Offer::from_initialize(raw(broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_said_can_be_read_back() {
        let info = raw(r#"{"name":"g","version":"1"}"#);
        let said = initialize_result("2025-11-25", r#"{"tools":{}}"#, info, Some("a\"b"));
        assert_eq!(
            said,
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"g","version":"1"},"instructions":"a\"b"}"#
        );
        assert!(Offer::from_initialize(crate::protocol::raw::value(&said).unwrap()).is_ok());
        let said = discover_result(&["2026-07-28"], "{}", info, None, 60_000, false);
        assert_eq!(
            said,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"g","version":"1"}}}"#
        );
        assert!(Offer::from_discover(crate::protocol::raw::value(&said).unwrap()).is_ok());
    }
}
