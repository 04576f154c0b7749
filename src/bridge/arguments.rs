//! The flags of `scopegate bridge`.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::{ArgGroup, Args};

use super::options;
use crate::secret::Secret;

/// The command in the list of commands.
pub(crate) const ABOUT_SHORT: &str =
    "Connect an MCP client that speaks over standard input and output to a scope";

/// What stands before the flags.
pub(crate) const ABOUT: &str = "\
Connect an MCP client that speaks over standard input and output to a scope

The client starts this command as if it were the MCP server. Each message that
it writes goes to the endpoint over HTTP, and each message of the endpoint goes
back, unchanged. All revisions of MCP from 2024-11-05 to 2026-07-28 work, and
so do clients that frame messages by lines and by Content-Length headers.

Standard output carries the protocol and nothing else; log lines go to standard
error. Neither ever holds a token.";

/// What stands behind the flags.
const AFTER: &str = "\
Tokens:
  Exactly one source is needed: --token-file, --token-command, --issuer-url or
  --token, or one of the environment variables of the same meaning. A flag wins
  over the environment. Prefer the first three: they are asked again when a
  fifth of the token's life is left (at most a minute), and after a 401, so that
  the session lives on. Every user of the machine can read a --token; give it as
  SCOPEGATE_TOKEN.

  A file or command gives the token itself, or a JSON object with the members
  access_token and expires_in or expires_at_epoch. When a token ends is taken
  from there, or from its claim exp. The command is run by sh.

Behaviour:
  Order     initialize is answered before anything else leaves, and what comes
            after notifications/initialized leaves after it has arrived.
            Requests then run side by side; notifications and answers to the
            server keep their order.
  Answers   Every request gets exactly one, unless the client cancels it. When
            the endpoint gives none, error.data.code says why, and
            error.data.executed is \"no\" or \"unknown\".
  Retries   Connecting is tried again for --connect-seconds; a 401 is tried once
            more with another token. What may have been executed is never sent
            again. Streams whose events have ids are resumed.
  Sessions  When the endpoint has ended the session (404), the requests that met
            it, or the next one, get an error; another session is then opened
            with the client's own initialize. What the server kept in the old
            one, such as subscriptions, is lost.
  The end   When the input ends, answers are waited for during --grace-seconds,
            the session is ended with DELETE, and the exit code is 0.

Examples:
  scopegate bridge --endpoint https://mcp.example.com/calculator/mcp \\
      --token-file ~/.config/scopegate/token
  scopegate bridge --endpoint http://localhost:8000/calculator/mcp \\
      --issuer-url http://localhost:8010 --user-id ann --roles developer,reader
  scopegate bridge --token-command 'gcloud auth print-identity-token'

Exit codes:
  0  done: the input has ended, the client has gone, or a signal came
  1  something failed while running
  2  the command line or the environment is wrong";

/// The flags of the bridge (C-61).
#[derive(Clone, Debug, Args)]
#[command(after_long_help = AFTER, after_help = "--help says more.", group(ArgGroup::new("source").multiple(false)))]
pub struct Arguments {
    /// Where messages go.
    #[arg(
        long,
        value_name = "URL",
        help = "The scope's MCP endpoint [env: MCP_GATEWAY_SSE_ENDPOINT] \
                [default: http://localhost:8000/calculator/sse]"
    )]
    pub(super) endpoint: Option<String>,

    /// The token itself.
    #[arg(
        long,
        value_name = "TOKEN",
        group = "source",
        value_parser = NonEmptyStringValueParser::new().map(Secret::new),
        help = "The token itself; it cannot be renewed [env: SCOPEGATE_TOKEN]"
    )]
    pub(super) token: Option<Secret>,

    /// Where the token lies.
    #[arg(
        long,
        value_name = "FILE",
        group = "source",
        help = "A file with the token, read again for each renewal [env: SCOPEGATE_TOKEN_FILE]"
    )]
    pub(super) token_file: Option<PathBuf>,

    /// What prints the token.
    #[arg(
        long,
        value_name = "COMMAND",
        group = "source",
        help = "A command that prints a token, run again for each renewal \
                [env: SCOPEGATE_TOKEN_COMMAND]"
    )]
    pub(super) token_command: Option<String>,

    /// Who mints the token.
    #[arg(
        long,
        value_name = "URL",
        group = "source",
        help = "A dev-issuer, asked again for each renewal, at this URL or at its /token \
                [env: SCOPEGATE_ISSUER_URL]"
    )]
    pub(super) issuer_url: Option<String>,

    /// Whom the issuer vouches for.
    #[arg(
        long,
        value_name = "ID",
        help = "Asked of the issuer: who is calling [env: SCOPEGATE_USER_ID] [default: demo]"
    )]
    pub(super) user_id: Option<String>,

    /// With which roles.
    #[arg(
        long,
        value_name = "NAMES",
        help = "Asked of the issuer: roles, by commas [env: SCOPEGATE_ROLES] [default: developer]"
    )]
    pub(super) roles: Option<String>,

    /// In which workspace.
    #[arg(
        long,
        value_name = "NAME",
        help = "Asked of the issuer: the workspace; empty for none [env: SCOPEGATE_WORKSPACE] \
                [default: demo]"
    )]
    pub(super) workspace: Option<String>,

    /// For which API version.
    #[arg(
        long,
        value_name = "TEXT",
        help = "Asked of the issuer: the API version [env: SCOPEGATE_API_VERSION] [default: none]"
    )]
    pub(super) api_version: Option<String>,

    /// For how long.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(60..=86400),
        help = "Asked of the issuer: the token's life, 60 to 86400"
    )]
    pub(super) expires_in_seconds: u64,

    /// Lets the issuer answer.
    #[arg(
        long,
        value_name = "TOKEN",
        value_parser = NonEmptyStringValueParser::new().map(Secret::new),
        help = "What the issuer wants to see in X-Issuer-Token; better given as \
                [env: JWT_ISSUER_ADMIN_TOKEN]"
    )]
    pub(super) issuer_admin_token: Option<Secret>,

    /// Largest message in either direction.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64 * 1024 * 1024,
        value_parser = options::message_limit,
        help = "Largest message in either direction, at least 65536; the endpoint has its own limit"
    )]
    pub(super) max_message_bytes: usize,

    /// Most requests on the road.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=4096),
        help = "Most requests at the endpoint at once; 16 times as many may wait, and those beyond \
                are refused"
    )]
    pub(super) max_in_flight: u32,

    /// How long to try to connect.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(..=3600),
        help = "How long each request goes on trying to connect"
    )]
    pub(super) connect_seconds: u64,

    /// How long to wait at the end.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(..=3600),
        help = "How long open answers are waited for when the input has ended"
    )]
    pub(super) grace_seconds: u64,

    /// How much to say.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "warn",
        value_parser = ["off", "error", "warn", "info", "debug", "trace"],
        help = "How much to log to standard error"
    )]
    pub(super) log_level: String,
}
