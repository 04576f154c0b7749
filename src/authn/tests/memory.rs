//! Verified tokens are remembered, and what binds on every use.

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::support::*;
use crate::authn::Authenticator;
use crate::authn::cache::Fingerprint;
use crate::error::Reason;
use crate::settings::IssuerSettings;

fn token(changes: serde_json::Value) -> String {
    Signer::secret(SECRET, Algorithm::HS256).sign(&claims(changes))
}

fn holds(authenticator: &Authenticator, token: &str) -> bool {
    authenticator.cache.holds(&Fingerprint::of(token.as_bytes()))
}

#[test]
fn a_verified_token_is_remembered_and_a_refused_one_is_not() {
    let (authenticator, _) = of(with_secret());
    let (good, bad) = (token(json!({})), token(json!({ "aud": "other" })));
    let first = ask(&authenticator, &good).unwrap();
    assert!(holds(&authenticator, &good));
    let second = ask(&authenticator, &good).unwrap();
    assert!(std::ptr::eq(first.user_id(), second.user_id()), "the same identity");
    assert!(ask(&authenticator, &bad).is_err());
    assert!(!holds(&authenticator, &bad));
}

#[test]
fn expiry_binds_on_a_remembered_token() {
    let (authenticator, hand) = of(with_secret());
    let token = token(json!({ "exp": NOW + 100 }));
    assert!(ask(&authenticator, &token).is_ok());
    pass(&hand, 160);
    assert!(ask(&authenticator, &token).is_ok());
    pass(&hand, 1);
    assert!(holds(&authenticator, &token));
    assert_eq!(reason(ask(&authenticator, &token)), Reason::ExpiredToken);
    assert!(!holds(&authenticator, &token));
    assert_eq!(reason(ask(&authenticator, &token)), Reason::ExpiredToken);
}

#[test]
fn the_age_limit_binds_on_a_remembered_token() {
    let settings = IssuerSettings { max_token_age_minutes: 1, ..with_secret() };
    let (authenticator, hand) = of(settings);
    let token = token(json!({}));
    assert!(ask(&authenticator, &token).is_ok());
    pass(&hand, 121);
    assert!(holds(&authenticator, &token));
    assert_eq!(reason(ask(&authenticator, &token)), Reason::TokenTooOld);
}

#[test]
fn a_token_is_verified_again_after_a_while() {
    let (authenticator, hand) = of(with_secret());
    let token = token(json!({}));
    let first = ask(&authenticator, &token).unwrap();
    pass(&hand, 299);
    let second = ask(&authenticator, &token).unwrap();
    assert!(std::ptr::eq(first.user_id(), second.user_id()));
    pass(&hand, 1);
    let third = ask(&authenticator, &token).unwrap();
    assert!(!std::ptr::eq(first.user_id(), third.user_id()));
}

#[test]
fn memory_is_bounded_and_can_be_switched_off() {
    for (entries, seconds, most) in [(3, 300, 3), (0, 300, 0), (100, 0, 0)] {
        let mut settings = auth(with_secret(), vec![]);
        settings.token_cache_entries = entries;
        settings.token_cache_seconds = seconds;
        let authenticator = Authenticator::new(&settings, clock().0).unwrap();
        let tokens: Vec<_> = (0..50).map(|n| token(json!({ "jti": n }))).collect();
        for token in &tokens {
            assert!(ask(&authenticator, token).is_ok());
        }
        authenticator.cache.settle();
        let held = tokens.iter().filter(|token| holds(&authenticator, token)).count();
        assert!(held <= most, "{held} of at most {most}");
    }
}
