//! The official SDKs, as applications use them, through nginx.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stack::Stack;

/// Longest time for a client from start to end.
const PATIENCE: Duration = Duration::from_mins(1);
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const TOOLS: [&str; 6] = [
    "exact_calculate",
    "exact_convert_units",
    "exact_evaluate",
    "exact_regression",
    "exact_statistics",
    "exact_unit_arithmetic",
];

/// Client, mode, and the revision they settle on with a gateway that speaks
/// both eras.
const CLIENTS: [(&str, &str, &str); 5] = [
    ("ts-v1", "default", LEGACY),
    ("ts-v2", "default", LEGACY),
    ("ts-v2", "auto", MODERN),
    ("python", "default", MODERN),
    ("python", "legacy", LEGACY),
];

#[test]
fn every_official_client_lists_and_calls_on_both_spellings() {
    let stack = Stack::start();
    for (client, mode, revision) in CLIENTS {
        for path in ["/calculator/mcp", "/calculator/sse"] {
            let user = format!("{client}-{mode}-{}", &path[path.len() - 3..]);
            let token = stack.token(&user, "developer");
            let report = run(client, mode, &stack.url(path), &token);

            let mut tools: Vec<&str> =
                report["tools"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
            tools.sort_unstable();
            assert_eq!(tools, TOOLS, "{user}");
            assert_eq!(report["protocolVersion"], json!(revision), "{user}: {report}");
            let answer = &report["answer"];
            assert_eq!(answer["structuredContent"]["result"], json!("3.5"), "{user}: {report}");
            assert_ne!(answer["isError"], json!(true), "{user}: {report}");

            // A call is on record before its end is; the end is waited for.
            let call = format!("user_id={user}&tool_name=exact_calculate");
            stack.audited(&format!("{call}&status=success"), 1);
            let rows = stack.audited(&call, 1);
            assert_eq!(rows[0]["endpoint_path"], json!(path), "{user}: {rows:?}");
            assert_eq!(rows[0]["scope"], json!("calculator"), "{user}: {rows:?}");
        }
    }
}

/// Runs a client to its end and gives what it reports.
fn run(client: &str, mode: &str, url: &str, token: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (sources, installed) =
        (root.join("tests/e2e/clients").join(client), root.join("target/e2e-clients"));
    let folder = installed.join(client);
    let mut command = if client == "python" {
        assert_installed(&sources, &folder, "requirements.txt");
        Command::new(folder.join("bin/python"))
    } else {
        assert_installed(&sources, &folder, "package-lock.json");
        let mut command = Command::new(installed.join("node"));
        command.arg("--input-type=module");
        command
    };
    let script = if client == "python" { "client.py" } else { "client.mjs" };
    let script = std::fs::read(sources.join(script)).unwrap();
    // The script comes by standard input: packages are looked for where it
    // runs, and what runs is always what stands in this repository.
    command.arg("-").current_dir(&folder);
    command.env("MCP_URL", url).env("MCP_TOKEN", token).env("MCP_MODE", mode);
    let output = finish(&mut command, script, &format!("{client} in mode {mode}"));
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{client} {mode} at {url} fails: {said}{complaint}");
    serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{client} {mode} says {said}"))
}

/// The installer copies the file with the pinned versions next to what it
/// installs.
fn assert_installed(sources: &Path, folder: &Path, pins: &str) {
    let read = |file: PathBuf| std::fs::read(file).unwrap_or_default();
    let complete = folder.with_file_name("installed").is_file();
    assert!(
        complete && read(sources.join(pins)) == read(folder.join(pins)),
        "the clients of tests/e2e are not installed, or not in the pinned versions: \
         run ./scripts/install-e2e-clients (./scripts/test does so by itself)"
    );
}

fn finish(command: &mut Command, input: Vec<u8>, what: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {what}: {error}"));
    let pid = child.id().to_string();
    let mut stdin = child.stdin.take().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        let written = stdin.write_all(&input);
        drop(stdin);
        let _ = tell.send(written.and_then(|()| child.wait_with_output()));
    });
    let Ok(ended) = told.recv_timeout(PATIENCE) else {
        let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
        panic!("{what} does not end within {PATIENCE:?}");
    };
    ended.unwrap_or_else(|error| panic!("{what}: {error}"))
}
