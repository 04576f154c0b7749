//! Why a call is refused, and what its caller is told.

use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use super::check::{Check, Of, Outcome, Rule, Seen};
use super::error::Denied;
use super::standing::{Standing, retry_after_seconds};
use crate::error::{Reason, Refusal};
use crate::policy::{Limit, Measure};

/// When a caller that could not be counted may try again.
pub(super) const RETRY_UNCOUNTED: Duration = Duration::from_millis(500);

/// When a caller with too many calls in progress may try again: nobody knows
/// when one of them ends.
pub(super) const RETRY_CONCURRENT: Duration = Duration::from_secs(1);

impl Inner {
    /// Why a call is refused: by a rate, else a concurrency, else a budget
    /// (T-17).
    pub(super) fn refusal(
        &self,
        checks: &[Check],
        outcome: &Outcome,
        standing: Option<Standing>,
    ) -> Denied {
        let stops = |&(check, seen): &(&Check, &Seen)| check.rule.stops(*seen);
        let stopping = || checks.iter().zip(&outcome.seen).filter(stops);
        if let Some(standing) = &standing
            && let Some(wait) = standing.retry_after
        {
            let binding = stopping().find(|(check, _)| {
                matches!((&check.of, check.rule), (Of::Limit(limit), Rule::Rate(_))
                    if Arc::ptr_eq(limit, &standing.binding))
            });
            if let Some((check, _)) = binding {
                self.tally.refused(check);
            }
            let refusal = exhausted(standing, wait);
            return Denied { refusal, standing: Some(Box::new(standing.clone())) };
        }
        let standing = standing.map(Box::new);
        let of_lease = stopping().find(|(check, _)| check.rule.binds_always());
        let Some((check, seen)) = of_lease.or_else(|| stopping().next()) else {
            let refusal = Refusal::new(Reason::QuotaUnavailable, "refused by no limit");
            return Denied { refusal: refusal.after(RETRY_UNCOUNTED), standing };
        };
        self.tally.refused(check);
        let refusal = match &check.of {
            Of::Limit(limit) => crowded(limit),
            Of::Turn => spent("turn", "maxToolCallsPerTurn", check, seen.until, outcome.now),
            Of::Day => spent("day", "maxToolCallsPerDay", check, seen.until, outcome.now),
            Of::Job | Of::Call => {
                spent("job", "maxToolCallsPerJob", check, seen.until, outcome.now)
            }
        };
        Denied { refusal, standing }
    }
}

fn exhausted(standing: &Standing, wait: Duration) -> Refusal {
    let Standing { limit, binding, .. } = standing;
    let window = match &binding.measure {
        Measure::Rate(Some(rate), _) => rate.window(),
        Measure::Rate(None, _) | Measure::Concurrency(_) => "",
    };
    let (subject, rule, seconds) =
        (binding.per.subject(), &binding.rule, retry_after_seconds(wait));
    let text = format!("{limit} {subject} {window} are allowed; try again in {seconds} s");
    let mut refusal = Refusal::telling(Reason::RateLimited, text);
    let name = binding.per.name();
    refusal.detail = format!("limit {name} of {limit} {window} ({rule}) is exhausted").into();
    refusal.after(wait)
}

fn crowded(limit: &Limit) -> Refusal {
    let most = match limit.measure {
        Measure::Concurrency(Some(most)) => most,
        Measure::Concurrency(None) | Measure::Rate(..) => 0,
    };
    let (subject, name, rule) = (limit.per.subject(), limit.per.name(), &limit.rule);
    let text = format!("{most} {subject} may be in progress; try again when one has ended");
    let mut refusal = Refusal::telling(Reason::RateLimited, text);
    refusal.detail = format!("concurrency {name} of {most} ({rule}) is taken").into();
    refusal.after(RETRY_CONCURRENT)
}

fn spent(what: &str, rule: &str, check: &Check, until: u64, now: u64) -> Refusal {
    let most = match check.rule {
        Rule::Budget { most, .. } => most,
        Rule::Rate(_) | Rule::Lease { .. } | Rule::Once { .. } | Rule::Credit { .. } => 0,
    };
    let text = format!("tool-call budget exceeded: {most} tool calls a {what} are allowed");
    let mut refusal = Refusal::telling(Reason::BudgetExceeded, text);
    refusal.detail = format!("budgets.{rule} exceeded").into();
    refusal.after(Duration::from_micros(until.saturating_sub(now)))
}
