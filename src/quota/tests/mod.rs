//! The room's tests. What holds for every store is in `both.rs`, `leases.rs`
//! and `once.rs` and runs on each; the files beside them are about one store's
//! own troubles.

mod agreement;
mod both;
mod cluster;
mod everything;
mod leases;
mod local;
mod memory;
mod model;

mod once;
mod outage;
mod redis;
mod slow;
mod tls;

use chrono::DateTime;

use super::check::{Check, Of, Rule};
use super::decide::NO_LEASE;
use super::error::Denied;
use super::refusal::{RETRY_CONCURRENT, RETRY_UNCOUNTED};
use super::*;
use crate::clock::ManualClock;
use crate::error::Reason;
use crate::policy::{Asked, Limits};
use crate::secret::Secret;

/// A gateway's quota and one worker of it, by a clock that moves by hand.
struct Rig {
    quota: Quota,
    io: QuotaIo,
    hand: Arc<ManualClock>,
    limits: Arc<Limits>,
}

fn rate(per_minute: u32, burst: u32) -> RateSettings {
    RateSettings { per_minute, burst }
}

fn settings() -> QuotaSettings {
    QuotaSettings {
        user: rate(1, 1),
        user_tool: rate(1, 1),
        on_failure: OnQuotaFailure::Deny,
        replicas: 1,
        lease_seconds: 30,
        refund_unreached: true,
        retry_seconds: 300,
        free_retries: 2,
        turn_fallback: TurnFallback::Session,
        turn_seconds: 3600,
        abuse: rate(60, 120),
    }
}

fn redis_settings(url: Option<String>) -> RedisSettings {
    RedisSettings {
        url: url.map(Secret::new),
        ca_file: None,
        connections_per_worker: 2,
        timeout_ms: 20_000,
        key_prefix: support::redis::unique_prefix(),
    }
}

fn shared_redis() -> RedisSettings {
    redis_settings(Some(support::redis::shared_url()))
}

/// The limits of a policy without any but these of callers.
fn per_user(user: RateSettings, user_tool: RateSettings) -> Arc<Limits> {
    let settings = QuotaSettings { user, user_tool, ..settings() };
    Limits::for_test("", Some(defaults(&settings).unwrap()))
}

/// Where a test of all stores runs.
#[derive(Clone, Copy, Debug)]
enum On {
    Memory,
    Redis,
}

/// Who calls what, for a test.
#[derive(Clone, Copy, Default)]
struct Who<'a> {
    user: &'a str,
    tool: Option<&'a str>,
    tenant: Option<&'a str>,
    occasion: Occasion<'a>,
}

/// Whoever the caller is, this one calls a tool.
fn call<'a>(user: &'a str, tool: &'a str) -> Who<'a> {
    Who { user, tool: Some(tool), ..Who::default() }
}

fn request(user: &str) -> Who<'_> {
    Who { user, ..Who::default() }
}

impl On {
    fn rig(self, limits: Arc<Limits>) -> Rig {
        self.rig_with(&settings(), limits)
    }

    fn rig_with(self, settings: &QuotaSettings, limits: Arc<Limits>) -> Rig {
        let redis = match self {
            Self::Memory => redis_settings(None),
            Self::Redis => shared_redis(),
        };
        Rig::new(settings, &redis, limits)
    }

    fn rig_of(self, policy: &str) -> Rig {
        self.rig(Limits::for_test(policy, None))
    }
}

/// Runs `$case` on memory and on Redis.
macro_rules! on_both {
    ($($case:ident)*) => {$(
        mod $case {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn memory() {
                super::$case(super::On::Memory).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn redis() {
                super::$case(super::On::Redis).await;
            }
        }
    )*};
}
use on_both;

impl Rig {
    fn new(settings: &QuotaSettings, redis: &RedisSettings, limits: Arc<Limits>) -> Self {
        let (clock, hand) = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let quota = Quota::new(settings, redis, clock).unwrap();
        let io = quota.worker_io();
        Self { quota, io, hand, limits }
    }

    /// By Redis' own clock, as in a gateway that runs.
    fn by_the_servers_clock(redis: &RedisSettings, limits: Arc<Limits>) -> Self {
        let (_, hand) = Clock::manual(DateTime::default());
        let quota = Quota::new(&settings(), redis, Clock::system()).unwrap();
        let io = quota.worker_io();
        Self { quota, io, hand, limits }
    }

    fn charge<'a>(&'a self, who: Who<'a>) -> Charge<'a> {
        Charge {
            limits: &self.limits,
            caller: who.user,
            asked: Asked {
                roles: &[],
                tenant: who.tenant,
                agent: None,
                scope: "main",
                tool: who.tool,
            },
            subject: who.tool.unwrap_or_default(),
            tool: who.tool,
            occasion: who.occasion,
        }
    }

    async fn decide(&self, who: Who<'_>) -> Result<Counted, Denied> {
        self.quota.decide(&self.io, &self.charge(who)).await
    }

    async fn passes(&self, who: Who<'_>) -> Standing {
        self.decide(who).await.map_err(|denied| denied.to_string()).unwrap().standing.unwrap()
    }

    /// The call goes on until what is returned is dropped.
    async fn begins(&self, who: Who<'_>) -> Receipt {
        let counted = self.decide(who).await.map_err(|denied| denied.to_string()).unwrap();
        *counted.receipt.unwrap()
    }

    async fn denied(&self, who: Who<'_>) -> Denied {
        match self.decide(who).await {
            Ok(_) => panic!("it passes"),
            Err(denied) => denied,
        }
    }

    async fn reason(&self, who: Who<'_>) -> Option<Reason> {
        self.decide(who).await.err().map(|denied| denied.refusal.reason)
    }

    fn remote(&self) -> &Remote {
        match &self.quota.inner.store {
            Store::Redis(remote) => remote,
            Store::Memory(_) => panic!("a rig without Redis"),
        }
    }

    fn memory(&self) -> &Memory {
        match &self.quota.inner.store {
            Store::Memory(memory) => memory,
            Store::Redis(_) => panic!("a rig with Redis"),
        }
    }

    fn checks(&self, who: Who<'_>) -> Vec<Check> {
        self.quota.inner.checks(&self.charge(who))
    }
}
