//! What happens when the disk, or a neighbour, does not do its part.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use scopegate::clock::Clock;
use serde_json::json;
use support::eventually::wait_until;
use support::process::PATIENCE;
use support::scratch::Scratch;

use crate::http::Connection;
use crate::service::{SECRET, Service};

#[test]
fn a_folder_that_fails_is_an_error_without_its_name() {
    let service = Service::start();
    std::fs::write(service.files().join("ann"), "in the way").unwrap();
    let (code, sentence) = service.refusal(json!({"content": "x", "format": "html"}));
    assert_eq!((code, sentence.as_str()), (-32603, "Internal error"));
    // Others are not concerned.
    let other = service.call(Some("bob"), json!({"content": "x", "format": "html"}));
    assert!(other["result"].is_object());
    let log = service.server.log();
    assert!(log.contains("the folder of files"), "{log}");
    assert!(log.lines().any(|line| line.contains("\"level\":\"ERROR\"")), "{log}");
}

#[test]
fn what_is_written_is_for_the_service_and_its_group_only() {
    let service = Service::start();
    let made = service.make("html", "x", json!({}));
    let folder = service.files().join("ann");
    let file = folder.join(made.said["filename"].as_str().unwrap());
    let rights = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(rights(&file) & 0o137, 0, "{:o}", rights(&file));
    assert_eq!(rights(&folder) & 0o027, 0, "{:o}", rights(&folder));
}

#[test]
fn neither_text_nor_title_is_in_the_log() {
    let service = Service::start();
    let options = json!({"title": "ultramarine", "header": "vermilion"});
    service.make("pdf", "# chartreuse", options);
    service.refusal(json!({"content": "chartreuse", "format": "exe"}));
    let log = service.server.log();
    assert!(log.contains("document_generate"), "{log}");
    for word in ["ultramarine", "vermilion", "chartreuse"] {
        assert!(!log.contains(word), "{log}");
    }
}

#[test]
fn a_start_removes_what_a_crash_has_left() {
    let service = Service::start();
    service.make("html", "x", json!({}));
    let folder = service.files().join("ann");
    let left = folder.join(".unfinished-2f1e2a54-8c0f-4a52-9c0d-5b0c1c3a7d11");
    let file = std::fs::File::create(&left).unwrap();
    let long_ago = Clock::system().now() - std::time::Duration::from_secs(4000);
    file.set_modified(long_ago.into()).unwrap();
    service.server.kill();
    let place = service.files().display().to_string();
    let again = Service::with(&["--folder", &place], &[]);
    assert!(!left.exists());
    // The document is still there.
    let listed = again.rpc(Some("ann"), "resources/list", json!({}));
    assert_eq!(listed["result"]["resources"].as_array().unwrap().len(), 1);
}

/// Killed at work, again and again, the service leaves whole files and what a later
/// start removes.
#[test]
fn a_kill_leaves_no_half_a_file() {
    let keeper = Scratch::new("sg-killed");
    let place = keeper.path().join("files");
    let (folder, shown) = (place.join("ann"), place.display().to_string());
    let settings = [("DOCUMENTS_MAX_USER_FILES", "100000"), ("DOCUMENTS_FOLDER", shown.as_str())];
    let content = "| a | b |\n|---|---|\n".to_owned() + &"| some words | more |\n".repeat(200);
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "document_generate",
                   "arguments": {"content": content, "format": "pdf"}},
    })
    .to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: test\r\nx-gateway-auth: {SECRET}\r\nx-user-id: ann\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let files = || -> Vec<PathBuf> {
        let listing = std::fs::read_dir(&folder).into_iter().flatten();
        listing.map(|found| found.unwrap().path()).collect()
    };
    let mut made = 0;
    for _ in 0..8 {
        let service = Service::with(&[], &settings);
        let mut connections: Vec<Connection> =
            (0..12).map(|_| Connection::open(service.address)).collect();
        for connection in &mut connections {
            connection.write(request.as_bytes());
        }
        // Some are done, and others at work.
        wait_until(PATIENCE, "further documents", || files().len() > made + 2);
        service.server.kill();
        let whole: Vec<Vec<u8>> = files()
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "pdf"))
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        for bytes in &whole {
            assert!(bytes.starts_with(b"%PDF-1.7") && bytes.ends_with(b"%%EOF"));
            assert_eq!(bytes, &whole[0]);
        }
        made = files().len();
    }
    // The gateway would show the same.
    let again = Service::with(&[], &settings);
    let listed = again.rpc(Some("ann"), "resources/list", json!({}));
    let listed = listed["result"]["resources"].as_array().unwrap().len();
    assert!(listed >= 8 && listed <= made, "{listed} {made}");
}
