//! Who may issue tokens, and how their claims are read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::effective::masked;
use super::validate::Findings;
use crate::secret::Secret;

/// The `auth` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
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
#[derive(Clone, Debug, Deserialize, Serialize)]
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
    #[serde(serialize_with = "masked")]
    pub secret_key: Option<Secret>,
    /// Key source: a file holding the shared secret.
    pub secret_key_file: Option<PathBuf>,
    /// Where the shared secret was read from, for reading it again.
    #[serde(skip)]
    pub(crate) secret_read_from: Option<PathBuf>,
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
#[derive(Clone, Debug, Deserialize, Serialize)]
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
            secret_read_from: None,
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

impl AuthSettings {
    /// Every issuer that is configured, with its path in the settings.
    pub(crate) fn configured(&self) -> impl Iterator<Item = (String, &IssuerSettings)> {
        let default = Some(&self.default).filter(|issuer| !issuer.issuer.is_empty());
        let further = self.issuers.iter().enumerate();
        default
            .map(|issuer| ("auth.default".to_owned(), issuer))
            .into_iter()
            .chain(further.map(|(index, issuer)| (format!("auth.issuers[{index}]"), issuer)))
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        if self.configured().next().is_none() {
            findings.problem(
                "auth.default.issuer",
                "no issuer is configured, so nobody could be let in",
            );
        }
        // Numbers of the default issuer are checked even while it is unused.
        self.default.check("auth.default", findings);
        for (index, issuer) in self.issuers.iter().enumerate() {
            let path = format!("auth.issuers[{index}]");
            findings.filled(format!("{path}.issuer"), &issuer.issuer);
            issuer.check(&path, findings);
        }
        findings.range("auth.token_cache_entries", &self.token_cache_entries, &(0..=10_000_000));
        findings.range("auth.token_cache_seconds", &self.token_cache_seconds, &(0..=3600));
        findings.range("auth.max_token_bytes", &self.max_token_bytes, &(512..=65_536));
        findings.filled("auth.admin_role", &self.admin_role);
    }
}

impl IssuerSettings {
    /// Ranges, names and the strength of a shared secret. Algorithms and key
    /// sources are checked by `authn`, which knows what they mean.
    fn check(&self, path: &str, findings: &mut Findings) {
        if let Some(secret) = &self.secret_key {
            findings.strong(format!("{path}.secret_key"), secret);
        }
        if let Some(url) = &self.jwks_url {
            findings.plain_url(&format!("{path}.jwks_url"), url);
        }
        let mut number = |field: &str, value: u64, range| {
            findings.range(format!("{path}.{field}"), &value, &range);
        };
        number("max_token_age_minutes", self.max_token_age_minutes, 0..=525_600);
        number("clock_skew_seconds", self.clock_skew_seconds, 0..=600);
        number("jwks_refresh_seconds", self.jwks_refresh_seconds, 1..=86_400);
        number("jwks_cooldown_seconds", self.jwks_cooldown_seconds, 1..=3600);
        number("jwks_stale_seconds", self.jwks_stale_seconds, 0..=2_592_000);
        let claims = &self.claims;
        for (field, name) in [
            ("user_id", &claims.user_id),
            ("exp", &claims.exp),
            ("iat", &claims.iat),
            ("tenant", &claims.tenant),
            ("api_version", &claims.api_version),
            ("roles", &claims.roles),
            ("agent", &claims.agent),
        ] {
            findings.filled(format!("{path}.claims.{field}"), name);
        }
    }
}
