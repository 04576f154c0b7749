//! What the gateway says of itself: `initialize` and `server/discover`.
//!
//! Both are answered from here, never by a backend, a quota or a rule: an
//! answer that came and went would make clients change eras.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::protocol::mcp::meta;
use crate::protocol::revision;

/// How long a client may keep the discovery document, in milliseconds.
const TTL_MS: u32 = 3_600_000;

/// Name and version, and what follows from them.
#[derive(Debug)]
pub(crate) struct Handshake {
    server_info: Box<RawValue>,
}

impl Handshake {
    /// A gateway of this name.
    ///
    /// # Errors
    /// When the name cannot be written as JSON, which no string can cause.
    pub(crate) fn new(app_name: &str) -> serde_json::Result<Self> {
        let info = json!({ "name": app_name, "version": env!("CARGO_PKG_VERSION") });
        Ok(Self { server_info: to_raw_value(&info)? })
    }

    /// Name and version as `serverInfo`.
    pub(crate) fn server_info(&self) -> &RawValue {
        &self.server_info
    }

    /// The result of `initialize`, legacy era.
    pub(crate) fn initialize(
        &self,
        requested: Option<&str>,
        instructions: Option<&str>,
    ) -> Vec<u8> {
        let mut result = json!({
            "protocolVersion": revision::negotiate(requested.unwrap_or(revision::LATEST_LEGACY)),
            "capabilities": capabilities(),
            "serverInfo": self.server_info,
        });
        add_instructions(&mut result, instructions);
        result.to_string().into_bytes()
    }

    /// The result of `server/discover`, modern era.
    pub(crate) fn discover(&self, instructions: Option<&str>) -> Vec<u8> {
        let mut result = json!({
            "resultType": "complete",
            "supportedVersions": revision::supported(),
            "capabilities": capabilities(),
            "ttlMs": TTL_MS,
            "cacheScope": "public",
            "_meta": { meta::SERVER_INFO: self.server_info },
        });
        add_instructions(&mut result, instructions);
        result.to_string().into_bytes()
    }
}

fn capabilities() -> Value {
    json!({ "tools": { "listChanged": false } })
}

fn add_instructions(result: &mut Value, instructions: Option<&str>) {
    if let Some(text) = instructions {
        result["instructions"] = json!(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_its_own_revision_if_it_is_known() {
        let handshake = Handshake::new("MCP Gateway").unwrap();
        let result: Value =
            serde_json::from_slice(&handshake.initialize(Some("2025-03-26"), Some("Hi."))).unwrap();
        assert_eq!(result["protocolVersion"], "2025-03-26");
        assert_eq!(result["serverInfo"]["name"], "MCP Gateway");
        assert_eq!(result["instructions"], "Hi.");
    }

    #[test]
    fn discovery_names_the_modern_revision_first() {
        let handshake = Handshake::new("x").unwrap();
        let result: Value = serde_json::from_slice(&handshake.discover(None)).unwrap();
        assert_eq!(result["supportedVersions"][0], "2026-07-28");
        assert_eq!(result["resultType"], "complete");
        assert!(result.get("instructions").is_none());
    }
}
