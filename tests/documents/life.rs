//! Start, settings and stop of the real process.

use std::process::{Command, Output};

use serde_json::json;
use support::eventually::wait_until;
use support::process::PATIENCE;
use support::scratch::Scratch;

use crate::http::Connection;
use crate::service::{SECRET, Service, program};

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(program())
        .env_clear()
        .envs(settings.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_self_test_needs_no_folder_and_holds() {
    let output = run(&["--self-test"], &[]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    assert!(out.lines().count() >= 10);
    assert!(out.lines().all(|line| line.starts_with("ok ")), "{out}");
    for kind in ["a PDF", "a DOCX", "an HTML page"] {
        assert!(out.contains(&format!("ok    makes {kind}, twice the same")), "{out}");
    }
}

#[test]
fn a_self_test_that_makes_no_document_ends_with_one() {
    // Fewer bytes than the least document has.
    let output = run(&["--self-test"], &[("DOCUMENTS_MAX_DOCUMENT_BYTES", "1024")]);
    assert_eq!(output.status.code(), Some(1));
    let out = String::from_utf8_lossy(&output.stdout);
    let failed = "FAIL  makes a PDF, twice the same: Generation failed: the document has more than";
    assert!(out.contains(failed), "{out}");
}

#[test]
fn help_is_a_manual() {
    let output = run(&["--help"], &[]);
    let out = String::from_utf8(output.stdout).unwrap();
    for part in [
        "--folder <DIR>",
        "--fonts <DIR>",
        "DOCUMENTS_KEEP_HOURS",
        "document_generate",
        "Examples:",
    ] {
        assert!(out.contains(part), "{part}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn every_bad_setting_is_told_at_once() {
    let scratch = Scratch::new("sg-fonts");
    std::fs::write(scratch.path().join("broken.ttf"), "no font").unwrap();
    let broken = scratch.path().display().to_string();
    let settings = [
        ("DOCUMENTS_KEEP_HOURS", "0"),
        ("DOCUMENTS_MAX_PAGES", "many"),
        ("GATEWAY_PUBLIC_URL", "ftp://x"),
        ("DOCUMENTS_LISTEN", "nowhere"),
    ];
    let arguments =
        ["--fonts", "/no/such/folder", "--fonts", &broken, "--folder", "/a", "--folder", "/b"];
    let output = run(&arguments, &settings);
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr);
    for part in [
        "DOCUMENTS_KEEP_HOURS must be",
        "DOCUMENTS_MAX_PAGES must be",
        "GATEWAY_PUBLIC_URL must begin with",
        "DOCUMENTS_LISTEN must be",
        "/no/such/folder cannot be read",
        "broken.ttf is no font",
        "DOCUMENTS_FOLDER must name one folder",
    ] {
        assert!(err.contains(part), "{part} is not in {err}");
    }
    let output = run(&["--folder", "/proc/no/such"], &[]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_stop_finishes_what_is_at_work() {
    let service = Service::start();
    let content = "| a | b |\n|---|---|\n".to_owned() + &"| words | more |\n".repeat(3000);
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "document_generate",
                   "arguments": {"content": content, "format": "pdf"}},
    })
    .to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: test\r\nx-gateway-auth: {SECRET}\r\nx-user-id: ann\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = Connection::open(service.address);
    connection.write(head.as_bytes());
    connection.write(body.as_bytes());
    // It came first, so it is at work when a later one is done.
    service.call(Some("bob"), json!({"content": "x", "format": "html"}));
    service.server.signal("TERM");
    let answer = connection.read().json();
    assert!(answer["result"].is_object(), "{answer}");
    wait_until(PATIENCE, "the service to end", || service.server.exit_code().is_some());
    assert_eq!(service.server.exit_code(), Some(0));
}

/// Where the kernel can do it, a service that requires it works and may gain no
/// rights; where it cannot, it does not start.
#[test]
fn a_required_sandbox_is_there_or_the_service_does_not_start() {
    let settings = [("DOCUMENTS_SANDBOX", "require")];
    let output = run(&["--self-test"], &settings);
    if output.status.code() == Some(2) {
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains("DOCUMENTS_SANDBOX=require, but"), "{err}");
        return;
    }
    assert!(output.status.success());
    let service = Service::with(&["--fonts", crate::readers::FONTS], &settings);
    for format in ["pdf", "docx", "html"] {
        assert!(service.make(format, "# 漢字", json!({})).warnings().is_empty());
    }
    let status = format!("/proc/{}/status", service.server.pid());
    let status = std::fs::read_to_string(status).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}
