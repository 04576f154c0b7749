//! News of lists and resources between the eras: what a subscription of MCP
//! 2026-07-28 tells ("Subscriptions"), and what a legacy server tells on the
//! stream of a session.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::meta;
use crate::protocol::mcp::meta as names;
use crate::protocol::raw::{self, Object, Unfit, elements, text};
use crate::protocol::splice::Edits;

/// A resource has changed.
pub(crate) const RESOURCE_UPDATED: &str = "notifications/resources/updated";

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";
const RESOURCES: &str = "notifications/resources/list_changed";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Most resources that one subscription names; more are not honoured.
pub(crate) const MOST_RESOURCES: usize = 256;

/// What somebody wants to be told of: `notifications` of
/// `subscriptions/listen`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    /// URIs of resources.
    pub(crate) uris: Vec<Box<str>>,
}

/// Which lists somebody is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
}

impl Lists {
    /// Whether there are any.
    pub(crate) fn any(self) -> bool {
        self != Self::default()
    }
}

/// The notifications that lists have changed; of a subscription, with its id.
pub(crate) fn list_changed(lists: Lists, subscription: Option<&RawValue>) -> Vec<Bytes> {
    let all = [(TOOLS, lists.tools), (PROMPTS, lists.prompts), (RESOURCES, lists.resources)];
    let wanted = all.into_iter().filter(|(_, wanted)| *wanted);
    let texts = wanted.map(|(method, _)| match subscription {
        None => format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}"),
        Some(id) => {
            let name = names::SUBSCRIPTION_ID;
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\
                 \"params\":{{\"_meta\":{{\"{name}\":{id}}}}}}}"
            )
        }
    });
    texts.map(Bytes::from).collect()
}

impl Wanted {
    /// The lists among it.
    pub(crate) fn lists(&self) -> Lists {
        Lists { tools: self.tools, prompts: self.prompts, resources: self.resources }
    }

    /// Reads `notifications` of a request. What this era does not know is left
    /// out, as are resources beyond [`MOST_RESOURCES`].
    ///
    /// # Errors
    /// [`Unfit`] when it is no object, or ambiguous.
    pub(crate) fn read(notifications: &RawValue) -> Result<Self, Unfit> {
        let object = Object::read(notifications)?;
        let on = |name| Ok(object.get(name)?.is_some_and(|value| value.get() == "true"));
        let uris = object.get("resourceSubscriptions")?.map(elements).transpose()?;
        let mut known = HashSet::new();
        let uris = uris.unwrap_or_default().into_iter().filter_map(text);
        let uris = uris.filter(|uri| known.insert(uri.clone())).take(MOST_RESOURCES);
        let uris: Vec<Box<str>> = uris.map(Into::into).collect();
        Ok(Self {
            tools: on("toolsListChanged")?,
            prompts: on("promptsListChanged")?,
            resources: on("resourcesListChanged")?,
            uris,
        })
    }

    /// The same and a resource.
    #[must_use]
    pub(crate) fn with(mut self, uri: &str) -> Self {
        self.uris.push(uri.into());
        self
    }

    /// What of it a server with these capabilities tells.
    #[must_use]
    pub(crate) fn offered(self, capabilities: &RawValue) -> Self {
        let tells = |kind: &str, member: &str| {
            let inner = |raw, name: &str| Object::read(raw).ok()?.get(name).ok()?;
            let told = inner(capabilities, kind).and_then(|kind| inner(kind, member));
            told.is_some_and(|told| told.get() == "true")
        };
        Self {
            tools: self.tools && tells("tools", "listChanged"),
            prompts: self.prompts && tells("prompts", "listChanged"),
            resources: self.resources && tells("resources", "listChanged"),
            uris: if tells("resources", "subscribe") { self.uris } else { Vec::new() },
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As `notifications` of a request, or of an acknowledgement.
    #[must_use]
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let lists = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        let lists = lists.into_iter().filter(|(_, on)| *on);
        let mut all: Map<String, Value> =
            lists.map(|(name, on)| (name.to_owned(), json!(on))).collect();
        if !self.uris.is_empty() {
            all.insert("resourceSubscriptions".to_owned(), json!(self.uris));
        }
        all
    }

    /// Whether a notification belongs to it. A resource stands for those below
    /// it too (MCP 2025-11-25, "Resource Updated Notification": "may be a
    /// sub-resource of the one that the client actually subscribed to").
    #[must_use]
    pub(crate) fn covers(&self, method: &str, message: &[u8]) -> bool {
        match method {
            TOOLS => self.tools,
            PROMPTS => self.prompts,
            RESOURCES => self.resources,
            RESOURCE_UPDATED => updated(message).is_some_and(|uri| {
                self.uris.iter().any(|known| {
                    let rest = uri.strip_prefix(&**known);
                    rest.is_some_and(|rest| {
                        let at_an_end = |c: char| matches!(c, '/' | '?' | '#');
                        rest.is_empty() || known.ends_with('/') || rest.starts_with(at_an_end)
                    })
                })
            }),
            _ => false,
        }
    }

    /// Everything in it as changed: what is told after a time in which nobody
    /// listened.
    #[must_use]
    pub(crate) fn all_changed(&self) -> Vec<Bytes> {
        let lists = [(TOOLS, self.tools), (PROMPTS, self.prompts), (RESOURCES, self.resources)];
        let lists = lists.into_iter().filter(|(_, on)| *on);
        let lists = lists.map(|(method, _)| json!({ "jsonrpc": "2.0", "method": method }));
        let resources = self.uris.iter().map(
            |uri| json!({ "jsonrpc": "2.0", "method": RESOURCE_UPDATED, "params": { "uri": uri } }),
        );
        lists.chain(resources).map(|message| message.to_string().into()).collect()
    }
}

/// The resource that a notification says has changed.
#[must_use]
pub(crate) fn updated(message: &[u8]) -> Option<Cow<'_, str>> {
    let object = Object::read(raw::value(message).ok()?).ok()?;
    Object::read(object.get("params").ok()??).ok()?.text("uri").ok()
}

/// What a server's first message on a subscription says it will tell.
#[must_use]
pub(crate) fn acknowledged(message: &[u8]) -> Option<Map<String, Value>> {
    let object = Object::read(raw::value(message).ok()?).ok()?;
    if object.text("method").ok()? != ACKNOWLEDGED {
        return None;
    }
    let params = Object::read(object.get("params").ok()??).ok()?;
    serde_json::from_str(params.get("notifications").ok()??.get()).ok()
}

/// A notification of a legacy session, for the subscription with this id.
///
/// # Errors
/// [`Unfit`] when the message is ambiguous.
pub(crate) fn to_modern(message: &Bytes, subscription: &RawValue) -> Result<Bytes, Unfit> {
    let whole = raw::value(message)?;
    let id = Cow::Owned(subscription.get().as_bytes().to_vec());
    let members = vec![(names::SUBSCRIPTION_ID, id)];
    meta::set_in_params(Edits::new(message), whole, members)?.finish()
}

/// A notification of a subscription, for the stream of a legacy session.
///
/// # Errors
/// [`Unfit`] when the message is ambiguous.
pub(crate) fn to_legacy(message: &Bytes) -> Result<Bytes, Unfit> {
    let whole = raw::value(message)?;
    let edits = Edits::new(message);
    let Some(params) = meta::params(whole)? else { return edits.finish() };
    let Some(found) = meta::of(&Object::read(params)?)? else { return edits.finish() };
    let others =
        Object::read(found)?.members().iter().any(|it| it.name() != names::SUBSCRIPTION_ID);
    let edits = if others {
        edits.remove_member(found, names::SUBSCRIPTION_ID)
    } else {
        edits.remove_member(params, "_meta")
    };
    edits.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw as parsed, text as written};

    fn everything() -> Wanted {
        let uris = vec!["a://x".into(), "a://dir/".into()];
        Wanted { tools: true, prompts: true, resources: true, uris }
    }

    #[test]
    fn what_is_wanted_is_read_and_said_again() {
        let told = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a://x","a://dir/"]}"#;
        let wanted = Wanted::read(parsed(told)).unwrap();
        assert_eq!(wanted, everything());
        assert_eq!(Value::Object(wanted.to_json()), serde_json::from_str::<Value>(told).unwrap());
        let off = Wanted::read(parsed(
            r#"{"toolsListChanged":false,"taskIds":["t"],"resourceSubscriptions":[7]}"#,
        ));
        assert!(off.unwrap().is_empty());
        assert_eq!(Wanted::default().to_json(), Map::new());
        assert!(Wanted::read(parsed("[]")).is_err());
        assert!(Wanted::read(parsed(r#"{"resourceSubscriptions":"a"}"#)).is_err());
        let many = (0..=MOST_RESOURCES).map(|n| format!("a://{n}")).collect::<Vec<_>>();
        let twice = [&many[..], &many].concat();
        let many = json!({ "resourceSubscriptions": twice });
        let many = Wanted::read(parsed(&many.to_string())).unwrap();
        assert_eq!(many.uris.len(), MOST_RESOURCES);
    }

    #[test]
    fn servers_tell_what_they_offer() {
        let offered = |text: &str| everything().offered(parsed(text));
        assert!(offered("{}").is_empty());
        assert!(offered(r#"{"tools":{},"resources":{"subscribe":false}}"#).is_empty());
        assert_eq!(
            offered(r#"{"tools":{"listChanged":true},"resources":{"subscribe":true}}"#),
            Wanted { prompts: false, resources: false, ..everything() }
        );
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let update = |uri: &str| json!({ "params": { "uri": uri } }).to_string();
        let covered = |uri: &str| everything().covers(RESOURCE_UPDATED, update(uri).as_bytes());
        for uri in ["a://x", "a://x/below", "a://x?q", "a://dir/", "a://dir/file"] {
            assert!(covered(uri), "{uri}");
        }
        for uri in ["a://xy", "a://", "a://dir", "b://x", ""] {
            assert!(!covered(uri), "{uri}");
        }
        assert!(!everything().covers(RESOURCE_UPDATED, b"{}"));
        for method in [TOOLS, PROMPTS, RESOURCES] {
            assert!(everything().covers(method, b"{}"));
            assert!(!Wanted::default().covers(method, b"{}"));
        }
        for method in ["notifications/message", "notifications/progress", ACKNOWLEDGED] {
            assert!(!everything().covers(method, b"{}"), "{method}");
        }
    }

    #[test]
    fn after_a_gap_everything_has_changed() {
        let told: Vec<String> = everything()
            .all_changed()
            .into_iter()
            .map(|it| {
                let message: Value = serde_json::from_slice(&it).unwrap();
                format!("{} {}", message["method"].as_str().unwrap(), message["params"]["uri"])
            })
            .collect();
        assert_eq!(
            told,
            [
                "notifications/tools/list_changed null",
                "notifications/prompts/list_changed null",
                "notifications/resources/list_changed null",
                r#"notifications/resources/updated "a://x""#,
                r#"notifications/resources/updated "a://dir/""#,
            ]
        );
    }

    #[test]
    fn the_subscription_is_named_to_modern_clients_only() {
        const ID: &str = r#""io.modelcontextprotocol/subscriptionId""#;
        for (legacy, modern) in [
            (
                r#"{"method":"m","params":{"uri":"u","x":1e-400}}"#,
                r#"{"method":"m","params":{"_meta":{ID:1.0},"uri":"u","x":1e-400}}"#,
            ),
            (
                r#"{"method":"m","params":{"_meta":{"k":[]}}}"#,
                r#"{"method":"m","params":{"_meta":{ID:1.0,"k":[]}}}"#,
            ),
        ] {
            let modern = modern.replace("ID", ID);
            let turned = to_modern(&Bytes::from(legacy), parsed("1.0"));
            assert_eq!(written(turned), modern);
            assert_eq!(written(to_legacy(&Bytes::from(modern))), legacy);
        }
        let bare = Bytes::from_static(br#"{"method":"m"}"#);
        let told = written(to_modern(&bare, parsed(r#""s""#)));
        assert!(told.contains(&format!("{ID}:\"s\"")), "{told}");
        assert_eq!(to_legacy(&bare).unwrap(), bare);
    }

    #[test]
    fn only_an_acknowledgement_says_what_is_told() {
        let message = br#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"x":true}}}"#;
        assert_eq!(acknowledged(message).unwrap()["x"], true);
        assert!(acknowledged(br#"{"method":"notifications/progress","params":{}}"#).is_none());
        assert!(acknowledged(b"[]").is_none());
    }
}
