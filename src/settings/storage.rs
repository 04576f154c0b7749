//! The database, Redis, and the audit trail kept in them.

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;

/// The `database` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`. A secret,
    /// since it may hold a password.
    pub url: Secret,
    /// Most connections held.
    pub max_connections: u32,
    /// Longest wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Whether pending migrations are applied at start. Without it, start
    /// fails when there are any.
    pub auto_migrate: bool,
}

/// The `redis` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://…` or `rediss://…`. Empty: limits are counted in memory.
    pub url: Option<Secret>,
    /// Connections held by each worker.
    pub connections_per_worker: usize,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// Put before every key.
    pub key_prefix: String,
}

/// What is kept of the arguments of a call. A digest is always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentsKept {
    /// Only the digest; the same as `digest`.
    None,
    /// Only the digest.
    Digest,
    /// The arguments, with values under secret-looking names masked.
    Redacted,
    /// The arguments as they came.
    Full,
}

/// The `audit` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// What is kept of arguments.
    pub arguments: ArgumentsKept,
    /// Longest text of kept arguments, in bytes; longer ones are cut.
    pub max_arguments_bytes: usize,
    /// Where the journal lies; by default `journal` in `server.state_dir`.
    pub journal_dir: Option<PathBuf>,
    /// Largest size of the journal that the database has not yet taken, in
    /// bytes; beyond it calls are refused.
    pub max_backlog_bytes: u64,
    /// A journal segment is closed at this size, in bytes.
    pub segment_bytes: u64,
    /// Longest wait before events reach the database, in milliseconds.
    pub ship_interval_ms: u64,
}
