//! The bundled tool services as processes of their own.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::eventually::wait_until;
use crate::http::{Connection, Response};
use crate::process::{PATIENCE, Server};

/// The secret that every service of the tests shares with its callers.
pub const SECRET: &str = "between-gateway-and-tools-0123456789";

/// A running service.
#[derive(Debug)]
pub struct Tool {
    server: Server,
    address: SocketAddr,
    /// Lines of its log that were looked at.
    seen: AtomicUsize,
}

impl Tool {
    /// Starts a service with these arguments and nothing but these variables, on
    /// a free port, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments = [arguments, &["--listen", "127.0.0.1:0"]].concat();
        let server = Server::isolated(program, &arguments, environment);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut tool = Self { server, address, seen: AtomicUsize::new(0) };
        let listening = tool.wait_for_log("listening");
        let address = listening["address"].as_str().and_then(|address| address.parse().ok());
        tool.address = address.expect("an address in the log");
        tool
    }

    /// The same with a command's program, arguments and variables.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn launch(command: &Command) -> Self {
        let text = |text: &std::ffi::OsStr| text.to_str().expect("text").to_owned();
        let arguments: Vec<String> = command.get_args().map(text).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let set: Vec<(String, String)> = command
            .get_envs()
            .filter_map(|(name, value)| Some((text(name), text(value?))))
            .collect();
        let set: Vec<(&str, &str)> = set.iter().map(|(name, value)| (&**name, &**value)).collect();
        Self::start(Path::new(command.get_program()), &arguments, &set)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The next log line with this message.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn wait_for_log(&self, message: &str) -> Value {
        let mut found = Value::Null;
        let what = format!("{message:?} in the log of {:?}", self.server);
        wait_until(PATIENCE, &what, || {
            let log = self.server.log();
            // The last line may not be whole yet.
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            let seen = self.seen.load(Ordering::Relaxed);
            for (index, line) in whole.lines().enumerate().skip(seen) {
                self.seen.store(index + 1, Ordering::Relaxed);
                found = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{error} in the log line {line:?}"));
                if found["message"] == message {
                    return true;
                }
            }
            let ended = self.server.exit_code();
            assert!(ended.is_none(), "it ended with {ended:?} instead: {log}");
            false
        });
        found
    }

    /// Everything logged since the last line that was waited for, to the end of
    /// the process.
    ///
    /// # Panics
    /// When it does not end.
    pub fn rest_of_log(&self) -> Vec<String> {
        let _ = self.exit_code();
        let seen = self.seen.load(Ordering::Relaxed);
        self.server.log().lines().skip(seen).map(str::to_owned).collect()
    }

    /// Sends a signal by name.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, name: &str) {
        self.server.signal(name);
    }

    /// Waits for its end; gives the exit code.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        wait_until(PATIENCE, "the end of a service", || self.server.exit_code().is_some());
        self.server.exit_code()
    }

    /// A connection to it.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// A request of the gateway's, with further headers.
    ///
    /// # Panics
    /// When it is not answered.
    #[must_use]
    pub fn send(
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
    ///
    /// # Panics
    /// When the answer is no JSON.
    #[must_use]
    pub fn rpc(&self, method: &str, params: &Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = self.send("POST", "/mcp", &[], message.to_string().as_bytes());
        assert_eq!(reply.header("content-type"), Some("application/json"));
        reply.json()
    }

    /// Everything `tools/list` says.
    ///
    /// # Panics
    /// When it is no list.
    #[must_use]
    pub fn listed(&self) -> Vec<Value> {
        let reply = self.rpc("tools/list", &json!({}));
        reply["result"]["tools"].as_array().expect("a list of tools").clone()
    }
}

/// Runs a command to its end; gives the exit code and what was printed.
///
/// # Panics
/// When it cannot be run.
pub fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a program");
    let (mut out, mut err) = (String::new(), String::new());
    let mut pipes = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    pipes.0.read_to_string(&mut out).expect("text");
    pipes.1.read_to_string(&mut err).expect("text");
    (child.wait().expect("an end").code(), out, err)
}
