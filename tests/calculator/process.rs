//! The real `tool-calculator`, as a process of its own.

use std::ops::Deref;
use std::process::Command;

use serde_json::{Value, json};
use support::tool::Tool;
pub(crate) use support::tool::{SECRET, run};

/// A command without this process's settings.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tool-calculator"));
    command.env_clear().envs(settings.iter().copied());
    command
}

/// A running service.
pub(crate) struct Service(Tool);

impl Service {
    /// Starts with the shared secret and further settings.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::launch(command(settings).env("TOOL_GATEWAY_SHARED_SECRET", SECRET))
    }

    /// Starts with so much time for a call that a busy machine does not
    /// change an answer.
    pub(crate) fn patient() -> Self {
        Self::start(&[("REQUEST_TIMEOUT_MS", "20000")])
    }

    /// Starts a command and waits until it listens.
    pub(crate) fn launch(command: &mut Command) -> Self {
        Self(Tool::launch(command))
    }

    /// A plain JSON-RPC request, without any header of MCP.
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        self.0.rpc(method, &params)
    }

    /// A tool call's JSON-RPC answer.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Value {
        self.rpc("tools/call", json!({"name": tool, "arguments": arguments}))
    }
}

impl Deref for Service {
    type Target = Tool;

    fn deref(&self) -> &Tool {
        &self.0
    }
}
