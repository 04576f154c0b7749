//! A call whose subject is known.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde_json::Value;
use serde_json::value::RawValue;

use super::strict;
use super::subject::Subject;
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::call::Call;
use crate::protocol::complete::Completion;
use crate::protocol::mcp::Method;
use crate::protocol::mirror::{check, plan};
use crate::protocol::revision::Era;

/// Largest `arguments` of a call, in bytes of JSON (C-16).
pub(crate) const MOST_ARGUMENTS: usize = 1024 * 1024;

/// What a schema that says anything of headers holds.
const ANNOTATION: &str = "\"x-mcp-header\"";

/// A call of something that exists in the scope it was asked for, as far as
/// the registry can tell. Made only by
/// [`Registry::resolve`](super::Registry::resolve).
pub(crate) struct Target<'a> {
    pub(super) caller: Caller,
    pub(super) subject: Subject,
    pub(super) call: Call<'a>,
    /// The arguments, once somebody has looked at them.
    pub(super) arguments: OnceLock<Result<Value, String>>,
}

impl<'a> Target<'a> {
    /// Who is calling.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What is called.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The call as it came.
    pub(crate) fn call(&self) -> &Call<'a> {
        &self.call
    }

    /// The arguments as an object, read once for all who ask. Of a completion
    /// they are those that are settled and the one that is being completed.
    ///
    /// # Errors
    /// Why they cannot be read: they are no object, too large, or have a member
    /// twice.
    pub(crate) fn arguments(&self) -> Result<&Value, &str> {
        self.arguments.get_or_init(|| self.read_arguments()).as_ref().map_err(String::as_str)
    }

    fn read_arguments(&self) -> Result<Value, String> {
        let text = if self.call.method == Method::Complete {
            let completion = Completion::read(&self.call.message);
            let text = completion.and_then(|completion| completion.arguments());
            Cow::Owned(text.map_err(|fault| format!("the completion cannot be read: {fault}"))?)
        } else {
            Cow::Borrowed(self.call.arguments.map_or("{}", RawValue::get))
        };
        if !text.starts_with('{') {
            return Err("`arguments` must be an object".to_owned());
        }
        if text.len() > MOST_ARGUMENTS {
            return Err("`arguments` are too large".to_owned());
        }
        strict::read(&text)
    }

    /// Holds the arguments against the tool's input schema, where the
    /// registry has one. Asked only after the policy has allowed the tool: a
    /// complaint tells what it accepts.
    ///
    /// # Errors
    /// [`Reason::InvalidArguments`], naming the path of the first fault;
    /// [`Reason::PayloadTooLarge`].
    pub(crate) fn check_arguments(&self) -> Result<(), Refusal> {
        let text = self.call.arguments.map_or("{}", RawValue::get);
        if !text.starts_with('{') {
            return Err(Refusal::telling(
                Reason::InvalidArguments,
                "`arguments` must be an object",
            ));
        }
        if text.len() > MOST_ARGUMENTS {
            return Err(Refusal::telling(
                Reason::PayloadTooLarge,
                format!("`arguments` are larger than {MOST_ARGUMENTS} bytes"),
            ));
        }
        // Also without a schema: a member that comes twice is two calls in one.
        let value = self.arguments().map_err(|fault| invalid(fault.to_owned()))?;
        match self.subject.tool.as_ref().and_then(|tool| tool.arguments.as_ref()) {
            None => Ok(()),
            // The first fault only: collecting all of a hostile call's would
            // cost more memory than the call itself.
            Some(validator) => validator.validate(value).map_err(|fault| invalid(describe(&fault))),
        }
    }

    /// Holds the headers that repeat arguments against these, where the registry
    /// has the tool's schema and that names them. What a backend's own list says
    /// is held against them on the way there.
    ///
    /// # Errors
    /// [`Reason::HeaderMismatch`].
    pub(crate) fn check_mirrored(&self) -> Result<(), Refusal> {
        let Self { call, subject, .. } = self;
        let modern_call = call.era == Era::Modern && call.method == Method::ToolsCall;
        let Some(tool) = subject.tool.as_ref().filter(|_| modern_call) else { return Ok(()) };
        if !tool.input_schema.get().contains(ANNOTATION) {
            return Ok(());
        }
        let stated = plan(&tool.input_schema).unwrap_or_default();
        check(&stated, &call.mirrored, call.arguments)
            .map_err(|mismatch| Refusal::telling(Reason::HeaderMismatch, mismatch.to_string()))
    }
}

/// Values of arguments stay out of the audit detail: the client is told more.
fn invalid(told: String) -> Refusal {
    Refusal {
        reason: Reason::InvalidArguments,
        detail: Cow::Borrowed("the arguments do not fit the input schema"),
        public: Some(Cow::Owned(told)),
        retry_after: None,
    }
}

/// A fault with its path, without the caller's own value.
fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    const LONGEST: usize = 200;
    let path = error.instance_path().to_string();
    let path = if path.is_empty() { "/".to_owned() } else { path };
    // The value itself may be a secret, and replies are logged on their way.
    let mut text = error.masked_with("the value").to_string();
    if text.len() > LONGEST {
        let end = text.floor_char_boundary(LONGEST);
        text.truncate(end);
        text.push('…');
    }
    format!("arguments{path}: {text}")
}
