//! One replica: caps, idleness, and the ends of sessions.

use super::*;

const IDLE: Duration = Duration::from_mins(30);

fn uids(sessions: &[Arc<Opened>]) -> Vec<Uid> {
    sessions.iter().map(|session| session.uid()).collect()
}

#[test]
fn one_session_too_many_ends_the_callers_least_recently_used() {
    let (mut parts, hand) = parts();
    parts.sessions.max_per_caller = 3;
    let sessions = parts.build();
    let foreign = sessions.begin(bob());
    let mine = [(); 3].map(|()| {
        hand.advance(Duration::from_secs(1));
        sessions.begin(ada())
    });
    assert!(mine.iter().all(|started| started.evicted.is_empty()));
    hand.advance(Duration::from_secs(1));
    sessions.touch(&mine[0].session);
    hand.advance(Duration::from_secs(1));
    let one_more = sessions.begin(ada());
    assert_eq!(uids(&one_more.evicted), [mine[1].session.uid()]);
    let open = mine.each_ref().map(|started| sessions.opens(started, ada()));
    assert_eq!(open, [true, false, true]);
    assert!(sessions.opens(&one_more, ada()) && sessions.opens(&foreign, bob()));
    assert_eq!(sessions.tracked(), 4);
}

#[tokio::test]
async fn sessions_of_other_replicas_count_when_they_are_used_here() {
    let (mut parts, hand) = parts();
    parts.sessions.max_per_caller = 2;
    let (here, elsewhere) = (parts.build(), parts.build());
    let mine = [(); 3].map(|()| elsewhere_begins(&elsewhere, &hand));
    for started in &mine {
        hand.advance(Duration::from_secs(1));
        here.touch(&here.open(&started.id, SCOPE, &ada()).unwrap());
    }
    assert_eq!(here.tracked(), 2);
    assert!(!here.opens(&mine[0], ada()) && here.opens(&mine[2], ada()));
    assert_eq!(uids(&here.idle().await), [mine[0].session.uid()], "to be ended at backends");
    assert!(here.idle().await.is_empty(), "once");
}

fn elsewhere_begins(elsewhere: &Sessions, hand: &ManualClock) -> Started {
    hand.advance(Duration::from_secs(1));
    elsewhere.begin(ada())
}

#[tokio::test]
async fn a_session_without_use_is_over() {
    let (parts, hand) = parts();
    let sessions = parts.build();
    let (used, unused) = (sessions.begin(ada()), sessions.begin(ada()));
    hand.advance(IDLE.saturating_sub(Duration::from_millis(1)));
    assert!(sessions.idle().await.is_empty());
    sessions.touch(&used.session);
    hand.advance(Duration::from_millis(1));
    assert_eq!(uids(&sessions.idle().await), [unused.session.uid()]);
    assert!(sessions.idle().await.is_empty(), "once");
    assert!(sessions.opens(&used, ada()) && !sessions.opens(&unused, ada()));
    assert_eq!(sessions.tracked(), 1);
}

#[tokio::test]
async fn a_session_that_is_too_old_is_over_although_it_is_used() {
    let (mut parts, hand) = parts();
    parts.sessions.max_age_seconds = 60;
    let sessions = parts.build();
    let started = sessions.begin(ada());
    hand.advance(Duration::from_mins(1));
    sessions.touch(&started.session);
    let mut notices = sessions.notices();
    let uid = started.session.uid();
    assert_eq!(uids(&sessions.idle().await), [uid]);
    assert_eq!(sessions.tracked(), 0);
    assert_eq!(notices.recv().await.unwrap(), Notice::Ended { uid }, "to close its streams");
}

#[tokio::test]
async fn beyond_the_cap_of_all_the_least_recently_used_give_way() {
    let (mut parts, hand) = parts();
    parts.sessions.max_tracked = 10;
    let sessions = parts.build();
    let caller = |number: usize| CallerKey::of(&format!("https://issuer.test\n{number}"));
    let mut all = Vec::new();
    for number in 0..10 {
        hand.advance(Duration::from_secs(1));
        all.push(sessions.begin(caller(number)));
    }
    hand.advance(Duration::from_secs(1));
    sessions.touch(&all[0].session);
    for number in 10..13 {
        hand.advance(Duration::from_secs(1));
        let started = sessions.begin(caller(number));
        assert!(started.evicted.is_empty(), "not its own");
        all.push(started);
    }
    assert_eq!(sessions.tracked(), 10);
    let open = |number: usize| sessions.opens(&all[number], caller(number));
    assert_eq!((0..13).filter(|number| !open(*number)).collect::<Vec<_>>(), [1, 2, 3]);
    let departed: Vec<_> = all[1..4].iter().map(|started| started.session.uid()).collect();
    assert_eq!(uids(&sessions.idle().await), departed);
}

#[tokio::test]
async fn an_ended_session_is_refused_and_everybody_here_is_told_once() {
    let (parts, _) = parts();
    let sessions = parts.build();
    let started = sessions.begin(ada());
    let uid = started.session.uid();
    let mut notices = sessions.notices();
    sessions.end(uid);
    sessions.end(uid);
    assert!(!sessions.opens(&started, ada()));
    assert_eq!(sessions.tracked(), 0);
    assert_eq!(notices.recv().await.unwrap(), Notice::Ended { uid });
    assert!(notices.try_recv().is_err());
    // Without Redis there is nobody else, and nothing to run.
    assert!(sessions.take_background().is_none());
    let cancel = Notice::Cancel { uid, request_id: "1".into() };
    assert_eq!(sessions.publish(&cancel), Ok(()));
    assert!(notices.try_recv().is_err(), "others only");
}

#[test]
fn many_threads_may_use_sessions_at_once() {
    let (mut parts, _) = parts();
    parts.sessions.max_per_caller = 4;
    parts.sessions.max_tracked = 20;
    let sessions = parts.build();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let sessions = &sessions;
            scope.spawn(move || {
                for number in 0..200 {
                    let caller = CallerKey::of(&format!("i\n{}", (thread + number) % 7));
                    let started = sessions.begin(caller);
                    sessions.touch(&started.session);
                    if number % 3 == 0 {
                        sessions.end(started.session.uid());
                    }
                }
            });
        }
    });
    assert!(sessions.tracked() <= 20 + 8, "{}", sessions.tracked());
}
