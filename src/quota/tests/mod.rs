//! The room's tests. What holds for every store is in `both.rs` and runs on
//! each; the files beside it are about one store's own troubles.

mod agreement;
mod both;
mod memory;
mod outage;
mod redis;

use chrono::DateTime;

use super::*;
use crate::clock::ManualClock;
use crate::secret::Secret;

/// A gateway's quota and one worker of it, by a clock that moves by hand.
struct Rig {
    quota: Quota,
    io: QuotaIo,
    hand: Arc<ManualClock>,
}

fn rate(per_minute: u32, burst: u32) -> RateSettings {
    RateSettings { per_minute, burst }
}

fn settings(user: RateSettings, user_tool: RateSettings) -> QuotaSettings {
    QuotaSettings { user, user_tool, on_failure: OnQuotaFailure::Deny }
}

fn redis_settings(url: Option<String>) -> RedisSettings {
    RedisSettings {
        url: url.map(Secret::new),
        connections_per_worker: 2,
        timeout_ms: 20_000,
        key_prefix: support::redis::unique_prefix(),
    }
}

/// Whoever the caller is, this one calls a tool.
fn call<'a>(user: &'a str, tool: &'a str) -> Charge<'a> {
    Charge { user, tool: Some(tool) }
}

fn request(user: &str) -> Charge<'_> {
    Charge { user, tool: None }
}

impl Rig {
    fn new(settings: &QuotaSettings, redis: &RedisSettings) -> Self {
        let (clock, hand) = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let quota = Quota::new(settings, redis, clock).unwrap();
        let io = quota.worker_io();
        Self { quota, io, hand }
    }

    /// Counters in memory.
    fn memory(user: RateSettings, user_tool: RateSettings) -> Self {
        Self::new(&settings(user, user_tool), &redis_settings(None))
    }

    /// Counters in the shared Redis.
    fn redis(user: RateSettings, user_tool: RateSettings) -> Self {
        let redis = redis_settings(Some(support::redis::shared_url()));
        Self::new(&settings(user, user_tool), &redis)
    }

    /// The same with Redis' own clock, as in a gateway that runs.
    fn by_the_servers_clock(mut self) -> Self {
        self.quota.clock = Clock::system();
        self
    }

    async fn passes(&self, charge: Charge<'_>) -> Standing {
        self.quota.decide(&self.io, charge).await.unwrap().unwrap()
    }

    async fn denied(&self, charge: Charge<'_>) -> Denied {
        self.quota.decide(&self.io, charge).await.unwrap_err()
    }

    async fn reason(&self, charge: Charge<'_>) -> Option<Reason> {
        self.quota.decide(&self.io, charge).await.err().map(|denied| denied.refusal.reason)
    }

    fn remote(&self) -> &Remote {
        match &self.quota.store {
            Store::Redis(remote) => remote,
            Store::Memory(_) => panic!("a rig without Redis"),
        }
    }
}
