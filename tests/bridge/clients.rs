//! The official SDKs, which start the launcher as if it were their server.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::client::Bridge;
use crate::server::{Server, standard};
use crate::stack::Stack;

const BRIDGE: &str = env!("CARGO_BIN_EXE_scopegate");
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn installed(file: &str) -> String {
    let path = root("target/e2e-clients").join(file);
    let hint = "run ./scripts/install-e2e-clients (./scripts/test does so by itself)";
    assert!(path.exists() && root("target/e2e-clients/installed").exists(), "{hint}");
    path.display().to_string()
}

/// Runs a client to its end and gives what it reports.
fn run(client: &str, mode: &str, command: &[&str], env: &Value) -> Value {
    let script = root("tests/e2e/clients").join(client).join("stdio.mjs");
    let mut child = Command::new(installed("node"))
        .args(["--input-type=module", "-"])
        .current_dir(installed(client))
        .env("MCP_COMMAND", json!(command).to_string())
        .env("MCP_ENV", env.to_string())
        .env("MCP_MODE", mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(script).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client} {mode} fails: {said}{complaint}");
    serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{client} {mode} says {said}"))
}

#[test]
fn every_official_stdio_client_lists_and_calls_through_the_launcher() {
    let stack = Stack::start();
    let node = installed("node");
    let launcher = root("scripts/mcp_http_bridge.js").display().to_string();
    let url = stack.url("/calculator/mcp");
    for (client, mode, revision) in
        [("ts-v1", "default", LEGACY), ("ts-v2", "default", LEGACY), ("ts-v2", "auto", MODERN)]
    {
        let user = format!("{client}-{mode}-stdio");
        let env =
            json!({ "SCOPEGATE_TOKEN": stack.token(&user, "developer"), "SCOPEGATE_BIN": BRIDGE });
        let report = run(client, mode, &[&node, &launcher, "--endpoint", &url], &env);
        assert_eq!(report["tools"].as_array().unwrap().len(), 6, "{report}");
        let sums: Vec<String> = (1..=20).map(|n: u32| n.to_string()).collect();
        assert_eq!(report["sums"], json!(sums), "{report}");
        assert!(report["refusal"].is_i64(), "{report}");
        if client == "ts-v2" {
            assert_eq!(report["protocolVersion"], json!(revision), "{report}");
        }
        stack.audited(&format!("user_id={user}&tool_name=exact_calculate&status=success"), 20);
    }
}

#[test]
fn the_launcher_passes_on_flags_signals_and_the_exit_code() {
    let (node, launcher) = (installed("node"), root("scripts/mcp_http_bridge.js"));
    let launcher = launcher.to_str().unwrap();
    let server = Server::start(standard);
    let url = server.url();
    let with = |flags: &[&str], bin: &str| {
        let env = [("SCOPEGATE_BIN", bin), ("SCOPEGATE_TOKEN", "t")];
        Bridge::start(&node, &[&[launcher], flags].concat(), &env)
    };
    let mut bridge = with(&["--endpoint", &url], BRIDGE);
    bridge.open();
    bridge.close();
    assert_eq!(bridge.wait(), 0);
    server.wait_for("DELETE", 1);

    let mut bridge = with(&["--endpoint", &url], BRIDGE);
    bridge.open();
    bridge.signal("TERM");
    assert_eq!(bridge.wait(), 0);
    server.wait_for("DELETE", 2);

    assert_eq!(with(&["--endpoint", "nonsense"], BRIDGE).wait(), 2);
    let mut bridge = with(&[], "/no/such/program");
    assert_eq!(bridge.wait(), 2);
    assert!(bridge.stderr().contains("SCOPEGATE_BIN"));

    // Without a word about it, it finds the program by itself: next to it, or
    // in PATH.
    let scratch = support::scratch::Scratch::new("sg-launcher");
    let copy = scratch.path().join("bridge.js");
    fs::copy(launcher, &copy).unwrap();
    std::os::unix::fs::symlink(BRIDGE, scratch.path().join("scopegate")).unwrap();
    let mut bridge = Bridge::start(&node, &[copy.to_str().unwrap(), "--unknown"], &[]);
    assert_eq!(bridge.wait(), 2);
    assert!(bridge.stderr().contains("--unknown"), "the bridge itself complains");
}
