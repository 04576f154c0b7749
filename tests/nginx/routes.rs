//! Which paths get through, and how.

use serde_json::json;

use crate::Edge;
use crate::client::{ask, raw, request};

/// The forwarded request line must be the one that was sent.
#[test]
fn every_route_reaches_the_gateway_as_it_was_sent() {
    let edge = Edge::start();
    for line in [
        "POST /calculator/mcp",
        "GET /calculator/mcp",
        "DELETE /calculator/sse",
        "POST /g-2/sse?x=%2e%2e%2F..//&y",
        "POST /mcp/invoke",
        "GET /mcp/tools",
        "POST /mcp/jobs",
        "GET /mcp/jobs/0190-ab",
        "GET /.well-known/oauth-protected-resource",
        "GET /.well-known/oauth-protected-resource/calculator/mcp",
        "GET /admin/audit-logs?limit=1&user_id=a%2Fb",
        "GET /files/ann@example.org/a.b..c.pdf",
        "GET /files/ann%40example.org/a.pdf",
        "GET /health",
        "GET /healthz",
        "GET /ready",
        "GET /docs",
        "GET /docs/",
        "GET /docs/swagger-ui.css",
        "GET /openapi.json",
        "OPTIONS /calculator/mcp",
    ] {
        let answer = ask(edge.nginx.port(), line, &[crate::BEARER], b"");
        assert_eq!(answer.status, 200, "{line}: {answer:?}");
        assert_eq!(answer.json()["line"], json!(format!("{line} HTTP/1.1")));
    }
}

#[test]
fn everything_else_is_not_found() {
    let edge = Edge::start();
    for line in [
        "GET /",
        "POST /sse",
        "POST /messages",
        "GET /mcp",
        "POST /mcp/nothing",
        "GET /metrics",
        "POST /token",
        "GET /admin",
        "GET /admin/",
        "GET /files/",
        "POST /calculator/mcp/",
        "POST /calculator/mcp/more",
        "POST /Calculator/mcp",
        "POST /-calculator/mcp",
        "POST /calculator",
        "GET /healthz/",
        "GET /docsearch",
        "GET /openapi.json.bak",
        "GET /.well-known/openid-configuration",
        "GET /.nginx/400",
        "GET /.nginx/502",
        "GET /console/",
    ] {
        let answer = ask(edge.nginx.port(), line, &[crate::BEARER], b"");
        assert_eq!((answer.status, answer.error().as_str()), (404, "not_found"), "{line}");
        assert_eq!(answer.all("Content-Type"), ["application/json"], "{line}");
    }
    assert!(edge.stub.seen().is_empty());
}

/// A path that nginx and the gateway could read in two ways gets nowhere.
#[test]
fn tricks_with_paths_get_nowhere() {
    let edge = Edge::start();
    for path in [
        "/calculator/../git/mcp",
        "/calculator/./mcp",
        "/calculator/mcp/..",
        "/calculator/mcp/.",
        "/./calculator/mcp",
        "/calculator/%2e%2e/git/mcp",
        "/calculator/.%2e/git/mcp",
        "/calculator/%2E/mcp",
        "/calculator%2fmcp",
        "/calculator/mcp%2f..%2f..%2fgit%2fmcp",
        "/git%2F..%2Fcalculator/mcp",
        "/calculator/mc%70",
        "/calculator/mcp%20",
        "/calculator/mcp%00",
        "/calculator/mcp%0a",
        "/calculator/mcp%3fx",
        "/calculator/mcp%23",
        "/calculator/mcp#/../../git/mcp",
        "/calculator/mcp#",
        "/calculator/mcp;x=1",
        "//calculator/mcp",
        "/calculator//mcp",
        "/calculator/mcp//",
        "/calculator\\..\\git/mcp",
        "/calculator/..\\git/mcp",
        "/calculator/%5c..%5cgit/mcp",
        "/calculator/%252e%252e/git/mcp",
        "/calculator/%c0%ae%c0%ae/git/mcp",
        "/calculat\u{f6}r/mcp",
        "/calculator/mcp%",
        "/calculator/mcp%zz",
        "/admin/%2e%2e/mcp/invoke",
        "/docs/../admin/audit-logs",
        "/docs/..%2fadmin/audit-logs",
        "/files/ann/%2e%2e/bob/x.pdf",
        "/files/ann/..%5cbob",
        "/.nginx/%34%30%34",
        "/../calculator/mcp",
    ] {
        let answer = edge.get(path, &[]);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(matches!(answer.error().as_str(), "invalid_request" | "not_found"), "{path}");
    }
    assert!(edge.stub.seen().is_empty(), "{:?}", edge.stub.seen());
}

/// The path of the absolute form is held to the same rules.
#[test]
fn an_absolute_address_is_no_way_around() {
    let edge = Edge::start();
    let port = edge.nginx.port();
    let answer = ask(port, "GET http://other.test/calculator/mcp", &[crate::BEARER], b"");
    assert_eq!(answer.json()["line"], json!("GET /calculator/mcp HTTP/1.1"));
    assert_eq!(edge.stub.only().all("Host"), ["gateway.test:8000"]);
    for target in
        ["http://other.test", "http://other.test?/calculator/mcp", "http://x//calculator/mcp"]
    {
        let answer = ask(port, &format!("GET {target}"), &[crate::BEARER], b"");
        assert_eq!((answer.status, answer.error().as_str()), (404, "not_found"), "{target}");
    }
    assert_eq!(edge.stub.seen().len(), 1);
}

#[test]
fn what_is_not_http_is_told_so_in_json() {
    let edge = Edge::start();
    for (bytes, status, code) in [
        (&b"RUBBISH\r\n\r\n"[..], 400, "invalid_request"),
        (b"GET /ready HTTP/1.1\r\n\r\n", 400, "invalid_request"),
        (b"GET /ready HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "invalid_request"),
        (b"GET /ready HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "invalid_request"),
        (b"TRACE /ready HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_request"),
        // Two lengths: the classic way to smuggle a second request.
        (
            b"POST /mcp/invoke HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "invalid_request",
        ),
        (
            b"POST /mcp/invoke HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\
              Content-Length: 4\r\n\r\nabc",
            400,
            "invalid_request",
        ),
        (
            b"POST /mcp/invoke HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
            "not_implemented",
        ),
        (b"GET /ready HTTP/7.0\r\nHost: a\r\n\r\n", 505, "http_version_not_supported"),
    ] {
        let answer = raw(edge.nginx.port(), bytes);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!((answer.status, answer.error().as_str()), (status, code), "{text}");
        assert_eq!(answer.all("Content-Type"), ["application/json"], "{text}");
    }
    assert!(edge.stub.seen().is_empty(), "{:?}", edge.stub.seen());
}

#[test]
fn large_heads_are_told_so_in_json() {
    let edge = Edge::start();
    let port = edge.nginx.port();
    // The largest token that the gateway reads gets through.
    let token = format!("Bearer {}", "t".repeat(16 * 1024));
    assert_eq!(ask(port, "GET /ready", &[("Authorization", &token)], b"").status, 200);

    let huge = "h".repeat(32 * 1024);
    let answer = ask(port, "GET /ready", &[("X-Huge", &huge)], b"");
    assert_eq!((answer.status, answer.error().as_str()), (431, "headers_too_large"));
    let many = "h".repeat(20 * 1024);
    let many: Vec<_> = ["X-A", "X-B", "X-C", "X-D", "X-E"].iter().map(|n| (*n, &*many)).collect();
    let answer = ask(port, "GET /ready", &many, b"");
    assert_eq!((answer.status, answer.error().as_str()), (431, "headers_too_large"));
    let answer = raw(port, &request(&format!("GET /ready?{huge}"), &[], b""));
    assert_eq!((answer.status, answer.error().as_str()), (414, "uri_too_long"));
    assert_eq!(edge.stub.seen().len(), 1);
}
