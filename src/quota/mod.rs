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
mod describe;
mod error;
mod gcra;
mod look;
mod memory;
mod name;
mod receipt;
mod remote;
mod standing;
mod tally;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

pub(crate) use admission::{Account, Admission};
pub(crate) use charge::{Charge, Occasion};
pub(crate) use credit::Credit;
pub(crate) use describe::describe;
pub(crate) use error::{Denied, QuotaError};
pub(crate) use look::{Tool, Whose};
pub(crate) use receipt::Receipt;
pub(crate) use standing::{Standing, retry_after_seconds};

use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::policy::{Defaults, Measure, Rate};
use crate::settings::{OnQuotaFailure, QuotaSettings, RateSettings, RedisSettings, TurnFallback};
use abuse::Abuse;
use check::{Check, Of, Outcome, Rule};
use memory::Memory;
use receipt::{Leases, Unheard};
use remote::{Link, Remote};
use tally::{Other, Tally};

/// Time between two purges of [`Quota::keep_tidy`].
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

/// When a caller that could not be counted may try again.
const RETRY_UNCOUNTED: Duration = Duration::from_millis(500);

/// When a caller with too many calls in progress may try again: nobody knows
/// when one of them ends.
const RETRY_CONCURRENT: Duration = Duration::from_secs(1);

/// The name of no lease: the call takes none.
const NO_LEASE: &str = "-";

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

/// A call that may pass.
#[derive(Default)]
pub(crate) struct Counted {
    /// How the caller stands; nothing where no rate bears on the call, or it
    /// was let pass uncounted.
    pub(crate) standing: Option<Standing>,
    /// To be kept as long as the call goes on.
    pub(crate) receipt: Option<Box<Receipt>>,
}

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

    /// Charges one call to all its limits, or, when one refuses, to none.
    /// Takes at most `redis.timeout_ms`.
    ///
    /// A decision that is given up on (no answer in time, caller gone) may be
    /// made nevertheless. Whatever it charges is then taken back as soon as
    /// that is known; what is not known in seconds ends by itself.
    ///
    /// # Errors
    /// [`Denied`] with [`Reason::RateLimited`], [`Reason::BudgetExceeded`] or
    /// [`Reason::QuotaUnavailable`].
    pub(crate) async fn decide(
        &self,
        io: &QuotaIo,
        charge: &Charge<'_>,
    ) -> Result<Counted, Denied> {
        let inner = &self.inner;
        let mut checks = Arc::new(inner.checks(charge));
        if checks.is_empty() {
            return Ok(Counted::default());
        }
        let leased = checks.iter().any(|check| matches!(check.rule, Rule::Lease { .. }));
        let lease = leased.then(|| inner.leases.next());
        let decided = match &inner.store {
            Store::Memory(memory) => {
                memory.decide(&checks, inner.now()).map_err(|error| error.to_string())
            }
            // On the heap: the state of a round trip is several kilobytes, and
            // every future around this one would carry and move it.
            Store::Redis(remote) => {
                Box::pin(async {
                    let name = lease.map(|lease| inner.leases.name(lease));
                    let name = name.as_deref().unwrap_or(NO_LEASE);
                    let given = inner.given_time();
                    let (inner, link) = (Arc::clone(inner), io.0.clone());
                    let unheard = Unheard { inner, link, checks: Arc::clone(&checks), lease };
                    let late = move |answer: redis::RedisResult<Vec<u64>>| {
                        unheard.decided(answer.ok().as_deref());
                    };
                    let decided =
                        remote.decide(io.0.as_deref(), &checks, Some(name), given, late).await;
                    decided.map_err(|error| error.to_string())
                })
                .await
            }
        };
        let (outcome, local) = match decided {
            Ok(outcome) => {
                inner.counts_again();
                (outcome, false)
            }
            Err(problem) => match inner.without_store(&checks, problem)? {
                Some((shares, outcome)) => {
                    checks = Arc::new(shares);
                    (outcome, true)
                }
                None => return Ok(Counted::default()),
            },
        };
        let standing = Standing::new(&checks, &outcome);
        if outcome.admitted {
            if outcome.is_free() {
                inner.tally.other(Other::Free);
            } else {
                inner.tally.admitted(&checks);
            }
            let receipt = Receipt::new(inner, io.0.as_ref(), (checks, outcome), lease, local);
            Ok(Counted { standing, receipt: Some(Box::new(receipt)) })
        } else {
            Err(inner.refusal(&checks, &outcome, standing))
        }
    }

    /// Whether the caller has been denied too often lately.
    ///
    /// # Errors
    /// [`Reason::AbuseLimited`].
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

    /// Forgets counters in memory that are at rest and so say nothing. (The
    /// reference system forgets after ten idle minutes (C-37), which for a
    /// slow limit is too early.) Redis does this by itself. Returns how many
    /// counters are left in memory.
    pub(crate) fn purge(&self) -> usize {
        let now = self.inner.now();
        self.inner.abuse.purge(now);
        let local = self.inner.local.purge(now);
        match &self.inner.store {
            Store::Memory(memory) => memory.purge(now),
            Store::Redis(_) => local,
        }
    }

    /// Purges from time to time, and renews what calls in progress hold, for
    /// ever. To be run once, in the background.
    pub(crate) async fn keep_tidy(&self) {
        let purging = async {
            let mut ticks = tokio::time::interval(PURGE_INTERVAL);
            loop {
                ticks.tick().await;
                self.purge();
            }
        };
        let renewing = async {
            let Store::Redis(_) = &self.inner.store else { return };
            let io = self.worker_io();
            // Twice may fail before one ends.
            let mut ticks = tokio::time::interval(self.inner.lease / 3);
            loop {
                ticks.tick().await;
                self.inner.renew(io.0.as_deref()).await;
            }
        };
        futures_util::future::join(purging, renewing).await;
    }
}

impl Inner {
    /// What happens to a call that the store does not decide about: it is
    /// decided here, by the shares of its limits. `None`: it passes uncounted.
    fn without_store(
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

    fn counts_again(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("quotas are counted again");
        }
    }

    /// Why a call is refused: by a rate, else a concurrency, else a budget
    /// (T-17).
    fn refusal(&self, checks: &[Check], outcome: &Outcome, standing: Option<Standing>) -> Denied {
        let stops = |&(check, seen): &(&Check, &check::Seen)| check.rule.stops(*seen);
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

fn crowded(limit: &crate::policy::Limit) -> Refusal {
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

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
