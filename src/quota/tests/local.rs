//! Each gateway by itself, while Redis is away.

use support::eventually::wait_until_async;
use support::redis::Redis;

use super::*;

const POLICY: &str = r"
quotas: [{ per: user, rate: 1/min, burst: 20, concurrency: 6 }]
budgets: { maxToolCallsPerTurn: 100 }
";

fn replica(server: &Redis, replicas: u32, prefix: &str) -> Rig {
    let settings = QuotaSettings { on_failure: OnQuotaFailure::Local, replicas, ..settings() };
    let redis = RedisSettings {
        timeout_ms: 300,
        key_prefix: prefix.to_owned(),
        ..redis_settings(Some(server.url()))
    };
    Rig::new(&settings, &redis, Limits::for_test(POLICY, None))
}

/// Calls one after the other until one is refused; how many passed.
async fn passing(rig: &Rig) -> usize {
    let mut passed = 0;
    while rig.decide(call("ada", "add")).await.is_ok() {
        passed += 1;
    }
    passed
}

#[tokio::test]
async fn together_the_shares_stay_within_the_stated_slack() {
    const BURST: usize = 20;
    let mut server = Redis::start();
    let prefix = support::redis::unique_prefix();
    let rigs = [(); 3].map(|()| replica(&server, 3, &prefix));
    for rig in &rigs {
        wait_until_async(Duration::from_secs(20), "a count in Redis", || async {
            rig.decide(call("warm", "add")).await.is_ok() && rig.quota.health().0
        })
        .await;
    }
    assert_eq!(passing(&rigs[0]).await, BURST);
    server.kill();
    let mut passed = 0;
    for rig in &rigs {
        let own = passing(rig).await;
        assert_eq!(own, BURST / 3, "its share");
        passed += own;
        let denied = rig.denied(call("ada", "add")).await;
        assert_eq!(denied.refusal.reason, Reason::RateLimited, "{denied}");
        assert_eq!(denied.refusal.retry_after, Some(Duration::from_mins(1)), "{denied}");
    }
    assert!(passed <= BURST, "beyond what Redis had let pass: {passed}");
    assert!(rigs[0].quota.ping(&rigs[0].io).await.is_err(), "readiness says so all the same");
    // Sustained, they pass the rate together: one each in three minutes.
    for rig in &rigs {
        rig.hand.advance(Duration::from_mins(3));
        assert_eq!(passing(rig).await, 1);
    }
    server.restart();
    for rig in &rigs {
        wait_until_async(Duration::from_secs(20), "a count in Redis", || async {
            let _ = rig.decide(call("warm", "add")).await;
            rig.quota.health().0
        })
        .await;
    }
    assert_eq!(passing(&rigs[0]).await, BURST, "Redis has forgotten: a burst more, and no more");
    let rows = rigs[0].quota.tally();
    let local = rows.iter().find(|(limit, outcome, _)| (*limit, *outcome) == ("all", "local"));
    assert!(local.is_some_and(|(.., count)| *count > (BURST / 3) as u64), "{rows:?}");
}

#[tokio::test]
async fn concurrency_is_shared_and_returned_where_it_was_taken() {
    let mut server = Redis::start();
    server.kill();
    let rig = replica(&server, 3, &support::redis::unique_prefix());
    let mut held = vec![rig.begins(call("ada", "add")).await, rig.begins(call("ada", "add")).await];
    assert!(rig.decide(call("ada", "add")).await.is_err(), "two of six");
    server.restart();
    wait_until_async(Duration::from_secs(20), "Redis to be asked", || async {
        let _ = rig.decide(call("bob", "add")).await;
        rig.quota.health().0
    })
    .await;
    held.clear();
    server.kill();
    let _third = rig.begins(call("ada", "add")).await;
    let _fourth = rig.begins(call("ada", "add")).await;
}
