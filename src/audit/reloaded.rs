//! Reloads on record.

use std::sync::Arc;

use serde_json::json;

use super::{Auditor, Opening, Outcome, Surface};
use crate::error::{Reason, Refusal};

/// What is told of a reload.
#[derive(Clone, Debug)]
pub(crate) struct Reloaded {
    /// Who asked: `signal`, `admin`, `files`.
    pub(crate) origin: &'static str,
    /// The generation that is in force from now on.
    pub(crate) generation: u64,
    /// SHA-256 of its policy, hexadecimal.
    pub(crate) policy_digest: Arc<str>,
    /// SHA-256 of its registry, hexadecimal.
    pub(crate) registry_digest: Box<str>,
    /// Whether keys of issuers are others than before.
    pub(crate) keys_changed: bool,
    /// Why nothing has changed; empty where it has.
    pub(crate) problems: String,
}

impl Auditor {
    /// Writes a reload down, before it takes effect.
    ///
    /// # Errors
    /// [`Reason::AuditUnavailable`]: then it must not take effect.
    pub(crate) async fn reloaded(self: &Arc<Self>, told: &Reloaded) -> Result<(), Refusal> {
        let mut entry = self.begin(Opening {
            request_id: self.ids.next(self.clock.now()).to_string(),
            surface: Surface::Process,
            endpoint_path: Arc::from(""),
            client_addr: None,
            trace_id: None,
        });
        entry.method("reload");
        entry.rule(None, Arc::clone(&told.policy_digest), told.generation);
        let asked = json!({
            "origin": told.origin,
            "registry_digest": told.registry_digest,
            "keys_changed": told.keys_changed,
        });
        entry.question(&asked.to_string());
        let outcome = if told.problems.is_empty() {
            Outcome::default()
        } else {
            let refusal = Refusal::new(Reason::ReloadRefused, told.problems.clone());
            Outcome { http_status: None, ..Outcome::refused(&refusal, 0) }
        };
        entry.seal(&outcome).await
    }
}
