//! Registry, policy, quotas and forwarding.

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;

/// The `registry` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySettings {
    /// The file that names scopes, backends and tools.
    pub file: PathBuf,
}

/// The `policy` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The file that says who may call what. A file that does not exist
    /// denies everything.
    pub file: PathBuf,
}

/// What happens when the store that counts cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnQuotaFailure {
    /// Calls are refused with `quota_unavailable`.
    Deny,
    /// Calls go on uncounted.
    Allow,
}

/// One rate: so many calls a minute, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// Calls a minute, sustained.
    pub per_minute: u32,
    /// Calls at once, from rest.
    pub burst: u32,
}

/// The `quota` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSettings {
    /// All calls of one caller.
    pub user: RateSettings,
    /// Calls of one caller to one tool.
    pub user_tool: RateSettings,
    /// What happens when Redis cannot be reached.
    pub on_failure: OnQuotaFailure,
}

/// The `upstream` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Proves to tools that the gateway is calling (`X-Gateway-Auth`).
    pub shared_secret: Option<Secret>,
    /// A file holding the shared secret.
    pub shared_secret_file: Option<PathBuf>,
    /// Longest time to connect, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest time for an answer where a tool sets none, in milliseconds.
    pub timeout_ms: u64,
    /// Largest `timeout_ms` a tool may set, in milliseconds.
    pub max_timeout_ms: u64,
    /// Largest answer, in bytes.
    pub max_reply_bytes: usize,
    /// Connections held to backends by each worker.
    pub connections_per_worker: usize,
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The `telemetry` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// The name of the gateway in log lines and `/health`.
    pub app_name: String,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `info,scopegate=debug`.
    pub log_level: String,
    /// Shape of log lines.
    pub log_format: LogFormat,
}
