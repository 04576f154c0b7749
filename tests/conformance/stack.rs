//! nginx, the gateway and an issuer in front of a backend.

use support::backend::{Backend, Sdk};
use support::nginx::Nginx;
use support::process::Server;
use support::scratch::Scratch;

use crate::product::{Files, Issuer, SECRET, gateway, nginx};

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
    issuer: Issuer,
    _backend: Backend,
    _scratch: Scratch,
}

impl Stack {
    pub(crate) fn start(sdk: Sdk) -> Self {
        let scratch = Scratch::new("sg-conformance");
        let backend = Backend::start(sdk, &[], Some(SECRET));
        let issuer = Issuer::start(scratch.path());
        let tools = format!(
            "backends:\n  {SCOPE}: {{ url: '{}', era: auto }}\n\
             scopes:\n  {SCOPE}: {{ backends: [{SCOPE}] }}\n",
            backend.url()
        );
        let files = Files { folder: scratch.path(), tools: &tools, policy: POLICY };
        let database = format!("sqlite://{}", scratch.path().join("scopegate.db").display());
        let (gateway, port) = gateway(&issuer, &files, "state", &[("DATABASE_URL", &database)]);
        let nginx = nginx(&[port]);
        Self { nginx, _gateway: gateway, issuer, _backend: backend, _scratch: scratch }
    }

    /// Where the suite finds the backend.
    pub(crate) fn url(&self) -> String {
        format!("{}/{SCOPE}/mcp", self.nginx.url())
    }

    /// A token of a tester's.
    pub(crate) fn token(&self) -> String {
        self.issuer.token("suite", "tester")
    }
}
