//! What keeps the gateway from starting, all at once.

use jsonwebtoken::Algorithm;
use url::Url;

use super::support::*;
use crate::authn::Authenticator;
use crate::secret::Secret;
use crate::settings::{AuthSettings, IssuerSettings};

fn problems(settings: &AuthSettings) -> Vec<String> {
    match Authenticator::new(settings, clock().0) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn of_default(settings: IssuerSettings) -> Vec<String> {
    problems(&auth(settings, vec![]))
}

fn only(settings: IssuerSettings) -> String {
    let mut all = of_default(settings);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn good_settings_have_no_problem() {
    assert_eq!(of_default(with_secret()), [""; 0]);
}

#[test]
fn no_issuer_at_all_is_a_problem() {
    let nobody = IssuerSettings { issuer: String::new(), ..with_secret() };
    assert_eq!(only(nobody.clone()), "auth.default.issuer (JWT_ISSUER): no issuer is configured");
    // Settings of an issuer without a name would be ignored in silence.
    let further = IssuerSettings { issuer: "https://other.test".into(), ..with_secret() };
    let half = problems(&auth(nobody, vec![further.clone()]));
    assert!(half[0].starts_with("auth.default.issuer (JWT_ISSUER): is empty"), "{half:?}");
    assert_eq!(problems(&auth(IssuerSettings::default(), vec![further])), [""; 0]);
}

#[test]
fn every_problem_is_listed_at_once() {
    let bad = IssuerSettings {
        audience: vec![],
        algorithm: "RS256".into(),
        secret_key: Some(Secret::new("short")),
        ..issuer()
    };
    let further = IssuerSettings { issuer: "https://b.test".into(), ..IssuerSettings::default() };
    let all = problems(&auth(bad, vec![with_secret(), further]));
    assert_eq!(
        all,
        [
            "auth.issuers[0].issuer: is configured twice",
            "auth.default.audience (JWT_AUDIENCE): is missing; a token must name whom it is for",
            "auth.default.algorithm (JWT_ALGORITHM): is not among the allowed algorithms",
            "auth.default.secret_key (JWT_SECRET_KEY): is shorter than 32 bytes",
            "auth.issuers[1].audience: is missing; a token must name whom it is for",
            "auth.issuers[1].secret_key: no key source is set: set one of secret_key, \
             secret_key_file, public_key_file, jwks_file, jwks_url, oidc_discovery",
        ]
    );
}

#[test]
fn exactly_one_key_source_is_set() {
    let two = IssuerSettings { oidc_discovery: true, ..with_secret() };
    assert!(only(two).contains("several key sources are set: secret_key, oidc_discovery"));
}

#[test]
fn secrets_are_strong_enough_for_each_algorithm() {
    for (secret, why) in [
        ("", "is empty"),
        ("too-short", "is shorter than 32 bytes"),
        ("changeme-0123456789-0123456789-0123456789", "looks like a sample value"),
    ] {
        let settings = IssuerSettings { secret_key: Some(Secret::new(secret)), ..issuer() };
        let expected = format!("auth.default.secret_key (JWT_SECRET_KEY): {why}");
        assert_eq!(only(settings), expected);
    }
    let secret = |bytes: usize| IssuerSettings {
        secret_key: Some(Secret::new(&SECRET[..bytes])),
        ..issuer()
    };
    let all = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    assert!(only(allowing(secret(63), &all)).contains("shorter than the 64 bytes HS512 needs"));
    assert!(
        only(allowing(secret(47), &all[..2])).contains("shorter than the 48 bytes HS384 needs")
    );
    assert_eq!(of_default(allowing(secret(64), &all)), [""; 0]);
    assert_eq!(of_default(allowing(secret(32), &all[..1])), [""; 0]);
}

#[test]
fn a_weak_secret_in_a_file_is_named_by_its_file_setting() {
    let file = TestFile::new("short\n");
    let settings = IssuerSettings { secret_key_file: Some(file.0.clone()), ..issuer() };
    let problem = only(settings);
    assert!(problem.starts_with("auth.default.secret_key_file"), "{problem}");
    assert!(problem.ends_with("is shorter than 32 bytes"), "{problem}");
}

#[test]
fn a_key_must_fit_an_allowed_algorithm() {
    let file = TestFile::new(fixture!("rsa_public.pem"));
    let settings = IssuerSettings { public_key_file: Some(file.0.clone()), ..issuer() };
    assert_eq!(
        only(settings.clone()),
        "auth.default.allowed_algorithms (JWT_ALLOWED_ALGORITHMS): the key is for RS256, RS384, \
         RS512, PS256, PS384, PS512, but allowed is: HS256"
    );
    assert!(only(allowing(settings, &[Algorithm::ES256])).contains("but allowed is: ES256"));
    assert!(only(allowing(with_secret(), &[Algorithm::ES256])).contains("but allowed is: ES256"));
}

#[test]
fn key_files_are_readable_and_hold_keys() {
    let missing = IssuerSettings { public_key_file: Some("/nowhere/key.pem".into()), ..issuer() };
    let problem = only(missing);
    assert!(problem.contains("public_key_file") && problem.contains("cannot be read"), "{problem}");
    for (contents, why) in [
        ("", "holds no public key"),
        (fixture!("p256_private.pem"), "holds a private key"),
        (fixture!("p521_public.pem"), "unsupported type"),
        (fixture!("rsa1024_public.pem"), "outside of 2048 to 8192 bits"),
        (&"x".repeat(300 * 1024), "is larger than"),
    ] {
        let file = TestFile::new(contents);
        let settings = IssuerSettings { public_key_file: Some(file.0.clone()), ..issuer() };
        let problem = only(allowing(settings, &[Algorithm::ES256, Algorithm::RS256]));
        assert!(problem.contains(why), "{problem}");
    }
    for (contents, why) in [
        ("{}", "is not a JSON Web Key Set"),
        (r#"{"keys":[]}"#, "holds no key for any of the allowed algorithms"),
        (r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, "holds no key for any"),
        (&format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(100)), "more than 100 keys"),
    ] {
        let file = TestFile::new(contents);
        let settings = IssuerSettings { jwks_file: Some(file.0.clone()), ..issuer() };
        let problem = only(allowing(settings, &[Algorithm::ES256]));
        assert!(problem.contains(why), "{problem}");
    }
}

#[test]
fn keys_come_over_tls_or_from_this_machine() {
    let at = |url: &str| {
        let jwks_url = Some(Url::parse(url).unwrap());
        of_default(allowing(IssuerSettings { jwks_url, ..issuer() }, &[Algorithm::ES256]))
    };
    for good in
        ["https://idp.test/keys", "http://localhost:1/k", "http://127.0.0.9/k", "http://[::1]/k"]
    {
        assert_eq!(at(good), [""; 0], "{good}");
    }
    for bad in [
        "http://idp.test/keys",
        "http://localhost.idp.test/keys",
        "http://10.0.0.1/keys",
        "file:///etc/passwd",
        "https://user:pass@idp.test/keys",
    ] {
        let all = at(bad);
        assert_eq!(all.len(), 1, "{bad}");
        assert!(all[0].contains("jwks_url") && !all[0].contains("pass@"), "{all:?}");
    }
}

#[test]
fn discovery_needs_an_issuer_that_is_a_safe_url() {
    let at = |name: &str| {
        let settings = IssuerSettings { issuer: name.into(), oidc_discovery: true, ..issuer() };
        of_default(allowing(settings, &[Algorithm::ES256]))
    };
    assert_eq!(at("https://idp.test/realms/x/"), [""; 0]);
    for bad in ["my-company", "http://idp.test", "https://idp.test/?a=b", "https://idp.test/#x"] {
        let all = at(bad);
        assert_eq!(all.len(), 1, "{bad}: {all:?}");
        assert!(all[0].starts_with("auth.default.issuer (JWT_ISSUER)"), "{all:?}");
    }
}

#[test]
fn a_published_key_set_needs_a_public_algorithm_and_a_pause() {
    let settings = IssuerSettings {
        jwks_url: Some(Url::parse("https://idp.test/keys").unwrap()),
        jwks_refresh_seconds: 0,
        jwks_cooldown_seconds: 0,
        ..issuer()
    };
    let all = of_default(settings);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[0].contains("a published key set never holds HS* keys"));
    assert!(
        all[1].starts_with("auth.default.jwks_refresh_seconds (SCOPEGATE__AUTH__DEFAULT__JWKS")
    );
    assert!(all[2].starts_with("auth.default.jwks_cooldown_seconds"));
}
