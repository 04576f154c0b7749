//! By the time limit that is shipped (50 ms): a Redis that is slow, or out of
//! reach. What is asserted are codes and counts, since this machine may be busy;
//! times only by far less than what the network would take.

use std::sync::atomic::{AtomicUsize, Ordering};

use support::chaos::Chaos;
use support::eventually::wait_until_async;
use support::redis::Redis;

use super::*;
use crate::settings::DEFAULTS;

const PATIENCE: Duration = Duration::from_mins(1);

/// How late the network is, each way; and what nobody waits for then.
const LATE: Duration = Duration::from_secs(5);
const TOO_LONG: Duration = Duration::from_secs(4);

/// So many failures in a row, and some more that were in flight, are waited for.
const WAITED: usize = 16;

fn shipped() -> RedisSettings {
    let shipped: crate::settings::Settings = serde_yaml::from_str(DEFAULTS).unwrap();
    RedisSettings { key_prefix: support::redis::unique_prefix(), ..shipped.redis }
}

/// A rig behind a network, with the settings that are shipped.
fn behind(network: &Chaos) -> Rig {
    let url = format!("redis://127.0.0.1:{}", network.port());
    let redis = RedisSettings { url: Some(Secret::new(url)), ..shipped() };
    assert_eq!(redis.timeout_ms, 50);
    Rig::new(&settings(), &redis, per_user(rate(1000, 100_000), rate(1000, 100_000)))
}

async fn counts(rig: &Rig) {
    wait_until_async(PATIENCE, "calls to be counted", || async {
        rig.reason(call("ada", "add")).await.is_none() && rig.quota.health().0
    })
    .await;
}

/// A call that is refused, long before the network would have answered.
async fn refused(rig: &Rig) -> Denied {
    let asked = tokio::time::timeout(TOO_LONG, rig.denied(call("ada", "add")));
    let denied = asked.await.expect("a refusal before the network's time");
    assert_eq!(denied.refusal.reason, Reason::QuotaUnavailable);
    assert_eq!(denied.refusal.retry_after, Some(RETRY_UNCOUNTED));
    denied
}

/// Scripts that Redis was asked to run since it was last forgotten.
struct Asked(::redis::aio::MultiplexedConnection);

impl Asked {
    async fn of(server: &Redis) -> Self {
        let client = ::redis::Client::open(server.url()).unwrap();
        Self(client.get_multiplexed_async_connection().await.unwrap())
    }

    async fn forget(&mut self) {
        ::redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut self.0).await.unwrap();
    }

    async fn count(&mut self) -> usize {
        let mut asked = ::redis::cmd("INFO");
        let told: String = asked.arg("commandstats").query_async(&mut self.0).await.unwrap();
        let line = told.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }
}

#[tokio::test]
async fn however_the_network_breaks_calls_are_refused_at_once_and_then_unasked() {
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let rig = behind(&network);
    let breaks: [fn(&Chaos); 3] = [Chaos::cut, Chaos::black_hole, |network| network.delay(LATE)];
    for break_it in breaks {
        counts(&rig).await;
        break_it(&network);
        let mut waited = 0;
        wait_until_async(PATIENCE, "the circuit to open", || async {
            refused(&rig).await;
            !rig.quota.health().0
        })
        .await;
        // From here on nobody waits for Redis but who tries it.
        for _ in 0..500 {
            let told = refused(&rig).await.refusal.detail;
            waited += usize::from(told != "Redis is away, and is not asked at the moment");
        }
        assert!(waited <= WAITED, "{waited} calls have waited for Redis");
        network.restore();
    }
    counts(&rig).await;
}

#[tokio::test]
async fn a_crowd_waits_for_a_slow_redis_once_and_comes_back_without_a_rush() {
    const CROWD: usize = 64;
    const CALLS: usize = 40;
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let rig = behind(&network);
    counts(&rig).await;
    let mut asked = Asked::of(&server).await;

    network.delay(LATE);
    let everybody = || futures_util::future::join_all((0..CROWD).map(|_| refused(&rig)));
    wait_until_async(PATIENCE, "the circuit to open", || async {
        everybody().await;
        !rig.quota.health().0
    })
    .await;
    asked.forget().await;
    let opened = network.connections();
    let made = AtomicUsize::new(0);
    let crowd = (0..CROWD).map(|_| async {
        for _ in 0..CALLS {
            refused(&rig).await;
            made.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    futures_util::future::join_all(crowd).await;
    assert_eq!(made.into_inner(), CROWD * CALLS);
    // One call at a time tries, less and less often; what was asked before may
    // arrive as late as now.
    let opened = network.connections() - opened;
    assert!(opened <= WAITED, "{opened} connections for {} calls", CROWD * CALLS);
    let tried = asked.count().await;
    assert!(tried <= CROWD * 5 + WAITED, "{tried} scripts for {} calls", CROWD * CALLS);

    network.restore();
    // Whoever tries first brings all back: then nobody is refused any more.
    wait_until_async(PATIENCE, "everybody to be counted", || async {
        let all = (0..CROWD).map(|_| rig.reason(call("ada", "add")));
        let all = futures_util::future::join_all(all).await;
        all.iter().all(Option::is_none)
    })
    .await;
    assert!(rig.quota.health().0);
}

/// While the circuit is open, one of a crowd tries; when that comes back, all
/// others are let through.
#[tokio::test]
async fn one_of_a_crowd_tries_a_redis_that_is_back() {
    const CROWD: usize = 200;
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let rig = behind(&network);
    counts(&rig).await;
    network.cut();
    wait_until_async(PATIENCE, "the circuit to open", || async {
        refused(&rig).await;
        !rig.quota.health().0
    })
    .await;
    let mut asked = Asked::of(&server).await;
    asked.forget().await;
    network.restore();
    // All at the same moment, again and again, until one has got through.
    let mut rounds = 0;
    while !rig.quota.health().0 {
        let all = (0..CROWD).map(|_| rig.reason(call("ada", "add")));
        let all = futures_util::future::join_all(all).await;
        let passed = all.iter().filter(|reason| reason.is_none()).count();
        assert!(passed <= 1, "{passed} passed while it was open");
        rounds += 1;
        assert!(rounds < 10_000);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let tried = asked.count().await;
    assert!(tried <= 2 * WAITED, "{tried} scripts for {} calls", rounds * CROWD);
    counts(&rig).await;
}
