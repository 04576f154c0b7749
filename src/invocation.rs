//! `POST /mcp/invoke`: one call as plain REST, turned into the message that a
//! backend gets (C-15, C-16).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use crate::error::{Reason, Refusal};
use crate::protocol::call::{Call, SubjectKind};
use crate::protocol::jsonrpc::{self, Key, Members};
use crate::protocol::mcp::Method;
use crate::protocol::revision::{Era, LATEST_LEGACY};
use crate::registry::{Registry, Scope, Snapshot, Tool};

/// Longest `request_id`, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// The body of a request.
#[derive(Default)]
pub(crate) struct Invocation<'a> {
    tool_name: Option<Cow<'a, str>>,
    arguments: Option<&'a RawValue>,
    request_id: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
}

impl<'a> Invocation<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Reason::ParseError`], [`Reason::InvalidRequest`].
    pub(crate) fn read(body: &'a Bytes) -> Result<Self, Refusal> {
        jsonrpc::check_depth(body)
            .map_err(|fault| Refusal::telling(Reason::InvalidRequest, fault.to_string()))?;
        let invocation: Self = serde_json::from_slice(body).map_err(|error| {
            let reason = if error.is_data() { Reason::InvalidRequest } else { Reason::ParseError };
            Refusal::telling(reason, jsonrpc::brief(&error))
        })?;
        Ok(invocation)
    }

    /// The id of the call: the client's own `X-Request-ID`, else
    /// `request_id`, else the gateway's.
    ///
    /// # Errors
    /// [`Reason::InvalidRequest`] when `request_id` is too long.
    pub(crate) fn id(&self, header: Option<&str>, own: &str) -> Result<Box<RawValue>, Refusal> {
        let id = header.or(self.request_id.as_deref()).unwrap_or(own);
        if id.len() > MAX_REQUEST_ID {
            return Err(Refusal::telling(
                Reason::InvalidRequest,
                format!("`request_id` is longer than {MAX_REQUEST_ID} bytes"),
            ));
        }
        to_raw_value(id).map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
    }

    /// The tool's name, as far as there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.tool_name.as_deref()
    }

    /// The arguments, as they came.
    pub(crate) fn arguments(&self) -> Option<&'a RawValue> {
        self.arguments
    }

    /// The scope to call in: the one named, else the only one in which the
    /// caller may use a tool of this name.
    ///
    /// # Errors
    /// [`Reason::InvalidRequest`], [`Reason::UnknownScope`],
    /// [`Reason::UnknownTool`], [`Reason::AmbiguousTool`].
    pub(crate) fn scope(
        &self,
        registry: &Registry,
        allowed: impl Fn(&Tool) -> bool,
    ) -> Result<Arc<Scope>, Refusal> {
        let name = self
            .tool_name
            .as_deref()
            .ok_or_else(|| Refusal::telling(Reason::InvalidRequest, "`tool_name` is missing"))?;
        if let Some(scope) = &self.scope {
            return registry.scope(scope).map_err(|_| {
                Refusal::telling(Reason::UnknownScope, "`scope` names no scope of the registry")
            });
        }
        let snapshot = registry.snapshot();
        let mut usable = snapshot
            .offered_by(name)
            .filter(|scope| scope.tool(name).is_some_and(|tool| allowed(tool)));
        match (usable.next(), usable.next()) {
            (Some(only), None) => Ok(Arc::clone(only)),
            (Some(_), Some(_)) => Err(Refusal::telling(
                Reason::AmbiguousTool,
                "several scopes offer this tool: say which in `scope`",
            )),
            // Any scope that has it: the policy then refuses, on the record.
            (None, _) => match snapshot.offered_by(name).next() {
                Some(scope) => Ok(Arc::clone(scope)),
                None => undeclared(snapshot),
            },
        }
    }

    /// The call, with the message a backend gets. `brought` is the client's
    /// own `X-Request-ID`.
    ///
    /// # Errors
    /// [`Reason::InvalidRequest`] without a tool's name.
    pub(crate) fn into_call(
        self,
        id: &'a RawValue,
        brought: Option<&'a str>,
    ) -> Result<Call<'a>, Refusal> {
        #[derive(Serialize)]
        struct Wire<'w> {
            jsonrpc: &'static str,
            id: &'w RawValue,
            method: &'static str,
            params: WireParams<'w>,
        }
        #[derive(Serialize)]
        struct WireParams<'w> {
            name: &'w str,
            #[serde(skip_serializing_if = "Option::is_none")]
            arguments: Option<&'w RawValue>,
        }
        let name = self
            .tool_name
            .ok_or_else(|| Refusal::telling(Reason::InvalidRequest, "`tool_name` is missing"))?;
        let params = WireParams { name: &name, arguments: self.arguments };
        let wire = Wire { jsonrpc: "2.0", id, method: "tools/call", params };
        let message = serde_json::to_vec(&wire)
            .map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?;
        Ok(Call {
            id,
            method: Method::ToolsCall,
            kind: SubjectKind::Tool,
            name,
            arguments: self.arguments,
            message: message.into(),
            answers: None,
            request_id: brought.map(Cow::Borrowed).or(self.request_id),
            turn_id: None,
            job_id: None,
            era: Era::Legacy,
            revision: LATEST_LEGACY,
            mirrored: Vec::new(),
        })
    }
}

/// The scope for a tool that none declares. An open scope could offer it, and
/// must not be called by guess.
fn undeclared(snapshot: &Snapshot) -> Result<Arc<Scope>, Refusal> {
    let mut scopes = snapshot.scopes();
    match (scopes.next(), scopes.next()) {
        (None, _) => Err(Refusal::new(Reason::UnknownTool, "the registry is empty")),
        (Some(only), None) => Ok(Arc::clone(only)),
        (Some(first), Some(_)) if !snapshot.scopes().any(|scope| scope.is_open()) => {
            Ok(Arc::clone(first))
        }
        (Some(_), Some(_)) => Err(Refusal::telling(
            Reason::AmbiguousTool,
            "several scopes could offer this tool: say which in `scope`",
        )),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Invocation<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InvocationVisitor;
        impl<'de> Visitor<'de> for InvocationVisitor {
            type Value = Invocation<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `tool_name` and `arguments`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Invocation::default();
                let mut seen = Members::new(&["tool_name", "arguments", "request_id", "scope"]);
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    match seen.admit(&key).map_err(A::Error::custom)? {
                        Some("tool_name") => {
                            found.tool_name = Some(map.next_value::<Key<'de>>()?.0);
                        }
                        Some("request_id") => {
                            found.request_id =
                                map.next_value::<Option<Key<'de>>>()?.map(|key| key.0);
                        }
                        Some("scope") => {
                            found.scope = map.next_value::<Option<Key<'de>>>()?.map(|key| key.0);
                        }
                        Some("arguments") => {
                            let raw: &'de RawValue = map.next_value()?;
                            found.arguments = (raw.get() != "null").then_some(raw);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(InvocationVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::Bounds;

    fn reason(body: &str) -> Reason {
        match Invocation::read(&Bytes::copy_from_slice(body.as_bytes())) {
            Ok(_) => panic!("accepted"),
            Err(refusal) => refusal.reason,
        }
    }

    #[test]
    fn the_message_keeps_the_arguments_as_they_were_written() {
        let body =
            Bytes::from_static(br#"{"tool_name":"add","arguments":{"n": 1e-400},"other":1}"#);
        let invocation = Invocation::read(&body).unwrap();
        let id = invocation.id(None, "r-1").unwrap();
        let call = invocation.into_call(&id, None).unwrap();
        assert_eq!(
            call.message,
            br#"{"jsonrpc":"2.0","id":"r-1","method":"tools/call","params":{"name":"add","arguments":{"n": 1e-400}}}"#
                .as_slice()
        );
    }

    #[test]
    fn the_header_wins_over_the_body_for_the_id() {
        let body = Bytes::from_static(br#"{"tool_name":"t","request_id":"b"}"#);
        let invocation = Invocation::read(&body).unwrap();
        assert_eq!(invocation.id(Some("h"), "own").unwrap().get(), "\"h\"");
        assert_eq!(invocation.id(None, "own").unwrap().get(), "\"b\"");
        assert!(invocation.id(Some(&"x".repeat(200)), "own").is_err());
    }

    #[test]
    fn bad_bodies_are_told_apart() {
        assert_eq!(reason("{"), Reason::ParseError);
        assert_eq!(reason("[]"), Reason::InvalidRequest);
        assert_eq!(reason(r#"{"tool_name":1}"#), Reason::InvalidRequest);
        assert_eq!(reason(r#"{"tool_name":"a","tool_name":"b"}"#), Reason::InvalidRequest);
        assert_eq!(reason(r#"{"tool_name":"a","Tool_Name":"b"}"#), Reason::InvalidRequest);
        assert_eq!(
            reason(&format!(r#"{{"arguments":{}"#, "[".repeat(100))),
            Reason::InvalidRequest
        );
    }

    #[test]
    fn an_open_scope_is_never_called_by_guess() {
        const OPEN: &str = "  open: { backends: [b] }\n";
        let scope = |scopes: &str, tools: &str, body: &'static str| {
            let text = format!(
                "backends: {{ b: {{ url: 'http://h/' }} }}\nscopes:\n{scopes}tools: {tools}"
            );
            let bounds = Bounds { default_timeout: Duration::MAX, max_timeout: Duration::MAX };
            let registry = Registry::read(&text, bounds).unwrap();
            let body = Bytes::from_static(body.as_bytes());
            let found = Invocation::read(&body).unwrap().scope(&registry, |_| true);
            found.map(|scope| scope.name.to_string()).map_err(|refusal| refusal.reason)
        };
        let declared = "[{ name: t, scope: plain, backend: b }]";
        let both = format!("{OPEN}  plain: {{}}\n");
        let named = r#"{"tool_name":"x","scope":"open"}"#;
        assert_eq!(scope(&both, declared, r#"{"tool_name":"t"}"#), Ok("plain".to_owned()));
        assert_eq!(scope(&both, declared, r#"{"tool_name":"x"}"#), Err(Reason::AmbiguousTool));
        assert_eq!(scope(&both, declared, named), Ok("open".to_owned()));
        assert_eq!(
            scope(OPEN, "[]", r#"{"tool_name":"x"}"#),
            Ok("open".to_owned()),
            "the only one"
        );
        let closed = "  a: {}\n  plain: {}\n";
        assert_eq!(scope(closed, declared, r#"{"tool_name":"x"}"#), Ok("a".to_owned()));
        assert_eq!(scope("  {}\n", "[]", r#"{"tool_name":"x"}"#), Err(Reason::UnknownTool));
    }
}
