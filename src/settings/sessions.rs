//! Sessions of legacy clients.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::effective::{masked, masked_list};
use super::validate::Findings;
use crate::secret::Secret;

/// Most keys that are accepted next to the one that seals.
const MOST_PREVIOUS_KEYS: usize = 8;

/// The `sessions` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSettings {
    /// A session that is not used for this long is over, in seconds.
    pub idle_seconds: u64,
    /// A session is over this long after it began, in seconds.
    pub max_age_seconds: u64,
    /// Sessions a caller may have at once; one more ends the one that was not
    /// used for longest.
    pub max_per_caller: usize,
    /// Streams a caller may hold open at once at each gateway: those of its
    /// sessions and of its subscriptions.
    pub max_streams_per_caller: usize,
    /// Sessions that each gateway keeps an eye on.
    pub max_tracked: usize,
    /// Seals session ids and proves what gateways tell each other. The same
    /// on all replicas. Without it, `upstream.shared_secret` does, which
    /// every tool knows.
    #[serde(serialize_with = "masked")]
    pub key: Option<Secret>,
    /// A file holding the key.
    pub key_file: Option<PathBuf>,
    /// Further keys that are accepted, but seal nothing: the next one before
    /// it becomes `key`, and the last one afterwards.
    #[serde(serialize_with = "masked_list")]
    pub previous_keys: Vec<Secret>,
}

impl SessionSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.range("sessions.idle_seconds", &self.idle_seconds, &(1..=604_800));
        findings.range("sessions.max_age_seconds", &self.max_age_seconds, &(60..=2_592_000));
        findings.range("sessions.max_per_caller", &self.max_per_caller, &(1..=100_000));
        findings.range(
            "sessions.max_streams_per_caller",
            &self.max_streams_per_caller,
            &(1..=100_000),
        );
        findings.range("sessions.max_tracked", &self.max_tracked, &(1..=10_000_000));
        if let Some(key) = &self.key {
            findings.strong("sessions.key", key);
        }
        for (index, key) in self.previous_keys.iter().enumerate() {
            findings.strong(format!("sessions.previous_keys[{index}]"), key);
        }
        if self.previous_keys.len() > MOST_PREVIOUS_KEYS {
            let message = format!("must not hold more than {MOST_PREVIOUS_KEYS} keys");
            findings.problem("sessions.previous_keys", message);
        }
    }
}
