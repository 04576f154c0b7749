//! The MCP servers of `tests/backends`, each on one of the official SDKs. They
//! offer the same, as far as their SDK can, and tell what they have seen.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::eventually::wait_until;
use crate::node;
use crate::process::{PATIENCE, Server, on_free_port};

/// What a server is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// The Rust SDK. Arguments: `--era dual|legacy|modern` and `--json`.
    Rust,
    /// The TypeScript SDK 2.x. Arguments:
    /// `--legacy sessions|stateless|reject` and `--lists silent`.
    TypeScript,
    /// The TypeScript SDK 1.x, which knows nothing of 2026-07-28.
    TypeScript1,
}

/// A running server.
#[derive(Debug)]
pub struct Backend {
    sdk: Sdk,
    arguments: Vec<String>,
    secret: Option<String>,
    server: Option<Server>,
    port: u16,
}

impl Backend {
    /// Starts one. With a `secret`, it refuses requests that do not show it in
    /// `X-Gateway-Auth`.
    ///
    /// # Panics
    /// When it is not built or installed, or does not start.
    #[must_use]
    pub fn start(sdk: Sdk, arguments: &[&str], secret: Option<&str>) -> Self {
        let (server, port) = on_free_port(|port| launch(sdk, arguments, secret, port));
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { sdk, arguments, secret: secret.map(str::to_owned), server: Some(server), port }
    }

    /// Kills it, and starts another on the same port that knows nothing of it.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn restart(&mut self) {
        self.stop();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let server = launch(self.sdk, &arguments, self.secret.as_deref(), self.port);
        assert!(server.accepts_on(self.port), "{}", server.log());
        self.server = Some(server);
    }

    /// The same with a server of another kind.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart_as(&mut self, sdk: Sdk, arguments: &[&str]) {
        self.sdk = sdk;
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self.restart();
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Where it serves MCP.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.as_ref().map(Server::log).unwrap_or_default()
    }

    /// What it has seen: `calls` of tools and `exchanges` of HTTP, each with
    /// its headers, its `state` (`running`, `completed` or `aborted`) and times
    /// in milliseconds since 1970; see `tests/backends/src/observed.rs`.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn observed(&self) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a running backend");
        let request = format!("GET /observed HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port);
        stream.write_all(request.as_bytes()).expect("a backend that reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("a backend that answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer with a body");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {answer}"))
    }

    /// The calls of a tool it has seen, once `enough` of them are there.
    ///
    /// # Panics
    /// When they do not come in time.
    pub fn calls(&self, tool: &str, mut enough: impl FnMut(&[Value]) -> bool) -> Vec<Value> {
        let mut calls = Vec::new();
        wait_until(PATIENCE, &format!("calls of {tool}"), || {
            let observed = self.observed();
            let all = observed["calls"].as_array().expect("calls").iter();
            calls = all.filter(|call| call["tool"] == tool).cloned().collect();
            enough(&calls)
        });
        calls
    }
}

fn launch(sdk: Sdk, arguments: &[&str], secret: Option<&str>, port: u16) -> Server {
    let listen = format!("127.0.0.1:{port}");
    let mut environment = vec![("BACKEND_LISTEN", listen.as_str())];
    environment.extend(secret.map(|secret| ("TOOL_GATEWAY_SHARED_SECRET", secret)));
    let script = match sdk {
        Sdk::Rust => return Server::isolated(&built(), arguments, &environment),
        Sdk::TypeScript => "everything-v2.mjs",
        Sdk::TypeScript1 => "everything-v1.mjs",
    };
    let packages = node::packages().display().to_string();
    environment.push(("NODE_PACKAGES", &packages));
    let script = node::root().join("tests/backends/node").join(script).display().to_string();
    let arguments = [&[script.as_str()], arguments].concat();
    Server::isolated(&node::program(), &arguments, &environment)
}

/// The server in Rust. `cargo test --workspace` builds it, but not when only
/// some tests are named.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a path of our own");
    let folder = test.ancestors().nth(2).expect("tests lie in a folder of the target's");
    let program = folder.join("everything");
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let built = changed(&program);
    let sources = node::root().join("tests/backends");
    let files = ["src", "fixtures"].map(|folder| sources.join(folder).read_dir());
    let files = files.into_iter().flatten().flatten().flatten();
    let newest: Option<SystemTime> = files.filter_map(|file| changed(&file.path())).max();
    assert!(
        built.is_some() && built >= newest,
        "the test backend is not built, or older than its sources: \
         cargo build -p scopegate-test-backends"
    );
    program
}
