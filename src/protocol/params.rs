//! The members of a message's parameters that the gateway judges. Everything
//! else passes through unread.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jsonrpc::{Key, Members};
use super::mcp::meta;

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
    /// `initialize`: what the client can do, as raw JSON.
    pub capabilities: Option<&'a RawValue>,
    /// `completion/complete`: what is completed, for [`Reference::read`].
    pub reference: Option<&'a RawValue>,
    /// `logging/setLevel`: the level, as raw JSON.
    pub level: Option<&'a RawValue>,
    /// `subscriptions/listen`: what is listened for, as raw JSON.
    pub notifications: Option<&'a RawValue>,
    /// A call's second round: the client's answers, as raw JSON.
    pub input_responses: Option<&'a RawValue>,
    /// A call's second round: what the server said to send back, as raw JSON.
    pub request_state: Option<&'a RawValue>,
    /// `tasks/*`: which task.
    pub task_id: Option<Cow<'a, str>>,
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
    /// The turn of the agent that the request belongs to, where its client
    /// says so (A-25).
    pub turn_id: Option<Cow<'a, str>>,
    /// The job of the agent that the request belongs to.
    pub job_id: Option<Cow<'a, str>>,
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
                    "capabilities",
                    "ref",
                    "level",
                    "notifications",
                    "inputResponses",
                    "requestState",
                    "taskId",
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
                        Some("capabilities") => params.capabilities = Some(map.next_value()?),
                        Some("ref") => params.reference = Some(map.next_value()?),
                        Some("level") => params.level = Some(map.next_value()?),
                        Some("notifications") => params.notifications = Some(map.next_value()?),
                        Some("inputResponses") => params.input_responses = Some(map.next_value()?),
                        Some("requestState") => params.request_state = Some(map.next_value()?),
                        Some("taskId") => params.task_id = Some(text(&mut map, "taskId")?),
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
                    meta::TURN_ID,
                    meta::JOB_ID,
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
                        Some(meta::TURN_ID) => {
                            found.turn_id = text_or_null(&mut map, meta::TURN_ID)?;
                        }
                        Some(meta::JOB_ID) => {
                            found.job_id = text_or_null(&mut map, meta::JOB_ID)?;
                        }
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

/// What a completion is about: the `ref` of `completion/complete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `ref/prompt`: an argument of the prompt of that name.
    Prompt(Cow<'a, str>),
    /// `ref/resource`: a variable of the resource template of that text.
    Resource(Cow<'a, str>),
}

impl<'a> Reference<'a> {
    /// Reads a `ref`.
    ///
    /// # Errors
    /// A sentence saying what is wrong, for an `Invalid params` error.
    pub fn read(raw: &'a RawValue) -> Result<Self, String> {
        if !raw.get().starts_with('{') {
            return Err("`ref` must be an object".to_owned());
        }
        serde_json::from_str(raw.get()).map_err(|error| super::jsonrpc::brief(&error))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Reference<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReferenceVisitor;
        impl<'de> Visitor<'de> for ReferenceVisitor {
            type Value = Reference<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a prompt or a resource template")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut kind, mut name, mut uri) = (None, None, None);
                let mut seen = Members::new(&["type", "name", "uri"]);
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    match seen.admit(&key).map_err(A::Error::custom)? {
                        Some("type") => kind = Some(text(&mut map, "ref.type")?),
                        Some("name") => name = Some(text(&mut map, "ref.name")?),
                        Some("uri") => uri = Some(text(&mut map, "ref.uri")?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                match (kind.as_deref(), name, uri) {
                    (Some("ref/prompt"), Some(name), _) => Ok(Reference::Prompt(name)),
                    (Some("ref/prompt"), None, _) => {
                        Err(A::Error::custom("`params.ref.name` is missing"))
                    }
                    (Some("ref/resource"), _, Some(uri)) => Ok(Reference::Resource(uri)),
                    (Some("ref/resource"), _, None) => {
                        Err(A::Error::custom("`params.ref.uri` is missing"))
                    }
                    (Some(_) | None, _, _) => Err(A::Error::custom(
                        "`params.ref.type` must be `ref/prompt` or `ref/resource`",
                    )),
                }
            }
        }
        deserializer.deserialize_map(ReferenceVisitor)
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

    #[test]
    fn members_of_every_method_are_protected_from_twins() {
        for member in [
            "uri",
            "cursor",
            "ref",
            "level",
            "notifications",
            "inputResponses",
            "requestState",
            "capabilities",
            "taskId",
        ] {
            let value = "\"v\"";
            let one = format!(r#"{{"{member}":{value}}}"#);
            assert!(read(&one).is_ok(), "{member}");
            let twice = format!(r#"{{"{member}":{value},"{member}":{value}}}"#);
            assert!(read(&twice).unwrap_err().contains("twice"), "{member}");
            let other = format!(r#"{{"{}":{value}}}"#, member.to_uppercase());
            assert!(read(&other).unwrap_err().contains("exactly"), "{member}");
        }
        assert!(read(r#"{"taskId":7}"#).unwrap_err().contains("`taskId` must be a string"));
    }

    #[test]
    fn references_are_read_strictly() {
        let read = |json: &str| {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            match Reference::read(&raw) {
                Ok(Reference::Prompt(name)) => Ok(format!("prompt {name}")),
                Ok(Reference::Resource(uri)) => Ok(format!("resource {uri}")),
                Err(fault) => Err(fault),
            }
        };
        assert_eq!(read(r#"{"type":"ref/prompt","name":"p"}"#), Ok("prompt p".to_owned()));
        assert_eq!(
            read(r#"{"uri":"u:{x}","type":"ref/resource"}"#),
            Ok("resource u:{x}".to_owned())
        );
        for (json, told) in [
            ("[]", "`ref` must be an object"),
            ("{}", "`params.ref.type`"),
            (r#"{"type":"ref/tool","name":"t"}"#, "`params.ref.type`"),
            (r#"{"type":"ref/prompt","uri":"u:x"}"#, "`params.ref.name` is missing"),
            (r#"{"type":"ref/resource","name":"n"}"#, "`params.ref.uri` is missing"),
            (r#"{"type":"ref/prompt","name":7}"#, "`ref.name` must be a string"),
            (r#"{"type":"ref/prompt","name":"a","name":"b"}"#, "twice"),
            (r#"{"type":"ref/prompt","name":"a","Name":"b"}"#, "exactly"),
        ] {
            assert!(read(json).unwrap_err().contains(told), "{json}");
        }
    }
}
