//! The real `tool-git`, as a child process on a free port.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Connection, Response};

/// The secret the service shares with its callers.
pub(crate) const SECRET: &str = "between-gateway-and-tools-0123456789";

/// Longest wait for a process to say or do something.
const PATIENCE: Duration = Duration::from_mins(1);

/// A command without this process's settings. `TOOL_GIT_BINARY` names another
/// build, to measure that one.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let built = env!("CARGO_BIN_EXE_tool-git").into();
    let mut command = Command::new(std::env::var_os("TOOL_GIT_BINARY").unwrap_or(built));
    command.env_clear().envs(settings.iter().copied());
    command
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Receiver<String>,
}

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
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut service = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), log };
        let listening = service.wait_for_log("listening");
        service.address = listening["address"].as_str().unwrap().parse().unwrap();
        service
    }

    /// The next log line with this message.
    pub(crate) fn wait_for_log(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("waiting for {message:?}: {error}");
            });
            let line: Value = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("{error} in the log line {line:?}"));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Everything logged from here to the end of the process.
    pub(crate) fn rest_of_log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            lines.push(line);
        }
        lines
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// A request of the gateway's.
    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let headers = [("x-gateway-auth", SECRET), ("content-type", "application/json")];
        Connection::open(self.address).send(method, path, &headers, body)
    }

    /// A plain JSON-RPC request.
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = self.send("POST", "/mcp", message.to_string().as_bytes());
        assert_eq!(reply.header("content-type"), Some("application/json"));
        reply.json()
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

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs to the end; gives the exit code and what was printed.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), out, err)
}
