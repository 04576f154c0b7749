//! What can be called: scopes, tools and the backends behind them.

pub(crate) mod catalog;
mod file;
mod model;
mod strict;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use serde_json::value::RawValue;

pub(crate) use file::Bounds;
pub(crate) use model::{Record, Scope, Snapshot, Tool};

use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::call::Call;

/// Largest `arguments` of a call, in bytes of JSON (C-16).
pub(crate) const MOST_ARGUMENTS: usize = 1024 * 1024;

/// The registry, read without a lock while a reload swaps it.
pub(crate) struct Registry {
    current: ArcSwap<Snapshot>,
}

/// A call of a tool that exists in the scope it was asked for. Made only by
/// [`Registry::resolve`].
pub(crate) struct Target<'a> {
    caller: Caller,
    tool: Arc<Tool>,
    call: Call<'a>,
}

impl Registry {
    /// Reads a registry file.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(path: &Path, bounds: Bounds) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(path).map_err(|error| vec![error.to_string()])?;
        let snapshot = file::read(&text, bounds)?;
        Ok(Self { current: ArcSwap::from_pointee(snapshot) })
    }

    /// The state of this moment.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The scope an endpoint names.
    ///
    /// # Errors
    /// [`Reason::UnknownScope`].
    pub(crate) fn scope(&self, name: &str) -> Result<Arc<Scope>, Refusal> {
        self.current.load().scope(name).cloned().ok_or_else(|| {
            Refusal::new(Reason::UnknownScope, "the path names no scope of the registry")
        })
    }

    /// Finds the tool a call names in a scope.
    ///
    /// # Errors
    /// [`Reason::RemovedTool`], [`Reason::UnknownTool`],
    /// [`Reason::ToolNotInScope`].
    pub(crate) fn resolve<'a>(
        &self,
        caller: Caller,
        scope: &Scope,
        call: Call<'a>,
    ) -> Result<Target<'a>, Refusal> {
        if let Some(tool) = scope.tool(&call.name) {
            return Ok(Target { caller, tool: Arc::clone(tool), call });
        }
        if file::REMOVED.contains(&&*call.name) {
            return Err(Refusal::new(Reason::RemovedTool, "a meta-tool of the first generation"));
        }
        let elsewhere = self.current.load().offered_by(&call.name).next().is_some();
        Err(if elsewhere {
            Refusal::new(Reason::ToolNotInScope, "the tool belongs to another scope")
        } else {
            Refusal::new(Reason::UnknownTool, "no scope has a tool of this name")
        })
    }
}

impl<'a> Target<'a> {
    /// Who is calling.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What is called.
    pub(crate) fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// The call as it came.
    pub(crate) fn call(&self) -> &Call<'a> {
        &self.call
    }

    /// Holds the arguments against the tool's input schema. Asked only after
    /// the policy has allowed the tool: a complaint tells what it accepts.
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
        let value = strict::read(text).map_err(invalid)?;
        match &self.tool.arguments {
            None => Ok(()),
            // The first fault only: collecting all of a hostile call's would
            // cost more memory than the call itself.
            Some(validator) => {
                validator.validate(&value).map_err(|fault| invalid(describe(&fault)))
            }
        }
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

/// A fault with its path; the caller's own value in it is cut short.
fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    const LONGEST: usize = 200;
    let path = error.instance_path().to_string();
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let mut text = error.to_string();
    if text.len() > LONGEST {
        let end = text.floor_char_boundary(LONGEST);
        text.truncate(end);
        text.push('…');
    }
    format!("arguments{path}: {text}")
}
