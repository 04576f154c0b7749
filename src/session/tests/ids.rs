//! Session ids: what they hold, and to whom.

use proptest::prelude::*;

use super::*;

#[test]
fn what_a_session_begins_with_comes_back_at_every_replica() {
    let (parts, hand) = parts();
    let capabilities = r#"{ "elicitation": {"form":{}}, "n": 18446744073709551616 }"#;
    let none = BackendSession { index: 7, id: None, revision: "2026-07-28" };
    let started = parts
        .build()
        .start(Contents {
            revision: "2024-11-05",
            capabilities: raw(capabilities),
            client_name: "Sonde \"Ü\"",
            client_version: "1.0",
            backends: vec![at_backend(0, "abc\"\\~!"), none.clone()],
            ..contents(ada())
        })
        .unwrap();
    hand.advance(Duration::from_secs(5));
    let replica = parts.build();
    for opened in [&started.session, &replica.open(&started.id, SCOPE, &ada()).unwrap()] {
        assert_eq!(opened.uid(), started.session.uid());
        assert_eq!((opened.scope(), opened.caller()), (SCOPE, ada()));
        assert_eq!(opened.revision(), "2024-11-05");
        assert_eq!(opened.capabilities().get(), capabilities, "byte by byte");
        assert_eq!((opened.client_name(), opened.client_version()), ("Sonde \"Ü\"", "1.0"));
        assert_eq!(opened.backends(), [at_backend(0, "abc\"\\~!"), none.clone()]);
        assert_eq!(opened.backend(7), Some(&none));
        assert_eq!(opened.backend(1), None);
        assert_eq!(opened.issued_at(), 1_800_000_000);
    }
}

#[test]
fn an_id_is_visible_ascii_of_bounded_length_and_shows_nothing() {
    let (parts, _) = parts();
    let mut contents = contents(ada());
    contents.backends = vec![at_backend(0, "secret-of-the-backend")];
    let started = parts.build().start(contents).unwrap();
    assert!(started.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert!(started.id.len() < 256, "{}", started.id.len());
    for shown in [format!("{started:?}"), format!("{:?}", started.session)] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn one_altered_byte_and_nothing_opens() {
    let (parts, _) = parts();
    let sessions = parts.build();
    let started = sessions.begin(ada());
    // One that has opened it before, and one that has not.
    for replica in [&sessions, &parts.build()] {
        for at in 0..started.id.len() {
            for other in ['A', 'Z', 'a', '0', '-', '_', '=', '.', ' ', '\u{7f}'] {
                let mut altered: Vec<char> = started.id.chars().collect();
                if altered[at] == other {
                    continue;
                }
                altered[at] = other;
                let altered: String = altered.into_iter().collect();
                assert!(!replica.opens_id(&altered, SCOPE, ada()), "{other:?} at {at}");
            }
            assert!(!replica.opens_id(&started.id[..at], SCOPE, ada()), "cut at {at}");
        }
        for longer in ["A", "=", "==", "AAAA"] {
            assert!(!replica.opens_id(&format!("{}{longer}", started.id), SCOPE, ada()));
        }
        assert!(replica.opens(&started, ada()));
    }
}

#[test]
fn another_caller_and_another_scope_are_refused_whether_remembered_or_not() {
    let (parts, _) = parts();
    let sessions = parts.build();
    let started = sessions.begin(ada());
    let fresh = parts.build();
    for _ in 0..2 {
        for replica in [&sessions, &fresh] {
            assert!(!replica.opens(&started, bob()));
            for scope in ["other", "", "calculato", "calculators"] {
                assert!(!replica.opens_id(&started.id, scope, ada()), "{scope}");
            }
        }
        // Now both remember it.
        assert!(sessions.opens(&started, ada()) && fresh.opens(&started, ada()));
    }
}

#[test]
fn a_caller_keeps_its_session_when_its_token_is_renewed() {
    let (parts, _) = parts();
    let sessions = parts.build();
    let with_roles = |roles: &[&str]| {
        CallerKey::of(crate::authn::Caller::for_test("ada", roles, Some("a")).key())
    };
    let started = sessions.begin(with_roles(&["reader"]));
    assert!(sessions.opens(&started, with_roles(&["reader", "writer"])));
    assert!(!sessions.opens(&started, CallerKey::of("https://elsewhere.test\nada")));
}

#[test]
fn a_session_is_over_at_its_greatest_age_also_when_used() {
    let (mut parts, hand) = parts();
    parts.sessions.max_age_seconds = 600;
    let sessions = parts.build();
    let started = sessions.begin(ada());
    hand.advance(Duration::from_secs(599));
    for replica in [&sessions, &parts.build()] {
        replica.touch(&replica.open(&started.id, SCOPE, &ada()).unwrap());
    }
    hand.advance(Duration::from_secs(1));
    for replica in [&sessions, &parts.build()] {
        assert!(!replica.opens(&started, ada()));
    }
}

#[test]
fn what_backends_say_is_bounded() {
    let (parts, _) = parts();
    let sessions = parts.build();
    let start = |backends| sessions.start(Contents { backends, ..contents(ada()) });
    for odd in ["", "a b", "a\nb", "ü", "a\u{7f}", &"x".repeat(513)] {
        let refused = start(vec![at_backend(0, "fine"), at_backend(3, odd)]);
        assert_eq!(refused.unwrap_err(), SealError::BackendSession(3), "{odd:?}");
    }
    assert!(start(vec![at_backend(0, &"x".repeat(512)), at_backend(1, "!~")]).is_ok());
    let many = (0..6).map(|index| at_backend(index, &"x".repeat(512))).collect();
    assert_eq!(start(many).unwrap_err(), SealError::TooLarge);
    let modern = Contents { revision: "2026-07-28", ..contents(ada()) };
    assert_eq!(sessions.start(modern).unwrap_err(), SealError::Revision);
}

#[test]
fn what_clients_say_is_cut_to_fit() {
    let (parts, _) = parts();
    let sessions = parts.build();
    let large = |bytes: usize| {
        format!(
            "{{\"roots\":{{}},\"x\":\"{}\"}}",
            "y".repeat(bytes - r#"{"roots":{},"x":""}"#.len())
        )
    };
    let start = |capabilities: &str, backends| {
        let started = sessions.start(Contents {
            capabilities: raw(capabilities),
            client_name: &"ü".repeat(200),
            client_version: &"1".repeat(200),
            backends,
            ..contents(ada())
        });
        let started = started.unwrap();
        assert!(started.id.len() <= token::LONGEST);
        let opened = parts.build().open(&started.id, SCOPE, &ada()).unwrap();
        assert_eq!(opened.capabilities().get(), started.session.capabilities().get());
        opened
    };
    let opened = start(&large(2048), Vec::new());
    assert_eq!(opened.capabilities().get(), large(2048));
    assert_eq!(opened.client_name(), "ü".repeat(64));
    assert_eq!(opened.client_version(), "1".repeat(64));
    assert_eq!(start(&large(2049), Vec::new()).capabilities().get(), r#"{"roots":{}}"#);
    // Sessions at backends matter more than what is rarely asked for.
    let backends: Vec<_> = (0..3).map(|index| at_backend(index, &"x".repeat(512))).collect();
    let opened = start(&large(2048), backends.clone());
    assert_eq!(opened.capabilities().get(), r#"{"roots":{}}"#);
    assert_eq!(opened.backends(), backends);
}

proptest! {
    #[test]
    fn any_session_comes_back_to_its_caller_on_its_scope_only(
        scope in "[ -~]{0,64}",
        caller in ".{0,40}",
        other_scope in "[ -~]{0,64}",
        other in ".{0,40}",
        name in ".{0,80}",
        ids in proptest::collection::vec("[!-~]{1,200}", 0..5),
    ) {
        let (parts, _) = parts();
        let (key, other) = (CallerKey::of(&caller), CallerKey::of(&other));
        let backends: Vec<_> = (0..).zip(&ids).map(|(index, id)| at_backend(index, id)).collect();
        let begun = Contents {
            scope: &scope, client_name: &name, backends: backends.clone(), ..contents(key)
        };
        let started = parts.build().start(begun).unwrap();
        let replica = parts.build();
        let opened = replica.open(&started.id, &scope, &key).unwrap();
        prop_assert_eq!(opened.backends(), backends);
        prop_assert_eq!(opened.client_name(), started.session.client_name());
        prop_assert_eq!(replica.opens_id(&started.id, &scope, other), key == other);
        prop_assert_eq!(replica.opens_id(&started.id, &other_scope, key), scope == other_scope);
    }

    #[test]
    fn any_other_text_is_refused(id in "\\PC{0,300}", coded in "[A-Za-z0-9_-]{0,600}") {
        let (parts, _) = parts();
        let sessions = parts.build();
        prop_assert!(!sessions.opens_id(&id, SCOPE, ada()));
        prop_assert!(!sessions.opens_id(&coded, SCOPE, ada()));
    }
}

#[test]
fn a_very_long_id_is_refused() {
    let (parts, _) = parts();
    assert!(!parts.build().opens_id(&"A".repeat(1 << 20), SCOPE, ada()));
}
