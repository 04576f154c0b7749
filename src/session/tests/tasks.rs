//! Ids of tasks.

use super::rotation::{NEW, OLD, with_keys};
use super::*;

fn of(sessions: &Arc<Sessions>, caller: CallerKey) -> Tasks {
    sessions.tasks(SCOPE, caller, (1, "rust"))
}

#[test]
fn an_id_is_the_place_a_mac_and_the_backends_own() {
    let sessions = parts().0.build();
    for id in ["t-1", "a.b.c", "", "\u{fc}\"\n"] {
        let outer = of(&sessions, ada()).outer(id);
        let parts: Vec<&str> = outer.splitn(3, '.').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2]), ("1", 22, id));
        assert_eq!(place_of(&outer), Some(1));
        assert_eq!(of(&sessions, ada()).inner(&outer), Some(id));
    }
}

#[test]
fn an_id_is_of_no_use_to_others_or_elsewhere() {
    let sessions = parts().0.build();
    let outer = of(&sessions, ada()).outer("t-1");
    for other in [
        of(&sessions, bob()),
        sessions.tasks("other", ada(), (1, "rust")),
        sessions.tasks(SCOPE, ada(), (0, "rust")),
        // The places of the backends have changed.
        sessions.tasks(SCOPE, ada(), (1, "typescript")),
        // What stands side by side is kept apart.
        sessions.tasks(&SCOPE[..SCOPE.len() - 1], ada(), (1, "rrust")),
    ] {
        assert_eq!(other.inner(&outer), None);
    }
}

#[test]
fn a_garbled_id_is_nobodys() {
    let sessions = parts().0.build();
    let tasks = of(&sessions, ada());
    let outer = tasks.outer("t-1");
    let mac = outer.split('.').nth(1).unwrap();
    for garbled in [
        String::new(),
        "t-1".to_owned(),
        "1".to_owned(),
        "1.".to_owned(),
        "1..t-1".to_owned(),
        format!("1.{mac}"),
        format!("1.{mac}.t-2"),
        format!("1.{mac}.t-1 "),
        format!("01.{mac}.t-1"),
        format!("+1.{mac}.t-1"),
        format!("0.{mac}.t-1"),
        format!("1.{mac}=.t-1"),
        format!("1.{}.t-1", &mac[1..]),
        format!("1.{mac}AAAA.t-1"),
        format!("1.{}.t-1", mac.to_ascii_lowercase()),
    ] {
        assert_eq!(tasks.inner(&garbled), None, "{garbled}");
    }
    for nowhere in ["", "t-1", "x.y.z", "+1.m.t", "-1.m.t", ".m.t", "99999999999999999999.m.t"] {
        assert_eq!(place_of(nowhere), None, "{nowhere}");
    }
}

#[test]
fn an_id_is_known_to_every_replica_that_has_its_key() {
    let old = with_keys(Some(OLD), &[]);
    let outer = of(&old, ada()).outer("t-1");
    for (sessions, known) in [
        (with_keys(Some(OLD), &[NEW]), true),
        (with_keys(Some(NEW), &[SHARED, OLD]), true),
        (with_keys(Some(NEW), &[]), false),
        (with_keys(None, &[]), false),
    ] {
        assert_eq!(of(&sessions, ada()).inner(&outer).is_some(), known);
    }
}
