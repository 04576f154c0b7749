//! Running one call: in its time, in its bounds, and alone in its failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::web;

use super::arguments;
use super::service::Service;
use super::tool::{CallContext, Deadline, ToolError, ToolOutput};
use crate::protocol::headers;

/// Longest user id, in bytes.
const LONGEST_USER_ID: usize = 256;
/// Longest request id, in bytes.
const LONGEST_REQUEST_ID: usize = 128;
/// Longest tool name echoed in an error, in characters.
const LONGEST_NAME: usize = 128;

/// For whom, and on which way, a call came.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    user_id: Option<String>,
    request_id: Option<String>,
}

impl Caller {
    /// For whom the gateway asks.
    pub(super) fn into_user_id(self) -> Option<String> {
        self.user_id
    }

    /// Reads `X-User-ID` and `X-Request-ID`. A request id that is too long or
    /// not printable is dropped: it only serves the log.
    ///
    /// # Errors
    /// [`ToolError::Refused`] when the user id appears twice, is empty, too
    /// long, not UTF-8, or has control characters in it.
    pub fn read(headers: &HeaderMap) -> Result<Self, ToolError> {
        let mut users = headers.get_all(headers::USER_ID);
        let user_id = match (users.next(), users.next()) {
            (None, _) => None,
            (Some(value), None) => Some(
                printable(value.as_bytes(), LONGEST_USER_ID)
                    .ok_or(ToolError::refused("Invalid user id"))?,
            ),
            (Some(_), Some(_)) => return Err(ToolError::refused("Invalid user id")),
        };
        let request_id = headers
            .get(headers::REQUEST_ID)
            .and_then(|value| printable(value.as_bytes(), LONGEST_REQUEST_ID));
        Ok(Self { user_id, request_id })
    }
}

fn printable(bytes: &[u8], longest: usize) -> Option<String> {
    if bytes.is_empty() || bytes.len() > longest {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

impl Service {
    /// Calls a tool with the JSON text of its arguments; none are an empty
    /// object. One line of the log tells how it went.
    ///
    /// # Errors
    /// [`ToolError`].
    pub async fn call(
        self: &Arc<Self>,
        tool: &str,
        arguments: Option<&str>,
        caller: Caller,
    ) -> Result<ToolOutput, ToolError> {
        let begun = self.clock.monotonic();
        let request_id = caller.request_id.clone();
        let Some((&name, _)) = self.tools.get_key_value(tool) else {
            tracing::info!(request_id, outcome = "unknown_tool", "call refused");
            return Err(ToolError::UnknownTool(tool.chars().take(LONGEST_NAME).collect()));
        };
        let outcome = self.run(name, arguments.unwrap_or("{}").to_owned(), caller).await;
        let elapsed = self.clock.monotonic().saturating_sub(begun);
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        match &outcome {
            Err(ToolError::Internal(problem)) => {
                tracing::error!(request_id, tool = name, elapsed_us, problem, "call failed");
            }
            other => {
                let outcome = label(other);
                tracing::info!(request_id, tool = name, outcome, elapsed_us, "call finished");
            }
        }
        outcome
    }

    async fn run(
        self: &Arc<Self>,
        name: &'static str,
        arguments: String,
        caller: Caller,
    ) -> Result<ToolOutput, ToolError> {
        let context = CallContext {
            user_id: caller.user_id,
            request_id: caller.request_id,
            deadline: Deadline::after(&self.clock, self.definition.limits.call_timeout),
        };
        let service = Arc::clone(self);
        self.at_work(move || service.work(name, &arguments, &context)).await
    }

    /// Does something off the serving thread: in a call's place and time, and
    /// alone in its failure.
    pub(super) async fn at_work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        let limit = self.definition.limits.call_timeout;
        let slots = Arc::clone(&self.slots);
        let done = async move {
            let Ok(slot) = slots.acquire_owned().await else {
                return Err(ToolError::Internal("the service is stopping".to_owned()));
            };
            // The slot goes along: a call that outlives its answer keeps it
            // until it really stops.
            let done = web::block(move || {
                let _slot = slot;
                catch_unwind(AssertUnwindSafe(work))
            });
            match done.await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(ToolError::Internal("the tool panicked".to_owned())),
                Err(error) => Err(ToolError::Internal(error.to_string())),
            }
        };
        tokio::time::timeout(limit, done).await.unwrap_or(Err(ToolError::Timeout))
    }

    /// The part that runs off the serving thread.
    fn work(
        &self,
        name: &str,
        arguments: &str,
        context: &CallContext,
    ) -> Result<ToolOutput, ToolError> {
        let Some(entry) = self.tools.get(name) else {
            return Err(ToolError::Internal("the tool is gone".to_owned()));
        };
        context.deadline.check()?;
        let limits = &self.definition.limits;
        let arguments = arguments::read(arguments, &entry.schema, limits.max_validation_errors)?;
        context.deadline.check()?;
        let output = entry.tool.call(arguments, context).map_err(|mut error| {
            if let ToolError::InvalidArguments(details) = &mut error {
                details.truncate(limits.max_validation_errors);
            }
            error
        })?;
        if output.characters() > limits.max_output_chars {
            return Err(ToolError::refused("output exceeds size limit"));
        }
        Ok(output)
    }
}

fn label(outcome: &Result<ToolOutput, ToolError>) -> &'static str {
    match outcome {
        Ok(output) if output.is_error => "tool_error",
        Ok(_) => "ok",
        Err(ToolError::InvalidArguments(_)) => "invalid_arguments",
        Err(ToolError::Refused(_)) => "refused",
        Err(ToolError::Failed { .. }) => "failed",
        Err(ToolError::UnknownTool(_)) => "unknown_tool",
        Err(ToolError::Timeout) => "timeout",
        Err(ToolError::Internal(_)) => "internal_error",
    }
}
