//! The real `tool-git`, as a process of its own.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::tool::Tool;
pub(crate) use support::tool::{SECRET, run};

use crate::http::Response;

/// A command without this process's settings. `TOOL_GIT_BINARY` names another
/// build, to measure that one.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let built = env!("CARGO_BIN_EXE_tool-git").into();
    let mut command = Command::new(std::env::var_os("TOOL_GIT_BINARY").unwrap_or(built));
    command.env_clear().envs(settings.iter().copied());
    command
}

/// A running service.
pub(crate) struct Service(Tool);

impl Service {
    /// Serves repositories, with so much time for a call that a busy machine
    /// does not change an answer.
    pub(crate) fn of(repositories: &[(&str, &Path)]) -> Self {
        Self::with(repositories, &[])
    }

    /// The same with further settings.
    pub(crate) fn with(repositories: &[(&str, &Path)], settings: &[(&str, &str)]) -> Self {
        let mut all =
            vec![("REQUEST_TIMEOUT_MS", "120000"), ("TOOL_GATEWAY_SHARED_SECRET", SECRET)];
        all.extend_from_slice(settings);
        let mut command = command(&all);
        for (name, path) in repositories {
            command.arg("--repo").arg(format!("{name}={}", path.display()));
        }
        Self::launch(&mut command)
    }

    /// Starts a command and waits until it listens.
    pub(crate) fn launch(command: &mut Command) -> Self {
        Self(Tool::launch(command))
    }

    /// Stops it in order; gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.0.signal("TERM");
        self.0.exit_code()
    }

    /// A request of the gateway's.
    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Response {
        self.0.send(method, path, &[], body)
    }

    /// A plain JSON-RPC request.
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        self.0.rpc(method, &params)
    }

    /// A tool call's structured result.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Value {
        let mut reply = self.rpc("tools/call", json!({"name": tool, "arguments": arguments}));
        let result = reply["result"]["structuredContent"].take();
        assert!(result.is_object(), "{tool} {arguments}: {reply}");
        result
    }

    /// The sentence a tool refuses a call with.
    pub(crate) fn refusal(&self, tool: &str, arguments: Value) -> String {
        let reply = self.rpc("tools/call", json!({"name": tool, "arguments": arguments}));
        let message = reply["error"]["message"].as_str();
        message.unwrap_or_else(|| panic!("{tool} {arguments} is not refused: {reply}")).to_owned()
    }

    /// All items of a list, page after page; gives how many pages they took.
    pub(crate) fn all(&self, tool: &str, list: &str, arguments: Value) -> (Vec<Value>, usize) {
        let (mut items, mut pages) = (Vec::new(), 0);
        let mut arguments = arguments;
        loop {
            let mut page = self.call(tool, arguments.clone());
            pages += 1;
            items.extend(page[list].as_array().unwrap().iter().cloned());
            let cursor = page["next_cursor"].take();
            if cursor.is_null() {
                return (items, pages);
            }
            arguments["cursor"] = cursor;
        }
    }
}

impl Deref for Service {
    type Target = Tool;

    fn deref(&self) -> &Tool {
        &self.0
    }
}
