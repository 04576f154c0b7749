//! Calls in progress.

use support::eventually::wait_until_async;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

const POLICY: &str = r"
quotas:
  - { per: user, rate: 1000/s, concurrency: 2 }
  - { per: tool, tools: [slow], concurrency: 3 }
";

on_both! {
    no_more_calls_than_the_limit_are_in_progress
    a_lease_is_returned_when_the_call_ends
    a_call_that_is_refused_takes_no_lease
}

async fn no_more_calls_than_the_limit_are_in_progress(on: On) {
    let rig = on.rig_of(POLICY);
    let _first = rig.begins(call("ada", "add")).await;
    let _second = rig.begins(call("ada", "sub")).await;
    let denied = rig.denied(call("ada", "add")).await;
    assert_eq!(denied.refusal.reason, Reason::RateLimited);
    assert_eq!(
        denied.refusal.public.as_deref(),
        Some("2 calls may be in progress; try again when one has ended")
    );
    assert_eq!(denied.refusal.retry_after, Some(RETRY_CONCURRENT));
    assert_eq!(denied.refusal.detail, "concurrency user of 2 (quotas[0]) is taken");
    // Others are others, until they share a limit.
    let _third = rig.begins(call("bob", "slow")).await;
    let _fourth = rig.begins(call("bob", "slow")).await;
    let _fifth = rig.begins(call("eve", "slow")).await;
    let denied = rig.denied(call("eve", "slow")).await;
    assert_eq!(denied.refusal.detail, "concurrency tool of 3 (quotas[1]) is taken");
}

async fn a_lease_is_returned_when_the_call_ends(on: On) {
    let rig = on.rig_of(POLICY);
    let _first = rig.begins(call("ada", "add")).await;
    for _ in 0..10 {
        let second = rig.begins(call("ada", "add")).await;
        assert!(rig.decide(call("ada", "add")).await.is_err());
        drop(second);
        // To Redis it is returned in the background.
        wait_until_async(PATIENCE, "a lease to be returned", || async {
            rig.decide(call("ada", "add")).await.is_ok()
        })
        .await;
        wait_until_async(PATIENCE, "that one, too", || async {
            held(&rig, call("ada", "add")).await == 1
        })
        .await;
    }
}

async fn a_call_that_is_refused_takes_no_lease(on: On) {
    let rig = on.rig_of("quotas: [{ per: user, rate: 1/min, burst: 1, concurrency: 5 }]");
    let _first = rig.begins(call("ada", "add")).await;
    for _ in 0..5 {
        let denied = rig.denied(call("ada", "add")).await;
        assert!(denied.refusal.detail.starts_with("limit user of 1 a minute"), "{denied}");
    }
    assert_eq!(held(&rig, call("ada", "add")).await, 1);
}

/// How many leases of the first concurrency are taken.
pub(super) async fn held(rig: &Rig, who: Who<'_>) -> u64 {
    let checks = rig.checks(who);
    let outcome = match &rig.quota.inner.store {
        Store::Memory(memory) => memory.look(&checks, rig.quota.inner.now()),
        Store::Redis(remote) => {
            { remote.look(rig.io.0.as_deref(), &checks, rig.quota.inner.given_time()).await }
                .unwrap()
        }
    };
    let leased = checks.iter().position(|check| check.rule.binds_always()).unwrap();
    outcome.seen[leased].value
}

/// The gateway is killed: nobody returns anything.
fn killed(rig: &Rig, receipt: Receipt) {
    let lease = rig.quota.inner.leases.count();
    std::mem::forget(receipt);
    assert_eq!(rig.quota.inner.leases.count(), lease);
}

#[tokio::test]
async fn the_leases_of_a_gateway_that_died_end_by_themselves() {
    let redis = shared_redis();
    let limits = Limits::for_test(POLICY, None);
    let [dead, alive] = [(); 2].map(|()| Rig::new(&settings(), &redis, Arc::clone(&limits)));
    for _ in 0..2 {
        let receipt = dead.begins(call("ada", "add")).await;
        killed(&dead, receipt);
    }
    alive.hand.advance(Duration::from_secs(29));
    assert!(alive.decide(call("ada", "add")).await.is_err());
    alive.hand.advance(Duration::from_secs(1));
    let _first = alive.begins(call("ada", "add")).await;
    let _second = alive.begins(call("ada", "add")).await;
    assert!(alive.decide(call("ada", "add")).await.is_err());
}

#[tokio::test]
async fn a_call_that_goes_on_is_renewed_also_where_redis_forgot_it() {
    let mut server = support::redis::Redis::start();
    let limits = Limits::for_test("quotas: [{ per: user, concurrency: 1 }]", None);
    let settings = QuotaSettings { lease_seconds: 2, ..settings() };
    let redis = redis_settings(Some(server.url()));
    // By real time: the lease of two seconds has to be outlived.
    let quota = Quota::new(&settings, &redis, Clock::system()).unwrap();
    let io = quota.worker_io();
    let (_, hand) = Clock::manual(DateTime::default());
    let rig = Rig { quota, io, hand, limits };
    let call = call("ada", "add");
    let scenario = async {
        let receipt = rig.begins(call).await;
        let began = tokio::time::Instant::now();
        wait_until_async(PATIENCE, "five seconds", || async {
            assert!(rig.decide(call).await.is_err(), "after {:?}", began.elapsed());
            began.elapsed() > Duration::from_secs(5)
        })
        .await;
        server.kill();
        server.restart();
        wait_until_async(PATIENCE, "the lease to be there again", || async {
            rig.quota.ping(&rig.io).await.is_ok() && held(&rig, call).await == 1
        })
        .await;
        drop(receipt);
        wait_until_async(PATIENCE, "the lease to be returned", || async {
            held(&rig, call).await == 0
        })
        .await;
    };
    tokio::select! {
        () = scenario => {}
        () = rig.quota.keep_tidy() => {}
    }
}
