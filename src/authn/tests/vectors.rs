//! V-73 to V-86: issuer and audience set, HS256, skew 60 s, max age 60 min
//! unless said.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::support::*;
use crate::authn::{Authenticator, Caller};
use crate::error::{Reason, Refusal};
use crate::settings::{ClaimNames, IssuerSettings};

fn signed(changes: Value) -> String {
    Signer::secret(SECRET, Algorithm::HS256).sign(&claims(changes))
}

fn with(settings: IssuerSettings, changes: Value) -> Result<Caller, Refusal> {
    ask(&of(settings).0, &signed(changes))
}

fn told(result: Result<Caller, Refusal>) -> String {
    let refusal = result.map(|caller| caller.user_id().to_owned()).unwrap_err();
    assert_eq!(refusal.public.as_deref(), Some(&*refusal.detail));
    refusal.detail.into_owned()
}

#[test]
fn v73_a_valid_token_names_the_user() {
    let caller = with(with_secret(), json!({})).unwrap();
    assert_eq!(caller.user_id(), "user123");
    assert_eq!(caller.issuer(), ISSUER);
    assert!(caller.roles().is_empty() && caller.groups().is_empty() && caller.agents().is_empty());
    assert_eq!((caller.email(), caller.tenant(), caller.api_version()), (None, None, None));
    assert_eq!(caller.expires_at().timestamp(), NOW + 600);
}

#[test]
fn v74_expiry_with_the_skew_applied_uniformly() {
    let two_minutes = with(with_secret(), json!({ "exp": NOW - 120 }));
    assert_eq!(reason(two_minutes.clone()), Reason::ExpiredToken);
    assert_eq!(told(two_minutes), "JWT token has expired");
    assert!(with(with_secret(), json!({ "exp": NOW - 30 })).is_ok());
    assert!(with(with_secret(), json!({ "exp": NOW - 60 })).is_ok());
    assert!(with(with_secret(), json!({ "exp": NOW - 61 })).is_err());
}

#[test]
fn v75_wrong_key_malformed_and_other_algorithm() {
    let (authenticator, _) = of(with_secret());
    let other = SECRET.to_uppercase();
    for token in [
        Signer::secret(&other, Algorithm::HS256).sign(&claims(json!({}))),
        "not-a-token".to_owned(),
        "a.b.c".to_owned(),
        Signer::secret(SECRET, Algorithm::HS512).sign(&claims(json!({}))),
    ] {
        let result = ask(&authenticator, &token);
        assert_eq!(reason(result.clone()), Reason::InvalidToken);
        assert!(told(result).starts_with("Invalid JWT token"), "{token}");
    }
}

#[test]
fn v76_alg_none_is_refused() {
    let payload = URL_SAFE_NO_PAD.encode(claims(json!({})).to_string());
    let (authenticator, _) = of(with_secret());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
        for signature in ["", "e30", signed(json!({})).rsplit('.').next().unwrap()] {
            let result = ask(&authenticator, &format!("{header}.{payload}.{signature}"));
            assert_eq!(reason(result), Reason::InvalidToken);
        }
    }
}

#[test]
fn v77_issuer_and_audience_are_required_and_compared() {
    let refused = |changes| with(with_secret(), changes);
    assert_eq!(
        told(refused(json!({ "iss": null }))),
        "Invalid JWT token: missing required 'iss' claim"
    );
    assert_eq!(
        told(refused(json!({ "aud": null }))),
        "Invalid JWT token: missing required 'aud' claim"
    );
    assert_eq!(reason(refused(json!({ "aud": "other" }))), Reason::WrongAudience);
    assert_eq!(reason(refused(json!({ "aud": [] }))), Reason::WrongAudience);
    assert_eq!(reason(refused(json!({ "aud": ["other", 7] }))), Reason::WrongAudience);
    assert_eq!(reason(refused(json!({ "aud": 7 }))), Reason::InvalidToken);
    assert_eq!(reason(refused(json!({ "iss": "https://issuer.test/" }))), Reason::UnknownIssuer);
    assert_eq!(reason(refused(json!({ "iss": [ISSUER] }))), Reason::InvalidToken);
}

#[test]
fn v78_an_array_of_audiences_may_hold_the_expected_one() {
    assert!(with(with_secret(), json!({ "aud": [AUDIENCE, "other"] })).is_ok());
    assert!(with(with_secret(), json!({ "aud": ["other", AUDIENCE] })).is_ok());
    let two = IssuerSettings { audience: vec!["a".into(), "b".into()], ..with_secret() };
    assert!(with(two, json!({ "aud": "b" })).is_ok());
}

#[test]
fn v79_iat_is_required_while_the_age_is_checked() {
    let missing = told(with(with_secret(), json!({ "iat": null })));
    assert!(missing.contains("missing required 'iat' claim"), "{missing}");
    let off = IssuerSettings { max_token_age_minutes: 0, ..with_secret() };
    assert!(with(off.clone(), json!({ "iat": null })).is_ok());
    assert!(with(off, json!({ "iat": NOW - 1_000_000 })).is_ok());
}

#[test]
fn v80_the_age_of_a_token_is_limited() {
    let five = IssuerSettings { max_token_age_minutes: 5, clock_skew_seconds: 0, ..with_secret() };
    let old = with(five.clone(), json!({ "iat": NOW - 600 }));
    assert_eq!(reason(old.clone()), Reason::TokenTooOld);
    assert_eq!(told(old), "JWT token too old");
    assert!(with(five.clone(), json!({ "iat": NOW - 60 })).is_ok());
    assert!(with(five.clone(), json!({ "iat": NOW - 300 })).is_ok());
    assert!(with(five.clone(), json!({ "iat": NOW - 301 })).is_err());
    let future = with(five, json!({ "iat": NOW + 1 }));
    assert_eq!(reason(future), Reason::InvalidToken);
    assert!(with(with_secret(), json!({ "iat": NOW + 60 })).is_ok());
    assert!(with(with_secret(), json!({ "iat": NOW + 61 })).is_err());
}

#[test]
fn v81_nbf_is_honoured() {
    let strict = IssuerSettings { clock_skew_seconds: 0, ..with_secret() };
    let early = with(strict.clone(), json!({ "nbf": NOW + 60 }));
    assert_eq!(reason(early.clone()), Reason::TokenNotYetValid);
    assert_eq!(told(early), "JWT token not yet valid");
    assert!(with(strict, json!({ "nbf": NOW })).is_ok());
    assert!(with(with_secret(), json!({ "nbf": NOW + 60 })).is_ok());
    assert!(with(with_secret(), json!({ "nbf": NOW + 61 })).is_err());
}

#[test]
fn v82_claims_are_read_from_mapped_names() {
    let mapped = IssuerSettings {
        claims: ClaimNames {
            user_id: "uid".into(),
            exp: "expires".into(),
            iat: "issued".into(),
            tenant: "tenant".into(),
            ..ClaimNames::default()
        },
        ..with_secret()
    };
    let names = json!({
        "sub": null, "exp": null, "iat": null,
        "uid": "user-9", "expires": NOW + 60, "issued": NOW, "tenant": "tenant-1",
    });
    let caller = with(mapped.clone(), names).unwrap();
    assert_eq!((caller.user_id(), caller.tenant()), ("user-9", Some("tenant-1")));
    // The usual names do not stand in for mapped ones.
    let usual = told(with(mapped, json!({ "uid": "u" })));
    assert!(usual.contains("missing required 'expires' claim"), "{usual}");
}

#[test]
fn v83_user_id_stands_in_for_a_missing_sub() {
    let caller = with(with_secret(), json!({ "sub": null, "user_id": "fallback" })).unwrap();
    assert_eq!(caller.user_id(), "fallback");
    let both = with(with_secret(), json!({ "user_id": "fallback" })).unwrap();
    assert_eq!(both.user_id(), "user123");
    let none = told(with(with_secret(), json!({ "sub": null })));
    assert!(none.contains("missing required 'sub' claim"), "{none}");
}

#[test]
fn v84_workspace_and_tenant_stand_in_for_each_other() {
    let caller = with(with_secret(), json!({ "tenant": "t1" })).unwrap();
    assert_eq!(caller.tenant(), Some("t1"));
    let both = with(with_secret(), json!({ "tenant": "t1", "workspace": "w1" })).unwrap();
    assert_eq!(both.tenant(), Some("w1"));
    let claims = ClaimNames { tenant: "tenant".into(), ..ClaimNames::default() };
    let swapped = IssuerSettings { claims, ..with_secret() };
    assert_eq!(with(swapped, json!({ "workspace": "w1" })).unwrap().tenant(), Some("w1"));
    let claims = ClaimNames { tenant: "org".into(), ..ClaimNames::default() };
    let other = IssuerSettings { claims, ..with_secret() };
    assert_eq!(with(other, json!({ "workspace": "w1", "tenant": "t1" })).unwrap().tenant(), None);
}

#[test]
fn v85_the_api_version_is_compared_as_a_string() {
    let versions = IssuerSettings { allowed_api_versions: vec!["1.1".into()], ..with_secret() };
    let caller = with(versions.clone(), json!({ "v": "1.1" })).unwrap();
    assert_eq!(caller.api_version(), Some("1.1"));
    assert!(with(versions.clone(), json!({ "v": 1.1 })).is_ok());
    for refused in [json!("2"), json!(2), json!("1.10"), json!(null), json!(["1.1"])] {
        let result = with(versions.clone(), json!({ "v": refused }));
        assert!(told(result).starts_with("Invalid JWT token"), "{refused}");
    }
    let absent = with(versions, json!({}));
    assert_eq!(reason(absent.clone()), Reason::UnsupportedApiVersion);
    assert!(told(absent).contains("unsupported api version"));
    assert!(with(with_secret(), json!({ "v": ["odd"] })).is_ok(), "not checked without a list");
}

#[test]
fn v86_no_algorithm_or_none_is_misconfigured() {
    for list in [
        vec![],
        vec![String::new()],
        vec!["none".to_owned()],
        vec!["HS256".to_owned(), "None".to_owned()],
    ] {
        let settings = IssuerSettings { allowed_algorithms: list, ..with_secret() };
        let problems = Authenticator::new(&auth(settings, vec![]), clock().0).unwrap_err();
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected = "auth.default.allowed_algorithms (JWT_ALLOWED_ALGORITHMS): \
                        JWT allowed algorithms misconfigured";
        assert!(all.iter().any(|problem| problem.starts_with(expected)), "{all:?}");
    }
}
