//! What the gateway says of itself: `initialize` and `server/discover`.
//!
//! Both are answered from here, never by a quota or a rule: an answer that came
//! and went would make clients change eras.

use bytes::Bytes;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::protocol::mcp::TASKS_EXTENSION;
use crate::protocol::raw::value;
use crate::protocol::revision;
use crate::translate::capabilities::{ALL, Carried, mask, union};
use crate::translate::{discover_result, initialize_result};

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
    pub(crate) fn initialize(&self, revision: &str, offer: &Offer<'_>) -> Vec<u8> {
        let (capabilities, instructions) = (offer.capabilities(CARRIED), offer.instructions());
        let info = &self.server_info;
        initialize_result(revision, &capabilities, info, instructions.as_deref()).to_vec()
    }

    /// The result of `server/discover`, modern era.
    pub(crate) fn discover(&self, offer: &Offer<'_>) -> Vec<u8> {
        let (capabilities, instructions) = (offer.capabilities(MODERN), offer.instructions());
        let (versions, info) = (revision::supported(), &self.server_info);
        discover_result(&versions, &capabilities, info, instructions.as_deref(), TTL_MS, true)
            .to_vec()
    }
}

/// What a scope offers to a client, put together from what its backends say of
/// themselves.
#[derive(Debug, Default)]
pub(crate) struct Offer<'a> {
    /// The scope has tools of its own.
    pub(crate) tools: bool,
    /// The scope's own words; they take the place of the backends'.
    pub(crate) instructions: Option<&'a str>,
    /// The backends that take part.
    pub(crate) backends: Vec<Backer<'a>>,
}

/// One backend of an offer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backer<'a> {
    /// `capabilities`, an object.
    pub(crate) capabilities: Option<&'a RawValue>,
    /// `instructions`.
    pub(crate) instructions: Option<&'a str>,
    /// How the client gets there.
    pub(crate) way: Way,
}

/// How messages get from a client to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They speak the same era, so that nothing has to be translated.
    Straight,
    /// They do not.
    Translated,
    /// They do not, and the backend has no stream on which it could tell what
    /// changes.
    WithoutNews,
}

impl Offer<'_> {
    /// The capabilities of all together, as far as the gateway carries them;
    /// `straight` are those of backends that speak the client's era.
    fn capabilities(&self, straight: Carried<'_>) -> String {
        let own = self.tools.then_some(OWN);
        let told = self.backends.iter().filter_map(|backend| {
            let carried = match backend.way {
                Way::Straight => straight,
                Way::Translated => TRANSLATED,
                Way::WithoutNews => WITHOUT_NEWS,
            };
            mask(backend.capabilities?, carried).ok()
        });
        let all: Vec<Bytes> = own.map(Bytes::from_static).into_iter().chain(told).collect();
        let all: Vec<&RawValue> = all.iter().filter_map(|one| value(one).ok()).collect();
        union(&all).unwrap_or_else(|_| "{}".to_owned())
    }

    fn instructions(&self) -> Option<String> {
        if let Some(own) = self.instructions {
            return Some(own.to_owned());
        }
        let told: Vec<&str> = self.backends.iter().filter_map(|it| it.instructions).collect();
        (!told.is_empty()).then(|| told.join("\n\n"))
    }
}

/// What the gateway itself can do with declared tools: a reload that changes them,
/// or who may use them, is told on every open stream.
const OWN: &[u8] = br#"{"tools":{"listChanged":true}}"#;

/// Capabilities that reach legacy clients of legacy backends.
const CARRIED: Carried<'_> = &[
    ("tools", &["listChanged"]),
    ("prompts", &["listChanged"]),
    ("resources", &["listChanged", "subscribe"]),
    ("logging", ALL),
    ("completions", ALL),
];

/// Capabilities that reach modern clients of modern backends. The tasks of the
/// two eras do not translate.
const MODERN: Carried<'_> = &[
    ("tools", &["listChanged"]),
    ("prompts", &["listChanged"]),
    ("resources", &["listChanged", "subscribe"]),
    ("logging", ALL),
    ("completions", ALL),
    ("extensions", &[TASKS_EXTENSION]),
];

/// Capabilities that reach clients of the other era.
const TRANSLATED: Carried<'_> = CARRIED;

/// The same where nothing tells what changes.
const WITHOUT_NEWS: Carried<'_> =
    &[("tools", &[]), ("prompts", &[]), ("resources", &[]), ("logging", ALL), ("completions", ALL)];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const DECLARED: Offer<'static> =
        Offer { tools: true, instructions: Some("Hi."), backends: Vec::new() };

    #[test]
    fn the_revision_is_the_one_that_was_settled_on() {
        let handshake = Handshake::new("MCP Gateway").unwrap();
        let result: Value =
            serde_json::from_slice(&handshake.initialize("2025-03-26", &DECLARED)).unwrap();
        assert_eq!(result["protocolVersion"], "2025-03-26");
        assert_eq!(result["serverInfo"]["name"], "MCP Gateway");
        assert_eq!(result["instructions"], "Hi.");
        assert_eq!(result["capabilities"], json!({ "tools": { "listChanged": true } }));
    }

    #[test]
    fn discovery_names_the_modern_revision_first() {
        let handshake = Handshake::new("x").unwrap();
        let offer = Offer { instructions: None, ..DECLARED };
        let result: Value = serde_json::from_slice(&handshake.discover(&offer)).unwrap();
        assert_eq!(result["supportedVersions"][0], "2026-07-28");
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["capabilities"], json!({ "tools": { "listChanged": true } }));
        assert!(result.get("instructions").is_none());
    }

    #[test]
    fn an_offer_is_what_all_backends_can_do_and_the_gateway_carries() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let one =
            raw(r#"{"tools":{"listChanged":true},"tasks":{},"resources":{"subscribe":true}}"#);
        let other = raw(r#"{"prompts":{"listChanged":true},"resources":{}}"#);
        let backer = |capabilities, instructions, way| Backer { capabilities, instructions, way };
        let offer = Offer {
            tools: false,
            instructions: None,
            backends: vec![
                backer(Some(&*one), Some("One."), Way::Straight),
                backer(Some(&*other), Some("Other."), Way::WithoutNews),
                backer(None, None, Way::Straight),
            ],
        };
        assert_eq!(
            serde_json::from_str::<Value>(&offer.capabilities(CARRIED)).unwrap(),
            json!({
                "tools": { "listChanged": true },
                "prompts": {},
                "resources": { "subscribe": true },
            })
        );
        assert_eq!(offer.instructions().as_deref(), Some("One.\n\nOther."));
    }

    #[test]
    fn tasks_are_offered_by_modern_backends_to_modern_clients() {
        let told = r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}},"tasks":{}}"#;
        let told = RawValue::from_string(told.to_owned()).unwrap();
        let of = |way| {
            let backer = Backer { capabilities: Some(&told), instructions: None, way };
            let offer = Offer { tools: false, instructions: None, backends: vec![backer] };
            let handshake = Handshake::new("x").unwrap();
            [handshake.discover(&offer), handshake.initialize("2025-11-25", &offer)]
                .map(|told| serde_json::from_slice::<Value>(&told).unwrap()["capabilities"].take())
        };
        let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        assert_eq!(of(Way::Straight), [tasks, json!({})]);
        assert_eq!(of(Way::Translated), [json!({}), json!({})]);
    }
}
