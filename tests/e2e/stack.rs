//! Everything that stands between a caller and a tool, started anew.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::{wait_until, within};
use support::nginx::Nginx;
use support::process::{PATIENCE, Server, on_free_port};
use support::scratch::Scratch;

use crate::http::{Answer, ask};
use crate::leak::{self, CANARY, Written};
use crate::recorder::Recorder;

/// Longest wait for a gateway that is done with to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// nginx's and the gateway's limit of a body, in bytes.
pub(crate) const MAX_BODY: usize = 4 * 1024 * 1024;

/// Three scopes: `calculator` and `docs`, served by the real services as
/// `config/tools.yaml` says, and `git`, served by a recorder that stands in for
/// another tool. When it is done with, no secret may be in anything it has written.
pub(crate) struct Stack {
    pub(crate) nginx: Nginx,
    gateway: Option<Server>,
    pub(crate) gateway_port: u16,
    pub(crate) recorder: Recorder,
    /// What backends must be shown.
    pub(crate) secret: String,
    environment: Vec<(String, String)>,
    /// Tokens that were given out.
    tokens: Mutex<Vec<String>>,
    /// What gateways before this one have said.
    past: Vec<Written>,
    pub(crate) issuer: (Server, u16),
    calculator: (Server, u16),
    documents: (Server, u16),
    scratch: Scratch,
}

impl Stack {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With settings of the gateway other than the usual ones.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new("sg-e2e");
        let file = |name: &str| scratch.path().join(name).display().to_string();
        let secret = random();
        let recorder = Recorder::start();

        let calculator = on_free_port(|port| {
            let listen = format!("127.0.0.1:{port}");
            let environment =
                [("CALCULATOR_LISTEN", listen.as_str()), ("TOOL_GATEWAY_SHARED_SECRET", &secret)];
            isolated(env!("CARGO_BIN_EXE_tool-calculator"), &environment, &[])
        });
        let files = file("files");
        let documents = on_free_port(|port| {
            let listen = format!("127.0.0.1:{port}");
            let environment = [
                ("DOCUMENTS_LISTEN", listen.as_str()),
                ("DOCUMENTS_FOLDER", &files),
                ("TOOL_GATEWAY_SHARED_SECRET", &secret),
            ];
            isolated(env!("CARGO_BIN_EXE_tool-documents"), &environment, &[])
        });
        let key = file("issuer.pem");
        let issuer = on_free_port(|port| {
            let environment = [
                ("JWT_ISSUER", "e2e"),
                ("JWT_AUDIENCE", "scopegate"),
                ("JWT_ALGORITHM", "ES256"),
                ("DEV_ISSUER_KEY_FILE", key.as_str()),
            ];
            let listen = format!("127.0.0.1:{port}");
            isolated(env!("CARGO_BIN_EXE_dev-issuer"), &environment, &["--listen", &listen])
        });

        std::fs::write(file("tools.yaml"), registry(calculator.1, documents.1, recorder.port))
            .unwrap();
        let mut environment: Vec<(String, String)> = [
            ("JWT_ISSUER", "e2e".to_owned()),
            ("JWT_AUDIENCE", "scopegate".to_owned()),
            ("JWT_ALGORITHM", "ES256".to_owned()),
            ("JWT_ALLOWED_ALGORITHMS", "ES256".to_owned()),
            ("JWT_JWKS_URL", format!("http://127.0.0.1:{}/jwks.json", issuer.1)),
            ("TOOL_GATEWAY_SHARED_SECRET", secret.clone()),
            ("DATABASE_URL", format!("sqlite://{}", file("scopegate.db"))),
            ("SCOPEGATE__SERVER__STATE_DIR", file("state")),
            ("SCOPEGATE__SERVER__TRUSTED_PROXIES", "127.0.0.1/32".to_owned()),
            ("SCOPEGATE__REGISTRY__FILE", file("tools.yaml")),
            ("SCOPEGATE__POLICY__FILE", shipped("config/policy.yaml").display().to_string()),
            ("SCOPEGATE__FILES__FOLDER", files),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(settings.iter().map(|(name, value)| pair(name, value)));

        // The settings must be right before the port can be at fault.
        let (gateway, gateway_port) = on_free_port(|port| launch(&environment, port));
        let nginx = nginx(gateway_port);
        let stack = Self {
            nginx,
            gateway: Some(gateway),
            gateway_port,
            recorder,
            secret,
            environment,
            tokens: Mutex::default(),
            past: Vec::new(),
            issuer,
            calculator,
            documents,
            scratch,
        };
        stack.wait_until_ready();
        stack
    }

    /// What the gateway keeps: registry, journal, database.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A command of the product, on this stack's database and nothing else.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Output {
        let of_database = |pair: &&(String, String)| pair.0 == "DATABASE_URL";
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scopegate"));
        command.env_clear().envs(self.environment.iter().filter(of_database).cloned());
        command.args(arguments).output().unwrap()
    }

    /// The gateway's process.
    pub(crate) fn gateway(&self) -> &Server {
        self.gateway.as_ref().expect("a gateway that runs")
    }

    /// Starts the gateway again, on what the last one left behind, with these
    /// settings changed.
    pub(crate) fn restart(&mut self, settings: &[(&str, &str)]) {
        self.end();
        self.environment.extend(settings.iter().map(|(name, value)| pair(name, value)));
        let gateway = launch(&self.environment, self.gateway_port);
        assert!(gateway.accepts_on(self.gateway_port), "{}", gateway.log());
        self.gateway = Some(gateway);
        self.wait_until_ready();
    }

    /// Has the gateway leave, if it has not.
    fn end(&mut self) {
        let Some(gateway) = self.gateway.take() else { return };
        if gateway.exit_code().is_none() {
            gateway.signal("TERM");
            within(LEAVE, || gateway.exit_code());
        }
        self.past.push(("the gateway's log".to_owned(), gateway.log().into_bytes()));
    }

    /// Everything that was written so far.
    pub(crate) fn written(&self) -> Vec<Written> {
        let mut found = self.past.clone();
        leak::files(self.folder(), &mut found);
        let servers = [self.nginx.server(), &self.issuer.0, &self.calculator.0, &self.documents.0];
        for server in servers.into_iter().chain(&self.gateway) {
            // Their logs are among them.
            leak::files(server.folder(), &mut found);
        }
        let url = self.environment.iter().rev().find(|(name, _)| name == "DATABASE_URL");
        if let Some((_, url)) = url {
            leak::database(url, &mut found);
        }
        found
    }

    fn wait_until_ready(&self) {
        let what = format!("the gateway to be ready; it says: {}", self.gateway().log());
        wait_until(PATIENCE, &what, || {
            ask(self.nginx.port(), "GET /ready", &[], b"").status == 200
        });
    }

    /// The URL of a path, as callers see it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.nginx.url())
    }

    /// A token from the issuer.
    pub(crate) fn token(&self, user: &str, role: &str) -> String {
        let wanted = json!({ "user_id": user, "roles": [role], "workspace": "e2e" });
        let headers = [("Content-Type", "application/json")];
        let answer = ask(self.issuer.1, "POST /token", &headers, wanted.to_string().as_bytes());
        let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        self.tokens.lock().unwrap().push(token.clone());
        token
    }

    /// A message to a path through nginx, with a token.
    pub(crate) fn post(&self, path: &str, token: &str, message: &Value) -> Answer {
        self.post_with(path, token, &[], message)
    }

    /// The same with further headers.
    pub(crate) fn post_with(
        &self,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        message: &Value,
    ) -> Answer {
        post(self.nginx.port(), path, token, headers, message)
    }

    /// The rows of the audit trail that a filter such as `user_id=ann`
    /// selects, once there are `count`.
    pub(crate) fn audited(&self, filter: &str, count: usize) -> Vec<Value> {
        let token = format!("Bearer {}", self.token("auditor", "admin"));
        let line = format!("GET /admin/audit-logs?{filter}");
        let mut rows = Vec::new();
        wait_until(PATIENCE, &format!("{count} rows of the audit trail for {filter}"), || {
            let answer = ask(self.nginx.port(), &line, &[("Authorization", &token)], b"");
            assert_eq!(answer.status, 200, "{answer:?}");
            rows.clone_from(answer.json()["items"].as_array().expect("items"));
            rows.len() >= count
        });
        assert_eq!(rows.len(), count, "{filter}: {rows:?}");
        rows
    }
}

impl Drop for Stack {
    /// No secret is in anything the stack has written.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.end();
        let tokens = self.tokens.lock().unwrap();
        // Their claims, and what proves them.
        let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
        let secrets: Vec<&str> = parts.chain([CANARY, self.secret.as_str()]).collect();
        leak::assert_in_none(&self.written(), &secrets);
    }
}

/// A message to a path, with a token.
pub(crate) fn post(
    port: u16,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    message: &Value,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let usual = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let line = format!("POST {path}");
    ask(port, &line, &[&usual, headers].concat(), message.to_string().as_bytes())
}

/// A `tools/call`.
#[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// The shipped registry at other addresses, and a tool of the recorder's.
fn registry(calculator: u16, documents: u16, recorder: u16) -> String {
    let mut shipped = std::fs::read_to_string(shipped("config/tools.yaml")).unwrap();
    for (there, here) in [(8001, calculator), (8003, documents)] {
        let address = |port| format!("http://127.0.0.1:{port}/mcp");
        assert!(shipped.contains(&address(there)), "the shipped registry names another address");
        shipped = shipped.replace(&address(there), &address(here));
    }
    let text = shipped.replacen(
        "\nbackends:\n",
        &format!("\nbackends:\n  recorder: {{ url: 'http://127.0.0.1:{recorder}/mcp' }}\n"),
        1,
    );
    format!(
        "{text}\n  - name: record\n    scope: git\n    backend: recorder\n    timeout_ms: 20000\n    \
         redact: [$.card.number, '$.items[*].note', $..iban]\n"
    )
}

fn nginx(gateway: u16) -> Nginx {
    let values = [
        ("USER_DIRECTIVE", ""),
        ("WORKERS", "1"),
        ("RUN_DIR", "."),
        ("ERROR_LOG", "stderr"),
        ("ACCESS_LOG", "access.log"),
        ("LISTEN_HOST", "127.0.0.1"),
        ("GATEWAY", &format!("127.0.0.1:{gateway}")),
        ("MORE_GATEWAYS", ""),
        ("REAL_IP", ""),
        ("MAX_BODY_BYTES", &MAX_BODY.to_string()),
        ("ANONYMOUS_RATE", "1000"),
        ("ANONYMOUS_BURST", "1000"),
        ("ANONYMOUS_CONNECTIONS", "1000"),
    ];
    Nginx::start(&shipped("docker/nginx/scopegate.conf.template"), "LISTEN_PORT", &values)
}

fn launch(environment: &[(String, String)], port: u16) -> Server {
    let listen = format!("127.0.0.1:{port}");
    let metrics = format!("127.0.0.1:{}", support::ports::free());
    let own = [
        ("SCOPEGATE__SERVER__LISTEN", listen.as_str()),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", metrics.as_str()),
    ];
    let known = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // The test's own settings stand over these.
    let all: Vec<(&str, &str)> = own.into_iter().chain(known).collect();
    isolated(env!("CARGO_BIN_EXE_scopegate"), &all, &[])
}

/// A program that sees nothing of the test's own environment.
fn isolated(program: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Server {
    let assignments = environment.iter().map(|(name, value)| format!("{name}={value}"));
    let all: Vec<String> = std::iter::once("-i".to_owned())
        .chain(assignments)
        .chain([program.to_owned()])
        .chain(arguments.iter().map(ToString::to_string))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Server::run(Path::new("/usr/bin/env"), &all, &[])
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A secret of 64 hexadecimal digits.
fn random() -> String {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
