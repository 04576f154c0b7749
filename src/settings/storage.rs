//! The database, Redis, and the audit trail kept in them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::effective::{masked, masked_optional_url, masked_url};
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
    /// Most connections held for questions. On PostgreSQL there are two more: one
    /// ships the audit trail, and one tells `/ready` whether the database answers.
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
    /// A PEM file with the certificates of the authorities that are trusted for
    /// `rediss…`, in place of the public ones.
    pub ca_file: Option<PathBuf>,
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

/// What an event of the audit trail survives, once its call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// A crash of the process; of a crash of the machine, what is older than
    /// 50 ms.
    Process,
    /// A crash of the machine, too: the disk has it before the call goes on.
    Disk,
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
    /// A journal segment is closed at this age, in seconds.
    pub segment_seconds: u64,
    /// What an event survives.
    pub durability: Durability,
    /// A checkpoint is signed after this many events …
    pub checkpoint_events: u32,
    /// … or this many seconds after the last one, when there were events.
    pub checkpoint_seconds: u64,
    /// Days the database keeps events at least; without it, for ever.
    pub retention_days: Option<u32>,
    /// The Ed25519 key that signs checkpoints: PKCS#8 as PEM. Without it, the
    /// gateway makes one in `server.state_dir`.
    #[serde(serialize_with = "masked")]
    pub signing_key: Option<Secret>,
    /// A file holding that key.
    pub signing_key_file: Option<PathBuf>,
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
            let names_authorities =
                self.ca_file.as_ref().is_some_and(|file| !file.as_os_str().is_empty());
            if names_authorities && plain == "redis" {
                // Whoever says whom to trust believes that there is TLS.
                let message = "is for TLS only, which redis.url does not ask for: \
                               write rediss://…";
                findings.problem("redis.ca_file", message);
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
        findings.range("audit.segment_seconds", &self.segment_seconds, &(1..=2_592_000));
        findings.range("audit.checkpoint_events", &self.checkpoint_events, &(1..=1_000_000));
        findings.range("audit.checkpoint_seconds", &self.checkpoint_seconds, &(1..=86_400));
        if let Some(days) = &self.retention_days {
            findings.range("audit.retention_days", days, &(1..=36_500));
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
