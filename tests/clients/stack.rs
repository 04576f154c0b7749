//! nginx, the gateway and an issuer in front of all backends.

use std::path::Path;

use serde_json::{Value, json};
use support::backend::{Backend, Sdk};
use support::eventually::wait_until;
use support::nginx::Nginx;
use support::process::{PATIENCE, Server, on_free_port};
use support::scratch::Scratch;

use crate::client::Era;

/// What backends must be shown.
const SECRET: &str = "6b7f0c2d9e4a8135f6c1b0a7d2e3948570c9b8a6f1e2d3c4b5a697887f6e5d4c";

/// The policy: whoever is a tester may use everything.
const POLICY: &str = "
default_action: deny
roles:
  tester: { allowed_tools: ['*'], allowed_prompts: ['*'], allowed_resources: ['*'] }
";

/// A kind of backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Its scope.
    pub(crate) scope: &'static str,
    /// As it is called in the table.
    pub(crate) name: &'static str,
    pub(crate) sdk: Sdk,
    arguments: &'static [&'static str],
    /// The eras it speaks.
    pub(crate) eras: &'static [Era],
}

/// All of them.
pub(crate) const BACKENDS: [Kind; 5] = [
    Kind {
        scope: "rust",
        name: "Rust 3.9.0",
        sdk: Sdk::Rust,
        arguments: &[],
        eras: &[Era::Legacy, Era::Modern],
    },
    Kind {
        scope: "ts2",
        name: "TypeScript 2.4.0",
        sdk: Sdk::TypeScript,
        arguments: &[],
        eras: &[Era::Legacy, Era::Modern],
    },
    Kind {
        scope: "ts1",
        name: "TypeScript 1.32.2",
        sdk: Sdk::TypeScript1,
        arguments: &[],
        eras: &[Era::Legacy],
    },
    Kind {
        scope: "rust-modern",
        name: "Rust 3.9.0, 2026-07-28 alone",
        sdk: Sdk::Rust,
        arguments: &["--era", "modern"],
        eras: &[Era::Modern],
    },
    Kind {
        scope: "ts2-modern",
        name: "TypeScript 2.4.0, 2026-07-28 alone",
        sdk: Sdk::TypeScript,
        arguments: &["--legacy", "reject"],
        eras: &[Era::Modern],
    },
];

/// Everything that stands between a client and a tool.
pub(crate) struct Stack {
    nginx: Nginx,
    gateway: Server,
    issuer: (Server, u16),
    backends: Vec<Backend>,
    pub(crate) scratch: Scratch,
}

impl Stack {
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new("sg-clients");
        let file = |name: &str| scratch.path().join(name).display().to_string();
        let backends: Vec<Backend> = BACKENDS
            .iter()
            .map(|kind| Backend::start(kind.sdk, kind.arguments, Some(SECRET)))
            .collect();
        let issuer = issuer(&file("issuer.pem"));
        let named = || BACKENDS.iter().zip(&backends);
        let addresses: String = named()
            .map(|(kind, backend)| format!("  {}: {{ url: '{}' }}\n", kind.scope, backend.url()))
            .collect();
        let scopes: String = BACKENDS
            .iter()
            .map(|Kind { scope, .. }| format!("  {scope}: {{ backends: [{scope}] }}\n"))
            .collect();
        let registry = format!("backends:\n{addresses}scopes:\n{scopes}");
        std::fs::write(file("tools.yaml"), registry).unwrap();
        std::fs::write(file("policy.yaml"), POLICY).unwrap();
        let keys = format!("http://127.0.0.1:{}/jwks.json", issuer.1);
        let database = format!("sqlite://{}", file("scopegate.db"));
        let (state, tools, policy) = (file("state"), file("tools.yaml"), file("policy.yaml"));
        let environment = [
            ("JWT_ISSUER", "clients"),
            ("JWT_AUDIENCE", "scopegate"),
            ("JWT_ALGORITHM", "ES256"),
            ("JWT_ALLOWED_ALGORITHMS", "ES256"),
            ("JWT_JWKS_URL", &keys),
            ("TOOL_GATEWAY_SHARED_SECRET", SECRET),
            ("DATABASE_URL", &database),
            ("SCOPEGATE__SERVER__STATE_DIR", &state),
            ("SCOPEGATE__SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
            ("SCOPEGATE__REGISTRY__FILE", &tools),
            ("SCOPEGATE__POLICY__FILE", &policy),
        ];
        let (gateway, port) = on_free_port(|port| launch(&environment, port));
        let nginx = nginx(port);
        let what = format!("the gateway to be ready; it says: {}", gateway.log());
        wait_until(PATIENCE, &what, || {
            http(nginx.port(), "GET /ready", "").starts_with("HTTP/1.1 200")
        });
        Self { nginx, gateway, issuer, backends, scratch }
    }

    /// Where clients find a scope.
    pub(crate) fn url(&self, scope: &str) -> String {
        format!("{}/{scope}/mcp", self.nginx.url())
    }

    /// The backend of a scope.
    pub(crate) fn backend(&self, scope: &str) -> &Backend {
        let place = BACKENDS.iter().position(|kind| kind.scope == scope).unwrap();
        &self.backends[place]
    }

    /// What the gateway has printed.
    pub(crate) fn log(&self) -> String {
        self.gateway.log()
    }

    /// A token of a tester's.
    pub(crate) fn token(&self, user: &str) -> String {
        let wanted = json!({ "user_id": user, "roles": ["tester"], "workspace": "tests" });
        let answer = http(self.issuer.1, "POST /token", &wanted.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["access_token"].as_str().expect("a token").to_owned()
    }
}

fn issuer(key: &str) -> (Server, u16) {
    on_free_port(|port| {
        let environment = [
            ("JWT_ISSUER", "clients"),
            ("JWT_AUDIENCE", "scopegate"),
            ("JWT_ALGORITHM", "ES256"),
            ("DEV_ISSUER_KEY_FILE", key),
        ];
        let arguments = ["--listen", &format!("127.0.0.1:{port}")];
        Server::isolated(Path::new(env!("CARGO_BIN_EXE_dev-issuer")), &arguments, &environment)
    })
}

fn launch(environment: &[(&str, &str)], port: u16) -> Server {
    let listen = format!("127.0.0.1:{port}");
    let metrics = format!("127.0.0.1:{}", support::ports::free());
    let own = [
        ("SCOPEGATE__SERVER__LISTEN", listen.as_str()),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", metrics.as_str()),
    ];
    let environment = [environment, &own].concat();
    Server::isolated(Path::new(env!("CARGO_BIN_EXE_scopegate")), &[], &environment)
}

fn nginx(gateway: u16) -> Nginx {
    let template =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/nginx/scopegate.conf.template");
    let values = [
        ("USER_DIRECTIVE", ""),
        ("WORKERS", "1"),
        ("RUN_DIR", "."),
        ("ERROR_LOG", "stderr"),
        ("ACCESS_LOG", "access.log"),
        ("LISTEN_HOST", "127.0.0.1"),
        ("GATEWAY", &format!("127.0.0.1:{gateway}")),
        ("REAL_IP", ""),
        ("MAX_BODY_BYTES", "4194304"),
        ("ANONYMOUS_RATE", "1000"),
        ("ANONYMOUS_BURST", "1000"),
        ("ANONYMOUS_CONNECTIONS", "1000"),
    ];
    Nginx::start(&template, "LISTEN_PORT", &values)
}

/// One request on a connection of its own; everything that comes.
fn http(port: u16, line: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
