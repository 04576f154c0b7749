//! Keys, and how they are changed while replicas run.

use super::*;

pub(super) const OLD: &str = "b1946ac92492d2347c6235b4d2611184c0de";
pub(super) const NEW: &str = "0a5c3e7f9b1d2846a0c4e8f1b3d5f7092b4d";

pub(super) fn with_keys(key: Option<&str>, previous: &[&str]) -> Arc<Sessions> {
    let (mut parts, _) = parts();
    parts.sessions.key = key.map(Secret::new);
    parts.sessions.previous_keys = previous.iter().copied().map(Secret::new).collect();
    parts.build()
}

#[test]
fn a_session_opens_only_where_its_key_is_known() {
    let old = with_keys(Some(OLD), &[]);
    let started = old.begin(ada());
    assert!(old.opens(&started, ada()));
    assert!(with_keys(Some(OLD), &[NEW]).opens(&started, ada()));
    assert!(with_keys(Some(NEW), &[SHARED, OLD]).opens(&started, ada()));
    assert!(!with_keys(Some(NEW), &[]).opens(&started, ada()));
    assert!(!with_keys(None, &[]).opens(&started, ada()));
    assert!(!with_keys(None, &[NEW]).opens(&started, ada()));
}

#[test]
fn a_key_is_changed_in_three_steps_without_losing_a_session() {
    // Each step reaches one replica before the other.
    let steps: [(&str, &[&str]); 4] = [(OLD, &[]), (OLD, &[NEW]), (NEW, &[OLD]), (NEW, &[])];
    for pair in steps[..3].windows(2) {
        let [before, after] = [pair[0], pair[1]].map(|(key, others)| with_keys(Some(key), others));
        assert!(after.opens(&before.begin(ada()), ada()));
        assert!(before.opens(&after.begin(ada()), ada()));
    }
    // The last step comes when no session of the old key lives.
    let [before, after] = [steps[2], steps[3]].map(|(key, others)| with_keys(Some(key), others));
    assert!(before.opens(&after.begin(ada()), ada()));
    assert!(after.opens(&before.begin(ada()), ada()));
}

#[test]
fn without_a_key_the_shared_secret_is_the_key_and_can_become_a_previous_one() {
    let derived = with_keys(None, &[]);
    let started = derived.begin(ada());
    assert!(with_keys(None, &[]).opens(&started, ada()));
    assert!(with_keys(Some(NEW), &[SHARED]).opens(&started, ada()));
    assert!(!with_keys(Some(NEW), &[]).opens(&started, ada()));
}

#[test]
fn without_any_secret_there_are_no_sessions() {
    let (mut parts, _) = parts();
    parts.upstream.shared_secret = None;
    let Parts { sessions, upstream, redis, clock } = &parts;
    let refused = Sessions::new(sessions, upstream, redis, clock.clone()).err().unwrap();
    assert_eq!(refused.to_string(), "sessions.key: is missing, and so is upstream.shared_secret");
}

#[test]
fn a_url_that_cannot_be_read_is_not_told() {
    let (mut parts, _) = parts();
    parts.redis.url = Some(Secret::new("redis://:hunter2@[nonsense"));
    let Parts { sessions, upstream, redis, clock } = &parts;
    let refused = Sessions::new(sessions, upstream, redis, clock.clone()).err().unwrap();
    assert!(refused.to_string().starts_with("redis.url: is no redis[s]://"), "{refused}");
    assert!(!refused.to_string().contains("hunter2"));
}
