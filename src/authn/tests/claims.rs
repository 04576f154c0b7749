//! Claims in every shape.

use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::authn::{Caller, Credentials};
use crate::error::{Reason, Refusal};
use crate::settings::{ClaimNames, IssuerSettings};
use futures_util::FutureExt;

fn with(settings: IssuerSettings, changes: Value) -> Result<Caller, Refusal> {
    let token = Signer::secret(SECRET, Algorithm::HS256).sign(&claims(changes));
    ask(&of(settings).0, &token)
}

fn plain(changes: Value) -> Result<Caller, Refusal> {
    with(with_secret(), changes)
}

#[test]
fn roles_are_an_array_or_words() {
    let roles = |value: Value| plain(json!({ "roles": value })).unwrap().roles().to_vec();
    assert_eq!(roles(json!(["b", "a", "b"])), ["b", "a"]);
    assert_eq!(roles(json!("reader  writer ")), ["reader", "writer"]);
    assert_eq!(roles(json!(["two words"])), ["two words"]);
    assert_eq!(roles(json!([])), [""; 0]);
    assert_eq!(roles(json!("")), [""; 0]);
    assert_eq!(roles(json!(null)), [""; 0]);
}

#[test]
fn roles_that_cannot_be_read_refuse_the_token() {
    let many: Vec<String> = (0..257).map(|n| format!("r{n}")).collect();
    for value in [
        json!(7),
        json!({ "admin": true }),
        json!(["ok", 7]),
        json!(["ok", null]),
        json!([""]),
        json!(["a\nb"]),
        json!(["r".repeat(257)]),
        json!(many),
    ] {
        assert_eq!(reason(plain(json!({ "roles": value }))), Reason::InvalidToken, "{value}");
    }
    assert_eq!(plain(json!({ "roles": many[..256] })).unwrap().roles().len(), 256);
}

#[test]
fn a_dotted_name_reaches_into_objects_and_a_whole_name_wins() {
    let names = ClaimNames {
        roles: "realm_access.roles".into(),
        user_id: "user.id.value".into(),
        agent: "https://gw.test/agents".into(),
        ..ClaimNames::default()
    };
    let settings = IssuerSettings { claims: names, ..with_secret() };
    let nested = json!({
        "realm_access": { "roles": ["nested"] },
        "user": { "id": { "value": "deep" } },
        "https://gw.test/agents": "one two",
    });
    let caller = with(settings.clone(), nested.clone()).unwrap();
    assert_eq!(caller.roles(), ["nested"]);
    assert_eq!(caller.user_id(), "deep");
    assert_eq!(caller.agents(), ["one", "two"]);
    assert!(caller.has_role("nested") && !caller.has_role("Nested"));

    let mut whole = nested;
    whole["realm_access.roles"] = json!(["whole"]);
    assert_eq!(with(settings.clone(), whole).unwrap().roles(), ["whole"]);

    let odd = json!({ "realm_access": "text", "user": { "id": { "value": "deep" } } });
    assert!(with(settings, odd).unwrap().roles().is_empty());
}

#[test]
fn user_ids_are_short_and_plain() {
    let user = |value: Value| plain(json!({ "sub": value }));
    assert_eq!(user(json!(42)).unwrap().user_id(), "42");
    assert_eq!(user(json!("Ünïcode user")).unwrap().user_id(), "Ünïcode user");
    assert!(user(json!("u".repeat(256))).is_ok());
    for value in [
        json!("u".repeat(257)),
        json!(""),
        json!(" "),
        json!("user "),
        json!("\tuser"),
        json!("us\u{0}er"),
        json!("us\r\ner"),
        json!("us\u{7f}er"),
        json!(true),
        json!(["user"]),
    ] {
        assert_eq!(reason(user(value.clone())), Reason::InvalidToken, "{value}");
    }
    // A claim of the wrong type is no reason to look at the stand-in.
    assert!(plain(json!({ "sub": ["x"], "user_id": "fallback" })).is_err());
}

#[test]
fn dates_are_whole_seconds() {
    for exp in [json!(NOW + 1), json!(1.8e9), json!(9_007_199_254_740_992_i64), json!(i64::MAX)] {
        assert!(plain(json!({ "exp": exp })).is_ok(), "{exp}");
    }
    for exp in [
        json!(1.8e9 + 0.5),
        json!(1e300),
        json!(u64::MAX),
        json!("1900000000"),
        json!(true),
        json!([NOW]),
    ] {
        assert_eq!(reason(plain(json!({ "exp": exp }))), Reason::InvalidToken, "{exp}");
    }
    assert_eq!(reason(plain(json!({ "exp": i64::MIN }))), Reason::ExpiredToken);
    assert_eq!(reason(plain(json!({ "exp": -1 }))), Reason::ExpiredToken);
    assert_eq!(reason(plain(json!({ "nbf": "soon" }))), Reason::InvalidToken);
    assert_eq!(reason(plain(json!({ "nbf": i64::MAX }))), Reason::TokenNotYetValid);
    assert_eq!(reason(plain(json!({ "iat": i64::MIN }))), Reason::TokenTooOld);
    let missing = plain(json!({ "exp": null })).map(|_| ()).unwrap_err();
    assert!(missing.detail.contains("missing required 'exp' claim"));
}

#[test]
fn further_facts_are_passed_on() {
    let caller = plain(json!({
        "groups": ["g1", "g2"], "email": "a@b.test", "workspace": "w", "agents": ["bot"], "v": 2,
    }))
    .unwrap();
    assert_eq!(caller.groups(), ["g1", "g2"]);
    assert_eq!(caller.email(), Some("a@b.test"));
    assert_eq!(caller.tenant(), Some("w"));
    assert_eq!(caller.agents(), ["bot"]);
    assert_eq!(caller.api_version(), Some("2"));
    for odd in [json!(7), json!(""), json!("a\nb"), json!("e".repeat(321))] {
        assert_eq!(plain(json!({ "email": odd })).unwrap().email(), None);
    }
    assert_eq!(reason(plain(json!({ "workspace": ["w"] }))), Reason::InvalidToken);
}

#[test]
fn a_refusal_never_repeats_what_the_token_says() {
    for changes in [
        json!({ "iss": "https://private-name.test" }),
        json!({ "aud": "private-name" }),
        json!({ "sub": "private-name\n" }),
        json!({ "roles": ["private-name", 1] }),
    ] {
        let refusal = plain(changes).map(|_| ()).unwrap_err();
        assert!(!refusal.detail.contains("private-name"), "{refusal}");
    }
}

#[test]
fn a_token_in_the_query_is_refused_next_to_a_good_one() {
    let (authenticator, _) = of(with_secret());
    let token = Signer::secret(SECRET, Algorithm::HS256).sign(&claims(json!({})));
    let header = format!("Bearer {token}");
    let query = format!("access_token={token}");
    let credentials = Credentials::new([header.as_bytes()], Some(&query));
    let result = authenticator.authenticate(credentials).now_or_never().unwrap();
    assert_eq!(reason(result), Reason::TokenInQuery);
}

#[test]
fn other_rooms_can_make_up_callers() {
    let caller = Caller::for_test("alice", &["reader"], Some("w"));
    assert_eq!((caller.user_id(), caller.tenant()), ("alice", Some("w")));
    assert!(caller.has_role("reader") && !caller.has_role("admin"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever byte of a token is changed, it is not accepted any more.
    #[test]
    fn a_changed_token_is_refused(at in 0_usize..1000, to in "[A-Za-z0-9._-]") {
        let (authenticator, _) = of(with_secret());
        let token = Signer::secret(SECRET, Algorithm::HS256).sign(&claims(json!({})));
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(ask(&authenticator, &changed).is_ok(), changed == token);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~]{0,80}") {
        let (authenticator, _) = of(with_secret());
        prop_assert!(ask(&authenticator, &text).is_err());
    }
}
