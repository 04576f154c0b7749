//! How much a caller may call.
//!
//! # One decision
//!
//! A call is charged to all limits that bear on it in one atomic step, all or
//! nothing: a limit that refuses charges no other. The policy says which
//! limits those are ([`policy::Limits`](crate::policy::Limits)); of each the
//! call asks one counter ([`check`]):
//!
//! | check | counter | refuses with |
//! |---|---|---|
//! | rate | time of rest, by GCRA in whole microseconds ([`gcra`]) | `rate_limited` |
//! | concurrency | the leases of the calls in progress | `rate_limited` |
//! | budget of a turn, day, job | calls used, and the window's end | `budget_exceeded` |
//! | request id | whether this call was charged before | – (free of rates) |
//! | question | whether the call answers one that its last round asked | – (free) |
//!
//! What was charged before is charged no second time, but takes a lease: it
//! does run once more. A retry is another attempt, which budgets count; the
//! answer to a question is not. A request id counts for the same caller, subject and
//! arguments only, for a time and a number of retries that the settings bound;
//! otherwise one id would buy any number of calls. A question's answer is free
//! once, and only if the gateway has passed that question on to that caller.
//!
//! Counters lie in memory, or in Redis when several gateways share them. Redis
//! decides by one script call, by its own clock; memory does the same
//! arithmetic ([`check`] and `remote/decide.lua`).
//!
//! # Slots of a Redis Cluster
//!
//! A script may touch one slot only, so all counters of a decision share a hash
//! tag. As long as every limit counts each caller for itself (`per: user`,
//! `user_tool`, and all budgets), the tag is the caller, and callers spread
//! over all nodes. A limit that several callers share (`tool`, `tenant`,
//! `tenant_tool`, `global`) ties them all together: then **all** counters have
//! one tag, and one node decides for everybody. Not even workspaces could be
//! kept apart: a caller may hold tokens of two, and would have two counters of
//! its own. That is the price of deciding all or nothing; one node decides
//! some hundred thousand calls a second. A policy that gets its first shared
//! limit, or loses its last, moves all counters, so each begins anew once.
//!
//! Keys are `{prefix}:quota:{TAG}:KIND:HASH`; see [`name`].
//!
//! # Taking back
//!
//! An admitted call carries a [`Receipt`]. When it goes, for whatever reason
//! (answered, client gone, refused by a later stage), its leases are returned,
//! and what is to be refunded is refunded. Leases end by themselves when the
//! gateway dies, and a task renews those of calls that go on, and returns those
//! that could not be returned at once. A decision that nobody waits for any more
//! is awaited by a task, and taken back.
//!
//! # When Redis is away
//!
//! Each decision waits `redis.timeout_ms` at most; after five failures in a row
//! a circuit breaker ([`remote`]) keeps calls from waiting at all, and lets one
//! through from time to time to try. Meanwhile `quota.on_failure` rules:
//! `deny`; `local`, each gateway counting here with its share of every limit;
//! or `allow`.

mod abuse;
mod admission;
mod charge;
mod check;
mod credit;
mod decide;
mod describe;
mod error;
mod fallback;
mod gcra;
mod leases;
mod look;
mod memory;
mod name;
mod receipt;
mod refusal;
mod remote;
mod standing;
mod tally;
mod upkeep;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

pub(crate) use admission::{Account, Admission};
pub(crate) use charge::{Charge, Occasion};
pub(crate) use credit::Credit;
pub(crate) use decide::Counted;
pub(crate) use describe::describe;
pub(crate) use error::QuotaError;
pub(crate) use look::{Tool, Whose};
pub(crate) use receipt::Receipt;
pub(crate) use standing::{Standing, retry_after_seconds};

use crate::clock::Clock;
use crate::error::Refusal;
use crate::policy::{Defaults, Rate};
use crate::settings::{OnQuotaFailure, QuotaSettings, RateSettings, RedisSettings, TurnFallback};
use abuse::Abuse;
use leases::Leases;
use memory::Memory;
use remote::{Link, Remote};
use tally::{Other, Tally};

/// Where calls are counted. One for all workers.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    /// Counters while Redis is away.
    local: Memory,
    replicas: u32,
    on_failure: OnQuotaFailure,
    /// Whether the last decision could not be counted, to log changes only.
    failing: AtomicBool,
    refund_unreached: bool,
    retry: Retry,
    turn_fallback: TurnFallback,
    /// Longest time of a turn or job, in µs.
    turn: u64,
    lease: Duration,
    leases: Leases,
    abuse: Abuse,
    tally: Tally,
    clock: Clock,
    /// Wall time when the monotonic clock read zero, in µs.
    epoch: u64,
}

/// How retries are told from new calls.
#[derive(Clone, Copy, Debug)]
struct Retry {
    /// For so long, in µs.
    keep: u64,
    /// So many times.
    free: u32,
}

#[derive(Debug)]
enum Store {
    Memory(Memory),
    Redis(Box<Remote>),
}

/// What a worker needs of its own to decide: connections to Redis, or nothing.
/// Made on the worker's thread by [`Quota::worker_io`] and used there only,
/// since a connection is driven by the reactor that opened it.
pub(crate) struct QuotaIo(Option<Arc<Link>>);

/// The limits behind those of the policy (C-37).
///
/// # Errors
/// Every rate that makes no sense.
pub(crate) fn defaults(settings: &QuotaSettings) -> Result<Defaults, Vec<QuotaError>> {
    let rate = |limit, RateSettings { per_minute, burst }| {
        Rate::per_minute(per_minute, burst).map_err(|problem| QuotaError::Rate { limit, problem })
    };
    match (rate("user", settings.user), rate("user_tool", settings.user_tool)) {
        (Ok(user), Ok(user_tool)) => Ok(Defaults { user, user_tool }),
        (user, user_tool) => Err([user.err(), user_tool.err()].into_iter().flatten().collect()),
    }
}

impl Quota {
    /// Reads the settings. Nothing is connected yet: a gateway starts without
    /// its Redis, and refuses calls until it is there.
    ///
    /// # Errors
    /// When a setting makes no sense, or there is no randomness.
    pub(crate) fn new(
        settings: &QuotaSettings,
        redis: &RedisSettings,
        clock: Clock,
    ) -> Result<Self, QuotaError> {
        let mut bytes = [0; 8];
        SystemRandom::new().fill(&mut bytes).map_err(|_| QuotaError::Random)?;
        let process = u64::from_le_bytes(bytes);
        let url = redis.url.as_ref().map(crate::secret::Secret::expose).unwrap_or_default();
        let store = match url {
            "" => Store::Memory(Memory::new()),
            url => {
                Store::Redis(Box::new(Remote::new(url, redis, settings.lease_seconds, process)?))
            }
        };
        let wall = u64::try_from(clock.now().timestamp_micros()).unwrap_or_default();
        let inner = Inner {
            store,
            local: Memory::new(),
            replicas: settings.replicas,
            on_failure: settings.on_failure,
            failing: AtomicBool::new(false),
            refund_unreached: settings.refund_unreached,
            retry: Retry {
                keep: u64::from(settings.retry_seconds) * 1_000_000,
                free: settings.free_retries,
            },
            turn_fallback: settings.turn_fallback,
            turn: u64::from(settings.turn_seconds) * 1_000_000,
            lease: Duration::from_secs(u64::from(settings.lease_seconds)),
            leases: Leases::new(process),
            abuse: Abuse::new(settings.abuse)?,
            tally: Tally::default(),
            epoch: wall.saturating_sub(micros(clock.monotonic())),
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the calling worker needs to decide. To be called on its thread.
    pub(crate) fn worker_io(&self) -> QuotaIo {
        match &self.inner.store {
            Store::Memory(_) => QuotaIo(None),
            // Settings were checked in `new`. Should they not make a link all
            // the same, each decision fails, and closed.
            Store::Redis(remote) => QuotaIo(remote.link().map(Arc::new)),
        }
    }

    /// Whether the caller has been denied too often lately.
    ///
    /// # Errors
    /// [`AbuseLimited`](crate::error::Reason::AbuseLimited).
    pub(crate) fn bars(&self, caller: &str) -> Result<(), Refusal> {
        let barred = self.inner.abuse.bars(caller, self.inner.now());
        barred.inspect_err(|_| self.inner.tally.other(Other::Abuse))
    }

    /// The caller was denied what it called.
    pub(crate) fn denied(&self, caller: &str) {
        self.inner.abuse.denied(caller, self.inner.now());
    }

    /// Somebody at this address could not say who it is. What it is told in
    /// place of that, where it came too often.
    pub(crate) fn stranger(&self, address: IpAddr) -> Option<Refusal> {
        let told = self.inner.abuse.stranger(address, self.inner.now());
        told.inspect(|_| self.inner.tally.other(Other::Abuse))
    }

    /// Whether calls can be counted, for `/ready`.
    ///
    /// # Errors
    /// What is wrong, for an operator.
    pub(crate) async fn ping(&self, io: &QuotaIo) -> Result<(), String> {
        match &self.inner.store {
            Store::Memory(_) => Ok(()),
            Store::Redis(remote) => {
                remote.ping(io.0.as_deref()).await.map_err(|error| error.to_string())
            }
        }
    }

    /// Whether no calls can be made while none can be counted.
    pub(crate) fn fails_closed(&self) -> bool {
        self.inner.on_failure == OnQuotaFailure::Deny
    }

    /// Decisions by limit and outcome so far, for metrics.
    pub(crate) fn tally(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.inner.tally.rows()
    }

    /// Whether the store is thought to be there, and how many calls in
    /// progress hold leases in it, for metrics.
    pub(crate) fn health(&self) -> (bool, usize) {
        let up = match &self.inner.store {
            Store::Memory(_) => true,
            Store::Redis(remote) => remote.is_up(),
        };
        (up, self.inner.leases.count())
    }
}

impl Inner {
    /// The time to tell Redis. The server's own clock is the one that all
    /// gateways share, so it is told none, unless a test moves the time.
    fn given_time(&self) -> Option<u64> {
        match &self.clock {
            Clock::System(_) => None,
            Clock::Manual(_) => Some(self.now()),
        }
    }

    /// Microseconds since 1970 that never go back.
    fn now(&self) -> u64 {
        self.epoch.saturating_add(micros(self.clock.monotonic()))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
