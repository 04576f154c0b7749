//! Registry, policy, quotas and forwarding.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::effective::masked;
use super::validate::Findings;
use crate::secret::Secret;

/// The `registry` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySettings {
    /// The file that names scopes, backends and tools.
    pub file: PathBuf,
    /// The file of approved tools. With it, tools are shown and called only as
    /// they were approved.
    pub lock: Option<PathBuf>,
}

/// The `policy` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The file that says who may call what. A file that does not exist
    /// denies everything.
    pub file: PathBuf,
    /// A `.mcp-gateway-rules.json`, whose agent profiles take the place of the
    /// policy file's.
    pub agent_rules: Option<PathBuf>,
    /// The agent profile of callers whose token names none.
    pub default_agent: Option<String>,
    /// A second policy file, which is asked about every call and never obeyed.
    pub shadow: Option<PathBuf>,
    /// Files of cases that a policy must pass before it is in force.
    pub tests: Vec<String>,
    /// Files of invariants that must hold before a policy is in force.
    pub invariants: Vec<String>,
}

/// The `reload` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadSettings {
    /// Whether files that change are read anew without being asked for.
    pub watch: bool,
}

/// What happens when the store that counts cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnQuotaFailure {
    /// Calls are refused with `quota_unavailable`.
    Deny,
    /// Each gateway counts by itself, with its share of every limit.
    Local,
    /// Calls go on uncounted.
    Allow,
}

/// One rate: so many calls a minute, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// Calls a minute, sustained.
    pub per_minute: u32,
    /// Calls at once, from rest.
    pub burst: u32,
}

/// What stands for the turn of a call that names none (T-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnFallback {
    /// Its session; where there is none, its caller.
    Session,
    /// The request: no budget of a turn ever binds.
    Request,
}

/// The `quota` section. Rates here are those of callers for whom the policy
/// states none.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSettings {
    /// All calls of one caller.
    pub user: RateSettings,
    /// Calls of one caller to one tool.
    pub user_tool: RateSettings,
    /// What happens when Redis cannot be reached.
    pub on_failure: OnQuotaFailure,
    /// How many gateways share the limits; for `on_failure: local`.
    pub replicas: u32,
    /// After so long a call in progress is given up of which its gateway says
    /// nothing, in seconds.
    pub lease_seconds: u32,
    /// Whether a call that did not reach its backend is not counted.
    pub refund_unreached: bool,
    /// For so long a retry with the id of its request is not counted, in
    /// seconds; 0: never.
    pub retry_seconds: u32,
    /// So many retries of a call are not counted.
    pub free_retries: u32,
    /// What stands for the turn of a call that names none.
    pub turn_fallback: TurnFallback,
    /// Longest time of a turn or job that has a budget, from its first call,
    /// in seconds.
    pub turn_seconds: u32,
    /// Denied and unauthenticated attempts of one caller, and of one address.
    pub abuse: RateSettings,
}

/// The `upstream` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Proves to tools that the gateway is calling (`X-Gateway-Auth`).
    #[serde(serialize_with = "masked")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The `telemetry` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
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

impl RegistrySettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        check_named("registry.file", &self.file, findings);
        if let Some(file) = &self.lock {
            check_named("registry.lock", file, findings);
        }
    }
}

impl PolicySettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        check_named("policy.file", &self.file, findings);
        let more = [("policy.agent_rules", &self.agent_rules), ("policy.shadow", &self.shadow)];
        for (path, file) in more {
            if let Some(file) = file {
                check_named(path, file, findings);
            }
        }
        for (path, files) in
            [("policy.tests", &self.tests), ("policy.invariants", &self.invariants)]
        {
            for (index, file) in files.iter().enumerate() {
                check_named(&format!("{path}[{index}]"), Path::new(file), findings);
            }
        }
    }
}

fn check_named(path: &str, file: &Path, findings: &mut Findings) {
    if file.as_os_str().is_empty() {
        findings.problem(path, "must name a file");
    }
}

impl QuotaSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        for (path, rate) in [
            ("quota.user", self.user),
            ("quota.user_tool", self.user_tool),
            ("quota.abuse", self.abuse),
        ] {
            findings.range(format!("{path}.per_minute"), &rate.per_minute, &(1..=u32::MAX));
            findings.range(format!("{path}.burst"), &rate.burst, &(1..=u32::MAX));
        }
        if self.on_failure == OnQuotaFailure::Allow {
            findings
                .warning("quota.on_failure", "lets calls through uncounted while Redis is down");
        }
        findings.range("quota.replicas", &self.replicas, &(1..=1000));
        if self.on_failure == OnQuotaFailure::Local && self.replicas == 1 {
            let message = "is 1: right for a single gateway only; with more, each would grant \
                           the whole of every limit while Redis is down";
            findings.warning("quota.replicas", message);
        }
        findings.range("quota.lease_seconds", &self.lease_seconds, &(2..=3600));
        findings.range("quota.retry_seconds", &self.retry_seconds, &(0..=86_400));
        findings.range("quota.free_retries", &self.free_retries, &(0..=1000));
        findings.range("quota.turn_seconds", &self.turn_seconds, &(1..=2_592_000));
    }
}

impl UpstreamSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        match &self.shared_secret {
            Some(secret) => findings.strong("upstream.shared_secret", secret),
            // Where a file was named but could not be read, that is the problem.
            None if self.shared_secret_file.is_some() => {}
            None => findings.problem(
                "upstream.shared_secret",
                "is missing: tools could not tell the gateway from anybody else",
            ),
        }
        findings.range("upstream.connect_timeout_ms", &self.connect_timeout_ms, &(1..=60_000));
        findings.range("upstream.max_timeout_ms", &self.max_timeout_ms, &(1..=3_600_000));
        findings.range("upstream.timeout_ms", &self.timeout_ms, &(1..=self.max_timeout_ms.max(1)));
        findings.range("upstream.max_reply_bytes", &self.max_reply_bytes, &(1024..=1 << 30));
        let connections = self.connections_per_worker;
        findings.range("upstream.connections_per_worker", &connections, &(1..=65_535));
    }
}

impl TelemetrySettings {
    /// What `log_level` lets through; `None` when it cannot be read.
    pub(crate) fn log_filter(&self) -> Option<Targets> {
        let level = |text: &str| text.parse::<LevelFilter>().is_ok() && !text.is_empty();
        // A bare word would be taken for a module of which everything is
        // wanted; here it can only be a misspelt level.
        let readable =
            self.log_level.split(',').map(str::trim).all(|part| match part.split_once('=') {
                Some((target, wanted)) => !target.trim().is_empty() && level(wanted.trim()),
                None => level(part),
            });
        self.log_level.parse().ok().filter(|_| readable)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        findings.filled("telemetry.app_name", &self.app_name);
        if self.app_name.len() > 128 || self.app_name.chars().any(char::is_control) {
            findings.problem("telemetry.app_name", "must be one line of at most 128 bytes");
        }
        if self.log_filter().is_none() {
            let message = "must be error, warn, info, debug, trace, or a filter such as \
                           info,scopegate=debug";
            findings.problem("telemetry.log_level", message);
        }
    }
}
