//! The command line and the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use scopegate::secret::Secret;

use crate::claims::TokenRequest;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) signing: SigningOptions,
    #[command(flatten)]
    pub(crate) serving: ServingOptions,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const ABOUT: &str = "Mints JSON Web Tokens for a first try of Scopegate and for tests";

const LONG_ABOUT: &str = "\
Mints JSON Web Tokens for a first try of Scopegate and for tests.

Without a command it serves HTTP:
  POST /token    {\"user_id\": …, \"roles\": […], \"workspace\": …, \"api_version\": …,
                  \"expires_in_seconds\": 3600, \"groups\": […], \"agents\": […],
                  \"extra_claims\": {…}}
                 answers {\"access_token\", \"token_type\", \"expires_at_epoch\", \"claims\"}
  GET  /jwks.json, /.well-known/openid-configuration, /health

It asks nobody who they are, so it listens on loopback only, and is not for
production. It reads the same JWT_* names as the gateway (those of the claims
too, such as JWT_ROLES_CLAIM), so that both agree when started with the same
environment.";

const AFTER_HELP: &str = "\
Secrets come from the environment or from files, never from arguments, which
every user of the machine can read:
  JWT_SECRET_KEY           key of HS256, HS384 and HS512 tokens, at least 32 bytes
  JWT_ISSUER_ADMIN_TOKEN   when set, POST /token must repeat it in X-Issuer-Token

Examples:
  JWT_ISSUER=dev JWT_AUDIENCE=scopegate JWT_SECRET_KEY=… dev-issuer
  JWT_ISSUER=http://127.0.0.1:8010 JWT_AUDIENCE=scopegate dev-issuer --algorithm ES256
  dev-issuer token --user-id demo --roles developer --workspace demo

Exit codes: 0 done, 2 wrong or missing configuration, or a request out of range.";

/// What is signed, and with what. Shared by the service and `token`.
#[derive(Debug, Args)]
pub(crate) struct SigningOptions {
    /// Value of the `iss` claim. For discovery to work it must be the
    /// address under which clients reach this service.
    #[arg(long, global = true, env = "JWT_ISSUER", default_value = "", value_name = "TEXT")]
    pub(crate) issuer: String,

    /// Value of the `aud` claim; several, separated by commas, become an array.
    #[arg(
        long,
        global = true,
        env = "JWT_AUDIENCE",
        value_delimiter = ',',
        default_value = "",
        value_name = "TEXT"
    )]
    pub(crate) audience: Vec<String>,

    /// HS256, HS384, HS512 (with `JWT_SECRET_KEY`), or ES256 (with `--key-file`).
    #[arg(
        long,
        global = true,
        env = "JWT_ALGORITHM",
        default_value = "HS256",
        value_name = "NAME"
    )]
    pub(crate) algorithm: String,

    /// A file holding the shared secret, instead of `JWT_SECRET_KEY`.
    #[arg(long, global = true, env = "JWT_SECRET_KEY_FILE", value_name = "FILE")]
    pub(crate) secret_key_file: Option<PathBuf>,

    /// The ES256 private key, PKCS#8 in PEM form; made, readable by its owner
    /// only, when the file does not exist.
    #[arg(
        long,
        global = true,
        env = "DEV_ISSUER_KEY_FILE",
        default_value = ".state/dev-issuer/es256.pem",
        value_name = "FILE"
    )]
    pub(crate) key_file: PathBuf,

    #[command(flatten)]
    pub(crate) names: ClaimNameOptions,

    #[arg(skip = Secret::new(std::env::var("JWT_SECRET_KEY").unwrap_or_default()))]
    pub(crate) secret_key: Secret,
}

/// Names of the claims, as the gateway is told to read them. A dot makes a
/// nested claim.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_field_names, reason = "named as the environment names them")]
pub(crate) struct ClaimNameOptions {
    #[arg(long, global = true, hide = true, env = "JWT_USER_ID_CLAIM", default_value = "sub")]
    pub(crate) user_id_claim: String,
    #[arg(long, global = true, hide = true, env = "JWT_EXP_CLAIM", default_value = "exp")]
    pub(crate) exp_claim: String,
    #[arg(long, global = true, hide = true, env = "JWT_IAT_CLAIM", default_value = "iat")]
    pub(crate) iat_claim: String,
    #[arg(long, global = true, hide = true, env = "JWT_TENANT_CLAIM", default_value = "workspace")]
    pub(crate) tenant_claim: String,
    #[arg(long, global = true, hide = true, env = "JWT_API_VERSION_CLAIM", default_value = "v")]
    pub(crate) api_version_claim: String,
    #[arg(long, global = true, hide = true, env = "JWT_ROLES_CLAIM", default_value = "roles")]
    pub(crate) roles_claim: String,
    #[arg(long, global = true, hide = true, env = "JWT_AGENT_CLAIM", default_value = "agents")]
    pub(crate) agent_claim: String,
}

/// Where and how the service listens.
#[derive(Debug, Args)]
pub(crate) struct ServingOptions {
    /// Address and port to listen on; port 0 picks a free one and logs it.
    #[arg(
        long,
        env = "DEV_ISSUER_LISTEN",
        default_value = "127.0.0.1:8010",
        value_name = "ADDRESS"
    )]
    pub(crate) listen: SocketAddr,

    /// Allow an address that other machines may reach. Needs a strong
    /// `JWT_ISSUER_ADMIN_TOKEN`: without one, everybody would be everybody.
    #[arg(long)]
    pub(crate) allow_non_loopback: bool,

    /// How clients reach this service, for the `jwks_uri` and
    /// `token_endpoint` of the discovery document [default: the address
    /// listened on].
    #[arg(long, env = "DEV_ISSUER_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<url::Url>,

    #[arg(skip = admin_token())]
    pub(crate) admin_token: Option<Secret>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints one token to the standard output and ends.
    Token(TokenOptions),
}

/// Arguments of `token`.
#[derive(Debug, Args)]
pub(crate) struct TokenOptions {
    /// Who is calling.
    #[arg(long, default_value = "demo", value_name = "ID")]
    user_id: String,
    /// Roles, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "developer", value_name = "NAMES")]
    roles: Vec<String>,
    /// The workspace; empty for a token without one.
    #[arg(long, default_value = "demo", value_name = "NAME")]
    workspace: String,
    /// The API version [default: a token without one].
    #[arg(long, value_name = "TEXT")]
    api_version: Option<String>,
    /// Lifetime, 60 to 86400. The gateway may refuse a token earlier, by its
    /// age (`JWT_MAX_TOKEN_AGE_MINUTES`).
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    expires_in_seconds: u64,
    /// Groups, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    groups: Option<Vec<String>>,
    /// Agent profiles, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    agents: Option<Vec<String>>,
    /// Further claims, as a JSON object; they win over all others.
    #[arg(long, value_name = "JSON")]
    extra_claims: Option<String>,
}

impl TokenOptions {
    /// The same request as the one HTTP brings.
    pub(crate) fn request(&self) -> anyhow::Result<TokenRequest> {
        let extra_claims = match self.extra_claims.as_deref() {
            Some(text) => {
                serde_json::from_str(text).context("--extra-claims is not a JSON object")?
            }
            None => serde_json::Map::new(),
        };
        Ok(TokenRequest {
            user_id: self.user_id.clone(),
            roles: self.roles.iter().filter(|role| !role.is_empty()).cloned().collect(),
            workspace: Some(self.workspace.clone()).filter(|name| !name.is_empty()),
            api_version: self.api_version.clone(),
            expires_in_seconds: self.expires_in_seconds,
            groups: self.groups.clone(),
            agents: self.agents.clone(),
            extra_claims,
        })
    }
}

fn admin_token() -> Option<Secret> {
    std::env::var("JWT_ISSUER_ADMIN_TOKEN").ok().filter(|value| !value.is_empty()).map(Secret::new)
}
