//! A gateway on a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use scopegate::app;
use scopegate::clock::Clock;
use scopegate::settings::{Settings, Sources};
use serde_json::{Value, json};
use support::eventually::wait_until;
use support::scratch::Scratch;

use super::Backend;
use super::http::{self, Reply};
use super::tokens::{AUDIENCE, ISSUER, SECRET, Token};

/// Rules most tests are content with.
const POLICY: &str = r#"
default_action: deny
roles:
  admin: { allowed_tools: ["*"] }
  developer: { allowed_tools: ["*"] }
  reader: { allowed_tools: [echo] }
workspaces:
  production: { denied_tools: [wipe] }
"#;

/// A gateway in the making.
pub(crate) struct Builder {
    policy: Option<String>,
    tools: Option<String>,
    environment: Vec<(String, String)>,
}

/// A running gateway with one backend behind it.
pub(crate) struct Gateway {
    pub addr: SocketAddr,
    pub metrics_addr: SocketAddr,
    pub backend: Backend,
    pub folder: Scratch,
    settings: Settings,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// A gateway on SQLite, counting in memory.
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    pub(crate) fn builder() -> Builder {
        Builder { policy: Some(POLICY.to_owned()), tools: None, environment: Vec::new() }
    }

    /// Sends a message to `/{scope}/mcp` as JSON.
    pub(crate) fn post(&self, path: &str, token: &Token, body: &Value) -> Reply {
        self.post_raw(path, &token.bearer(), &[], body.to_string().as_bytes())
    }

    /// Sends bytes, with further headers.
    pub(crate) fn post_raw(
        &self,
        path: &str,
        authorization: &str,
        further: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut headers = vec![
            ("Authorization", authorization),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.retain(|(name, _)| !further.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)));
        headers.extend_from_slice(further);
        http::send(self.addr, "POST", path, &headers, body)
    }

    /// `GET` with a token.
    pub(crate) fn get(&self, path: &str, token: &Token) -> Reply {
        http::send(self.addr, "GET", path, &[("Authorization", &token.bearer())], b"")
    }

    /// A legacy `tools/call` on a scope.
    pub(crate) fn call(&self, token: &Token, scope: &str, tool: &str, arguments: Value) -> Reply {
        let body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        self.post(&format!("/{scope}/mcp"), token, &body)
    }

    /// A modern `tools/call` on a scope.
    pub(crate) fn call_modern(
        &self,
        token: &Token,
        scope: &str,
        tool: &str,
        arguments: Value,
    ) -> Reply {
        let body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": {
                "name": tool, "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let further = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", tool),
        ];
        self.post_raw(
            &format!("/{scope}/mcp"),
            &token.bearer(),
            &further,
            body.to_string().as_bytes(),
        )
    }

    /// The rows of the trail that fit, once there are `rows` of them; but for
    /// those of looking at it, where nobody asks for them.
    pub(crate) fn audit_rows(&self, filter: &str, rows: usize) -> Vec<Value> {
        let admin = Token::of("auditor", &["admin"]);
        let mut found = Vec::new();
        wait_until(std::time::Duration::from_secs(10), "audit rows", || {
            let reply = self.get(&format!("/admin/audit-logs?{filter}"), &admin);
            assert_eq!(reply.status, 200, "{}", reply.text());
            found.clone_from(reply.json()["items"].as_array().unwrap());
            found.retain(|row| filter.contains("admin") || row["kind"] != "admin");
            found.len() >= rows && found.iter().all(|row| row["status"] != "pending")
        });
        assert_eq!(found.len(), rows, "{found:?}");
        found
    }

    /// What it was started with.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What `/metrics` says.
    pub(crate) fn metrics(&self) -> String {
        http::send(self.metrics_addr, "GET", "/metrics", &[], b"").text()
    }
}

impl Builder {
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policy = Some(text.to_owned());
        self
    }

    pub(crate) fn without_policy(mut self) -> Self {
        self.policy = None;
        self
    }

    /// A registry of its own; `BACKEND` becomes the backend's URL.
    pub(crate) fn tools(mut self, text: &str) -> Self {
        self.tools = Some(text.to_owned());
        self
    }

    /// A setting by its environment name; `IN_FOLDER` becomes its folder.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn start(self) -> Gateway {
        let backend = Backend::start();
        let folder = Scratch::new("gateway");
        let tools =
            self.tools.unwrap_or_else(|| include_str!("../../fixtures/tools.yaml").to_owned());
        let tools = tools.replace("BACKEND", &format!("http://{}/mcp", backend.addr));
        std::fs::write(folder.path().join("tools.yaml"), tools).unwrap();
        if let Some(policy) = self.policy {
            std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut environment: Vec<(String, String)> = [
            ("JWT_SECRET_KEY", SECRET.to_owned()),
            ("JWT_ISSUER", ISSUER.to_owned()),
            ("JWT_AUDIENCE", AUDIENCE.to_owned()),
            ("TOOL_GATEWAY_SHARED_SECRET", "7d5e1f0a94c2b8367d5e1f0a94c2b836".to_owned()),
            ("DATABASE_URL", format!("sqlite://{}", path("test.db"))),
            ("SCOPEGATE__REGISTRY__FILE", path("tools.yaml")),
            ("SCOPEGATE__POLICY__FILE", path("policy.yaml")),
            ("SCOPEGATE__SERVER__STATE_DIR", path("state")),
            ("SCOPEGATE__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("SCOPEGATE__SERVER__METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("SCOPEGATE__SERVER__WORKERS", "1".to_owned()),
            ("SCOPEGATE__AUDIT__SHIP_INTERVAL_MS", "20".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        environment.retain(|(name, _)| !self.environment.iter().any(|(n, _)| n == name));
        let placed = |text: String| text.replace("IN_FOLDER", &folder.path().display().to_string());
        environment.extend(self.environment.into_iter().map(|(name, text)| (name, placed(text))));
        let sources = Sources { file: None, env: environment };
        let (settings, _) =
            Settings::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        let mut gateway = Gateway {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            backend,
            folder,
            settings,
            stop: None,
            thread: None,
        };
        gateway.run();
        gateway
    }
}

impl Gateway {
    fn run(&mut self) {
        let settings = self.settings.clone();
        let (started, ready) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let running = app::start(settings, Clock::system()).await.unwrap();
                started.send((running.addr, running.metrics_addr)).unwrap();
                let _ = stopped.await;
                running.stop().await.unwrap();
            });
        });
        (self.addr, self.metrics_addr) = ready.recv().expect("the gateway started");
        (self.stop, self.thread) = (Some(stop), Some(thread));
    }

    /// Stops in order and starts again on what is left.
    pub(crate) fn restart(mut self) -> Self {
        self.end();
        self.run();
        self
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        if !thread::panicking() {
            assert!(ended, "the gateway left in disorder");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}
