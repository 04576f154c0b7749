//! Redis gone, slow or out of reach: calls are refused in time, and go on when
//! it is back.

use support::chaos::Chaos;
use support::eventually::wait_until_async;
use support::redis::{Cluster, Redis, Watched};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A rig that waits at most 300 ms for `port`.
fn impatient(port: u16, on_failure: OnQuotaFailure) -> Rig {
    let url = format!("redis://127.0.0.1:{port}");
    let redis = RedisSettings { timeout_ms: 300, ..redis_settings(Some(url)) };
    let settings = QuotaSettings { on_failure, ..settings() };
    Rig::new(&settings, &redis, per_user(rate(1, 1000), rate(1, 1000)))
}

/// Refuses now, and within a time that is not the network's.
async fn refuses(rig: &Rig) {
    let asked = tokio::time::timeout(Duration::from_secs(5), rig.denied(call("ada", "add")));
    let denied = asked.await.expect("a decision in time");
    assert_eq!(denied.refusal.reason, Reason::QuotaUnavailable);
    assert!(denied.standing.is_none() && denied.refusal.retry_after.is_some());
    assert!(rig.quota.ping(&rig.io).await.is_err());
}

/// Counts again, sooner or later: this machine may be busy.
async fn recovers(rig: &Rig) {
    wait_until_async(PATIENCE, "calls to be counted again", || async {
        rig.reason(call("ada", "add")).await.is_none()
    })
    .await;
    assert!(rig.quota.ping(&rig.io).await.is_ok());
}

#[tokio::test]
async fn a_killed_server_denies_until_it_is_back() {
    let mut server = Redis::start();
    let rig = impatient(server.port(), OnQuotaFailure::Deny);
    recovers(&rig).await;
    server.kill();
    refuses(&rig).await;
    server.restart();
    recovers(&rig).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_may_come_later() {
    let mut server = Redis::start();
    server.kill();
    let rig = impatient(server.port(), OnQuotaFailure::Deny);
    refuses(&rig).await;
    server.restart();
    recovers(&rig).await;
}

#[tokio::test]
async fn a_server_that_hangs_denies_until_it_goes_on() {
    let server = Redis::start();
    let rig = impatient(server.port(), OnQuotaFailure::Deny);
    recovers(&rig).await;
    server.pause();
    refuses(&rig).await;
    server.resume();
    recovers(&rig).await;
}

#[tokio::test]
async fn a_broken_network_denies_until_it_is_whole() {
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let rig = impatient(network.port(), OnQuotaFailure::Deny);
    recovers(&rig).await;
    let breaks: [fn(&Chaos); 3] =
        [Chaos::cut, Chaos::black_hole, |network| network.delay(Duration::from_secs(2))];
    for break_it in breaks {
        break_it(&network);
        refuses(&rig).await;
        refuses(&rig).await;
        network.restore();
        recovers(&rig).await;
    }
}

#[tokio::test]
async fn all_calls_in_flight_are_refused_in_one_time_limit() {
    let server = Redis::start();
    let rig = impatient(server.port(), OnQuotaFailure::Deny);
    recovers(&rig).await;
    server.pause();
    let calls = (0..50).map(|_| rig.reason(call("ada", "add")));
    let all = futures_util::future::join_all(calls);
    let reasons = tokio::time::timeout(Duration::from_secs(5), all).await.expect("in time");
    assert!(reasons.iter().all(|reason| *reason == Some(Reason::QuotaUnavailable)));
    server.resume();
    recovers(&rig).await;
}

#[tokio::test]
async fn calls_go_on_uncounted_where_the_settings_allow_it() {
    let mut server = Redis::start();
    let rig = impatient(server.port(), OnQuotaFailure::Allow);
    server.kill();
    assert!(rig.decide(call("ada", "add")).await.unwrap().standing.is_none());
    assert!(rig.quota.ping(&rig.io).await.is_err(), "readiness says so all the same");
    server.restart();
    wait_until_async(PATIENCE, "calls to be counted again", || async {
        rig.decide(call("ada", "add")).await.unwrap().standing.is_some()
    })
    .await;
}

/// A decision that came too late, or whose caller had left, is taken back.
#[tokio::test]
async fn a_decision_that_nobody_heard_is_undone() {
    const POLICY: &str = "quotas: [{ per: user, rate: 1/min, burst: 9, concurrency: 9 }]\n\
                          budgets: { maxToolCallsPerTurn: 9 }";
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let url = |port| Some(format!("redis://127.0.0.1:{port}"));
    let redis = RedisSettings { timeout_ms: 100, ..redis_settings(url(network.port())) };
    let limits = Limits::for_test(POLICY, None);
    let far = Rig::new(&settings(), &redis, Arc::clone(&limits));
    let near =
        RedisSettings { url: url(server.port()).map(Secret::new), timeout_ms: 20_000, ..redis };
    let near = Rig::new(&settings(), &near, limits);
    recovers(&far).await;
    // All lanes are open.
    for _ in 0..4 {
        let _ = far.decide(call("bob", "add")).await;
    }
    network.delay(Duration::from_millis(150));
    let eve = Who {
        occasion: Occasion { request_id: Some("r"), ..Occasion::default() },
        ..call("eve", "add")
    };
    for patience in [Duration::from_secs(5), Duration::from_millis(20)] {
        let decided = tokio::time::timeout(patience, far.reason(eve)).await;
        assert!(decided.is_err() || decided == Ok(Some(Reason::QuotaUnavailable)), "{decided:?}");
        // It has arrived, and its answer is on the way.
        tokio::time::sleep(Duration::from_millis(250)).await;
        wait_until_async(PATIENCE, "what it had charged to be taken back", || async {
            let (link, checks) = (near.io.0.as_deref(), near.checks(eve));
            let seen = near.remote().look(link, &checks, near.quota.inner.given_time()).await;
            seen.unwrap().seen.iter().all(|seen| seen.value == 0)
        })
        .await;
    }
}

/// What could not be returned while Redis was away is returned later.
#[tokio::test]
async fn a_lease_that_could_not_be_returned_is_returned_later() {
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let redis = RedisSettings {
        timeout_ms: 300,
        ..redis_settings(Some(format!("redis://127.0.0.1:{}", network.port())))
    };
    let limits = Limits::for_test("quotas: [{ per: user, concurrency: 1 }]", None);
    let rig = Rig::new(&QuotaSettings { lease_seconds: 3, ..settings() }, &redis, limits);
    let receipt = rig.begins(call("ada", "add")).await;
    network.cut();
    drop(receipt);
    wait_until_async(PATIENCE, "the return to fail", || async {
        rig.quota.inner.leases.lost_count() == 1
    })
    .await;
    network.restore();
    // By the clock of this test no lease ends by itself.
    let returned = wait_until_async(PATIENCE, "a lease to be returned", || async {
        rig.decide(call("ada", "add")).await.is_ok()
    });
    tokio::select! {
        () = returned => {}
        () = rig.quota.keep_tidy() => {}
    }
}

/// A listener that accepts nobody and says nothing.
fn hung() -> std::net::TcpListener {
    std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A host of the list that hangs costs the first calls their time limit, and
/// not all of them for ever.
#[tokio::test]
async fn hosts_that_hang_do_not_keep_the_others_from_being_reached() {
    let hung = hung();
    let port = hung.local_addr().unwrap().port();
    let (watched, cluster) = (Watched::start(), Cluster::start(3));
    for url in [watched.url(), cluster.url()] {
        let url = url.replacen("://", &format!("://127.0.0.1:{port},"), 1);
        let redis = RedisSettings { timeout_ms: 50, ..redis_settings(Some(url.clone())) };
        let rig = Rig::new(&settings(), &redis, per_user(rate(1, 1000), rate(1, 1000)));
        wait_until_async(PATIENCE, "calls to be counted", || async {
            rig.reason(call("ada", "add")).await.is_none()
        })
        .await;
    }
}

/// A server that answers, but takes nothing in, is as good as away.
#[tokio::test]
async fn a_server_that_cannot_be_written_to_is_not_ready() {
    let server = Redis::start();
    let rig = impatient(server.port(), OnQuotaFailure::Deny);
    recovers(&rig).await;
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    for (command, breaks, mends) in [
        ("CONFIG", &["SET", "maxmemory", "1"][..], &["SET", "maxmemory", "0"][..]),
        ("REPLICAOF", &["127.0.0.1", "1"], &["NO", "ONE"]),
    ] {
        ::redis::cmd(command).arg(breaks).exec_async(&mut admin).await.unwrap();
        wait_until_async(PATIENCE, "Redis to be thought away", || async {
            refuses(&rig).await;
            !rig.quota.health().0
        })
        .await;
        ::redis::cmd(command).arg(mends).exec_async(&mut admin).await.unwrap();
        recovers(&rig).await;
        assert!(rig.quota.health().0);
    }
}

#[tokio::test]
async fn a_wrong_password_denies_and_is_not_told() {
    let server = Redis::start();
    let url = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let rig = Rig::new(&settings(), &redis_settings(Some(url)), per_user(rate(60, 5), rate(60, 5)));
    let denied = rig.denied(request("ada")).await;
    assert_eq!(denied.refusal.reason, Reason::QuotaUnavailable);
    assert!(!format!("{denied:?} {:?}", rig.quota.ping(&rig.io).await).contains("hunter2"));
}

#[tokio::test]
async fn tls_is_spoken_and_never_given_up_for_plain_text() {
    let server = Redis::start();
    let url = format!("rediss://127.0.0.1:{}", server.port());
    let redis = RedisSettings { timeout_ms: 300, ..redis_settings(Some(url)) };
    let rig = Rig::new(&settings(), &redis, per_user(rate(60, 5), rate(60, 5)));
    // The server speaks no TLS, so the handshake must fail.
    assert_eq!(rig.reason(request("ada")).await, Some(Reason::QuotaUnavailable));
}

#[tokio::test]
async fn a_worker_without_connections_denies() {
    let rig = On::Redis.rig(per_user(rate(60, 5), rate(60, 5)));
    let stranger = On::Memory.rig(per_user(rate(60, 5), rate(60, 5)));
    let decided = rig.quota.decide(&stranger.io, &rig.charge(request("ada"))).await;
    assert_eq!(decided.err().unwrap().refusal.reason, Reason::QuotaUnavailable);
}
