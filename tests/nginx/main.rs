//! The shipped nginx template, in front of a stub of the gateway.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod client;
mod edge;
mod flow;
mod routes;
mod stub;

use std::path::Path;

use support::nginx::Nginx;

use crate::client::Answer;
use crate::stub::Stub;

/// The gateway's `server.max_body_bytes`.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// A caller that nginx does not count.
const BEARER: (&str, &str) = ("Authorization", "Bearer the-token-of-ann");

/// nginx and what it forwards to.
struct Edge {
    nginx: Nginx,
    stub: Stub,
}

impl Edge {
    fn start() -> Self {
        Self::with(&[])
    }

    /// With values of the template other than the usual ones.
    fn with(changes: &[(&str, &str)]) -> Self {
        let stub = Stub::start();
        let nginx = nginx(&format!("127.0.0.1:{}", stub.port), changes);
        Self { nginx, stub }
    }

    /// Asks with a bearer token and no body.
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[BEARER], headers].concat();
        client::ask(self.nginx.port(), &format!("GET {path}"), &headers, b"")
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        client::ask(self.nginx.port(), &format!("POST {path}"), &[BEARER], body)
    }
}

/// nginx in front of `gateway`.
fn nginx(gateway: &str, changes: &[(&str, &str)]) -> Nginx {
    let template =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/nginx/scopegate.conf.template");
    let usual = [
        ("USER_DIRECTIVE", ""),
        ("WORKERS", "1"),
        ("RUN_DIR", "."),
        ("ERROR_LOG", "stderr"),
        ("ACCESS_LOG", "access.log"),
        ("LISTEN_HOST", "127.0.0.1"),
        ("GATEWAY", gateway),
        ("MORE_GATEWAYS", ""),
        ("REAL_IP", ""),
        ("MAX_BODY_BYTES", "4194304"),
        ("ANONYMOUS_RATE", "1000"),
        ("ANONYMOUS_BURST", "1000"),
        ("ANONYMOUS_CONNECTIONS", "1000"),
    ];
    // The first value of a name is taken.
    Nginx::start(&template, "LISTEN_PORT", &[changes, &usual].concat())
}
