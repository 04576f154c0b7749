//! Which revisions of the protocol a server speaks.

use std::borrow::Cow;

use clap::ValueEnum;
use http::request::Parts;
use http::{Method, StatusCode};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

/// The name of a request's revision in its `_meta`.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The revisions a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Era {
    /// All.
    Dual,
    /// Those up to 2025-11-25, as a server that knows of no other.
    Legacy,
    /// 2026-07-28 alone.
    Modern,
}

impl Era {
    /// The versions it names.
    pub(crate) fn versions(self) -> Cow<'static, [ProtocolVersion]> {
        match self {
            Self::Dual => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
            Self::Legacy => {
                Cow::Borrowed(ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25))
            }
            Self::Modern => Cow::Owned(vec![ProtocolVersion::V_2026_07_28]),
        }
    }

    /// What a server answers that speaks this era alone, to a message of the
    /// other. The SDK knows all revisions and would answer otherwise.
    pub(crate) fn refusal(self, head: &Parts, message: &Value) -> Option<(StatusCode, Value)> {
        let newer = |version: &str| version >= ProtocolVersion::V_2026_07_28.as_str();
        let named = head.headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
        let inside = message["params"]["_meta"][VERSION].as_str();
        let modern = named.is_some_and(newer) || inside.is_some_and(newer);
        match self {
            Self::Legacy if message["method"] == "server/discover" => {
                let error = json!({ "code": -32601, "message": "Method not found" });
                Some((StatusCode::NOT_FOUND, failure(message, &error)))
            }
            Self::Legacy if modern => {
                let text = "Bad Request: Unsupported protocol version";
                let error = json!({ "code": -32000, "message": text });
                Some((StatusCode::BAD_REQUEST, failure(message, &error)))
            }
            Self::Modern if head.method == Method::POST && inside.is_none() => {
                let data = json!({ "supported": self.versions() });
                let text = "Unsupported protocol version";
                let error = json!({ "code": -32022, "message": text, "data": data });
                Some((StatusCode::BAD_REQUEST, failure(message, &error)))
            }
            Self::Dual | Self::Legacy | Self::Modern => None,
        }
    }
}

/// An error under the message's id, if it has one.
fn failure(message: &Value, error: &Value) -> Value {
    let mut failure = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = message.get("id") {
        failure["id"] = id.clone();
    }
    failure
}
