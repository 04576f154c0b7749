//! A client of either era, and the messages it sends.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::http::{Answer, Request, Sent};
use crate::stack::{Door, Stack};

pub(crate) const LEGACY: &str = "2025-11-25";
pub(crate) const MODERN: &str = "2026-07-28";
/// What a client accepts that follows the specification.
pub(crate) const EITHER: &str = "application/json, text/event-stream";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A client with its token, and its session if it has one.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    stack: &'a Stack,
    door: Door,
    scope: String,
    pub(crate) user: String,
    token: String,
    pub(crate) session: Option<String>,
    accept: &'static str,
}

impl<'a> Client<'a> {
    /// A new tester, on a scope.
    pub(crate) fn new(stack: &'a Stack, scope: &str) -> Self {
        Self::with_role(stack, scope, "tester")
    }

    pub(crate) fn with_role(stack: &'a Stack, scope: &str, role: &str) -> Self {
        let user = format!("{role}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let token = stack.issuer.token(&user, role);
        let scope = scope.to_owned();
        Self { stack, door: Door::Both, scope, user, token, session: None, accept: EITHER }
    }

    /// A new tester in a new session.
    pub(crate) fn seated(stack: &'a Stack, scope: &str) -> Self {
        Self::able(stack, scope, json!({}))
    }

    /// The same with capabilities.
    pub(crate) fn able(stack: &'a Stack, scope: &str, capabilities: Value) -> Self {
        let mut client = Self::new(stack, scope);
        client.initialize(capabilities);
        client
    }

    /// The same client through another door.
    pub(crate) fn through(&self, door: Door) -> Self {
        Self { door, ..self.clone() }
    }

    /// The same client on another scope.
    pub(crate) fn on(&self, scope: &str) -> Self {
        Self { scope: scope.to_owned(), ..self.clone() }
    }

    /// The same client, accepting something else.
    pub(crate) fn accepting(&self, accept: &'static str) -> Self {
        Self { accept, ..self.clone() }
    }

    /// The same client with a new token.
    pub(crate) fn refreshed(&self) -> Self {
        let token = self.stack.issuer.token(&self.user, "tester");
        assert_ne!(token, self.token);
        Self { token, ..self.clone() }
    }

    /// The same client whose token has another role.
    pub(crate) fn demoted(&self) -> Self {
        Self { token: self.stack.issuer.token(&self.user, "reader"), ..self.clone() }
    }

    /// The same session in the hands of another client.
    pub(crate) fn stolen_by(&self, thief: &Self) -> Self {
        Self { session: self.session.clone(), ..thief.clone() }
    }

    /// Opens a session; gives the result.
    pub(crate) fn initialize(&mut self, capabilities: Value) -> Value {
        self.session = None;
        let answer = self.post(&initialize(capabilities));
        assert_eq!(answer.status, 200, "{}", self.stack.log());
        let session = answer.header("Mcp-Session-Id").to_owned();
        let response = answer.response();
        assert!(!session.is_empty(), "no session: {response}");
        self.session = Some(session);
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.post(&ready).status, 202);
        response["result"].clone()
    }

    /// A request with a bearer token, and the session if there is one.
    pub(crate) fn request(&self, method: &str) -> Request {
        let request = Request::new(format!("{method} /{}/mcp", self.scope))
            .header("Authorization", self.bearer())
            .header("Content-Type", "application/json")
            .header("Accept", self.accept);
        match &self.session {
            None => request,
            Some(session) => {
                request.header("Mcp-Session-Id", session).header("MCP-Protocol-Version", LEGACY)
            }
        }
    }

    /// Its `Authorization` header.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// The port of its door.
    pub(crate) fn port(&self) -> u16 {
        self.stack.port(self.door)
    }

    /// Sends a legacy message.
    pub(crate) fn send(&self, message: &Value) -> Sent {
        self.request("POST").body(message.to_string()).send(self.port())
    }

    /// Sends a legacy message; gives the head of the answer.
    pub(crate) fn post(&self, message: &Value) -> Answer {
        self.send(message).answer()
    }

    /// Sends a modern message, whatever session there is.
    pub(crate) fn send_modern(&self, message: &Value) -> Sent {
        self.modern_request(message).send(self.port())
    }

    pub(crate) fn post_modern(&self, message: &Value) -> Answer {
        self.send_modern(message).answer()
    }

    /// A modern request, with the headers that repeat what is in the message.
    pub(crate) fn modern_request(&self, message: &Value) -> Request {
        let mut request = Self { session: None, ..self.clone() }
            .request("POST")
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", message["method"].as_str().unwrap());
        let params = &message["params"];
        let named = ["name", "uri", "taskId"].iter().find_map(|member| params[member].as_str());
        if let Some(name) = named {
            request = request.header("Mcp-Name", name);
        }
        request.body(message.to_string())
    }

    /// Sends a message of an era.
    pub(crate) fn send_as(&self, era: Era, message: &Value) -> Sent {
        match era {
            Era::Legacy => self.send(message),
            Era::Modern => self.send_modern(&modern(message)),
        }
    }

    /// The stream of its session, or the rest of one that broke off.
    pub(crate) fn get(&self, last_event_id: Option<&str>) -> Answer {
        let mut request = self.request("GET").header("Accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        request.answer(self.port())
    }

    /// Ends its session.
    pub(crate) fn delete(&self) -> Answer {
        self.request("DELETE").answer(self.port())
    }

    /// The status of a harmless request.
    pub(crate) fn status(&self) -> u16 {
        self.post(&call(1, "echo", json!({ "harmless": true }))).status
    }
}

/// What a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// `initialize`.
pub(crate) fn initialize(capabilities: Value) -> Value {
    let client = json!({ "name": "streams", "version": "1" });
    let params =
        json!({ "protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": client });
    request(0, "initialize", params)
}

/// A request.
pub(crate) fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A call of a tool, with `progress` as its token of progress.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    let meta = json!({ "progressToken": "progress" });
    request(id, "tools/call", json!({ "name": tool, "arguments": arguments, "_meta": meta }))
}

/// A message of 2026-07-28 with what such a message must say of itself.
pub(crate) fn modern(message: &Value) -> Value {
    let mut message = message.clone();
    let meta = &mut message["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    message
}

/// `notifications/cancelled`.
pub(crate) fn cancelled(id: impl Into<Value>) -> Value {
    let params = json!({ "requestId": id.into(), "reason": "enough" });
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
}

/// The text of a tool's result.
pub(crate) fn text(response: &Value) -> &str {
    let text = response["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no result with a text: {response}"))
}
