//! What a tool is, what it is given, and what it gives back.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::clock::Clock;

/// A function that a model may call.
pub trait Tool: Send + Sync + 'static {
    /// How the tool presents itself; asked once, at start.
    fn descriptor(&self) -> Descriptor;

    /// Does the work, blocking. The arguments fit the descriptor's input
    /// schema. Work that can last must look at `context.deadline`.
    ///
    /// # Errors
    /// [`ToolError`]; what it says reaches the caller, [`ToolError::Internal`]
    /// excepted.
    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError>;
}

/// A tool as `tools/list` shows it (MCP `server/tools`).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The name it is called by.
    pub name: &'static str,
    /// A name for people.
    pub title: &'static str,
    /// What it does, for a model to choose by.
    pub description: Cow<'static, str>,
    /// JSON Schema of the arguments; exactly what is accepted.
    pub input_schema: Value,
    /// JSON Schema of the structured result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Hints about side effects.
    pub annotations: Annotations,
}

/// Hints about a tool's side effects (MCP `ToolAnnotations`).
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own four flags")]
pub struct Annotations {
    /// Changes nothing.
    pub read_only_hint: bool,
    /// May destroy something.
    pub destructive_hint: bool,
    /// Calling twice is like calling once.
    pub idempotent_hint: bool,
    /// Reaches out to an open world.
    pub open_world_hint: bool,
}

impl Annotations {
    /// A pure function: reads, repeats, reaches nothing.
    pub const PURE: Self = Self {
        read_only_hint: true,
        destructive_hint: false,
        idempotent_hint: true,
        open_world_hint: false,
    };
}

/// What a tool knows about the call next to its arguments.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// For whom the gateway calls (`X-User-ID`), at most 256 bytes of text
    /// without control characters.
    pub user_id: Option<String>,
    /// The request's id on its whole way (`X-Request-ID`), at most 128
    /// bytes of such text.
    pub request_id: Option<String>,
    /// When the work must be over.
    pub deadline: Deadline,
}

/// A moment by which work must be over.
#[derive(Clone, Debug)]
pub struct Deadline {
    clock: Clock,
    at: Duration,
}

impl Deadline {
    /// A deadline `limit` from now.
    #[must_use]
    pub fn after(clock: &Clock, limit: Duration) -> Self {
        Self { clock: clock.clone(), at: clock.monotonic().saturating_add(limit) }
    }

    /// Whether it has passed. Costs some tens of nanoseconds.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.clock.monotonic() >= self.at
    }

    /// Stops the work when the time is up.
    ///
    /// # Errors
    /// [`ToolError::Timeout`].
    pub fn check(&self) -> Result<(), ToolError> {
        if self.has_passed() { Err(ToolError::Timeout) } else { Ok(()) }
    }
}

/// What a tool gives back.
#[derive(Clone, Debug, Default)]
pub struct ToolOutput {
    /// Content blocks (MCP `ContentBlock`).
    pub content: Vec<Value>,
    /// The result as data, fitting the output schema.
    pub structured: Option<Box<RawValue>>,
    /// The tool worked, the thing it was asked for failed.
    pub is_error: bool,
}

impl ToolOutput {
    /// A result as data, and the same JSON as text for clients that know no
    /// structured content.
    ///
    /// # Errors
    /// [`ToolError::Internal`] when the value has no JSON.
    pub fn structured(value: &impl Serialize) -> Result<Self, ToolError> {
        let raw = serde_json::value::to_raw_value(value)
            .map_err(|error| ToolError::Internal(error.to_string()))?;
        Ok(Self { content: vec![text_block(raw.get())], structured: Some(raw), is_error: false })
    }

    /// Plain text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { content: vec![text_block(text)], structured: None, is_error: false }
    }

    /// How many characters the output holds: of text blocks their text, of
    /// other blocks their JSON.
    pub(super) fn characters(&self) -> usize {
        self.content
            .iter()
            .map(|block| match block.get("text").and_then(Value::as_str) {
                Some(text) => text.chars().count(),
                None => block.to_string().chars().count(),
            })
            .sum::<usize>()
            .max(self.structured.as_ref().map_or(0, |raw| raw.get().chars().count()))
    }
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// Why a call gave no result (C-53).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments have the wrong shape.
    #[error("Invalid params")]
    InvalidArguments(Vec<Detail>),
    /// The arguments have the right shape and still make no sense.
    #[error("{0}")]
    Refused(Cow<'static, str>),
    /// A failure with a code of the service's own.
    #[error("{message}")]
    Failed {
        /// The JSON-RPC code.
        code: i32,
        /// The sentence for the caller.
        message: String,
    },
    /// The service has no such tool.
    #[error("Tool not found: {0}")]
    UnknownTool(String),
    /// The time was up.
    #[error("Timeout")]
    Timeout,
    /// A fault of the service; what it says goes to the log only.
    #[error("Internal error")]
    Internal(String),
}

impl ToolError {
    /// A sentence for the caller about arguments that make no sense.
    #[must_use]
    pub fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(message.into())
    }

    /// One thing that is wrong with the arguments.
    #[must_use]
    pub fn invalid(loc: Vec<Value>, msg: impl Into<String>, rule: &'static str) -> Self {
        Self::InvalidArguments(vec![Detail { loc, msg: msg.into(), rule: rule.into() }])
    }
}

/// One thing that is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// Where: member names and array positions, from the outside in.
    pub loc: Vec<Value>,
    /// What is wrong. Never repeats a value.
    pub msg: String,
    /// Which rule: the keyword of the input schema that does not hold.
    #[serde(rename = "type")]
    pub rule: Cow<'static, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_when_the_clock_reaches_it() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let deadline = Deadline::after(&clock, Duration::from_millis(250));
        hand.advance(Duration::from_millis(249));
        assert_eq!(deadline.check(), Ok(()));
        hand.advance(Duration::from_millis(1));
        assert_eq!(deadline.check(), Err(ToolError::Timeout));
    }

    #[test]
    fn structured_output_is_text_and_data_and_counted_once() {
        let output = ToolOutput::structured(&json!({"a": "ü"})).unwrap();
        assert_eq!(output.content[0]["text"], r#"{"a":"ü"}"#);
        assert_eq!(output.structured.as_ref().unwrap().get(), r#"{"a":"ü"}"#);
        assert_eq!(output.characters(), 9);
    }
}
