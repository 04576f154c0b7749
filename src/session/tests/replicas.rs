//! Two replicas that share a Redis.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use support::eventually::wait_until_async;
use support::process::PATIENCE;
use support::redis::{shared_url, unique_prefix};

use super::*;

/// Replicas with a prefix of their own.
struct Replicas {
    parts: Parts,
    hand: Arc<ManualClock>,
    admin: MultiplexedConnection,
}

impl Replicas {
    async fn new() -> Self {
        let (mut parts, hand) = parts();
        parts.redis.url = Some(Secret::new(shared_url()));
        parts.redis.key_prefix = unique_prefix();
        let client = redis::Client::open(shared_url()).unwrap();
        let admin = client.get_multiplexed_async_connection().await.unwrap();
        Self { parts, hand, admin }
    }

    /// Starts one more, and waits until it listens with all others.
    async fn start(&self, listening: usize) -> Arc<Sessions> {
        let sessions = self.parts.build();
        tokio::spawn(sessions.take_background().unwrap().run());
        assert!(sessions.take_background().is_none(), "once");
        wait_until_async(PATIENCE, "a replica that listens", || async {
            self.listening().await >= listening
        })
        .await;
        sessions
    }

    fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.parts.redis.key_prefix)
    }

    async fn listening(&self) -> usize {
        let mut asked = redis::cmd("PUBSUB");
        asked.arg("NUMSUB").arg(self.key("bus"));
        let (_, count): (String, usize) = asked.query_async(&mut self.admin.clone()).await.unwrap();
        count
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut asked = redis::cmd(words[0]);
        for word in &words[1..] {
            asked.arg(word);
        }
        asked.query_async(&mut self.admin.clone()).await.unwrap()
    }

    async fn use_is_known(&self, uid: Uid) {
        let key = self.key(&format!("session:{uid}"));
        wait_until_async(PATIENCE, "the use of a session to be known", || async {
            self.ask::<bool>(&["EXISTS", &key]).await
        })
        .await;
    }
}

async fn refuses(replica: &Sessions, started: &Started) {
    wait_until_async(PATIENCE, "a session to be over elsewhere", || async {
        !replica.opens(started, ada())
    })
    .await;
}

#[tokio::test]
async fn what_ends_on_one_is_over_on_the_other() {
    let replicas = Replicas::new().await;
    let (one, other) = (replicas.start(1).await, replicas.start(2).await);
    let started = one.begin(ada());
    other.touch(&other.open(&started.id, SCOPE, &ada()).unwrap());
    let mut notices = other.notices();
    one.end(started.session.uid());
    refuses(&other, &started).await;
    assert_eq!(notices.recv().await.unwrap(), Notice::Ended { uid: started.session.uid() });
    assert_eq!(other.tracked(), 0);
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_what_is_over() {
    let replicas = Replicas::new().await;
    let one = replicas.start(1).await;
    let (over, alive) = (one.begin(ada()), one.begin(ada()));
    one.end(over.session.uid());
    let set = replicas.key("sessions:ended");
    wait_until_async(PATIENCE, "the end to be kept", || async {
        replicas.ask::<u32>(&["ZCARD", &set]).await == 1
    })
    .await;
    let late = replicas.start(2).await;
    refuses(&late, &over).await;
    assert!(late.opens(&alive, ada()));
    let life: u64 = replicas.ask(&["TTL", &set]).await;
    assert!((86_000..=86_400).contains(&life), "{life}");
}

#[tokio::test]
async fn cancellations_and_answers_reach_the_others_and_only_them() {
    let replicas = Replicas::new().await;
    let (one, other) = (replicas.start(1).await, replicas.start(2).await);
    let uid = one.begin(ada()).session.uid();
    let (mut here, mut there) = (one.notices(), other.notices());
    let large = Bytes::from(vec![b' '; notice::LONGEST - 8]);
    for notice in [
        Notice::Cancel { uid, request_id: "1".into() },
        Notice::Answer { uid, key: "b0:7".into(), message: large },
    ] {
        one.publish(&notice).unwrap();
        let heard = tokio::time::timeout(PATIENCE, there.recv()).await.expect("a notice");
        assert_eq!(heard.unwrap(), notice);
    }
    // Its own have come back to it before those of the other.
    let last = Notice::Cancel { uid, request_id: "2".into() };
    other.publish(&last).unwrap();
    let heard = tokio::time::timeout(PATIENCE, here.recv()).await.expect("a notice");
    assert_eq!(heard.unwrap(), last);
}

#[tokio::test]
async fn what_others_put_into_the_channel_is_ignored() {
    let mut replicas = Replicas::new().await;
    let one = replicas.start(1).await;
    let started = one.begin(ada());
    let uid = started.session.uid();
    let mut notices = one.notices();
    let channel = replicas.key("bus");
    for forged in ["", "nonsense", &"x".repeat(100_000)] {
        replicas.ask::<u32>(&["PUBLISH", &channel, forged]).await;
    }
    // A gateway of somebody else on the same Redis, with another key.
    replicas.parts.sessions.key = Some(Secret::new("b1946ac92492d2347c6235b4d2611184c0de"));
    let stranger = replicas.start(2).await;
    let mut overheard = stranger.notices();
    stranger.end(uid);
    stranger.publish(&Notice::Cancel { uid, request_id: "1".into() }).unwrap();
    // What a friend tells comes after all of that.
    replicas.parts.sessions.key = None;
    let friend = replicas.start(3).await;
    let set = replicas.key("sessions:ended");
    wait_until_async(PATIENCE, "the stranger's end to be kept", || async {
        replicas.ask::<u32>(&["ZCARD", &set]).await == 1
    })
    .await;
    let told = Notice::Cancel { uid, request_id: "2".into() };
    friend.publish(&told).unwrap();
    let heard = tokio::time::timeout(PATIENCE, notices.recv()).await.expect("a notice");
    assert_eq!(heard.unwrap(), told);
    assert!(one.opens(&started, ada()) && friend.opens(&started, ada()));
    assert_eq!(overheard.recv().await.unwrap(), Notice::Ended { uid }, "its own");
    assert!(overheard.try_recv().is_err());
}

#[tokio::test]
async fn a_session_that_is_used_elsewhere_is_not_idle() {
    let replicas = Replicas::new().await;
    let (one, other) = (replicas.start(1).await, replicas.start(2).await);
    let started = one.begin(ada());
    let uid = started.session.uid();
    replicas.use_is_known(uid).await;
    let key = replicas.key(&format!("session:{uid}"));
    replicas.ask::<u32>(&["DEL", &key]).await;
    replicas.hand.advance(Duration::from_mins(30));
    other.touch(&other.open(&started.id, SCOPE, &ada()).unwrap());
    replicas.use_is_known(uid).await;
    let life: u64 = replicas.ask(&["TTL", &key]).await;
    assert!((1800..=1860).contains(&life), "{life}");
    assert!(one.idle().await.is_empty());
    assert!(one.opens(&started, ada()));
    // The other's use is long ago.
    replicas.ask::<u32>(&["DEL", &key]).await;
    assert_eq!(one.idle().await.len(), 1);
    refuses(&other, &started).await;
    assert!(other.idle().await.is_empty(), "one of them ends it at backends");
}

#[tokio::test]
async fn a_use_is_shared_once_a_minute() {
    let replicas = Replicas::new().await;
    let one = replicas.start(1).await;
    let started = one.begin(ada());
    let uid = started.session.uid();
    let key = replicas.key(&format!("session:{uid}"));
    replicas.use_is_known(uid).await;
    replicas.ask::<u32>(&["DEL", &key]).await;
    replicas.hand.advance(Duration::from_secs(59));
    for _ in 0..1000 {
        one.touch(&started.session);
    }
    // What is told after them has arrived, so they would have.
    let mark = one.begin(ada());
    replicas.use_is_known(mark.session.uid()).await;
    assert!(!replicas.ask::<bool>(&["EXISTS", &key]).await);
    replicas.hand.advance(Duration::from_secs(1));
    one.touch(&started.session);
    replicas.use_is_known(uid).await;
}

#[tokio::test]
async fn what_a_session_subscribes_to_on_one_is_known_on_the_other() {
    let replicas = Replicas::new().await;
    let (one, other) = (replicas.start(1).await, replicas.start(2).await);
    let uid = one.begin(ada()).session.uid();
    let (mut here, mut there) = (one.notices(), other.notices());
    for (place, uri) in [(0, "a://x y"), (1, "a://z")] {
        one.subscribe(uid, place, uri).await.unwrap();
        for notices in [&mut here, &mut there] {
            let heard = tokio::time::timeout(PATIENCE, notices.recv()).await.expect("a notice");
            assert_eq!(heard.unwrap(), Notice::Subscribed { uid });
        }
    }
    assert_eq!(other.subscribed(uid, 0).await.unwrap(), [Box::<str>::from("a://x y")]);
    assert_eq!(other.subscribed(uid, 1).await.unwrap(), [Box::<str>::from("a://z")]);
    let key = replicas.key(&format!("session:{uid}:resources"));
    let life: u64 = replicas.ask(&["TTL", &key]).await;
    assert!((86_000..=86_400).contains(&life), "{life}");
    other.unsubscribe(uid, 1, "a://z").await.unwrap();
    assert!(one.subscribed(uid, 1).await.unwrap().is_empty());
    for n in 1..256 {
        one.subscribe(uid, 0, &n.to_string()).await.unwrap();
    }
    let too_many = other.subscribe(uid, 0, "one more").await.unwrap_err();
    assert_eq!(too_many.reason, Reason::InvalidParams);
    let long = "u".repeat(2049);
    assert_eq!(one.subscribe(uid, 0, &long).await.unwrap_err().reason, Reason::InvalidParams);
    assert_eq!(one.subscribed(uid, 0).await.unwrap().len(), 256);
    one.forget_subscribed(uid).await;
    assert!(!replicas.ask::<bool>(&["EXISTS", &key]).await);
}
