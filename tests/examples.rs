//! The configuration files for clients in `docs/examples`: each has the shape
//! that its client expects, and what it describes connects.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "bridge/client.rs"]
#[expect(dead_code, reason = "shared with tests/bridge, which needs more of it")]
mod client;
#[path = "e2e/http.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which needs more of it")]
mod http;
#[path = "e2e/leak.rs"]
mod leak;
#[path = "e2e/recorder.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which needs more of it")]
mod recorder;
#[path = "bridge/server.rs"]
#[expect(dead_code, reason = "shared with tests/bridge, which needs more of it")]
mod server;
#[path = "e2e/stack.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which needs more of it")]
mod stack;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use support::scratch::Scratch;

use crate::client::{Bridge, initialize};
use crate::http::ask;
use crate::stack::Stack;

/// The gateway in the examples.
const GATEWAY: &str = "http://localhost:8000";
/// Where the examples take this repository to be.
const REPOSITORY: &str = "/path/to/scopegate";

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn installed(file: &str) -> PathBuf {
    let path = root("target/e2e-clients").join(file);
    let complete = root("target/e2e-clients/installed").exists() && path.exists();
    assert!(complete, "{file} is not installed: run ./scripts/install-e2e-clients");
    path
}

fn example(file: &str) -> Value {
    let text = fs::read_to_string(root("docs/examples").join(file)).unwrap();
    if file.starts_with("continue/") {
        serde_yaml::from_str(&text).unwrap()
    } else {
        serde_json::from_str(&text).unwrap()
    }
}

/// One server of a configuration, whatever the file called its members.
#[derive(Debug)]
enum Described {
    Url { url: String, authorization: String },
    Command { command: String, args: Vec<String>, env: Vec<(String, String)> },
}

/// Asserts that an object has the members it must have, and none that its
/// client does not know.
fn assert_members(object: &Value, must: &[&str], may: &[&str]) {
    let object = object.as_object().unwrap_or_else(|| panic!("no object: {object}"));
    for member in must {
        assert!(object.contains_key(*member), "{member} is missing in {object:?}");
    }
    for member in object.keys() {
        let known = must.contains(&member.as_str()) || may.contains(&member.as_str());
        assert!(known, "{member} is unknown in {object:?}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn by_command(server: &Value) -> Described {
    let args = server["args"].as_array().unwrap().iter().map(text).collect();
    let none = Map::new();
    let env = server.get("env").map_or(&none, |env| env.as_object().unwrap());
    let env = env.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Described::Command { command: text(&server["command"]), args, env }
}

fn by_url(server: &Value, headers: &Value) -> Described {
    assert_members(headers, &["Authorization"], &[]);
    Described::Url { url: text(&server["url"]), authorization: text(&headers["Authorization"]) }
}

/// The servers in a map of names; `url` and `command` say what else each kind
/// may have.
fn servers(map: &Value, url: (&[&str], &[&str]), command: (&[&str], &[&str])) -> Vec<Described> {
    let described = map.as_object().unwrap().values().map(|server| {
        if server.get("url").is_some() {
            assert_members(server, url.0, url.1);
            by_url(server, &server["headers"])
        } else {
            assert_members(server, command.0, command.1);
            by_command(server)
        }
    });
    described.collect()
}

/// The references in a text between `start` and `}`.
fn references<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let found = text.match_indices(start).map(|(at, _)| {
        let rest = &text[at + start.len()..];
        &rest[..rest.find('}').unwrap()]
    });
    found.collect()
}

/// Runs examples as their clients would.
struct Trial {
    stack: Stack,
    scratch: Scratch,
    token: String,
}

impl Trial {
    fn start() -> Self {
        let stack = Stack::start();
        let token = stack.token("example", "developer");
        let scratch = Scratch::new("sg-examples");
        // Where people keep what the examples name.
        let file = scratch.path().join(".config/scopegate/token");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &token).unwrap();
        let programs = scratch.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let link = |from: &Path, name: &str| {
            std::os::unix::fs::symlink(from, programs.join(name)).unwrap();
        };
        link(Path::new(env!("CARGO_BIN_EXE_scopegate")), "scopegate");
        link(&installed("node").canonicalize().unwrap(), "node");
        // The repository, in which `scripts/up` has run.
        let scripts = scratch.path().join("repository/scripts");
        fs::create_dir_all(&scripts).unwrap();
        fs::copy(root("scripts/mcp_http_bridge.js"), scripts.join("mcp_http_bridge.js")).unwrap();
        let script = scripts.join("token");
        fs::write(&script, format!("#!/bin/sh\necho {token}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { stack, scratch, token }
    }

    fn home(&self) -> String {
        self.scratch.path().display().to_string()
    }

    /// Puts in what the example's client, and its reader, would.
    fn fill(&self, text: &str) -> String {
        let filled = text
            .replace("${SCOPEGATE_URL:-http://localhost:8000}", GATEWAY)
            .replace(GATEWAY, &self.stack.nginx.url())
            .replace(REPOSITORY, &format!("{}/repository", self.home()))
            .replace("${HOME}", &self.home())
            .replace("${userHome}", &self.home());
        let token = [
            "${input:token}",
            "${SCOPEGATE_TOKEN}",
            "${env:SCOPEGATE_TOKEN}",
            "${{ secrets.SCOPEGATE_TOKEN }}",
            "TOKEN",
        ];
        token.iter().fold(filled, |text, name| {
            let whole = text == *name || text == format!("Bearer {name}");
            if whole { text.replace(name, &self.token) } else { text }
        })
    }

    /// Connects as described, lists, and calls.
    fn connect(&self, described: &Described) {
        match described {
            Described::Url { url, authorization } => {
                let (url, authorization) = (self.fill(url), self.fill(authorization));
                let path =
                    url.strip_prefix(&self.stack.nginx.url()).unwrap_or_else(|| panic!("{url}"));
                let headers = [
                    ("Authorization", authorization.as_str()),
                    ("Content-Type", "application/json"),
                    ("Accept", "application/json, text/event-stream"),
                    ("MCP-Protocol-Version", "2026-07-28"),
                    ("Mcp-Method", "tools/list"),
                ];
                let meta = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                let list = json!({
                    "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta },
                });
                let line = format!("POST {path}");
                let answer =
                    ask(self.stack.nginx.port(), &line, &headers, list.to_string().as_bytes());
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(answer.json()["result"]["tools"].as_array().unwrap().len(), 6);
            }
            Described::Command { command, args, env } => {
                let args: Vec<String> = args.iter().map(|arg| self.fill(arg)).collect();
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                self.converse(command, &args, env);
            }
        }
    }

    /// Starts a command as a stdio server, lists, and calls.
    fn converse(&self, command: &str, args: &[&str], env: &[(String, String)]) {
        let programs = self.scratch.path().join("bin");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let home = self.home();
        let env: Vec<(String, String)> =
            env.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect();
        let mut all = vec![("PATH", path.as_str()), ("HOME", home.as_str())];
        all.extend(env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let found = programs.join(command);
        let program = if found.exists() { found } else { PathBuf::from(command) };
        let mut server = Bridge::start(program.to_str().unwrap(), args, &all);
        server.request(0, "initialize", initialize("2025-11-25"));
        let answer = server.next();
        assert!(answer["result"].is_object(), "{answer}");
        server.notify("notifications/initialized", json!({}));
        server.request(1, "tools/list", json!({}));
        assert_eq!(server.next()["result"]["tools"].as_array().unwrap().len(), 6);
        server.call(2, "exact_calculate", json!({ "operator": "add", "operands": ["1.2", "2.3"] }));
        assert_eq!(server.next()["result"]["structuredContent"]["result"], json!("3.5"));
        server.close();
        assert_eq!(server.wait(), 0, "{}", server.stderr());
    }

    fn connect_all(&self, described: &[Described], count: usize) {
        assert_eq!(described.len(), count);
        for one in described {
            self.connect(one);
        }
    }
}

#[test]
fn vs_code() {
    let file = example("vscode/mcp.json");
    assert_members(&file, &["servers"], &["inputs"]);
    let mut declared = BTreeSet::new();
    for input in file["inputs"].as_array().unwrap() {
        assert_members(input, &["type", "id", "description"], &["password", "default"]);
        assert_eq!((&input["type"], &input["password"]), (&json!("promptString"), &json!(true)));
        declared.insert(input["id"].as_str().unwrap());
    }
    let shown = file["servers"].to_string();
    assert_eq!(references(&shown, "${input:"), declared);
    for server in file["servers"].as_object().unwrap().values() {
        let expected = if server.get("url").is_some() { "http" } else { "stdio" };
        assert_eq!(server["type"], json!(expected));
    }
    let http: (&[&str], &[&str]) = (&["type", "url"], &["headers"]);
    let stdio: (&[&str], &[&str]) = (&["type", "command"], &["args", "env", "envFile", "cwd"]);
    Trial::start().connect_all(&servers(&file["servers"], http, stdio), 2);
}

#[test]
fn claude_desktop() {
    let file = example("claude-desktop/claude_desktop_config.json");
    assert_members(&file, &["mcpServers"], &[]);
    // It knows programs only, and puts nothing in.
    assert!(!file.to_string().contains("${"));
    let stdio: (&[&str], &[&str]) = (&["command"], &["args", "env"]);
    Trial::start().connect_all(&servers(&file["mcpServers"], (&["-"], &[]), stdio), 1);
}

#[test]
fn claude_code() {
    let file = example("claude-code/.mcp.json");
    assert_members(&file, &["mcpServers"], &[]);
    for reference in references(&file.to_string(), "${") {
        let name = reference.split(":-").next().unwrap();
        let plain = |c: char| c.is_ascii_uppercase() || c == '_';
        assert!(name.chars().all(plain), "{reference}");
    }
    for server in file["mcpServers"].as_object().unwrap().values() {
        let expected = if server.get("url").is_some() { "http" } else { "stdio" };
        assert_eq!(server["type"], json!(expected));
    }
    let http: (&[&str], &[&str]) = (&["type", "url"], &["headers", "headersHelper"]);
    let stdio: (&[&str], &[&str]) = (&["type", "command"], &["args", "env"]);
    Trial::start().connect_all(&servers(&file["mcpServers"], http, stdio), 2);
}

#[test]
fn cursor() {
    let file = example("cursor/mcp.json");
    assert_members(&file, &["mcpServers"], &[]);
    for reference in references(&file.to_string(), "${") {
        assert!(reference.starts_with("env:") || reference == "userHome", "{reference}");
    }
    let http: (&[&str], &[&str]) = (&["url"], &["headers"]);
    let stdio: (&[&str], &[&str]) = (&["command"], &["type", "args", "env", "envFile"]);
    Trial::start().connect_all(&servers(&file["mcpServers"], http, stdio), 2);
}

#[test]
fn continue_dev() {
    let file = example("continue/scopegate.yaml");
    assert_members(&file, &["name", "version", "schema", "mcpServers"], &[]);
    assert_eq!(file["schema"], json!("v1"));
    let described: Vec<Described> = file["mcpServers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| match server["type"].as_str() {
            Some("streamable-http") => {
                assert_members(server, &["name", "type", "url"], &["requestOptions"]);
                by_url(server, &server["requestOptions"]["headers"])
            }
            Some("stdio") => {
                assert_members(server, &["name", "type", "command"], &["args", "env", "cwd"]);
                by_command(server)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    for reference in references(&file.to_string(), "${") {
        assert!(reference.starts_with("{ secrets."), "{reference}");
    }
    Trial::start().connect_all(&described, 2);
}

#[test]
fn mcp_remote() {
    let file = example("mcp-remote/claude_desktop_config.json");
    assert_members(&file, &["mcpServers"], &[]);
    let stdio: (&[&str], &[&str]) = (&["command"], &["args", "env"]);
    let described = servers(&file["mcpServers"], (&["-"], &[]), stdio);
    let Described::Command { command, args, env } = &described[0] else { panic!("no command") };
    // What npx would fetch is what is installed.
    let pins: Value = serde_json::from_slice(
        &fs::read(root("tests/e2e/clients/mcp-remote/package.json")).unwrap(),
    )
    .unwrap();
    let package = format!("mcp-remote@{}", text(&pins["dependencies"]["mcp-remote"]));
    assert_eq!((command.as_str(), &args[..2]), ("npx", &["-y".to_owned(), package][..]));
    let program = installed("mcp-remote/node_modules/mcp-remote/dist/proxy.js");
    let trial = Trial::start();
    let mut args: Vec<String> = args[2..].iter().map(|arg| trial.fill(arg)).collect();
    args.insert(0, program.display().to_string());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    trial.converse("node", &args, env);
}

#[test]
fn mcp_inspector() {
    let file = example("inspector/mcp.json");
    assert_members(&file, &["mcpServers"], &[]);
    let http: (&[&str], &[&str]) = (&["type", "url"], &["headers", "protocolEra"]);
    let stdio: (&[&str], &[&str]) = (&["type", "command"], &["args", "env", "cwd"]);
    let trial = Trial::start();
    trial.connect_all(&servers(&file["mcpServers"], http, stdio), 2);

    // The Inspector itself, with the file as its reader fills it in.
    let mut filled = file.clone();
    for server in filled["mcpServers"].as_object_mut().unwrap().values_mut() {
        fill_in(&trial, server);
    }
    let config = trial.scratch.path().join("mcp.json");
    fs::write(&config, filled.to_string()).unwrap();
    let launcher =
        "inspector/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    let readme = fs::read_to_string(root("docs/examples/README.md")).unwrap();
    let pins = fs::read_to_string(root("tests/e2e/clients/inspector/package.json")).unwrap();
    let pins: Value = serde_json::from_str(&pins).unwrap();
    let version = text(&pins["dependencies"]["@modelcontextprotocol/inspector"]);
    assert!(readme.contains(&format!("@modelcontextprotocol/inspector@{version} --cli")));
    for name in file["mcpServers"].as_object().unwrap().keys() {
        let path = format!("{}/bin:{}", trial.home(), std::env::var("PATH").unwrap());
        let output = Command::new(installed("node"))
            .arg(installed(launcher))
            .args(["--cli", "--config", config.to_str().unwrap(), "--server", name])
            .args(["--method", "tools/call", "--tool-name", "exact_calculate"])
            .args(["--tool-arg", "operator=add", "--tool-arg", r#"operands=["1.2","2.3"]"#])
            .env_clear()
            .envs([("PATH", path.as_str()), ("HOME", &trial.home())])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}{complaint}");
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(answer["structuredContent"]["result"], json!("3.5"), "{answer}");
    }
}

/// Fills in every text within a value.
fn fill_in(trial: &Trial, value: &mut Value) {
    match value {
        Value::String(text) => *text = trial.fill(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(trial, item)),
        Value::Object(members) => members.values_mut().for_each(|member| fill_in(trial, member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn every_file_is_tested_and_named_in_the_readme() {
    let readme = fs::read_to_string(root("docs/examples/README.md")).unwrap();
    let this = fs::read_to_string(root("tests/examples.rs")).unwrap();
    let mut count = 0;
    for folder in fs::read_dir(root("docs/examples")).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let shown = format!("{}/{name}", folder.file_name().unwrap().to_str().unwrap());
            assert!(readme.contains(&format!("({shown})")), "{shown} is not in the README");
            assert!(this.contains(&format!("example(\"{shown}\")")), "{shown} is not tested");
            count += 1;
        }
    }
    assert_eq!(count, 7);
}
