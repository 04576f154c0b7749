//! What a scripted backend says of itself when a gateway asks.

use serde_json::{Value, json};

/// The result of a handshake of either era, for a backend that speaks both and
/// wants no session; `None` for every other message.
#[must_use]
pub fn greeting(message: &Value) -> Option<Value> {
    Some(match message["method"].as_str()? {
        "server/discover" => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} }, "ttlMs": 0, "cacheScope": "public",
        }),
        "initialize" => json!({
            "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
            "serverInfo": { "name": "scripted", "version": "1" },
        }),
        "notifications/initialized" => json!({}),
        _ => return None,
    })
}
