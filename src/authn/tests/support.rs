//! Issuers, keys and tokens for tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::DateTime;
use futures_util::FutureExt;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey, Header};
use serde_json::{Value, json};

use crate::authn::{Authenticator, Caller, Credentials};
use crate::clock::{Clock, ManualClock};
use crate::error::{Reason, Refusal};
use crate::secret::Secret;
use crate::settings::{AuthSettings, IssuerSettings};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://issuer.test";
pub(super) const AUDIENCE: &str = "mcp-gateway";
/// 70 bytes, enough for HS512.
pub(super) const SECRET: &str =
    "unit-tests-only:0123456789:abcdefghijklmnopqrstuvwxyz:ABCDEFGHIJKLMNOP";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name))
    };
}
pub(super) use fixture;

/// A key that signs, and what its tokens say about it.
#[derive(Clone)]
pub(super) struct Signer {
    pub(super) key: EncodingKey,
    pub(super) algorithm: Algorithm,
    pub(super) id: Option<String>,
}

impl Signer {
    pub(super) fn secret(secret: &str, algorithm: Algorithm) -> Self {
        Self { key: EncodingKey::from_secret(secret.as_bytes()), algorithm, id: None }
    }

    pub(super) fn pem(text: &str, algorithm: Algorithm) -> Self {
        let key = match algorithm.family() {
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(text.as_bytes()),
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem(text.as_bytes()),
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(text.as_bytes()),
            AlgorithmFamily::Hmac => panic!("a shared secret is no PEM file"),
        };
        Self { key: key.unwrap(), algorithm, id: None }
    }

    /// A fresh P-256 key with a name.
    pub(super) fn fresh(id: &str) -> Self {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EncodingKey::from_ec_der(document.as_ref());
        Self { key, algorithm: Algorithm::ES256, id: Some(id.to_owned()) }
    }

    /// The same key under another name.
    pub(super) fn named(&self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self.clone() }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.id);
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// The public half, as an issuer publishes it.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id.clone_from(&self.id);
        serde_json::to_value(jwk).unwrap()
    }
}

/// A key set of these keys.
pub(super) fn jwks<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> String {
    let keys: Vec<Value> = signers.into_iter().map(Signer::jwk).collect();
    json!({ "keys": keys }).to_string()
}

pub(super) fn clock() -> (Clock, Arc<ManualClock>) {
    Clock::manual(DateTime::from_timestamp(NOW, 0).unwrap())
}

/// Moves both readings of a clock.
pub(super) fn pass(hand: &ManualClock, seconds: u64) {
    hand.advance(Duration::from_secs(seconds));
}

/// An issuer without a key source: HS256, skew 60 s, max age 60 min.
pub(super) fn issuer() -> IssuerSettings {
    IssuerSettings {
        issuer: ISSUER.to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        ..IssuerSettings::default()
    }
}

/// The issuer of the vectors: a shared secret, HS256.
pub(super) fn with_secret() -> IssuerSettings {
    IssuerSettings { secret_key: Some(Secret::new(SECRET)), ..issuer() }
}

/// Allows these algorithms and prefers the first.
pub(super) fn allowing(settings: IssuerSettings, algorithms: &[Algorithm]) -> IssuerSettings {
    let names: Vec<String> = algorithms.iter().map(|name| format!("{name:?}")).collect();
    let algorithm = names.first().cloned().unwrap_or_default();
    IssuerSettings { algorithm, allowed_algorithms: names, ..settings }
}

pub(super) fn auth(default: IssuerSettings, issuers: Vec<IssuerSettings>) -> AuthSettings {
    AuthSettings {
        default,
        issuers,
        token_cache_entries: 100,
        token_cache_seconds: 300,
        max_token_bytes: 16_384,
        admin_role: "admin".to_owned(),
    }
}

/// An authenticator of one issuer.
pub(super) fn of(settings: IssuerSettings) -> (Authenticator, Arc<ManualClock>) {
    let (clock, hand) = clock();
    (Authenticator::new(&auth(settings, Vec::new()), clock).unwrap(), hand)
}

/// Claims that are accepted, with `changes` laid over them; `null` removes.
pub(super) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user123", "iat": NOW, "exp": NOW + 600,
    });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(&name);
        } else {
            claims[name] = value;
        }
    }
    claims
}

/// Asks without waiting: fails when a fetch would be needed.
pub(super) fn ask(authenticator: &Authenticator, token: &str) -> Result<Caller, Refusal> {
    let header = format!("Bearer {token}");
    authenticator
        .authenticate(Credentials::new([header.as_bytes()], None))
        .now_or_never()
        .expect("no waiting with keys that are here")
}

/// Asks, and waits for keys.
pub(super) async fn ask_remote(
    authenticator: &Authenticator,
    token: &str,
) -> Result<Caller, Refusal> {
    let header = format!("Bearer {token}");
    authenticator.authenticate(Credentials::new([header.as_bytes()], None)).await
}

/// The reason of a refusal.
pub(super) fn reason(result: Result<Caller, Refusal>) -> Reason {
    match result {
        Ok(caller) => panic!("{} was let in", caller.user_id()),
        Err(refusal) => refusal.reason,
    }
}

/// A file that is removed at the end of the test.
pub(super) struct TestFile(pub(super) PathBuf);

impl TestFile {
    pub(super) fn new(contents: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("scopegate-authn-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, contents).unwrap();
        Self(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
