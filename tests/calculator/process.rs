//! The real `tool-calculator`, as a child process on a free port.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Connection, Response};

/// The secret that every service of these tests shares with its callers.
pub(crate) const SECRET: &str = "between-gateway-and-tools-0123456789";

/// Longest wait for a process to say or do something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command without this process's settings.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tool-calculator"));
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

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// A request of the gateway's, with further headers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut all = vec![("x-gateway-auth", SECRET), ("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.connect().send(method, path, &all, body)
    }

    /// A plain JSON-RPC request, without any header of MCP.
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send("POST", "/mcp", &[], message.to_string().as_bytes()).json()
    }

    /// A tool call's JSON-RPC answer.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Value {
        self.rpc("tools/call", json!({"name": tool, "arguments": arguments}))
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
