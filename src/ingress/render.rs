//! Bodies of replies: JSON-RPC on MCP endpoints, `{error, message}` (C-13) on
//! REST.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::respond::Surroundings;
use super::table::{Row, Shape, row};
use crate::audit::Surface;
use crate::error::{Reason, Refusal};
use crate::pipeline::{Answer, Known};
use crate::protocol::mcp::{TASKS_EXTENSION, meta};
use crate::protocol::revision::{self, Era};
use crate::upstream::Whole;

/// Longest text of a client's own that is told back to it, in bytes.
const LONGEST_ECHO: usize = 128;

/// `_meta` member that carries a refusal where `structuredContent` would be
/// held against the tool's output schema.
const ERROR_META: &str = "scopegate/error";

/// A reply before it has headers.
pub(super) struct Rendered {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) is_error: bool,
    /// The session that begins with it.
    pub(super) session: Option<String>,
}

impl Rendered {
    fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: 200, body: body.into(), is_error: false, session: None }
    }
}

/// The body of an answer.
pub(super) fn answer(answer: &Answer, known: &Known, around: Surroundings<'_>) -> Rendered {
    match answer {
        Answer::Accepted => Rendered { status: 202, ..Rendered::ok(Bytes::new()) },
        Answer::Ended => Rendered { status: 204, ..Rendered::ok(Bytes::new()) },
        // They have no body of one piece; see `stream.rs`.
        Answer::Streamed(_) | Answer::Overheard(_) | Answer::Listening(_) => {
            Rendered::ok(Bytes::new())
        }
        Answer::Opened(result, session) => Rendered {
            session: Some(session.clone()),
            ..Rendered::ok(success(known.message.id.as_deref(), result))
        },
        Answer::Result(result) => Rendered::ok(success(known.message.id.as_deref(), result)),
        Answer::Page(body) => Rendered::ok(body.clone()),
        Answer::Forwarded(reply) => forwarded(reply, known, around),
        Answer::Tools(tools, admin) => {
            let entries: Vec<Value> = tools
                .iter()
                .map(|tool| {
                    let mut entry = json!({
                        "name": tool.name,
                        "scope": tool.scope,
                        "description": tool.description,
                        "risk_level": tool.risk_level,
                        "input_schema": tool.input_schema,
                    });
                    // Addresses inside the company are for those who run it.
                    if *admin {
                        entry["backend_url"] = json!(tool.backend.url.to_string());
                    }
                    entry
                })
                .collect();
            let count = entries.len();
            Rendered::ok(json!({ "tools": entries, "count": count }).to_string())
        }
    }
}

/// A backend's answer: as it is on MCP endpoints, unwrapped on REST.
fn forwarded(reply: &Whole, known: &Known, around: Surroundings<'_>) -> Rendered {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow, default)]
        result: Option<&'a RawValue>,
        #[serde(borrow, default)]
        error: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Invoked<'a> {
        jsonrpc: &'static str,
        result: Option<&'a RawValue>,
        error: Option<&'a RawValue>,
        id: Option<&'a RawValue>,
        tool_id: Option<&'a str>,
    }
    if around.surface != Surface::Rest {
        return Rendered {
            status: reply.status,
            is_error: reply.is_error,
            ..Rendered::ok(reply.message.clone())
        };
    }
    let Ok(response) = serde_json::from_slice::<Response<'_>>(&reply.message) else {
        return Rendered { status: 502, is_error: true, ..Rendered::ok(Bytes::new()) };
    };
    let invoked = Invoked {
        jsonrpc: "2.0",
        result: response.result,
        error: response.error,
        id: known.message.id.as_deref(),
        tool_id: known.tool.as_ref().map(|tool| &*tool.key),
    };
    let body = serde_json::to_vec(&invoked).unwrap_or_default();
    Rendered { is_error: reply.is_error, ..Rendered::ok(body) }
}

/// The body of a refusal.
pub(super) fn refusal(refusal: &Refusal, known: &Known, around: Surroundings<'_>) -> Rendered {
    let Row { status, legacy, modern, .. } = row(refusal.reason);
    let text = sentence(refusal, known, around);
    if around.surface != Surface::Mcp {
        let body = json!({ "error": refusal.reason.public_code(), "message": text });
        return Rendered { status, is_error: true, ..Rendered::ok(body.to_string()) };
    }
    let era = known.message.era;
    let shape = match era {
        Era::Legacy => legacy,
        Era::Modern => modern,
    };
    let id = known.message.id.as_deref();
    match shape {
        Shape::Error { status, code } => {
            let body = failure(id, code, &text, &data(refusal));
            Rendered { status, is_error: true, ..Rendered::ok(body) }
        }
        Shape::ToolError => {
            let result = tool_error(refusal, &text, known, around);
            let body = success(id, result.to_string().as_bytes());
            Rendered { is_error: true, ..Rendered::ok(body) }
        }
    }
}

/// What a person is told.
fn sentence(refusal: &Refusal, known: &Known, around: Surroundings<'_>) -> Cow<'static, str> {
    let asked = || echo(known.asked.as_deref().unwrap_or_default());
    match (refusal.reason, known.message.era) {
        (Reason::UnknownScope, _) if around.surface == Surface::Mcp => {
            format!("Invalid endpoint scope '{}'.", echo(around.scope)).into()
        }
        (reason, era) if reason.face() == Reason::UnknownTool && known.asked.is_some() => {
            match (around.surface, era) {
                (Surface::Mcp, Era::Legacy) => format!(
                    "Tool '{}' is not available on endpoint '{}'.",
                    asked(),
                    echo(around.endpoint)
                ),
                _ => format!("Unknown tool: {}", asked()),
            }
            .into()
        }
        (reason, _) if reason.face() == Reason::UnknownPrompt && known.asked.is_some() => {
            format!("Unknown prompt: {}", asked()).into()
        }
        (reason, _) if reason.face() == Reason::UnknownResource && known.asked.is_some() => {
            format!("Resource not found: {}", asked()).into()
        }
        (Reason::RemovedTool, _) => format!(
            "Meta-tool '{}' was removed in v2. Use tools/list and tools/call of a scope.",
            asked()
        )
        .into(),
        (Reason::UnsupportedVersion, _) => row(refusal.reason).sentence.into(),
        (reason, _) => match &refusal.public {
            Some(text) => text.clone(),
            None => row(reason).sentence.into(),
        },
    }
}

/// The `data` of an error.
fn data(refusal: &Refusal) -> Value {
    if refusal.reason == Reason::UnknownTask {
        // Like the backend's own answer, which has none.
        return Value::Null;
    }
    let mut data = json!({ "code": refusal.reason.public_code() });
    if refusal.reason == Reason::TasksNotDeclared {
        data["requiredCapabilities"] = json!({ "extensions": { TASKS_EXTENSION: {} } });
    }
    if refusal.reason == Reason::UnsupportedVersion {
        data["supported"] = json!(revision::supported());
        data["requested"] = json!(refusal.public);
    }
    if let Some(delay) = refusal.retry_after {
        data["retryAfterMs"] = json!(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
    }
    data
}

/// A tool result that says what went wrong, for the model to read.
fn tool_error(refusal: &Refusal, text: &str, known: &Known, around: Surroundings<'_>) -> Value {
    let mut error = data(refusal);
    error["message"] = json!(text);
    let mut result = json!({
        "content": [{ "type": "text", "text": text }],
        "isError": true,
    });
    if known.tool.as_ref().is_some_and(|tool| tool.has_output_schema) {
        result["_meta"] = json!({ ERROR_META: error });
    } else {
        result["structuredContent"] = json!({ "error": error });
    }
    if known.message.era == Era::Modern {
        result["resultType"] = json!("complete");
        result["_meta"][meta::SERVER_INFO] = json!(around.site.gateway.handshake.server_info());
    }
    result
}

/// A response with a result that is JSON already.
fn success(id: Option<&RawValue>, result: &[u8]) -> Vec<u8> {
    let id = id.map_or("null", RawValue::get);
    let mut body = Vec::with_capacity(result.len() + id.len() + 40);
    body.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(b",\"result\":");
    body.extend_from_slice(result);
    body.push(b'}');
    body
}

/// A response with an error; without an id where none could be read.
fn failure(id: Option<&RawValue>, code: i32, message: &str, data: &Value) -> String {
    #[derive(Serialize)]
    struct Failure<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RawValue>,
        error: Value,
    }
    let mut error = json!({ "code": code, "message": message });
    if !data.is_null() {
        error["data"] = data.clone();
    }
    serde_json::to_string(&Failure { jsonrpc: "2.0", id, error }).unwrap_or_default()
}

/// A client's own text, cut to a bearable length.
fn echo(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_ECHO)]
}
