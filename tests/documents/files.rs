//! Documents as resources: one's own, and nobody else's.

use scopegate::clock::Clock;
use serde_json::{Value, json};

use crate::service::Service;

fn listed(service: &Service, user: Option<&str>) -> Vec<Value> {
    let answer = service.rpc(user, "resources/list", json!({}));
    answer["result"]["resources"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn documents_are_their_makers_only() {
    let service = Service::start();
    let made = service.make("html", "# mine", json!({}));
    let uri = made.said["uri"].as_str().unwrap();
    assert_eq!(service.read("ann", uri), made.bytes);
    let mine = listed(&service, Some("ann"));
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0]["uri"], uri);
    assert_eq!(mine[0]["mimeType"], "text/html; charset=utf-8");
    assert_eq!(mine[0]["size"], made.bytes.len());
    for other in [Some("bob"), Some("Ann"), Some("../ann"), None] {
        assert!(listed(&service, other).is_empty(), "{other:?}");
        let read = |uri: &str| service.rpc(other, "resources/read", json!({ "uri": uri }));
        let refused = read(uri);
        assert_eq!(refused["error"]["code"], -32002, "{refused}");
        // The same words as for what is not there.
        let mut missing = read(&uri.replace("document:///ann/", "document:///ann/0"));
        missing["error"]["data"] = refused["error"]["data"].clone();
        assert_eq!(missing, refused);
    }
}

#[test]
fn no_address_leads_anywhere_else() {
    let service = Service::start();
    let made = service.make("pdf", "x", json!({}));
    let name = made.said["filename"].as_str().unwrap();
    std::fs::write(service.files().join("secret.pdf"), "secret").unwrap();
    std::fs::write(service.files().join("ann/other.pdf"), "secret").unwrap();
    for uri in [
        "document:///ann/../secret.pdf".to_owned(),
        "document:///ann/other.pdf".to_owned(),
        "document:///ann/%2e%2e/secret.pdf".to_owned(),
        format!("document:///ann//{name}"),
        format!("document:///ann/./{name}"),
        format!("document:///ann/x/../{name}"),
        format!("document://ann/{name}"),
        format!("document:///{name}"),
        format!("DOCUMENT:///ann/{name}"),
        format!("file:///ann/{name}"),
        format!("document:///ann/{}", name.to_uppercase()),
        format!("document:///ann/{name}\u{0}"),
        "document:///ann/".to_owned(),
        String::new(),
    ] {
        let refused = service.rpc(Some("ann"), "resources/read", json!({ "uri": uri }));
        assert_eq!(refused["error"]["code"], -32002, "{uri}: {refused}");
    }
    let none = service.rpc(Some("ann"), "resources/read", json!({}));
    assert_eq!(none["error"]["code"], -32602);
    let long = json!({ "uri": format!("document:///{}", "a".repeat(3000)) });
    assert_eq!(service.rpc(Some("ann"), "resources/read", long)["error"]["code"], -32602);
    let paged = service.rpc(Some("ann"), "resources/list", json!({"cursor": "x"}));
    assert_eq!(paged["error"]["code"], -32602);
}

#[test]
fn what_has_expired_is_gone() {
    let service = Service::start();
    let made = service.make("pdf", "x", json!({}));
    let uri = made.said["uri"].as_str().unwrap();
    let path = service.files().join("ann").join(made.said["filename"].as_str().unwrap());
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    // A day from now, as it says itself.
    let expires = file.metadata().unwrap().modified().unwrap();
    let expires = chrono::DateTime::<chrono::Utc>::from(expires);
    let left = (expires - Clock::system().now()).num_seconds();
    assert!((86_000..=86_400).contains(&left), "{left}");
    let said = chrono::DateTime::parse_from_rfc3339(made.said["expires_at"].as_str().unwrap());
    assert_eq!(said.unwrap().timestamp(), expires.timestamp());
    file.set_modified(Clock::system().now().into()).unwrap();
    let refused = service.rpc(Some("ann"), "resources/read", json!({ "uri": uri }));
    assert_eq!(refused["error"]["code"], -32002);
    assert!(listed(&service, Some("ann")).is_empty());
    // The next call tidies up.
    assert!(path.exists());
    service.make("pdf", "y", json!({}));
    assert!(!path.exists());
}

#[test]
fn quotas_are_told_and_nothing_is_left_of_what_was_refused() {
    let service = Service::with(&[], &[("DOCUMENTS_MAX_USER_FILES", "2")]);
    let call = || service.call(Some("ann"), json!({"content": "x", "format": "html"}));
    assert!(call()["result"].is_object() && call()["result"].is_object());
    let refused = call();
    assert_eq!(refused["error"]["code"], -32002);
    let sentence = refused["error"]["message"].as_str().unwrap();
    let begins = "Generation failed: you have 2 files, and no more are kept; the first of them \
                  expires at 20";
    assert!(sentence.starts_with(begins), "{sentence}");
    assert_eq!(std::fs::read_dir(service.files().join("ann")).unwrap().count(), 2);
    // Others have room of their own.
    let other = service.call(Some("bob"), json!({"content": "x", "format": "html"}));
    assert!(other["result"].is_object());

    let small = Service::with(&[], &[("DOCUMENTS_MAX_USER_BYTES", "5000")]);
    let arguments = json!({"content": "word ".repeat(2000), "format": "html"});
    let (code, sentence) = small.refusal(arguments);
    assert_eq!(code, -32002);
    assert!(sentence.contains("more than 5000 bytes"), "{sentence}");
}
