//! Who may issue tokens, and how their claims are read.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::secret::Secret;

/// The `auth` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// The issuer that the `JWT_*` environment names describe. Left out when
    /// its `issuer` is empty.
    pub default: IssuerSettings,
    /// Further issuers, each with its own keys, audience and claim names.
    pub issuers: Vec<IssuerSettings>,
    /// Verified tokens kept, so that a signature is not checked on each call.
    pub token_cache_entries: u64,
    /// Longest time a verified token is kept, in seconds.
    pub token_cache_seconds: u64,
    /// Longest token accepted, in bytes.
    pub max_token_bytes: usize,
    /// The role that opens `/admin/…`.
    pub admin_role: String,
}

/// One issuer. Exactly one key source must be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerSettings {
    /// Value of `iss`, compared exactly.
    pub issuer: String,
    /// Accepted values of `aud`; one of them must be present in a token.
    /// In the environment (`JWT_AUDIENCE`) separated by commas.
    pub audience: Vec<String>,
    /// The preferred algorithm; must be among `allowed_algorithms`.
    pub algorithm: String,
    /// Accepted algorithms.
    pub allowed_algorithms: Vec<String>,
    /// Key source: a shared secret, for HS256, HS384 and HS512.
    pub secret_key: Option<Secret>,
    /// Key source: a file holding the shared secret.
    pub secret_key_file: Option<PathBuf>,
    /// Key source: a file with a public key or certificate in PEM form.
    pub public_key_file: Option<PathBuf>,
    /// Key source: a file with a JSON Web Key Set.
    pub jwks_file: Option<PathBuf>,
    /// Key source: the URL of a JSON Web Key Set.
    pub jwks_url: Option<Url>,
    /// Key source: an issuer whose `/.well-known/openid-configuration` names
    /// the key set.
    pub oidc_discovery: bool,
    /// Oldest token accepted, in minutes since `iat`; 0 switches it off.
    pub max_token_age_minutes: u64,
    /// Tolerance of all time comparisons, in seconds.
    pub clock_skew_seconds: u64,
    /// Accepted values of the API version claim; empty: not checked.
    pub allowed_api_versions: Vec<String>,
    /// Names of the claims.
    pub claims: ClaimNames,
    /// How long fetched keys are fresh, in seconds.
    pub jwks_refresh_seconds: u64,
    /// Shortest time between two fetches caused by unknown key ids, in seconds.
    pub jwks_cooldown_seconds: u64,
    /// How long stale keys still serve while the issuer is down, in seconds.
    pub jwks_stale_seconds: u64,
}

/// Names of claims; a dot reaches into nested objects
/// (`realm_access.roles`). A claim whose whole name matches wins over a path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    /// Who is calling.
    pub user_id: String,
    /// When the token expires.
    pub exp: String,
    /// When the token was issued.
    pub iat: String,
    /// The workspace.
    pub tenant: String,
    /// The API version.
    pub api_version: String,
    /// The roles: an array of strings, or one string separated by spaces.
    pub roles: String,
    /// The agent profiles the caller may act as.
    pub agent: String,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: Vec::new(),
            algorithm: "HS256".to_owned(),
            allowed_algorithms: vec!["HS256".to_owned()],
            secret_key: None,
            secret_key_file: None,
            public_key_file: None,
            jwks_file: None,
            jwks_url: None,
            oidc_discovery: false,
            max_token_age_minutes: 60,
            clock_skew_seconds: 60,
            allowed_api_versions: Vec::new(),
            claims: ClaimNames::default(),
            jwks_refresh_seconds: 300,
            jwks_cooldown_seconds: 30,
            jwks_stale_seconds: 86_400,
        }
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            user_id: "sub".to_owned(),
            exp: "exp".to_owned(),
            iat: "iat".to_owned(),
            tenant: "workspace".to_owned(),
            api_version: "v".to_owned(),
            roles: "roles".to_owned(),
            agent: "agents".to_owned(),
        }
    }
}
