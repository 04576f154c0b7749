//! The issuer itself: requests in, signed tokens out.

use anyhow::bail;
use jsonwebtoken::jwk::JwkSet;
use scopegate::clock::Clock;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::claims::{BadRequest, TokenRequest};
use crate::keys::Signer;
use crate::options::{ClaimNameOptions, SigningOptions};

/// Who signs, for whom, and when.
pub(crate) struct Issuer {
    signer: Signer,
    name: String,
    audience: Value,
    names: ClaimNameOptions,
    clock: Clock,
}

/// The answer to `POST /token`.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the answer, RFC 6749 §5.1 and C-60")]
pub(crate) struct Token {
    /// The signed token.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// When it expires, in seconds since the epoch.
    pub(crate) expires_at_epoch: i64,
    /// What is in it, for reading.
    pub(crate) claims: Map<String, Value>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    /// The request is out of range.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// The key does not sign.
    #[error(transparent)]
    Signing(#[from] anyhow::Error),
}

impl Issuer {
    /// Loads the key and checks that it signs.
    ///
    /// # Errors
    /// Whatever is missing or wrong in the options, named as the environment
    /// names it.
    pub(crate) fn new(options: &SigningOptions, clock: Clock) -> anyhow::Result<Self> {
        let audience: Vec<&str> = options
            .audience
            .iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .collect();
        if options.issuer.trim().is_empty() {
            bail!("JWT_ISSUER is not set: give the value of the tokens' `iss` claim");
        }
        let audience = match audience.as_slice() {
            [] => bail!("JWT_AUDIENCE is not set: give the value of the tokens' `aud` claim"),
            [one] => json!(one),
            several => json!(several),
        };
        let signer = Signer::load(options)?;
        signer.sign(&Map::new())?;
        Ok(Self {
            signer,
            name: options.issuer.trim().to_owned(),
            audience,
            names: options.names.clone(),
            clock,
        })
    }

    /// Issues a token.
    ///
    /// # Errors
    /// A request out of range, or a key that does not sign.
    pub(crate) fn mint(&self, request: TokenRequest) -> Result<Token, MintError> {
        let now = self.clock.unix_seconds();
        let lifetime = i64::try_from(request.expires_in_seconds).unwrap_or(i64::MAX);
        let token_id = uuid::Uuid::new_v4().to_string();
        let claims = request.claims(&self.name, &self.audience, &self.names, now, &token_id)?;
        let expires_at_epoch = claims
            .get(&self.names.exp_claim)
            .and_then(Value::as_i64)
            .unwrap_or_else(|| now.saturating_add(lifetime));
        let access_token = self.signer.sign(&claims)?;
        Ok(Token { access_token, token_type: "Bearer", expires_at_epoch, claims })
    }

    /// The public keys.
    pub(crate) fn public_keys(&self) -> &JwkSet {
        self.signer.public()
    }

    /// The OpenID discovery document, for an issuer reached at `base`.
    pub(crate) fn discovery(&self, base: &str) -> Value {
        json!({
            "issuer": self.name,
            "jwks_uri": format!("{base}/jwks.json"),
            "token_endpoint": format!("{base}/token"),
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [format!("{:?}", self.signer.algorithm())],
        })
    }
}
