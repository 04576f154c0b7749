//! Every algorithm with every kind of key source, and the ways to confuse
//! them.

use Algorithm::{
    ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde_json::{Value, json};

use super::support::*;
use crate::error::Reason;
use crate::settings::IssuerSettings;

const ALL: [Algorithm; 12] =
    [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA];

fn public_key(text: &str) -> (IssuerSettings, TestFile) {
    let file = TestFile::new(text);
    (IssuerSettings { public_key_file: Some(file.0.clone()), ..issuer() }, file)
}

fn key_set(text: &str) -> (IssuerSettings, TestFile) {
    let file = TestFile::new(text);
    (IssuerSettings { jwks_file: Some(file.0.clone()), ..issuer() }, file)
}

fn signer(algorithm: Algorithm) -> Signer {
    match algorithm.family() {
        AlgorithmFamily::Hmac => Signer::secret(SECRET, algorithm),
        AlgorithmFamily::Rsa => Signer::pem(fixture!("rsa_private.pem"), algorithm),
        AlgorithmFamily::Ed => Signer::pem(fixture!("ed25519_private.pem"), algorithm),
        AlgorithmFamily::Ec if algorithm == ES256 => {
            Signer::pem(fixture!("p256_private.pem"), algorithm)
        }
        AlgorithmFamily::Ec => Signer::pem(fixture!("p384_private.pem"), algorithm),
    }
}

/// An issuer whose keys are given for this algorithm, and its file.
fn keyed(algorithm: Algorithm) -> (IssuerSettings, Option<TestFile>) {
    let text = match algorithm.family() {
        AlgorithmFamily::Hmac => return (with_secret(), None),
        AlgorithmFamily::Rsa => fixture!("rsa_public.pem"),
        AlgorithmFamily::Ed => fixture!("ed25519_public.pem"),
        AlgorithmFamily::Ec if algorithm == ES256 => fixture!("p256_public.pem"),
        AlgorithmFamily::Ec => fixture!("p384_public.pem"),
    };
    let (settings, file) = public_key(text);
    (settings, Some(file))
}

/// Which of all algorithms' tokens an issuer accepts.
fn accepted(settings: IssuerSettings) -> Vec<Algorithm> {
    let (authenticator, _) = of(settings);
    ALL.into_iter()
        .filter(|&algorithm| {
            let token = signer(algorithm).sign(&claims(json!({})));
            match ask(&authenticator, &token) {
                Ok(_) => true,
                Err(refusal) => {
                    assert_eq!(refusal.reason, Reason::InvalidToken, "{algorithm:?}");
                    false
                }
            }
        })
        .collect()
}

#[test]
fn each_algorithm_verifies_when_it_alone_is_allowed() {
    for algorithm in ALL {
        let (settings, _file) = keyed(algorithm);
        assert_eq!(accepted(allowing(settings, &[algorithm])), [algorithm]);
    }
}

#[test]
fn a_key_serves_only_its_own_family_even_when_all_are_allowed() {
    let families: [(&str, &[Algorithm]); 6] = [
        (fixture!("rsa_public.pem"), &[RS256, RS384, RS512, PS256, PS384, PS512]),
        (fixture!("rsa_public_pkcs1.pem"), &[RS256, RS384, RS512, PS256, PS384, PS512]),
        (fixture!("rsa_certificate.pem"), &[RS256, RS384, RS512, PS256, PS384, PS512]),
        (fixture!("p256_certificate.pem"), &[ES256]),
        (fixture!("p384_public.pem"), &[ES384]),
        (fixture!("ed25519_certificate.pem"), &[EdDSA]),
    ];
    for (text, family) in families {
        let (settings, _file) = public_key(text);
        assert_eq!(accepted(allowing(settings, &ALL)), family);
    }
    assert_eq!(accepted(allowing(with_secret(), &ALL)), [HS256, HS384, HS512]);
}

#[test]
fn a_key_set_serves_every_public_algorithm() {
    let signers: Vec<Signer> = [RS256, ES256, ES384, EdDSA].map(signer).into();
    let mut document: Value = serde_json::from_str(&jwks(&signers)).unwrap();
    // Without `alg` the RSA key is for its whole family.
    document["keys"][0].as_object_mut().unwrap().remove("alg");
    let (settings, _file) = key_set(&document.to_string());
    let all_but_secrets = &ALL[3..];
    assert_eq!(accepted(allowing(settings, &ALL)), all_but_secrets);
}

#[test]
fn a_key_with_alg_is_for_that_algorithm_only() {
    let (settings, _file) = key_set(&jwks(&[signer(RS256)]));
    assert_eq!(accepted(allowing(settings, &ALL)), [RS256]);
}

#[test]
fn the_secret_may_come_from_a_file() {
    let file = TestFile::new(&format!("{SECRET}\n"));
    let settings = IssuerSettings { secret_key_file: Some(file.0.clone()), ..issuer() };
    assert_eq!(accepted(settings), [HS256]);
}

/// The public key is public: whoever signs with its text as a secret must
/// not get in, whatever is allowed and however the text is written.
#[test]
fn a_public_key_is_never_a_secret() {
    for allowed in [&[RS256][..], &[RS256, HS256], &[HS256, RS256], &ALL] {
        for text in [fixture!("rsa_public.pem"), fixture!("rsa_certificate.pem")] {
            let (settings, _file) = public_key(text);
            let (authenticator, _) = of(allowing(settings, allowed));
            for secret in [text, text.trim(), text.trim_end(), &text.replace('\n', "")] {
                for algorithm in [HS256, HS384, HS512] {
                    let token = Signer::secret(secret, algorithm).sign(&claims(json!({})));
                    assert_eq!(reason(ask(&authenticator, &token)), Reason::InvalidToken);
                }
            }
        }
    }
}

#[test]
fn a_secret_is_never_taken_from_a_key_set() {
    let known = Signer::fresh("k1");
    let document = json!({ "keys": [
        known.jwk(),
        { "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "k2", "alg": "HS256" },
        { "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0" },
    ]});
    let (settings, _file) = key_set(&document.to_string());
    let (authenticator, _) = of(allowing(settings, &[ES256, HS256]));
    for id in [Some("k1"), Some("k2"), None] {
        let mut forger = Signer::secret("secret-secret-secret-secret", HS256);
        forger.id = id.map(str::to_owned);
        let token = forger.sign(&claims(json!({})));
        assert_eq!(reason(ask(&authenticator, &token)), Reason::InvalidToken);
    }
    assert!(ask(&authenticator, &known.sign(&claims(json!({})))).is_ok());
}

/// A key id is compared, and nothing else is done with it.
#[test]
fn a_key_id_cannot_reach_anything() {
    let known = Signer::fresh("k1");
    let (settings, _file) = key_set(&jwks([&known]));
    let (authenticator, _) = of(allowing(settings, &[ES256]));
    for id in [
        "../../../../dev/null",
        "/dev/null",
        "k1' OR '1'='1",
        "k1\u{0}",
        "k1 ",
        "K1",
        "",
        "http://127.0.0.1:1/keys",
        "${jndi:ldap://x}",
        "%6b1",
    ] {
        let token = known.named(id).sign(&claims(json!({})));
        assert_eq!(reason(ask(&authenticator, &token)), Reason::InvalidToken, "{id}");
    }
    assert!(ask(&authenticator, &known.sign(&claims(json!({})))).is_ok());
}

/// Keys that a token brings along or points to are not looked at.
#[test]
fn a_token_cannot_bring_its_own_key() {
    let (known, forger) = (Signer::fresh("k1"), Signer::fresh("k1"));
    let (settings, _file) = key_set(&jwks([&known]));
    let (authenticator, _) = of(allowing(settings, &[ES256]));
    let mut header = jsonwebtoken::Header::new(ES256);
    header.kid = Some("k1".to_owned());
    header.jwk = Some(serde_json::from_value(forger.jwk()).unwrap());
    header.jku = Some("http://127.0.0.1:1/keys".to_owned());
    header.x5u = header.jku.clone();
    let token = jsonwebtoken::encode(&header, &claims(json!({})), &forger.key).unwrap();
    assert_eq!(reason(ask(&authenticator, &token)), Reason::InvalidToken);
}

#[test]
fn two_issuers_with_one_key_id_do_not_mix() {
    let (ours, theirs) = (Signer::fresh("shared"), Signer::fresh("shared"));
    let (first, _one) = key_set(&jwks([&ours]));
    let (second, _two) = key_set(&jwks([&theirs]));
    let second = IssuerSettings { issuer: "https://other.test".into(), ..second };
    let settings = auth(allowing(first, &[ES256]), vec![allowing(second, &[ES256])]);
    let authenticator = crate::authn::Authenticator::new(&settings, clock().0).unwrap();
    assert_eq!(authenticator.issuers().collect::<Vec<_>>(), [ISSUER, "https://other.test"]);

    let from = |signer: &Signer, issuer: &str| {
        ask(&authenticator, &signer.sign(&claims(json!({ "iss": issuer }))))
    };
    assert_eq!(from(&ours, ISSUER).unwrap().issuer(), ISSUER);
    assert_eq!(from(&theirs, "https://other.test").unwrap().issuer(), "https://other.test");
    assert_eq!(reason(from(&theirs, ISSUER)), Reason::InvalidToken);
    assert_eq!(reason(from(&ours, "https://other.test")), Reason::InvalidToken);
    assert_eq!(reason(from(&ours, "https://third.test")), Reason::UnknownIssuer);
}

#[test]
fn a_token_without_key_id_is_served_by_the_only_key_that_fits() {
    let (one, two) = (Signer::fresh("k1"), Signer::fresh("k2"));
    let nameless = Signer { id: None, ..one.clone() };
    let token = nameless.sign(&claims(json!({})));
    let (alone, _file) = key_set(&jwks([&one, &signer(RS256)]));
    assert!(ask(&of(allowing(alone, &ALL)).0, &token).is_ok());
    let (several, _file) = key_set(&jwks([&one, &two]));
    assert_eq!(reason(ask(&of(allowing(several, &ALL)).0, &token)), Reason::InvalidToken);
    // And a key without a name serves a token that names one.
    let (unnamed, _file) = key_set(&jwks([&nameless]));
    assert!(ask(&of(allowing(unnamed, &ALL)).0, &one.sign(&claims(json!({})))).is_ok());
}
