//! The MCP methods and the members of their parameters that the gateway
//! judges. Everything else in a message passes through unread.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jsonrpc::{Key, Members};

/// `_meta` members the specification reserves (revision 2026-07-28).
pub mod meta {
    /// The revision the request speaks; its presence makes a request modern.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What the client can do; required on modern requests.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Name and version of the client.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Name and version of the server, on results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The least severe log message the client wants, on requests.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// The id of the `subscriptions/listen` request a notification answers.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// What the names of all members of the protocol's own begin with.
    pub const PREFIX: &str = "io.modelcontextprotocol/";
}

/// A method of the protocol that the gateway knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize`, legacy era only.
    Initialize,
    /// `ping`, legacy era only.
    Ping,
    /// `server/discover`, modern era only.
    Discover,
    /// `tools/list`.
    ToolsList,
    /// `tools/call`.
    ToolsCall,
    /// Any `notifications/…`.
    Notification,
    /// Everything else.
    Other,
}

impl Method {
    /// Recognises a method name; names are case-sensitive.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "initialize" => Self::Initialize,
            "ping" => Self::Ping,
            "server/discover" => Self::Discover,
            "tools/list" => Self::ToolsList,
            "tools/call" => Self::ToolsCall,
            _ if name.starts_with("notifications/") => Self::Notification,
            _ => Self::Other,
        }
    }
}

impl Method {
    /// The method's name, where it is one alone.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Initialize => Some("initialize"),
            Self::Ping => Some("ping"),
            Self::Discover => Some("server/discover"),
            Self::ToolsList => Some("tools/list"),
            Self::ToolsCall => Some("tools/call"),
            Self::Notification | Self::Other => None,
        }
    }
}

/// The members of any `params` that are judged.
#[derive(Debug, Default)]
pub struct Params<'a> {
    /// `tools/call`, `prompts/get`: what is called.
    pub name: Option<Cow<'a, str>>,
    /// `resources/*`: what is read.
    pub uri: Option<Cow<'a, str>>,
    /// `tools/call`: the arguments as raw JSON.
    pub arguments: Option<&'a RawValue>,
    /// `*/list`: where to go on.
    pub cursor: Option<Cow<'a, str>>,
    /// `initialize`: the revision the client would like.
    pub protocol_version: Option<Cow<'a, str>>,
    /// `initialize`: who the client is.
    pub client_info: Option<&'a RawValue>,
    /// The request's metadata.
    pub meta: Option<Meta<'a>>,
}

/// The members of `_meta` that are judged.
#[derive(Debug, Default)]
pub struct Meta<'a> {
    /// The revision the request speaks.
    pub protocol_version: Option<Cow<'a, str>>,
    /// The client's capabilities, an object.
    pub client_capabilities: Option<&'a RawValue>,
    /// Who the client is.
    pub client_info: Option<&'a RawValue>,
    /// W3C trace context.
    pub traceparent: Option<Cow<'a, str>>,
}

/// Name and version of a client, as it calls itself.
#[derive(Debug, Default, serde::Deserialize)]
pub struct ClientInfo<'a> {
    /// Programmatic name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Version, in any scheme.
    #[serde(borrow, default)]
    pub version: Cow<'a, str>,
}

impl<'a> Params<'a> {
    /// Reads `params`; absent parameters are empty ones.
    ///
    /// # Errors
    /// A sentence saying what is wrong, for an `Invalid params` error.
    pub fn read(raw: Option<&'a RawValue>) -> Result<Self, String> {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
            return Ok(Self::default());
        };
        if !raw.get().starts_with('{') {
            return Err("`params` must be an object".to_owned());
        }
        serde_json::from_str(raw.get()).map_err(|error| super::jsonrpc::brief(&error))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParamsVisitor;
        impl<'de> Visitor<'de> for ParamsVisitor {
            type Value = Params<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut params = Params::default();
                let mut seen = Members::new(&[
                    "name",
                    "uri",
                    "arguments",
                    "cursor",
                    "protocolVersion",
                    "clientInfo",
                    "_meta",
                ]);
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    match seen.admit(&key).map_err(A::Error::custom)? {
                        Some("name") => params.name = Some(text(&mut map, "name")?),
                        Some("uri") => params.uri = Some(text(&mut map, "uri")?),
                        Some("arguments") => params.arguments = Some(map.next_value()?),
                        Some("cursor") => params.cursor = text_or_null(&mut map, "cursor")?,
                        Some("protocolVersion") => {
                            params.protocol_version = Some(text(&mut map, "protocolVersion")?);
                        }
                        Some("clientInfo") => params.client_info = Some(map.next_value()?),
                        Some("_meta") => {
                            let raw: &'de RawValue = map.next_value()?;
                            if raw.get() != "null" {
                                params.meta = Some(Meta::read(raw).map_err(A::Error::custom)?);
                            }
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(params)
            }
        }
        deserializer.deserialize_map(ParamsVisitor)
    }
}

impl<'a> Meta<'a> {
    fn read(raw: &'a RawValue) -> Result<Self, String> {
        if !raw.get().starts_with('{') {
            return Err("`_meta` must be an object".to_owned());
        }
        serde_json::from_str(raw.get()).map_err(|error| super::jsonrpc::brief(&error))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Meta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetaVisitor;
        impl<'de> Visitor<'de> for MetaVisitor {
            type Value = Meta<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of metadata")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Meta::default();
                let mut seen = Members::new(&[
                    meta::PROTOCOL_VERSION,
                    meta::CLIENT_CAPABILITIES,
                    meta::CLIENT_INFO,
                    "traceparent",
                ]);
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    match seen.admit(&key).map_err(A::Error::custom)? {
                        Some(meta::PROTOCOL_VERSION) => {
                            found.protocol_version = Some(text(&mut map, meta::PROTOCOL_VERSION)?);
                        }
                        Some(meta::CLIENT_CAPABILITIES) => {
                            found.client_capabilities = Some(map.next_value()?);
                        }
                        Some(meta::CLIENT_INFO) => found.client_info = Some(map.next_value()?),
                        Some("traceparent") => {
                            found.traceparent = Some(text(&mut map, "traceparent")?);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(MetaVisitor)
    }
}

/// The next value, which must be a string, or null for none.
fn text_or_null<'de, A: MapAccess<'de>>(
    map: &mut A,
    member: &str,
) -> Result<Option<Cow<'de, str>>, A::Error> {
    let raw: &'de RawValue = map.next_value()?;
    if raw.get() == "null" {
        return Ok(None);
    }
    serde_json::from_str::<Key<'de>>(raw.get())
        .map(|Key(text)| Some(text))
        .map_err(|_| A::Error::custom(format_args!("`{member}` must be a string or null")))
}

/// The next value, which must be a string.
fn text<'de, A: MapAccess<'de>>(map: &mut A, member: &str) -> Result<Cow<'de, str>, A::Error> {
    let raw: &'de RawValue = map.next_value()?;
    serde_json::from_str::<Key<'de>>(raw.get())
        .map(|Key(text)| text)
        .map_err(|_| A::Error::custom(format_args!("`{member}` must be a string")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(Option<String>, Option<String>), String> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        let params = Params::read(Some(&raw))?;
        Ok((
            params.name.map(Cow::into_owned),
            params.meta.and_then(|meta| meta.protocol_version).map(Cow::into_owned),
        ))
    }

    #[test]
    fn judged_members_are_read_and_the_rest_is_left() {
        let found = read(
            r#"{"name":"add","arguments":{"a":1},"x":[{}],"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","other/x":1}}"#,
        );
        assert_eq!(found, Ok((Some("add".into()), Some("2026-07-28".into()))));
    }

    #[test]
    fn wrong_types_twins_and_case_variants_are_named() {
        assert!(read("[]").unwrap_err().contains("object"));
        assert!(read(r#"{"name":1}"#).unwrap_err().contains("`name` must be a string"));
        assert!(read(r#"{"name":"a","name":"b"}"#).unwrap_err().contains("twice"));
        assert!(read(r#"{"name":"a","Name":"b"}"#).unwrap_err().contains("exactly"));
        assert!(read(r#"{"_meta":[]}"#).unwrap_err().contains("`_meta`"));
        assert!(
            read(r#"{"_meta":{"io.modelcontextprotocol/protocolversion":"x"}}"#)
                .unwrap_err()
                .contains("exactly")
        );
    }
}
