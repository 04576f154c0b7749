//! A cluster of three masters, and a sentinel's failover, as real processes.

use support::eventually::wait_until_async;
use support::redis::{Cluster, Watched};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn rig(url: String, policy: &str) -> Rig {
    let redis = RedisSettings { timeout_ms: 2000, ..redis_settings(Some(url)) };
    let user = Rate::per_minute(1, 50).unwrap();
    let user_tool = Rate::per_minute(1, 40).unwrap();
    let limits = Limits::for_test(policy, Some(crate::policy::Defaults { user, user_tool }));
    Rig::new(&settings(), &redis, limits)
}

#[tokio::test]
async fn all_counters_of_a_decision_are_in_one_slot_of_a_cluster() {
    let cluster = Cluster::start(3);
    let callers: Vec<String> = (0..30).map(|number| format!("user {number}")).collect();

    let own = rig(cluster.url(), "budgets: { maxToolCallsPerTurn: 9, maxToolCallsPerDay: 99 }");
    for caller in &callers {
        let occasion = Occasion { request_id: Some("r"), ..Occasion::default() };
        assert_eq!(own.passes(Who { occasion, ..call(caller, "add") }).await.remaining, 39);
    }
    let keys = cluster.keys();
    assert!(keys.iter().all(|keys| *keys > 0), "callers are spread: {keys:?}");
    assert_eq!(keys.iter().sum::<usize>(), callers.len() * 5);

    let shared = rig(
        cluster.url(),
        "quotas: [{ per: global, rate: 1/min, burst: 20 }, { per: tool, rate: 1/min, burst: 99 }]",
    );
    let mut passed = 0;
    for caller in &callers {
        passed += u32::from(shared.decide(call(caller, "add")).await.is_ok());
    }
    assert_eq!(passed, 20, "everybody together");
    let grown = cluster.keys().iter().zip(&keys).filter(|(now, before)| now > before).count();
    assert_eq!(grown, 1, "limits that are shared lie on one node");
    assert!(shared.quota.ping(&shared.io).await.is_ok());
}

/// A node that is slow is not asked a second time.
#[tokio::test]
async fn a_decision_that_is_late_is_charged_neither_twice_nor_once() {
    let cluster = Cluster::start(3);
    let redis = RedisSettings { timeout_ms: 150, ..redis_settings(Some(cluster.url())) };
    let rig = Rig::new(&settings(), &redis, per_user(rate(1, 50), rate(1, 40)));
    wait_until_async(PATIENCE, "calls to be counted", || async {
        rig.reason(request("bob")).await.is_none()
    })
    .await;
    let hosts = cluster.url();
    for host in hosts.trim_start_matches("redis+cluster://").split(',') {
        let client = ::redis::Client::open(format!("redis://{host}")).unwrap();
        let mut admin = client.get_multiplexed_async_connection().await.unwrap();
        let mut pause = ::redis::cmd("CLIENT");
        pause.arg("PAUSE").arg(900).exec_async(&mut admin).await.unwrap();
    }
    assert_eq!(rig.reason(request("ada")).await, Some(Reason::QuotaUnavailable));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    wait_until_async(PATIENCE, "nothing to be charged", || async {
        let (link, checks) = (rig.io.0.as_deref(), rig.checks(request("ada")));
        let seen = rig.remote().look(link, &checks, rig.quota.inner.given_time()).await;
        seen.is_ok_and(|outcome| outcome.seen[0].value == 0)
    })
    .await;
}

#[tokio::test]
async fn leases_and_refunds_reach_the_node_they_were_taken_on() {
    let cluster = Cluster::start(3);
    let rig = rig(cluster.url(), "quotas: [{ per: user, concurrency: 1 }]");
    for caller in ["ada", "bob", "eve", "joe"] {
        let receipt = rig.begins(call(caller, "add")).await;
        assert!(rig.decide(call(caller, "add")).await.is_err());
        drop(receipt);
        wait_until_async(PATIENCE, "a lease to be returned", || async {
            rig.decide(call(caller, "add")).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn after_a_failover_the_new_master_counts_on() {
    let redis = Watched::start();
    let rig = rig(redis.url(), "");
    for left in (30..40).rev() {
        assert_eq!(rig.passes(call("ada", "add")).await.remaining, left);
    }
    redis.fail_over();
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::QuotaUnavailable));
    wait_until_async(PATIENCE, "the replica to be made master", || async {
        redis.has_failed_over()
    })
    .await;
    wait_until_async(PATIENCE, "calls to be counted again", || async {
        rig.reason(call("ada", "add")).await.is_none()
    })
    .await;
    let left = rig.passes(call("ada", "add")).await.remaining;
    // Replication is not waited for: what the old master had counted last may
    // be lost, no more. One call has passed between.
    assert!((28..=38).contains(&left), "{left}");
}
