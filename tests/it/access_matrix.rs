//! Every route × every kind of caller → status. A route without a row fails.

use std::collections::BTreeSet;

use scopegate::app;

use crate::harness::{Gateway, Token, http};

/// Route, a path on it, method, and the status for: nobody, an expired
/// token, a caller without roles, a developer, an admin.
const MATRIX: &[(&str, &str, &str, [u16; 5])] = &[
    ("/{scope}/mcp", "/main/mcp", "POST", [401, 401, 200, 200, 200]),
    ("/{scope}/sse", "/main/sse", "POST", [401, 401, 200, 200, 200]),
    ("/mcp/invoke", "/mcp/invoke", "POST", [401, 401, 404, 200, 200]),
    ("/mcp/tools", "/mcp/tools", "GET", [401, 401, 200, 200, 200]),
    ("/admin/audit-logs", "/admin/audit-logs", "GET", [401, 401, 403, 403, 200]),
    ("/admin/quotas", "/admin/quotas?user=dora", "GET", [401, 401, 403, 403, 200]),
    ("/admin/quotas", "/admin/quotas?user=dora", "DELETE", [401, 401, 403, 403, 200]),
    ("/admin/reload", "/admin/reload", "POST", [401, 401, 403, 403, 200]),
    ("/admin/reload-status", "/admin/reload-status", "GET", [401, 401, 403, 403, 200]),
    (
        "/admin/policy/explain",
        "/admin/policy/explain?tool=exact_calculate",
        "GET",
        [401, 401, 403, 403, 200],
    ),
    (
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource",
        "GET",
        [200; 5],
    ),
    (
        "/.well-known/oauth-protected-resource/{scope}/{leaf:mcp|sse}",
        "/.well-known/oauth-protected-resource/main/sse",
        "GET",
        [200; 5],
    ),
    ("/health", "/health", "GET", [200; 5]),
    ("/healthz", "/healthz", "GET", [200; 5]),
    ("/ready", "/ready", "GET", [200; 5]),
    ("/openapi.json", "/openapi.json", "GET", [200; 5]),
    ("/docs", "/docs", "GET", [308; 5]),
    ("/docs/", "/docs/", "GET", [200; 5]),
    ("/docs/{file}", "/docs/swagger-ui.css", "GET", [200; 5]),
];

#[test]
fn every_route_has_a_row() {
    let listed: BTreeSet<&str> = MATRIX.iter().map(|(route, ..)| *route).collect();
    let served: BTreeSet<&str> = app::routes().map(|route| route.path).collect();
    assert_eq!(listed, served);
}

#[test]
fn every_caller_gets_what_the_matrix_says() {
    let gateway = Gateway::start();
    let callers = [
        None,
        Some(Token::of("late", &["admin"]).expired()),
        Some(Token::of("nobody", &[])),
        Some(Token::of("dora", &["developer"])),
        Some(Token::of("root", &["admin"])),
    ];
    for (route, path, method, expected) in MATRIX {
        let body: &[u8] = if *path == "/mcp/invoke" {
            br#"{"tool_name":"wipe"}"#
        } else if *method == "POST" {
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#
        } else {
            b""
        };
        for (caller, status) in callers.iter().zip(expected) {
            let bearer = caller.as_ref().map(Token::bearer);
            let mut headers =
                vec![("Content-Type", "application/json"), ("Accept", "application/json")];
            headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
            let reply = http::send(gateway.addr, method, path, &headers, body);
            assert_eq!(reply.status, *status, "{route} with {bearer:?}: {}", reply.text());
        }
    }
}

#[test]
fn public_routes_are_the_ones_that_say_so() {
    for route in app::routes() {
        let (.., expected) = MATRIX.iter().find(|(path, ..)| *path == route.path).unwrap();
        assert_eq!(route.public, expected[0] < 400, "{}", route.path);
    }
}
