//! Tokens of every kind, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "scopegate-tests";
pub(crate) const SECRET: &str = "9f2c41d07be84a6f8d13c5aa07e94b62f1d8c3e5";

/// A token in the making.
pub(crate) struct Token {
    claims: Value,
    secret: String,
    algorithm: Algorithm,
}

#[expect(clippy::disallowed_methods, reason = "tokens are judged by the real clock here")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

impl Token {
    /// A valid token of a user with roles.
    pub(crate) fn of(user: &str, roles: &[&str]) -> Self {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": user, "roles": roles,
            "iat": now(), "exp": now() + 600,
        });
        Self { claims, secret: SECRET.to_owned(), algorithm: Algorithm::HS256 }
    }

    /// Sets a claim.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Expired long ago.
    pub(crate) fn expired(self) -> Self {
        let then = now() - 3600;
        self.claim("exp", then)
    }

    /// Signed by somebody else.
    pub(crate) fn forged(mut self) -> Self {
        self.secret = String::from("another-secret-that-is-long-enough-0123");
        self
    }

    /// Signed with a key of one's own.
    pub(crate) fn signed_with(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// The compact form.
    pub(crate) fn sign(&self) -> String {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        encode(&Header::new(self.algorithm), &self.claims, &key).unwrap()
    }

    /// The header's value.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.sign())
    }
}
