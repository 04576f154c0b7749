//! nginx, the gateway and an issuer in front of all backends.

use support::backend::{Backend, Sdk};
use support::nginx::Nginx;
use support::process::Server;
use support::scratch::Scratch;

use crate::client::Era;
use crate::product::{Files, Issuer, SECRET, gateway, nginx};

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
    issuer: Issuer,
    backends: Vec<Backend>,
    pub(crate) scratch: Scratch,
}

impl Stack {
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new("sg-clients");
        let backends: Vec<Backend> = BACKENDS
            .iter()
            .map(|kind| Backend::start(kind.sdk, kind.arguments, Some(SECRET)))
            .collect();
        let issuer = Issuer::start(scratch.path());
        let mut tools = "backends:\n".to_owned();
        for (Kind { scope, .. }, backend) in BACKENDS.iter().zip(&backends) {
            tools.extend(["  ", scope, ": { url: '", &backend.url(), "' }\n"]);
        }
        tools.push_str("scopes:\n");
        for Kind { scope, .. } in &BACKENDS {
            tools.extend(["  ", scope, ": { backends: [", scope, "] }\n"]);
        }
        let files = Files { folder: scratch.path(), tools: &tools, policy: POLICY };
        let database = format!("sqlite://{}", scratch.path().join("scopegate.db").display());
        let settings = [("DATABASE_URL", database.as_str())];
        let (gateway, port) = gateway(&issuer, &files, "state", &settings);
        Self { nginx: nginx(&[port]), gateway, issuer, backends, scratch }
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
        self.issuer.token(user, "tester")
    }
}
