//! What may be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::audit::Audit;
use super::policy::Policy;
use super::proof::Proof;
use super::quota::Quota;
use super::tools::Tools;
use crate::bridge;

const AFTER: &str = "\
Configuration:
  Compiled-in defaults, then the file, then the environment. Every setting has
  the name SCOPEGATE__SECTION__FIELD; see config/default.yaml for all of them.
  JWT_ISSUER, JWT_AUDIENCE, a key (JWT_SECRET_KEY, JWT_PUBLIC_KEY_FILE,
  JWT_JWKS_URL or JWT_OIDC_DISCOVERY=true) and TOOL_GATEWAY_SHARED_SECRET have
  no default.

Exit codes:
  0  done
  1  something failed while running
  2  the configuration or the command line is wrong
  3  something that was asked about does not hold (policy, tools)
  4  nothing on record has this id (audit explain)";

/// An MCP gateway: scoped endpoints, JWT, policy, exact quotas and an audit
/// trail in front of a company's tools.
#[derive(Debug, Parser)]
#[command(name = "scopegate", version, after_help = AFTER, max_term_width = 100)]
pub(super) struct Arguments {
    /// The file layer.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        help = "A YAML file with settings [env: SCOPEGATE_CONFIG]"
    )]
    pub(super) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway (this is what happens without a command)
    Serve,
    /// Print the configuration in force with secrets masked, or everything
    /// that is wrong with it; opens no port and no database
    ///
    /// With --role or --tool, it prints the limits in force for such a call
    /// instead.
    CheckConfig(LimitsOf),
    /// Change the database's schema
    Migrate {
        #[command(subcommand)]
        direction: Migration,
    },
    /// Ask a running gateway whether it is healthy; for containers
    Healthcheck {
        /// What to ask; http only [default: /health at the address in
        /// server.listen]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// See, and reset, how a user stands with the limits of a running gateway
    Quota {
        #[command(subcommand)]
        quota: Quota,
    },
    /// Read the audit trail, or prove it whole: export, query, tail, explain,
    /// verify, keys
    Audit {
        #[command(subcommand)]
        action: AuditCommand,
    },
    /// Ask a policy, and try one before it goes live: explain, check, test,
    /// invariants, replay
    Policy {
        #[command(subcommand)]
        action: Policy,
    },
    /// Pin tools to what was approved: diff, approve
    Tools {
        #[command(subcommand)]
        action: Tools,
    },
    #[command(about = bridge::ABOUT_SHORT, long_about = bridge::ABOUT)]
    Bridge(Box<bridge::Arguments>),
    /// Print the version
    Version,
}

/// A call whose limits are asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct LimitsOf {
    /// A role of the caller; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// The tool, as clients call it
    #[arg(long)]
    pub tool: Option<String>,
    /// The scope; needed where several offer the tool
    #[arg(long)]
    pub scope: Option<String>,
    /// The workspace of the caller
    #[arg(long)]
    pub tenant: Option<String>,
    /// The agent of the caller
    #[arg(long)]
    pub agent: Option<String>,
}

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    #[command(flatten)]
    Read(Audit),
    #[command(flatten)]
    Prove(Proof),
}

/// What to do with the database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Migration {
    /// Apply all pending migrations
    Up,
    /// Take back the newest migrations; this loses data
    Down {
        /// How many
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// List migrations, applied and pending
    Status,
}
