//! Redis gone, slow or out of reach: calls are refused in time, and go on when
//! it is back.

use support::chaos::Chaos;
use support::eventually::wait_until_async;
use support::redis::Redis;

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
