//! How a caller stands with its limits, and the headers that say so.

use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, Of, Outcome, Rule};
use super::gcra::Gcra;
use crate::policy::{Limit, Measure, Rate};

/// How the caller stands with the rate that binds it most: on refusal the one
/// it has to wait longest for, otherwise the one with the fewest calls left.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Sustained calls in the rate's window (V-100).
    pub(crate) limit: u32,
    /// Calls that could pass now. Up to the burst, so it may exceed `limit`.
    pub(crate) remaining: u32,
    /// Time until the limit is at rest, with all of the burst.
    pub(crate) reset: Duration,
    /// Time until a call can pass, when this one could not.
    pub(crate) retry_after: Option<Duration>,
    /// The rate that binds.
    pub(super) binding: Arc<Limit>,
    interval: Duration,
    /// All rates that bear on the call.
    rates: Vec<Arc<Limit>>,
}

impl Standing {
    /// Nothing for a call without a rate.
    pub(super) fn new(checks: &[Check], outcome: &Outcome) -> Option<Self> {
        let mut rates = Vec::with_capacity(2);
        let mut binding: Option<(&Arc<Limit>, &Rate, Gcra, u64)> = None;
        // A call that was charged before is not stopped by a rate.
        let stopped = !outcome.admitted && !outcome.is_free();
        for (check, seen) in checks.iter().zip(&outcome.seen) {
            let (Rule::Rate(gcra), Of::Limit(limit)) = (check.rule, &check.of) else { continue };
            let Measure::Rate(Some(rate), _) = &limit.measure else { continue };
            rates.push(Arc::clone(limit));
            let binds_more = binding.is_none_or(|(_, _, other, backlog)| {
                if stopped {
                    gcra.wait(seen.value) > other.wait(backlog)
                } else {
                    gcra.remaining(seen.value) < other.remaining(backlog)
                }
            });
            if binds_more {
                binding = Some((limit, rate, gcra, seen.value));
            }
        }
        let (limit, rate, gcra, backlog) = binding?;
        let wait = gcra.wait(backlog);
        Some(Self {
            limit: rate.count(),
            remaining: gcra.remaining(backlog),
            reset: Duration::from_micros(backlog),
            retry_after: (stopped && !wait.is_zero()).then_some(wait),
            binding: Arc::clone(limit),
            interval: Duration::from_micros(gcra.cost),
            rates,
        })
    }

    /// The binding limit's name, as in the headers: `user`, `user_tool` ….
    pub(crate) fn policy(&self) -> &'static str {
        self.binding.per.name()
    }

    /// The value of `RateLimit-Policy`.
    fn policies(&self) -> String {
        let mut text = String::with_capacity(64);
        for limit in &self.rates {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&limit.told);
        }
        text
    }

    /// The headers of an answer, names in small letters:
    ///
    /// - `x-ratelimit-limit`, `-remaining`, `-reset` (C-38): calls a minute,
    ///   calls left now, whole seconds until all are regained;
    /// - `ratelimit-policy`, `ratelimit`: draft-ietf-httpapi-ratelimit-headers
    ///   (version 11). A policy says the burst and the time that regains it;
    ///   `r` is what is left now and `t` the seconds over which a client that
    ///   spreads it runs at the sustained rate;
    /// - `retry-after`, on refusal only.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let pace = match self.retry_after {
            // Retry-After should not come before the end of the window.
            Some(wait) => retry_after_seconds(wait),
            None => seconds_up(self.interval.saturating_mul(self.remaining.max(1))),
        };
        [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", seconds_up(self.reset).to_string()),
            ("ratelimit-policy", self.policies()),
            ("ratelimit", format!("\"{}\";r={};t={pace}", self.policy(), self.remaining)),
        ]
        .into_iter()
        .chain(self.retry_after.map(|wait| ("retry-after", retry_after_seconds(wait).to_string())))
    }
}

/// The value of `Retry-After`: the next whole second after the wait, never the
/// same one, so that a client that counts seconds does not come too early
/// (V-101: 5.5 s is 6).
#[must_use]
pub(crate) fn retry_after_seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v_101_retry_after_is_the_next_whole_second() {
        assert_eq!(retry_after_seconds(Duration::from_millis(5500)), 6);
        assert_eq!(retry_after_seconds(Duration::from_secs(5)), 6);
        assert_eq!(retry_after_seconds(Duration::from_micros(1)), 1);
    }
}
