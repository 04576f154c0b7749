//! An MCP client that starts the bridge and speaks to it by hand.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::wait_until;

use crate::server::{PATIENCE, Server};

/// The token of bridges that are given none.
pub(crate) const TOKEN: &str = "a-token-that-must-not-be-told";

/// A running bridge.
pub(crate) struct Bridge {
    child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Vec<u8>>,
    stderr: Arc<Mutex<String>>,
    /// Reads the log to its end.
    logging: Option<JoinHandle<()>>,
}

#[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
impl Bridge {
    /// To a server, with a token and everything logged.
    pub(crate) fn to(server: &Server) -> Self {
        Self::with(server, &[])
    }

    /// The same with further flags.
    pub(crate) fn with(server: &Server, flags: &[&str]) -> Self {
        Self::run(server, flags, &[("SCOPEGATE_TOKEN", TOKEN)])
    }

    pub(crate) fn run(server: &Server, flags: &[&str], env: &[(&str, &str)]) -> Self {
        let url = server.url();
        let flags = [&["--endpoint", &url, "--log-level", "trace"], flags].concat();
        Self::start(env!("CARGO_BIN_EXE_scopegate"), &[&["bridge"], &flags[..]].concat(), env)
    }

    /// Any program that is a bridge; it sees nothing of our environment but
    /// where programs lie.
    pub(crate) fn start(program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let (tell, messages) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            while let Some(message) = message(&mut reader) {
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (log, source) = (Arc::clone(&stderr), child.stderr.take().unwrap());
        let logging = thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, stdin, messages, stderr, logging: Some(logging) }
    }

    /// Writes bytes as they stand.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("an open input");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).unwrap();
    }

    /// Sends a message on a line.
    pub(crate) fn send(&mut self, message: Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    /// Sends a request.
    pub(crate) fn request(&mut self, id: u64, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    /// Sends a `tools/call` of the legacy era.
    pub(crate) fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        self.request(id, "tools/call", json!({ "name": tool, "arguments": arguments }));
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Opens a session of the legacy era.
    pub(crate) fn open(&mut self) {
        self.request(0, "initialize", initialize("2025-11-25"));
        assert_eq!(self.next()["id"], json!(0));
        self.notify("notifications/initialized", json!({}));
    }

    /// The next message, as it was written.
    pub(crate) fn next_raw(&self) -> Vec<u8> {
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(error) => panic!("no message ({error}); the bridge says:\n{}", self.stderr()),
        }
    }

    /// The next message.
    pub(crate) fn next(&self) -> Value {
        let raw = self.next_raw();
        serde_json::from_slice(&raw)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&raw)))
    }

    /// The next messages, by id.
    pub(crate) fn next_by_id(&self, count: usize) -> Vec<Value> {
        let mut all: Vec<Value> = (0..count).map(|_| self.next()).collect();
        all.sort_by_key(|message| message["id"].as_u64());
        all
    }

    /// Asserts that nothing more comes until the bridge has answered a ping:
    /// what had come before it would be there.
    pub(crate) fn assert_silent(&mut self) {
        self.request(999_999, "ping", json!({}));
        assert_eq!(self.next()["id"], json!(999_999));
        assert!(matches!(
            self.messages.recv_timeout(Duration::from_millis(1)),
            Err(RecvTimeoutError::Timeout)
        ));
    }

    /// Closes the bridge's input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end; the exit code, or 128 + n after signal n.
    pub(crate) fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let mut status = None;
        let what = format!("the bridge to end; it says:\n{}", self.stderr());
        wait_until(PATIENCE, &what, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        self.read_log();
        let status = status.unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    /// Messages that came before the end.
    pub(crate) fn rest(&self) -> Vec<Value> {
        self.messages.iter().map(|raw| serde_json::from_slice(&raw).unwrap()).collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the rest of the log of a bridge that has ended.
    fn read_log(&mut self) {
        if let Some(logging) = self.logging.take() {
            logging.join().unwrap();
        }
    }

    /// What it logged so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.read_log();
        let log = self.stderr();
        if !thread::panicking() {
            assert!(!log.contains(TOKEN), "the token is in the log: {log}");
        }
    }
}

/// The parameters of an `initialize`.
pub(crate) fn initialize(version: &str) -> Value {
    json!({
        "protocolVersion": version, "capabilities": {},
        "clientInfo": { "name": "by-hand", "version": "1" },
    })
}

/// A message in either form.
fn message(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).ok()? == 0 {
        return None;
    }
    let Some(length) = line.strip_prefix(b"Content-Length: ") else {
        assert_eq!(line.pop(), Some(b'\n'), "a message without its end");
        return Some(line);
    };
    let length = std::str::from_utf8(length).unwrap().trim().parse().unwrap();
    let mut end = [0; 2];
    reader.read_exact(&mut end).ok()?;
    assert_eq!(&end, b"\r\n");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some([b"counted:".to_vec(), body].concat())
}
