//! nginx, the gateway and an issuer in front of a backend.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::backend::{Backend, Sdk};
use support::eventually::wait_until;
use support::nginx::Nginx;
use support::process::{PATIENCE, Server, on_free_port};
use support::scratch::Scratch;

/// What backends must be shown.
const SECRET: &str = "6b7f0c2d9e4a8135f6c1b0a7d2e3948570c9b8a6f1e2d3c4b5a697887f6e5d4c";
/// nginx's and the gateway's limit of a body, in bytes.
const MAX_BODY: &str = "4194304";
/// A scope with everything that its backend offers.
const SCOPE: &str = "everything";

/// The policy: whoever is a tester may use everything.
const POLICY: &str = "
default_action: deny
roles:
  tester: { allowed_tools: ['*'], allowed_prompts: ['*'], allowed_resources: ['*'] }
";

/// Everything that stands between the suite and a backend.
pub(crate) struct Stack {
    nginx: Nginx,
    _gateway: Server,
    issuer: (Server, u16),
    _backend: Backend,
    _scratch: Scratch,
}

impl Stack {
    pub(crate) fn start(sdk: Sdk) -> Self {
        let scratch = Scratch::new("sg-conformance");
        let file = |name: &str| scratch.path().join(name).display().to_string();
        let backend = Backend::start(sdk, &[], Some(SECRET));
        let issuer = issuer(&file("issuer.pem"));
        let registry = format!(
            "backends:\n  {SCOPE}: {{ url: '{}', era: auto }}\n\
             scopes:\n  {SCOPE}: {{ backends: [{SCOPE}] }}\n",
            backend.url()
        );
        std::fs::write(file("tools.yaml"), registry).unwrap();
        std::fs::write(file("policy.yaml"), POLICY).unwrap();
        let keys = format!("http://127.0.0.1:{}/jwks.json", issuer.1);
        let database = format!("sqlite://{}", file("scopegate.db"));
        let (state, tools, policy) = (file("state"), file("tools.yaml"), file("policy.yaml"));
        let environment = [
            ("JWT_ISSUER", "conformance"),
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
        wait_until(PATIENCE, &what, || get(nginx.port(), "/ready").starts_with("HTTP/1.1 200"));
        Self { nginx, _gateway: gateway, issuer, _backend: backend, _scratch: scratch }
    }

    /// Where the suite finds the backend.
    pub(crate) fn url(&self) -> String {
        format!("{}/{SCOPE}/mcp", self.nginx.url())
    }

    /// A token of a tester's.
    pub(crate) fn token(&self) -> String {
        let wanted = json!({ "user_id": "suite", "roles": ["tester"], "workspace": "tests" });
        let answer = http(self.issuer.1, "POST /token", &wanted.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["access_token"].as_str().expect("a token").to_owned()
    }
}

fn issuer(key: &str) -> (Server, u16) {
    on_free_port(|port| {
        let environment = [
            ("JWT_ISSUER", "conformance"),
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
    let template: PathBuf =
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
        ("MAX_BODY_BYTES", MAX_BODY),
        ("ANONYMOUS_RATE", "1000"),
        ("ANONYMOUS_BURST", "1000"),
        ("ANONYMOUS_CONNECTIONS", "1000"),
    ];
    Nginx::start(&template, "LISTEN_PORT", &values)
}

fn get(port: u16, path: &str) -> String {
    http(port, &format!("GET {path}"), "")
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
