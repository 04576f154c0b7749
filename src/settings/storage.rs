//! The database, Redis, and the audit trail kept in them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::effective::{masked_optional_url, masked_url};
use super::validate::Findings;
use crate::secret::Secret;

/// The `database` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`. A secret,
    /// since it may hold a password.
    #[serde(serialize_with = "masked_url")]
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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis[s]://…`, `redis[s]+sentinel://…` or `redis[s]+cluster://…`.
    /// Empty: limits are counted in memory.
    #[serde(serialize_with = "masked_optional_url")]
    pub url: Option<Secret>,
    /// Connections held by each worker.
    pub connections_per_worker: usize,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// Put before every key.
    pub key_prefix: String,
}

/// What is kept of the arguments of a call. A digest is always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// What is kept of arguments.
    pub arguments: ArgumentsKept,
    /// Longest text of kept arguments, in bytes; longer ones are cut.
    pub max_arguments_bytes: usize,
    /// Longest string kept in them, in bytes; longer ones are cut.
    pub max_value_bytes: usize,
    /// Refused attempts of one caller or address in a minute that get an event
    /// each; further ones are counted in one. 0: every one gets its own.
    pub refusals_per_minute: u32,
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

impl DatabaseSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        let url = self.url.expose();
        if url.starts_with("postgres://") {
            let has_name = Url::parse(url).is_ok_and(|url| url.path().len() > 1);
            if !has_name {
                findings.problem("database.url", "must be postgres://USER:PASSWORD@HOST/NAME");
            }
        } else if !url.starts_with("sqlite:") {
            findings.problem("database.url", "must begin with sqlite:// or postgres://");
        }
        findings.range("database.max_connections", &self.max_connections, &(1..=1000));
        findings.range("database.connect_timeout_ms", &self.connect_timeout_ms, &(1..=60_000));
    }
}

impl RedisSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        if let Some(url) = &self.url {
            // Whoever connects reads it whole; what is wrong with it is told
            // then, before anything starts.
            let scheme = url.expose().split_once("://").map(|(scheme, _)| scheme);
            let (plain, kind) =
                scheme.map_or(("", ""), |scheme| scheme.split_once('+').unwrap_or((scheme, "")));
            let known =
                matches!(plain, "redis" | "rediss") && matches!(kind, "" | "sentinel" | "cluster");
            if !known {
                let message = "must be redis[s]://HOST:PORT, \
                               redis[s]+sentinel://HOST:PORT,HOST:PORT/MASTER or \
                               redis[s]+cluster://HOST:PORT,HOST:PORT";
                findings.problem("redis.url", message);
            }
        }
        let connections = self.connections_per_worker;
        findings.range("redis.connections_per_worker", &connections, &(1..=256));
        findings.range("redis.timeout_ms", &self.timeout_ms, &(1..=60_000));
        let plain = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ':')
        };
        if self.key_prefix.is_empty()
            || self.key_prefix.len() > 64
            || !self.key_prefix.chars().all(plain)
        {
            let message = "must be 1 to 64 letters, digits or any of - _ . :";
            findings.problem("redis.key_prefix", message);
        }
    }
}

impl AuditSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.range("audit.max_arguments_bytes", &self.max_arguments_bytes, &(0..=1_048_576));
        findings.range("audit.max_value_bytes", &self.max_value_bytes, &(16..=1_048_576));
        findings.range("audit.refusals_per_minute", &self.refusals_per_minute, &(0..=1_000_000));
        findings.range("audit.segment_bytes", &self.segment_bytes, &(4096..=1 << 30));
        findings.range("audit.max_backlog_bytes", &self.max_backlog_bytes, &(4096..=1 << 40));
        if self.max_backlog_bytes < self.segment_bytes {
            findings
                .problem("audit.max_backlog_bytes", "must not be less than audit.segment_bytes");
        }
        findings.range("audit.ship_interval_ms", &self.ship_interval_ms, &(1..=60_000));
        if self.refusals_per_minute == 0 {
            findings.warning(
                "audit.refusals_per_minute",
                "lets anybody fill the audit journal with refused attempts",
            );
        }
        if self.arguments == ArgumentsKept::Full {
            findings.warning("audit.arguments", "keeps arguments as they come, secrets included");
        }
    }
}
