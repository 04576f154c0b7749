//! What becomes of calls while the store does not decide: `quota.on_failure`.

use std::sync::atomic::Ordering;

use super::check::{Check, Outcome, Rule};
use super::error::Denied;
use super::refusal::RETRY_UNCOUNTED;
use super::tally::Other;
use super::{Inner, Store};
use crate::error::{Reason, Refusal};
use crate::settings::OnQuotaFailure;

impl Inner {
    /// What happens to a call that the store does not decide about: it is
    /// decided here, by the shares of its limits. `None`: it passes uncounted.
    pub(super) fn without_store(
        &self,
        checks: &[Check],
        problem: String,
    ) -> Result<Option<(Vec<Check>, Outcome)>, Denied> {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(problem, on_failure = ?self.on_failure, "quotas cannot be counted");
        }
        let unavailable = |problem: String| {
            self.tally.other(Other::Unavailable);
            Denied {
                refusal: Refusal::new(Reason::QuotaUnavailable, problem).after(RETRY_UNCOUNTED),
                standing: None,
            }
        };
        match (self.on_failure, &self.store) {
            (OnQuotaFailure::Allow, _) => {
                self.tally.other(Other::Uncounted);
                Ok(None)
            }
            (OnQuotaFailure::Local, Store::Redis(_)) => {
                let share = |check: &Check| check.share(self.replicas);
                let checks: Vec<Check> = checks.iter().map(share).collect();
                let decided = self.local.decide(&checks, self.now());
                let outcome = decided.map_err(|full| unavailable(full.to_string()))?;
                self.tally.other(Other::Local);
                Ok(Some((checks, outcome)))
            }
            // In memory it is the table that is full: there is no other one.
            (OnQuotaFailure::Local, Store::Memory(_)) | (OnQuotaFailure::Deny, _) => {
                Err(unavailable(problem))
            }
        }
    }

    pub(super) fn counts_again(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("quotas are counted again");
        }
    }
}

impl Check {
    /// The share of one of so many gateways.
    fn share(&self, replicas: u32) -> Self {
        let part = |most: u32| (most / replicas.max(1)).max(1);
        let rule = match self.rule {
            Rule::Rate(gcra) => Rule::Rate(gcra.share(replicas)),
            Rule::Lease { most } => Rule::Lease { most: part(most) },
            Rule::Budget { most, window } => Rule::Budget { most: part(most), window },
            rule @ (Rule::Once { .. } | Rule::Credit { .. }) => rule,
        };
        Self { rule, ..self.clone() }
    }
}
