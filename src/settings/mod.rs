//! Every setting, one file a group. Layers: compiled-in defaults
//! (`config/default.yaml`), a file, the environment.

mod auth;
mod server;
mod storage;
mod walk;

pub use auth::{AuthSettings, ClaimNames, IssuerSettings};
pub use server::ServerSettings;
pub use storage::{ArgumentsKept, AuditSettings, DatabaseSettings, RedisSettings};
pub use walk::{
    LogFormat, OnQuotaFailure, PolicySettings, QuotaSettings, RateSettings, RegistrySettings,
    TelemetrySettings, UpstreamSettings,
};

use serde::Deserialize;

/// All settings of the gateway.
#[derive(Clone, Debug, Deserialize)]
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
    /// Rate limits.
    pub quota: QuotaSettings,
    /// Forwarding.
    pub upstream: UpstreamSettings,
    /// The audit trail.
    pub audit: AuditSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
}
