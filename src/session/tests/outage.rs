//! Redis gone: nothing fails, and what was missed is made up for.

use support::chaos::Chaos;
use support::eventually::wait_until_async;
use support::process::PATIENCE;
use support::redis::{Redis, unique_prefix};

use super::*;

fn on_port(port: u16) -> (Parts, Arc<ManualClock>) {
    let (mut parts, hand) = parts();
    parts.redis.url = Some(Secret::new(format!("redis://127.0.0.1:{port}")));
    parts.redis.key_prefix = unique_prefix();
    (parts, hand)
}

fn run(parts: &Parts) -> Arc<Sessions> {
    let sessions = parts.build();
    tokio::spawn(sessions.take_background().unwrap().run());
    sessions
}

/// What ends on one is over on the other, sooner or later.
async fn in_touch(one: &Sessions, other: &Sessions) {
    let started = one.begin(ada());
    one.end(started.session.uid());
    over(other, &started).await;
}

async fn over(replica: &Sessions, started: &Started) {
    wait_until_async(PATIENCE, "a session to be over elsewhere", || async {
        !replica.opens(started, ada())
    })
    .await;
}

/// What the other tells is heard, sooner or later.
async fn hears(one: &Sessions, other: &Sessions) {
    let mut notices = one.notices();
    let told = Notice::Cancel { uid: other.begin(ada()).session.uid(), request_id: "1".into() };
    wait_until_async(PATIENCE, "a notice", || {
        other.publish(&told).unwrap();
        let heard = notices.try_recv().ok() == Some(told.clone());
        std::future::ready(heard)
    })
    .await;
}

#[tokio::test]
async fn what_ends_while_redis_is_down_is_told_when_it_is_back() {
    let mut server = Redis::start();
    let (parts, _) = on_port(server.port());
    let (one, other) = (run(&parts), run(&parts));
    in_touch(&one, &other).await;
    let started = one.begin(ada());
    server.kill();
    one.end(started.session.uid());
    assert!(!one.opens(&started, ada()), "here at once");
    let more = one.begin(ada());
    assert!(other.opens(&more, ada()), "nothing fails");
    server.restart();
    over(&other, &started).await;
    in_touch(&other, &one).await;
    hears(&one, &other).await;
    hears(&other, &one).await;
}

#[tokio::test]
async fn a_redis_that_comes_later_is_found() {
    let mut server = Redis::start();
    server.kill();
    let (parts, _) = on_port(server.port());
    let (one, other) = (run(&parts), run(&parts));
    let started = one.begin(ada());
    one.end(started.session.uid());
    server.restart();
    over(&other, &started).await;
}

#[tokio::test]
async fn a_replica_that_was_cut_off_learns_what_it_missed() {
    let server = Redis::start();
    let network = Chaos::before(server.port());
    let (mut parts, _) = on_port(server.port());
    let one = run(&parts);
    parts.redis.url = Some(Secret::new(format!("redis://127.0.0.1:{}", network.port())));
    let other = run(&parts);
    in_touch(&one, &other).await;
    network.cut();
    let started = one.begin(ada());
    one.end(started.session.uid());
    // The end has passed while it could not be heard.
    let third = run(&Parts { redis: on_server(&server, &parts), ..parts });
    over(&third, &started).await;
    network.restore();
    over(&other, &started).await;
    hears(&other, &one).await;
}

fn on_server(server: &Redis, parts: &Parts) -> RedisSettings {
    RedisSettings { url: Some(Secret::new(server.url())), ..parts.redis.clone() }
}

/// Replicas hear of each other over TLS, by an authority of their own.
#[tokio::test]
async fn replicas_hear_of_each_other_over_tls() {
    let authority = support::authority::Authority::new();
    let (_server, port) = support::redis::with_tls(&authority);
    let folder = support::scratch::Scratch::new("sg-authority");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.certificate()).unwrap();
    let (mut parts, _) = on_port(port);
    parts.redis.url = Some(Secret::new(format!("rediss://127.0.0.1:{port}")));
    parts.redis.ca_file = Some(file);
    let (one, other) = (run(&parts), run(&parts));
    in_touch(&one, &other).await;
    let started = one.begin(ada());
    one.end(started.session.uid());
    over(&other, &started).await;
}

#[tokio::test]
async fn while_redis_is_down_only_what_is_too_old_is_reaped() {
    let mut server = Redis::start();
    server.kill();
    let (mut parts, hand) = on_port(server.port());
    parts.sessions.max_age_seconds = 3600;
    let sessions = parts.build();
    let started = sessions.begin(ada());
    hand.advance(Duration::from_mins(30));
    assert!(sessions.idle().await.is_empty());
    assert!(sessions.opens(&started, ada()), "another replica may be using it");
    hand.advance(Duration::from_mins(30));
    assert_eq!(sessions.idle().await.len(), 1);
}

#[tokio::test]
async fn a_redis_that_refuses_holds_up_nothing_that_comes_later() {
    let server = Redis::start();
    let (parts, _) = on_port(server.port());
    let client = redis::Client::open(server.url()).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let set = format!("{}:sessions:ended", parts.redis.key_prefix);
    // A value of another type, where ends are kept.
    let spoil = redis::cmd("SET").arg(&set).arg("x").clone();
    let (one, other) = (run(&parts), run(&parts));
    in_touch(&one, &other).await;
    redis::cmd("DEL").arg(&set).exec_async(&mut admin).await.unwrap();
    spoil.exec_async(&mut admin).await.unwrap();
    let started = one.begin(ada());
    one.end(started.session.uid());
    // It is told all the same, only not kept.
    over(&other, &started).await;
    hears(&other, &one).await;
}

/// Nobody is promised news that would not come.
#[tokio::test]
async fn nobody_subscribes_while_redis_is_down() {
    let mut server = Redis::start();
    let (parts, _) = on_port(server.port());
    let sessions = run(&parts);
    let uid = sessions.begin(ada()).session.uid();
    sessions.subscribe(uid, 0, "a://x").await.unwrap();
    server.kill();
    let refused = sessions.subscribe(uid, 0, "a://y").await.unwrap_err();
    assert_eq!(refused.reason, Reason::BackendUnavailable);
    let refused = sessions.subscribed(uid, 0).await.unwrap_err();
    assert_eq!(refused.reason, Reason::BackendUnavailable);
    assert!(sessions.unsubscribe(uid, 0, "a://x").await.is_err());
}
