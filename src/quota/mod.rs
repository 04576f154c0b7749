//! How much a caller may call.
//!
//! Each call is charged to all limits that bear on it (the user's, and the
//! user's for the tool; C-37) in one atomic step, all or nothing: a limit that
//! refuses charges no other. Counters lie in memory, or in Redis when several
//! gateways share them; `gcra.rs` holds the one arithmetic of both.
//!
//! Fails closed: when nothing can be counted (Redis does not answer in time,
//! the table in memory is full), calls are refused unless
//! `quota.on_failure: allow` says otherwise.

mod admission;
mod error;
mod gcra;
mod link;
mod memory;
mod remote;
mod standing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use admission::Admission;
pub(crate) use error::{Denied, QuotaError};
pub(crate) use standing::{Standing, retry_after_seconds};

use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::settings::{OnQuotaFailure, QuotaSettings, RateSettings, RedisSettings};
use gcra::Gcra;
use link::Link;
use memory::Memory;
use remote::Remote;
use standing::{Limit, Outcome};

/// Most limits that one call is charged to.
const MOST_LIMITS: usize = 2;

/// Time between two purges of [`Quota::keep_tidy`].
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

/// When a caller that could not be counted may try again.
const RETRY_UNCOUNTED: Duration = Duration::from_millis(500);

/// The limits, and where they are counted. One for all workers.
#[derive(Debug)]
pub(crate) struct Quota {
    /// `user`, `user_tool`. A call without a tool has the first only.
    limits: [Limit; MOST_LIMITS],
    /// `RateLimit-Policy` for one limit, and for both.
    policies: [Arc<str>; MOST_LIMITS],
    store: Store,
    on_failure: OnQuotaFailure,
    /// Whether the last decision could not be counted, to log changes only.
    failing: AtomicBool,
    clock: Clock,
}

#[derive(Debug)]
enum Store {
    Memory(Memory),
    Redis(Box<Remote>),
}

/// What a worker needs of its own to decide: connections to Redis, or nothing.
/// Made on the worker's thread by [`Quota::worker_io`] and used there only,
/// since a connection is driven by the reactor that opened it.
pub(crate) struct QuotaIo(Option<Link>);

/// What is to be charged: one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge<'a> {
    /// Who calls: a name that is unique over all issuers. Any text; it is
    /// hashed before it becomes part of a key.
    pub(crate) user: &'a str,
    /// The tool, by a name that is unique over all scopes; nothing for a
    /// request that calls none.
    pub(crate) tool: Option<&'a str>,
}

impl Quota {
    /// Reads the settings. Nothing is connected yet: a gateway starts without
    /// its Redis, and refuses calls until it is there.
    ///
    /// # Errors
    /// When a rate or a setting of Redis makes no sense.
    pub(crate) fn new(
        settings: &QuotaSettings,
        redis: &RedisSettings,
        clock: Clock,
    ) -> Result<Self, QuotaError> {
        let limit = |policy, subject, rate: RateSettings| {
            Gcra::new(policy, rate).map(|gcra| Limit { policy, subject, rate, gcra })
        };
        let limits = [
            limit("user", "calls", settings.user)?,
            limit("user_tool", "calls of this tool", settings.user_tool)?,
        ];
        let url = redis.url.as_ref().map(crate::secret::Secret::expose).unwrap_or_default();
        let store = match url {
            "" => Store::Memory(Memory::new()),
            url => Store::Redis(Box::new(Remote::new(url, redis)?)),
        };
        Ok(Self {
            policies: [standing::describe(&limits[..1]), standing::describe(&limits)],
            limits,
            store,
            on_failure: settings.on_failure,
            failing: AtomicBool::new(false),
            clock,
        })
    }

    /// What the calling worker needs to decide. To be called on its thread.
    pub(crate) fn worker_io(&self) -> QuotaIo {
        match &self.store {
            Store::Memory(_) => QuotaIo(None),
            // Settings were checked in `new`. Should they not make a pool all
            // the same, each decision fails, and closed.
            Store::Redis(remote) => QuotaIo(remote.link()),
        }
    }

    /// Charges one call to all its limits, or, when one refuses, to none.
    /// Takes at most `redis.timeout_ms`. `None` is a call that was let pass
    /// uncounted, by `on_failure: allow`.
    ///
    /// A decision that is given up on (no answer in time, caller gone) may
    /// have been counted nevertheless; it is never counted twice.
    ///
    /// # Errors
    /// [`Denied`] with [`Reason::RateLimited`] or [`Reason::QuotaUnavailable`].
    pub(crate) async fn decide(
        &self,
        io: &QuotaIo,
        charge: Charge<'_>,
    ) -> Result<Option<Standing>, Denied> {
        let several = usize::from(charge.tool.is_some());
        let limits = &self.limits[..=several];
        let outcome = match self.outcome(io, &charge).await {
            Ok(outcome) => outcome,
            Err(problem) => return self.uncounted(problem),
        };
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("quotas are counted again");
        }
        let Some(standing) = Standing::new(&outcome, limits, &self.policies[several]) else {
            return self.uncounted("a call without a limit".to_owned());
        };
        match standing.retry_after {
            None => Ok(Some(standing)),
            Some(wait) => Err(Denied {
                refusal: exhausted(&standing, wait),
                standing: Some(Box::new(standing)),
            }),
        }
    }

    /// Whether calls can be counted, for `/ready`.
    ///
    /// # Errors
    /// What is wrong, for an operator.
    pub(crate) async fn ping(&self, io: &QuotaIo) -> Result<(), String> {
        match &self.store {
            Store::Memory(_) => Ok(()),
            Store::Redis(remote) => {
                remote.ping(io.0.as_ref()).await.map_err(|error| error.to_string())
            }
        }
    }

    /// Forgets counters in memory that are at rest and so say nothing. (The
    /// reference system forgets after ten idle minutes (C-37), which for a
    /// slow limit is too early.) Redis does this by itself. Returns how many
    /// counters are left in memory.
    pub(crate) fn purge(&self) -> usize {
        match &self.store {
            Store::Memory(memory) => memory.purge(self.now()),
            Store::Redis(_) => 0,
        }
    }

    /// Purges from time to time, for ever. To be run once, in the background.
    pub(crate) async fn keep_tidy(&self) {
        let mut ticks = tokio::time::interval(PURGE_INTERVAL);
        loop {
            ticks.tick().await;
            self.purge();
        }
    }

    async fn outcome(&self, io: &QuotaIo, charge: &Charge<'_>) -> Result<Outcome, String> {
        let all = self.limits.each_ref().map(|limit| limit.gcra);
        let limits = &all[..=usize::from(charge.tool.is_some())];
        match &self.store {
            Store::Memory(memory) => {
                memory.decide(charge, limits, self.now()).map_err(|error| error.to_string())
            }
            // On the heap: the state of a round trip is several kilobytes, and
            // every future around this one would carry and move it.
            Store::Redis(remote) => {
                Box::pin(remote.decide(io.0.as_ref(), charge, limits, self.given_time()))
                    .await
                    .map_err(|error| error.to_string())
            }
        }
    }

    fn uncounted(&self, problem: String) -> Result<Option<Standing>, Denied> {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(problem, on_failure = ?self.on_failure, "quotas cannot be counted");
        }
        match self.on_failure {
            OnQuotaFailure::Allow => Ok(None),
            OnQuotaFailure::Deny => Err(Denied {
                refusal: Refusal::new(Reason::QuotaUnavailable, problem).after(RETRY_UNCOUNTED),
                standing: None,
            }),
        }
    }

    /// The time to tell Redis. The server's own clock is the one that all
    /// gateways share, so it is told none, unless a test moves the time.
    fn given_time(&self) -> Option<u64> {
        match &self.clock {
            Clock::System(_) => None,
            Clock::Manual(_) => u64::try_from(self.clock.now().timestamp_micros()).ok(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_micros()).unwrap_or(u64::MAX)
    }
}

fn exhausted(standing: &Standing, wait: Duration) -> Refusal {
    let Standing { limit, subject, policy, .. } = standing;
    let seconds = retry_after_seconds(wait);
    let mut refusal = Refusal::telling(
        Reason::RateLimited,
        format!("{limit} {subject} a minute are allowed; try again in {seconds} s"),
    );
    refusal.detail = format!("limit {policy} of {limit} a minute is exhausted").into();
    refusal.after(wait)
}

#[cfg(test)]
mod tests;
