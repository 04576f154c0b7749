//! How a caller stands with its limits, and the headers that say so.

use std::sync::Arc;
use std::time::Duration;

use super::gcra::Gcra;
use crate::settings::RateSettings;

/// One limit with its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// The policy's name in `RateLimit` and `RateLimit-Policy`.
    pub(super) policy: &'static str,
    /// What is limited, for a sentence.
    pub(super) subject: &'static str,
    pub(super) rate: RateSettings,
    pub(super) gcra: Gcra,
}

/// What a store decided over several limits at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether all limits let the call pass; then all were charged, otherwise
    /// none.
    pub(super) admitted: bool,
    /// Each limit's backlog after that, in µs, in the order of the limits.
    pub(super) backlogs: [u64; super::MOST_LIMITS],
}

/// How the caller stands with the limit that binds it most: on refusal the one
/// it has to wait longest for, otherwise the one with the fewest calls left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Sustained calls a minute (V-100).
    pub(crate) limit: u32,
    /// Calls that could pass now. Up to the burst, so it may exceed `limit`.
    pub(crate) remaining: u32,
    /// Time until the limit is at rest, with all of the burst.
    pub(crate) reset: Duration,
    /// Time until a call can pass, when this one could not.
    pub(crate) retry_after: Option<Duration>,
    /// The limit's name, as in the headers: `user` or `user_tool`.
    pub(crate) policy: &'static str,
    /// What is limited, for a sentence.
    pub(super) subject: &'static str,
    interval: Duration,
    policies: Arc<str>,
}

impl Standing {
    /// `limits` are those of the call, never empty; `policies` describes them.
    pub(super) fn new(outcome: &Outcome, limits: &[Limit], policies: &Arc<str>) -> Option<Self> {
        let each = limits.iter().zip(outcome.backlogs);
        let (limit, backlog) = if outcome.admitted {
            each.min_by_key(|(limit, backlog)| limit.gcra.remaining(*backlog))
        } else {
            each.max_by_key(|(limit, backlog)| limit.gcra.wait(*backlog))
        }?;
        Some(Self {
            limit: limit.rate.per_minute,
            remaining: limit.gcra.remaining(backlog),
            reset: Duration::from_micros(backlog),
            retry_after: (!outcome.admitted).then(|| limit.gcra.wait(backlog)),
            policy: limit.policy,
            subject: limit.subject,
            interval: Duration::from_micros(limit.gcra.interval()),
            policies: Arc::clone(policies),
        })
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
            ("ratelimit-policy", String::from(&*self.policies)),
            ("ratelimit", format!("\"{}\";r={};t={pace}", self.policy, self.remaining)),
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

/// The value of `RateLimit-Policy` for these limits.
pub(super) fn describe(limits: &[Limit]) -> Arc<str> {
    let each = limits.iter().map(|limit| {
        let window = seconds_up(Duration::from_micros(limit.gcra.tolerance()));
        format!("\"{}\";q={};w={window}", limit.policy, limit.rate.burst)
    });
    each.collect::<Vec<_>>().join(", ").into()
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(policy: &'static str, per_minute: u32, burst: u32) -> Limit {
        let rate = RateSettings { per_minute, burst };
        Limit { policy, subject: "calls", rate, gcra: Gcra::new(policy, rate).unwrap() }
    }

    fn headers(standing: &Standing) -> String {
        let lines = standing.headers().map(|(name, value)| format!("{name}: {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn v_101_retry_after_is_the_next_whole_second() {
        assert_eq!(retry_after_seconds(Duration::from_millis(5500)), 6);
        assert_eq!(retry_after_seconds(Duration::from_secs(5)), 6);
        assert_eq!(retry_after_seconds(Duration::from_micros(1)), 1);
    }

    #[test]
    fn the_limit_with_the_fewest_calls_left_is_reported() {
        let limits = [limit("user", 1000, 2000), limit("user_tool", 100, 200)];
        let policies = describe(&limits);
        let outcome = Outcome { admitted: true, backlogs: [60_000, 600_000] };
        let standing = Standing::new(&outcome, &limits, &policies).unwrap();
        insta::assert_snapshot!(headers(&standing), @r#"
        x-ratelimit-limit: 100
        x-ratelimit-remaining: 199
        x-ratelimit-reset: 1
        ratelimit-policy: "user";q=2000;w=120, "user_tool";q=200;w=120
        ratelimit: "user_tool";r=199;t=120
        "#);
        let tired = Outcome { admitted: true, backlogs: [119_999_000, 600_000] };
        assert_eq!(Standing::new(&tired, &limits, &policies).unwrap().limit, 1000);
    }

    #[test]
    fn a_refusal_reports_the_limit_to_wait_for() {
        let limits = [limit("user", 60, 5), limit("user_tool", 6, 1)];
        let outcome = Outcome { admitted: false, backlogs: [5_000_000, 9_500_000] };
        let standing = Standing::new(&outcome, &limits, &describe(&limits)).unwrap();
        assert_eq!(standing.retry_after, Some(Duration::from_millis(9500)));
        insta::assert_snapshot!(headers(&standing), @r#"
        x-ratelimit-limit: 6
        x-ratelimit-remaining: 0
        x-ratelimit-reset: 10
        ratelimit-policy: "user";q=5;w=5, "user_tool";q=1;w=10
        ratelimit: "user_tool";r=0;t=10
        retry-after: 10
        "#);
    }
}
