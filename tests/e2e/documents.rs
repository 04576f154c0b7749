//! A document on its whole way: made through nginx, fetched through nginx, read as
//! a resource, and all of it on record.

use serde_json::{Value, json};

use crate::http::{Answer, ask};
use crate::stack::{Stack, call};

/// A request with a token, to a path.
fn get(stack: &Stack, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    ask(stack.nginx.port(), &format!("GET {path}"), &headers, b"")
}

/// Makes a document; gives what the tool says of it, and the path it is at.
fn make(stack: &Stack, token: &str, format: &str) -> (Value, String) {
    let arguments = json!({"content": "# Hello\n\nsesquipedalian", "format": format});
    let answer = stack.post("/docs/mcp", token, &call("document_generate", arguments)).json();
    let said = answer["result"]["structuredContent"].clone();
    let url = said["download_url"].as_str().unwrap_or_else(|| panic!("{answer}"));
    // Where clients reach nginx is for the operator to say; here, nobody has.
    let path = url.strip_prefix("http://localhost:8000").unwrap().to_owned();
    (said, path)
}

#[test]
fn a_document_is_made_fetched_and_read_by_its_owner() {
    let stack = Stack::start();
    let (ann, bob) = (stack.token("ann", "developer"), stack.token("bob", "developer"));
    for (format, media, magic) in [
        ("pdf", "application/pdf", "%PDF-1.7"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "PK"),
        ("html", "text/html; charset=utf-8", "<!DOCTYPE html>"),
    ] {
        let (said, path) = make(&stack, &ann, format);
        let file = get(&stack, &path, &ann, &[]);
        assert_eq!((file.status, file.header("Content-Type")), (200, media));
        assert!(file.body.starts_with(magic), "{format}");
        assert_eq!(file.header("Content-Length"), said["size_bytes"].to_string());
        assert_eq!(file.header("X-Content-Type-Options"), "nosniff");
        assert!(file.header("Content-Disposition").starts_with("attachment; filename="));
        let part = get(&stack, &path, &ann, &[("Range", "bytes=0-1")]);
        assert_eq!((part.status, part.body.as_str()), (206, &magic[..2]));
        assert_eq!(part.header("Content-Range"), format!("bytes 0-1/{}", said["size_bytes"]));
        assert_eq!(get(&stack, &path, &bob, &[]).status, 403);
        assert_eq!(get(&stack, &path, &stack.token("root", "admin"), &[]).status, 200);
        assert_eq!(ask(stack.nginx.port(), &format!("GET {path}"), &[], b"").status, 401);

        let read = |token: &str| {
            let message = json!({"jsonrpc": "2.0", "id": 2, "method": "resources/read",
                                 "params": {"uri": said["uri"]}});
            stack.post("/docs/mcp", token, &message).json()
        };
        assert_eq!(read(&ann)["result"]["contents"][0]["mimeType"], media);
        assert_eq!(read(&bob)["error"]["code"], -32002);
    }
    let list = json!({"jsonrpc": "2.0", "id": 3, "method": "resources/list", "params": {}});
    let listed = |token: &str| {
        let answer = stack.post("/docs/mcp", token, &list).json();
        answer["result"]["resources"].as_array().unwrap().len()
    };
    assert_eq!((listed(&ann), listed(&bob)), (3, 0));
}

#[test]
fn the_scope_of_documents_has_one_tool_and_nobody_without_rights_uses_it() {
    let stack = Stack::start();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let names = |role: &str| -> Vec<String> {
        let answer = stack.post("/docs/sse", &stack.token("ann", role), &list).json();
        let tools = answer["result"]["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    // V-98.
    assert_eq!(names("developer"), ["document_generate"]);
    assert_eq!(names("writer"), ["document_generate"]);
    assert!(names("viewer").is_empty());
    let arguments = json!({"content": "x", "format": "pdf"});
    let message = call("document_generate", arguments);
    let denied = stack.post("/docs/mcp", &stack.token("ann", "viewer"), &message).json();
    assert_eq!(denied["error"]["code"], -32011, "{denied}");
    // V-95.
    let elsewhere = stack.post("/calculator/sse", &stack.token("ann", "developer"), &message);
    assert_eq!((elsewhere.status, &elsewhere.json()["error"]["code"]), (200, &json!(-32011)));
}

#[test]
fn who_made_and_fetched_what_is_on_record_without_what_it_says() {
    let stack = Stack::start();
    let token = stack.token("ann", "developer");
    let (_, path) = make(&stack, &token, "pdf");
    assert_eq!(get(&stack, &path, &token, &[]).status, 200);
    let rows = stack.audited("user_id=ann", 2);
    let names: Vec<&Value> = rows.iter().map(|row| &row["tool_name"]).collect();
    assert!(names.contains(&&json!("document_generate")) && names.contains(&&json!(path)));
    assert!(rows.iter().all(|row| row["status"] == "success"), "{rows:?}");
    // The text of a document is nobody's business, a digest of it is kept.
    assert!(!json!(rows).to_string().contains("sesquipedalian"), "{rows:?}");
    let of_call = rows.iter().find(|row| row["tool_name"] == "document_generate").unwrap();
    assert!(of_call["arguments_digest"].is_string());
    // V-102, as nginx sees it.
    for path in ["/files/ann/..%2fx", "/files/ann/../x", "/files/ann//x", "/files/%2e%2e/x"] {
        assert_eq!(get(&stack, path, &token, &[]).status, 404, "{path}");
    }
}
