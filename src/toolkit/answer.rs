//! Answers on the wire.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::service::Service;
use super::tool::{ToolError, ToolOutput};
use crate::protocol::codes;
use crate::protocol::mcp::meta;
use crate::protocol::revision::Era;

/// What `POST /mcp` answers, before it becomes a response of the framework.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// JSON; nothing for an accepted notification.
    pub(super) body: Option<Vec<u8>>,
}

/// A JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

impl From<ToolError> for RpcError {
    fn from(error: ToolError) -> Self {
        let message = error.to_string();
        match error {
            ToolError::InvalidArguments(details) => Self {
                code: codes::INVALID_PARAMS,
                message,
                data: Some(json!({ "details": details })),
            },
            ToolError::Refused(_) => Self::new(codes::INVALID_PARAMS, message),
            ToolError::Failed { code, .. } => Self::new(code, message),
            ToolError::UnknownTool(_) => Self::new(codes::tool::NOT_FOUND, message),
            ToolError::Timeout => Self::new(codes::tool::TIMEOUT, message),
            ToolError::Internal(_) => Self::new(codes::INTERNAL_ERROR, message),
        }
    }
}

impl Answer {
    /// Accepted, nothing to say.
    pub(super) fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, body: None }
    }

    /// A result.
    pub(super) fn result(id: &RawValue, result: &impl Serialize) -> Self {
        #[derive(Serialize)]
        struct Reply<'a, T> {
            jsonrpc: &'static str,
            id: &'a RawValue,
            result: &'a T,
        }
        Self::json(StatusCode::OK, &Reply { jsonrpc: "2.0", id, result })
    }

    /// An error; without an id when none could be read.
    pub(super) fn error(status: StatusCode, id: Option<&RawValue>, error: &RpcError) -> Self {
        #[derive(Serialize)]
        struct Reply<'a> {
            jsonrpc: &'static str,
            id: Option<&'a RawValue>,
            error: &'a RpcError,
        }
        Self::json(status, &Reply { jsonrpc: "2.0", id, error })
    }

    fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, body: Some(body) },
            Err(_) => Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: None },
        }
    }

    pub(super) fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        match self.body {
            Some(body) => response.content_type(ContentType::json()).body(body),
            None => response.finish(),
        }
    }
}

/// The result of a call (MCP `CallToolResult`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    content: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a RawValue>,
    is_error: bool,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

impl<'a> CallResult<'a> {
    pub(super) fn new(service: &Service, era: Era, output: &'a ToolOutput) -> Self {
        let modern = era == Era::Modern;
        Self {
            result_type: modern.then_some("complete"),
            content: &output.content,
            structured_content: output.structured.as_deref(),
            is_error: output.is_error,
            meta: modern.then(|| json!({ meta::SERVER_INFO: service.pages.server_info })),
        }
    }
}

/// `{"error": …}`, the form of everything that is not JSON-RPC.
pub(super) fn plain_error(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": message }))
}
