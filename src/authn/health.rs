//! The state of an issuer's keys, for readiness and metrics.

use std::time::Duration;

/// Whether tokens of an issuer can be verified at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyHealth {
    /// The issuer.
    pub issuer: String,
    /// Whether there is a key to verify with.
    pub ready: bool,
    /// Why not; or, next to `ready`, why the last fetch failed.
    pub why: Option<String>,
    /// How many usable keys there are.
    pub keys: usize,
    /// How often the keys changed; 0 before the first fetch, and for keys
    /// from a file or a secret.
    pub generation: u64,
    /// How long ago the keys were confirmed; nothing for keys from a file or
    /// a secret, and before the first fetch.
    pub age: Option<Duration>,
}
