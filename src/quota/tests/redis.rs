//! What only Redis can get wrong: the script, the keys, the server's clock.

use std::collections::HashSet;

use support::eventually::wait_until_async;
use support::redis::{Redis, shared_url};

use super::*;

const HOUR: u64 = 3_600_000_000; // µs

fn key(check: &Check) -> String {
    match &check.key {
        check::Key::There(key) => key.to_string(),
        check::Key::Here(_) => panic!("a counter in memory"),
    }
}

async fn connection(url: &str) -> ::redis::aio::MultiplexedConnection {
    ::redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

fn rig_on(server: &Redis) -> Rig {
    let redis = redis_settings(Some(server.url()));
    Rig::new(&settings(), &redis, per_user(rate(1, 50), rate(1, 40)))
}

#[tokio::test]
async fn a_forgotten_script_is_loaded_again_and_the_call_counted_once() {
    let server = Redis::start();
    let rig = rig_on(&server);
    assert_eq!(rig.passes(request("ada")).await.remaining, 49);
    let mut admin = connection(&server.url()).await;
    ::redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut admin).await.unwrap();
    assert_eq!(rig.passes(request("ada")).await.remaining, 48);
}

#[tokio::test]
async fn a_decision_is_one_round_trip() {
    let server = Redis::start();
    let rig = rig_on(&server);
    rig.passes(call("ada", "add")).await;
    let mut admin = connection(&server.url()).await;
    ::redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut admin).await.unwrap();
    for _ in 0..30 {
        rig.passes(call("ada", "add")).await;
    }
    let statistics: String =
        ::redis::cmd("INFO").arg("commandstats").query_async(&mut admin).await.unwrap();
    let calls = |command: &str| -> u32 {
        let line = statistics.lines().find_map(|line| {
            line.strip_prefix(&format!("cmdstat_{command}:calls="))?.split(',').next()
        });
        line.map_or(0, |number| number.parse().unwrap())
    };
    assert_eq!(calls("evalsha"), 30);
    assert!(calls("ping") == 0 && calls("get") == 60, "{statistics}");
}

#[tokio::test]
async fn keys_are_bounded_tagged_anonymous_and_expire() {
    let server = Redis::start();
    let rig = rig_on(&server);
    let user = "https://issuer.example {ada@example.org}".repeat(50);
    rig.passes(call(&user, "exact_calculate")).await;
    let mut admin = connection(&server.url()).await;
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query_async(&mut admin).await.unwrap();
    assert_eq!(keys.len(), 2);
    let mut tags = HashSet::new();
    for key in keys {
        assert!(key.starts_with(&rig.remote().prefix) && key.len() < 160, "{key}");
        assert!(!key.contains("ada") && !key.contains("exact"), "{key}");
        let parts: Vec<&str> = key.split(['{', '}']).collect();
        assert!(parts.len() == 3 && parts[1].len() == 32, "{key}");
        tags.insert(parts[1].to_owned());
        let life: i64 = ::redis::cmd("PTTL").arg(&key).query_async(&mut admin).await.unwrap();
        // At rest after a minute, and one minute more.
        assert!((60_000..=120_000).contains(&life), "{life} ms");
    }
    assert_eq!(tags.len(), 1, "one hash tag, so one slot of a cluster");
}

#[tokio::test]
async fn a_foreign_value_under_a_key_denies() {
    let rig = On::Redis.rig(per_user(rate(60, 5), rate(60, 5)));
    let mut admin = connection(&shared_url()).await;
    let keys: Vec<String> = rig.checks(call("ada", "add")).iter().map(key).collect();
    let [user, tool] = <[String; 2]>::try_from(keys).unwrap();
    for value in ["nonsense", "nan", ""] {
        ::redis::cmd("SET").arg(&user).arg(value).exec_async(&mut admin).await.unwrap();
        assert_eq!(rig.reason(request("ada")).await, Some(Reason::QuotaUnavailable), "{value}");
    }
    ::redis::cmd("DEL").arg(&user).exec_async(&mut admin).await.unwrap();
    ::redis::cmd("LPUSH").arg(&tool).arg("x").exec_async(&mut admin).await.unwrap();
    assert_eq!(rig.reason(call("ada", "add")).await, Some(Reason::QuotaUnavailable));
    assert_eq!(rig.passes(request("ada")).await.remaining, 4, "the user was not charged for it");
}

#[tokio::test]
async fn foreign_values_of_every_kind_deny_and_do_not_open_the_circuit() {
    const POLICY: &str = "quotas: [{ per: user, concurrency: 99 }]\n\
                          budgets: { maxToolCallsPerTurn: 99 }";
    let rig = On::Redis.rig(Limits::for_test(POLICY, None));
    let mut admin = connection(&shared_url()).await;
    let occasion = Occasion { request_id: Some("r"), ..Occasion::default() };
    let ada = Who { occasion, ..call("ada", "add") };
    let keys: Vec<String> = rig.checks(ada).iter().map(key).collect();
    assert_eq!(keys.len(), 3);
    for key in &keys {
        for value in ["nonsense", "5", "5 x", "-1 5", "nan nan"] {
            ::redis::cmd("SET").arg(key).arg(value).exec_async(&mut admin).await.unwrap();
            for _ in 0..3 {
                assert_eq!(rig.reason(ada).await, Some(Reason::QuotaUnavailable), "{value}");
            }
            assert!(rig.quota.health().0, "Redis is there");
            assert_eq!(rig.reason(call("bob", "add")).await, None, "for everybody else");
        }
        ::redis::cmd("DEL").arg(key).exec_async(&mut admin).await.unwrap();
    }
    assert_eq!(rig.reason(ada).await, None);
}

#[tokio::test]
async fn a_flushed_server_begins_anew() {
    let server = Redis::start();
    let rig = rig_on(&server);
    for left in (40..50).rev() {
        assert_eq!(rig.passes(request("ada")).await.remaining, left);
    }
    let mut admin = connection(&server.url()).await;
    ::redis::cmd("FLUSHALL").exec_async(&mut admin).await.unwrap();
    assert_eq!(rig.passes(request("ada")).await.remaining, 49);
}

#[tokio::test]
async fn a_clock_that_is_set_back_locks_nobody_out() {
    let rig = On::Redis.rig(per_user(rate(60, 5), rate(60, 5)));
    let checks = rig.checks(request("ada"));
    let at = |now| {
        let link = rig.io.0.as_deref();
        rig.remote().decide(link, &checks, Some(NO_LEASE), Some(now), |_| ())
    };
    assert!(at(2 * HOUR).await.unwrap().admitted);
    let refused = at(HOUR).await.unwrap();
    assert_eq!((refused.admitted, refused.seen[0].value), (false, 5_000_000));
}

#[tokio::test]
async fn two_gateways_share_the_counters() {
    let redis = redis_settings(Some(shared_url()));
    let rigs = [(); 2].map(|()| Rig::new(&settings(), &redis, per_user(rate(1, 3), rate(1, 3))));
    for left in (0..3_u32).rev() {
        let rig = &rigs[usize::from(left.is_multiple_of(2))];
        assert_eq!(rig.passes(request("ada")).await.remaining, left);
    }
    for rig in &rigs {
        assert_eq!(rig.reason(request("ada")).await, Some(Reason::RateLimited));
    }
}

#[tokio::test]
async fn the_servers_clock_counts_where_no_test_gives_the_time() {
    // A thousand calls a second: what is spent is back while we wait.
    let limits = per_user(rate(60_000, 2), rate(1, 1));
    let rig = Rig::by_the_servers_clock(&shared_redis(), limits);
    rig.passes(request("ada")).await;
    wait_until_async(Duration::from_secs(20), "the burst to be whole again", || async {
        let decided = rig.decide(request("ada")).await;
        decided.is_ok_and(|it| it.standing.unwrap().remaining == 1)
    })
    .await;
    // One a minute: nothing is.
    rig.passes(call("ada", "add")).await;
    let wait = rig.denied(call("ada", "add")).await.refusal.retry_after.unwrap();
    assert!((Duration::from_secs(1)..Duration::from_mins(1)).contains(&wait), "{wait:?}");
}
