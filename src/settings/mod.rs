//! Every setting, one file a group. Layers: compiled-in defaults
//! (`config/default.yaml`), a file, the environment.
//!
//! [`Settings::load`] lists every problem of every layer at once.

mod auth;
mod document;
mod effective;
mod environment;
mod key_files;
mod layers;
mod load;
mod names;
mod problems;
mod schema;
mod server;
mod sessions;
mod spelling;
mod storage;
#[cfg(test)]
mod tests;
mod validate;
mod walk;

pub use auth::{AuthSettings, ClaimNames, IssuerSettings};
pub(crate) use effective::Origins;
#[cfg(test)]
pub(crate) use layers::DEFAULTS;
pub use load::{Loaded, Sources};
pub use problems::{Place, Problem, Problems, Warning};
pub use server::ServerSettings;
pub use sessions::SessionSettings;
pub use storage::{ArgumentsKept, AuditSettings, DatabaseSettings, Durability, RedisSettings};
pub use walk::{
    LogFormat, OnQuotaFailure, PolicySettings, QuotaSettings, RateSettings, RegistrySettings,
    ReloadSettings, TelemetrySettings, TurnFallback, UpstreamSettings,
};

use serde::{Deserialize, Serialize};
use validate::Findings;

/// All settings of the gateway. Serialized, secrets are masked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Listeners and limits of requests.
    pub server: ServerSettings,
    /// Issuers and claims.
    pub auth: AuthSettings,
    /// The file of scopes, backends and tools.
    pub registry: RegistrySettings,
    /// The file of rules.
    pub policy: PolicySettings,
    /// Files that change while the gateway runs.
    pub reload: ReloadSettings,
    /// Rate limits.
    pub quota: QuotaSettings,
    /// Forwarding.
    pub upstream: UpstreamSettings,
    /// Sessions of legacy clients.
    pub sessions: SessionSettings,
    /// The audit trail.
    pub audit: AuditSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
    /// Where values come from, for [`Settings::effective`].
    #[serde(skip)]
    pub(crate) origins: Origins,
}

impl Settings {
    /// Everything wrong with the values themselves. Keys and issuers are
    /// checked by the room that uses them.
    #[must_use]
    pub fn validate(&self) -> Problems {
        let mut findings = Findings::default();
        self.check(&mut findings);
        findings.problems.into_iter().collect()
    }

    fn check(&self, findings: &mut Findings) {
        self.server.check(findings);
        self.auth.check(findings);
        self.registry.check(findings);
        self.policy.check(findings);
        self.quota.check(findings);
        self.upstream.check(findings);
        self.sessions.check(findings);
        self.audit.check(findings);
        self.database.check(findings);
        self.redis.check(findings);
        self.telemetry.check(findings);
        self.check_secrets_differ(findings);
    }

    /// Every tool knows the shared secret; were it also the key of tokens,
    /// every tool could make tokens. A key of sessions that is the same would
    /// only look like one of their own.
    fn check_secrets_differ(&self, findings: &mut Findings) {
        let Some(shared) = &self.upstream.shared_secret else { return };
        for (path, issuer) in self.auth.configured() {
            let same = issuer
                .secret_key
                .as_ref()
                .is_some_and(|key| key.matches(shared.expose().as_bytes()));
            if same {
                let message = "must differ from upstream.shared_secret, which every tool knows";
                findings.problem(format!("{path}.secret_key"), message);
            }
        }
        if self.sessions.key.as_ref().is_some_and(|key| key.matches(shared.expose().as_bytes())) {
            let message = "must differ from upstream.shared_secret, which every tool knows";
            findings.problem("sessions.key", message);
        }
    }
}
