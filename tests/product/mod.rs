//! The product's processes, for tests that put nginx, gateways and an issuer
//! in front of the servers of `tests/backends`.

use std::path::Path;

use serde_json::{Value, json};
use support::eventually::wait_until;
use support::nginx::Nginx;
use support::process::{PATIENCE, Server, on_free_port};

/// What backends must be shown.
pub(crate) const SECRET: &str = "6b7f0c2d9e4a8135f6c1b0a7d2e3948570c9b8a6f1e2d3c4b5a697887f6e5d4c";
/// nginx's and the gateway's limit of a body, in bytes.
const MAX_BODY: &str = "4194304";

/// Who makes the tokens.
pub(crate) struct Issuer {
    _server: Server,
    port: u16,
}

impl Issuer {
    /// Starts one with its key in a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let key = folder.join("issuer.pem").display().to_string();
        let (server, port) = on_free_port(|port| {
            let environment = [
                ("JWT_ISSUER", "tests"),
                ("JWT_AUDIENCE", "scopegate"),
                ("JWT_ALGORITHM", "ES256"),
                ("DEV_ISSUER_KEY_FILE", key.as_str()),
            ];
            let arguments = ["--listen", &format!("127.0.0.1:{port}")];
            Server::isolated(Path::new(env!("CARGO_BIN_EXE_dev-issuer")), &arguments, &environment)
        });
        Self { _server: server, port }
    }

    /// A new token for a user with a role.
    pub(crate) fn token(&self, user: &str, role: &str) -> String {
        let wanted = json!({ "user_id": user, "roles": [role], "workspace": "tests" });
        let answer = http(self.port, "POST /token", &wanted.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        body["access_token"].as_str().expect("a token").to_owned()
    }
}

/// The files in which gateways are told what there is, and who may use it.
pub(crate) struct Files<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) tools: &'a str,
    pub(crate) policy: &'a str,
}

/// Starts a gateway that trusts an issuer, with further settings. It keeps
/// its journal in the folder `state` of the files'.
pub(crate) fn gateway(
    issuer: &Issuer,
    files: &Files<'_>,
    state: &str,
    settings: &[(&str, &str)],
) -> (Server, u16) {
    let file = |name: &str| files.folder.join(name).display().to_string();
    let (tools, policy, state) = (file("tools.yaml"), file("policy.yaml"), file(state));
    std::fs::write(&tools, files.tools).unwrap();
    std::fs::write(&policy, files.policy).unwrap();
    let keys = format!("http://127.0.0.1:{}/jwks.json", issuer.port);
    let usual = [
        ("JWT_ISSUER", "tests"),
        ("JWT_AUDIENCE", "scopegate"),
        ("JWT_ALGORITHM", "ES256"),
        ("JWT_ALLOWED_ALGORITHMS", "ES256"),
        ("JWT_JWKS_URL", &keys),
        ("TOOL_GATEWAY_SHARED_SECRET", SECRET),
        ("SCOPEGATE__SERVER__STATE_DIR", &state),
        ("SCOPEGATE__SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
        ("SCOPEGATE__REGISTRY__FILE", &tools),
        ("SCOPEGATE__POLICY__FILE", &policy),
    ];
    let (server, port) = on_free_port(|port| {
        let listen = format!("127.0.0.1:{port}");
        let metrics = format!("127.0.0.1:{}", support::ports::free());
        let own = [
            ("SCOPEGATE__SERVER__LISTEN", listen.as_str()),
            ("SCOPEGATE__SERVER__METRICS_LISTEN", metrics.as_str()),
        ];
        let environment = [&usual[..], settings, &own].concat();
        Server::isolated(Path::new(env!("CARGO_BIN_EXE_scopegate")), &[], &environment)
    });
    let what = format!("the gateway to be ready; it says: {}", server.log());
    wait_until(PATIENCE, &what, || http(port, "GET /ready", "").starts_with("HTTP/1.1 200"));
    (server, port)
}

/// Starts nginx in front of one gateway or several.
pub(crate) fn nginx(gateways: &[u16]) -> Nginx {
    let template = Path::new(env!("CARGO_MANIFEST_DIR"));
    let template = template.join("docker/nginx/scopegate.conf.template");
    let (first, others) = gateways.split_first().expect("a gateway");
    let server = |port: &u16| format!("server 127.0.0.1:{port} max_fails=0;");
    let values = [
        ("USER_DIRECTIVE", ""),
        ("WORKERS", "1"),
        ("RUN_DIR", "."),
        ("ERROR_LOG", "stderr"),
        ("ACCESS_LOG", "access.log"),
        ("LISTEN_HOST", "127.0.0.1"),
        ("GATEWAY", &format!("127.0.0.1:{first}")),
        ("MORE_GATEWAYS", &others.iter().map(server).collect::<String>()),
        ("REAL_IP", ""),
        ("MAX_BODY_BYTES", MAX_BODY),
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
