//! Notices: their bytes, and which of them are believed.

use bytes::Bytes;

use super::*;

const SENDER: [u8; 16] = [7; 16];

fn uid() -> Uid {
    Uid::random().unwrap()
}

fn kinds() -> [Notice; 4] {
    let message = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"b0:1","result":{}}"#);
    [
        Notice::Ended { uid: uid() },
        Notice::Subscribed { uid: uid() },
        Notice::Cancel { uid: uid(), request_id: "\"ü\"".into() },
        Notice::Answer { uid: uid(), key: "b0:1".into(), message },
    ]
}

/// What a replica tells its listeners on hearing this.
fn heard(sessions: &Sessions, frame: &[u8]) -> Option<Notice> {
    let mut notices = sessions.notices();
    sessions.hear(frame);
    notices.try_recv().ok()
}

fn frame(sessions: &Sessions, notice: &Notice) -> Vec<u8> {
    notice.encode(&sessions.ring, &SENDER, sessions.wall_millis()).unwrap()
}

#[test]
fn every_kind_is_heard_as_it_was_told_and_once() {
    let (parts, _) = parts();
    let sessions = parts.build();
    for notice in kinds() {
        let frame = frame(&sessions, &notice);
        // To look again at what a session has subscribed to does no harm, and
        // two such notices of one moment look alike.
        let again = matches!(notice, Notice::Subscribed { .. }).then(|| notice.clone());
        assert_eq!(heard(&sessions, &frame), Some(notice));
        assert_eq!(heard(&sessions, &frame), again);
    }
}

#[test]
fn what_was_altered_or_signed_by_others_is_not_heard() {
    let (mut parts, _) = parts();
    let sessions = parts.build();
    parts.sessions.key = Some(Secret::new("b1946ac92492d2347c6235b4d2611184c0de"));
    let stranger = parts.build();
    for notice in kinds() {
        assert_eq!(heard(&sessions, &frame(&stranger, &notice)), None);
        let good = frame(&sessions, &notice);
        for at in 0..good.len() {
            let mut altered = good.clone();
            altered[at] ^= 1;
            assert_eq!(heard(&sessions, &altered), None, "{notice:?} at {at}");
            assert_eq!(heard(&sessions, &good[..at]), None, "{notice:?} cut at {at}");
        }
    }
    assert_eq!(heard(&sessions, &[0; 300]), None);
}

#[test]
fn a_replica_with_the_next_key_is_heard() {
    let (mut parts, _) = parts();
    let next = Secret::new("b1946ac92492d2347c6235b4d2611184c0de");
    parts.sessions.previous_keys = vec![next.clone()];
    let sessions = parts.build();
    parts.sessions = SessionSettings { key: Some(next), previous_keys: vec![], ..parts.sessions };
    let [_, _, cancel, _] = kinds();
    assert_eq!(heard(&sessions, &frame(&parts.build(), &cancel)), Some(cancel));
}

#[test]
fn what_is_old_is_not_heard_but_the_end_of_a_session() {
    let (parts, hand) = parts();
    let sessions = parts.build();
    let frames = kinds().map(|notice| frame(&sessions, &notice));
    hand.advance(Duration::from_millis(60_001));
    let heard = frames.each_ref().map(|frame| heard(&sessions, frame).is_some());
    assert_eq!(heard, [true, false, false, false]);
}

#[test]
fn nobody_hears_themselves() {
    let (mut parts, _) = parts();
    parts.redis.url = Some(Secret::new("redis://127.0.0.1:1"));
    let sessions = parts.build();
    let mut waiting = sessions.bus.take_waiting().unwrap();
    for notice in &kinds()[1..] {
        sessions.publish(notice).unwrap();
        let Ok(bus::Outgoing::Notice { frame, .. }) = waiting.try_recv() else { panic!("told") };
        assert_eq!(heard(&sessions, &frame), None);
        assert_eq!(heard(&parts.build(), &frame).as_ref(), Some(notice));
    }
}

#[test]
fn what_is_too_large_is_refused_and_what_finds_no_room_is_lost() {
    let (mut parts, _) = parts();
    parts.redis.url = Some(Secret::new("redis://127.0.0.1:1"));
    let sessions = parts.build();
    let answer = |bytes: usize| Notice::Answer {
        uid: uid(),
        key: "k".into(),
        message: Bytes::from(vec![b' '; bytes]),
    };
    assert_eq!(sessions.publish(&answer(notice::LONGEST)), Err(NoticeTooLarge(1_048_577)));
    let long_key =
        Notice::Answer { uid: uid(), key: "k".repeat(65_536).into(), message: Bytes::new() };
    assert!(sessions.publish(&long_key).is_err());
    let mut waiting = sessions.bus.take_waiting().unwrap();
    for _ in 0..100 {
        assert_eq!(sessions.publish(&answer(notice::LONGEST - 1)), Ok(()));
    }
    let kept = std::iter::from_fn(|| waiting.try_recv().ok()).count();
    assert_eq!(kept, 15, "16 MiB, and each is a little larger than one");
}

#[test]
fn what_people_say_is_not_shown() {
    for notice in kinds() {
        let shown = format!("{notice:?}");
        assert!(shown.contains("session") && !shown.contains("jsonrpc") && !shown.contains('ü'));
    }
}
