//! What happens when the disk, or a neighbour, does not do its part.

use std::os::unix::fs::PermissionsExt as _;

use scopegate::clock::Clock;
use serde_json::json;

use crate::service::Service;

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
