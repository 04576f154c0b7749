//! Runs a client with a backend to its end.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::client::{Client, Driver};
use crate::stack::{Kind, Stack};

/// Longest time for a client from start to end.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a client needs to know.
struct Run<'a> {
    client: Client,
    url: String,
    token: String,
    tag: String,
    observed: String,
    home: &'a Path,
}

/// What a client reports of each step: `{ "ok": … }` or `{ "error": … }`.
/// `tag` marks its call that is cancelled.
pub(crate) fn run(stack: &Stack, client: Client, kind: Kind, tag: &str) -> Value {
    let run = Run {
        client,
        url: stack.url(kind.scope),
        token: stack.token(tag),
        tag: tag.to_owned(),
        observed: format!("http://127.0.0.1:{}/observed", stack.backend(kind.scope).port()),
        home: stack.scratch.path(),
    };
    match client.driver {
        Driver::Node { packages, script } => run.node(packages, script, None),
        Driver::Bridge { packages, script } => run.node(packages, script, Some(&run.bridge())),
        Driver::McpRemote => run.node("ts-v1", "ts-v1.mjs", Some(&run.mcp_remote())),
        Driver::Python => {
            let mut command = Command::new(installed("python/bin/python"));
            command.arg("-");
            run.report(&mut command, script("python.py"))
        }
        Driver::Rmcp => run.report(&mut Command::new(rmcp()), Vec::new()),
        Driver::Inspector => run.inspector(),
    }
}

impl Run<'_> {
    fn node(&self, packages: &str, name: &str, stdio: Option<&Value>) -> Value {
        let mut command = Command::new(installed("node"));
        // The script comes by standard input: packages are looked for where it
        // runs, and what runs is always what stands in this repository.
        command.args(["--input-type=module", "-"]).current_dir(installed(packages));
        command.env("MCP_STEPS", drivers().join("steps.mjs"));
        if let Some(stdio) = stdio {
            command.env("MCP_COMMAND", stdio.to_string());
        }
        self.report(&mut command, script(name))
    }

    /// The command that a stdio client starts, as in docs/examples.
    fn bridge(&self) -> Value {
        let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/mcp_http_bridge.js");
        json!([installed("node"), launcher, "--endpoint", self.url])
    }

    /// The same with mcp-remote.
    fn mcp_remote(&self) -> Value {
        let program = installed("mcp-remote/node_modules/mcp-remote/dist/proxy.js");
        json!([
            installed("node"),
            program,
            self.url,
            "--transport",
            "http-only",
            "--protocol",
            self.client.mode,
            "--header",
            "Authorization:Bearer ${SCOPEGATE_TOKEN}",
        ])
    }

    fn report(&self, command: &mut Command, input: Vec<u8>) -> Value {
        command
            .env("MCP_URL", &self.url)
            .env("MCP_TOKEN", &self.token)
            .env("MCP_MODE", self.client.mode)
            .env("MCP_TAG", &self.tag)
            .env("MCP_OBSERVED", &self.observed)
            .env("MCP_HOME", self.home)
            .env("SCOPEGATE_BIN", env!("CARGO_BIN_EXE_scopegate"));
        let Some(output) = finish(command, input) else {
            return json!({ "connect": { "error": "the client does not end" } });
        };
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(said.trim()).unwrap_or_else(|_| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            json!({ "connect": { "error": format!("{said}{complaint}") } })
        })
    }

    /// Each step is a process.
    fn inspector(&self) -> Value {
        let steps: [(&str, &[&str], &str); 4] = [
            ("list", &["--method", "tools/list"], "/tools"),
            (
                "call",
                &["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "n=42"],
                "/structuredContent",
            ),
            (
                "resource",
                &["--method", "resources/read", "--uri", "test://static-text"],
                "/contents/0/text",
            ),
            (
                "prompt",
                &["--method", "prompts/get", "--prompt-name", "test_simple_prompt"],
                "/messages/0/content/text",
            ),
        ];
        let reports = thread::scope(|scope| {
            let running: Vec<_> = steps
                .iter()
                .map(|(name, arguments, path)| {
                    scope.spawn(move || (*name, self.inspected(arguments, path)))
                })
                .collect();
            running.into_iter().map(|step| step.join().unwrap()).collect::<Vec<_>>()
        });
        reports
            .into_iter()
            .map(|(name, report)| (name.to_owned(), report))
            .collect::<Map<_, _>>()
            .into()
    }

    fn inspected(&self, arguments: &[&str], path: &str) -> Value {
        let program = "inspector/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
        let mut command = Command::new(installed("node"));
        command.arg(installed(program)).args(["--cli", &self.url, "--transport", "http"]);
        command.args(["--header", &format!("Authorization: Bearer {}", self.token)]);
        command.args(["--protocol-era", self.client.mode, "--stored-auth-only", "--quiet"]);
        command.args(arguments).env("HOME", self.home);
        let Some(output) = finish(&mut command, Vec::new()) else {
            return json!({ "error": "hangs" });
        };
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if let Some(found) = said.pointer(path) {
            return json!({ "ok": found });
        }
        let all = [output.stdout, output.stderr].concat();
        json!({ "error": String::from_utf8_lossy(&all) })
    }
}

fn drivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/drivers")
}

fn script(name: &str) -> Vec<u8> {
    std::fs::read(drivers().join(name)).unwrap()
}

/// What `scripts/install-e2e-clients` installs.
fn installed(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/e2e-clients");
    let path = folder.join(file);
    assert!(
        folder.join("installed").is_file() && path.exists(),
        "{file} is not installed: run ./scripts/install-e2e-clients (./scripts/test does so by \
         itself)"
    );
    path
}

/// The client in Rust. `cargo test --workspace` builds it, but not when only
/// some tests are named.
fn rmcp() -> PathBuf {
    let test = std::env::current_exe().expect("a path of our own");
    let folder = test.ancestors().nth(2).expect("tests lie in a folder of the target's");
    let program = folder.join("rmcp-client");
    assert!(program.is_file(), "build it first: cargo build -p scopegate-test-backends");
    program
}

/// What a program printed; nothing when it does not end in time.
fn finish(command: &mut Command, input: Vec<u8>) -> Option<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id().to_string();
    let mut stdin = child.stdin.take().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        // One that reads nothing may have ended before.
        let _ = stdin.write_all(&input);
        drop(stdin);
        let _ = tell.send(child.wait_with_output());
    });
    let Ok(ended) = told.recv_timeout(PATIENCE) else {
        let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
        return None;
    };
    Some(ended.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}
