//! `scopegate policy …`: asking a policy, and trying one before it goes live.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const AFTER: &str = "\
Which policy:
  The one of the settings (policy.file, policy.agent_rules, policy.default_agent),
  or another with --policy. Tools and servers are those of registry.file. Nothing
  is written, and no running gateway is needed.

Exit codes:
  0  done, and everything holds
  1  something failed while running
  2  the configuration, a file or the command line is wrong
  3  a case, an invariant or the check does not hold, or a replay differs";

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Say what would become of a call, and why
    #[command(after_help = AFTER)]
    Explain(Box<Explain>),
    /// Look for what a policy probably does not mean
    ///
    /// Tools, servers and roles that do not exist, patterns that fit nothing,
    /// rules that never decide, orders of precedence that differ, tools that
    /// nobody may use.
    #[command(after_help = AFTER)]
    Check {
        /// The policy
        #[command(flatten)]
        of: Of,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// Run the cases of a file
    #[command(after_help = AFTER)]
    Test {
        /// Files of cases
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The policy
        #[command(flatten)]
        of: Of,
        /// Also write the results here, as `JUnit` XML
        #[arg(long, value_name = "FILE", help = "Also write the results here, as JUnit XML")]
        junit: Option<PathBuf>,
    },
    /// Prove what must hold for every role, workspace, agent and tool
    #[command(after_help = AFTER)]
    Invariants {
        /// Files of invariants
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The policy
        #[command(flatten)]
        of: Of,
    },
    /// Decide the past anew by another policy
    ///
    /// Reads the calls on record, asks the candidate what it would have decided,
    /// and tells what differs. Calls of which too little is on record (hidden
    /// arguments that a condition looks at, for one) are counted as undecided.
    #[command(after_help = AFTER)]
    Replay {
        /// The policy to try
        #[arg(long, value_name = "FILE")]
        candidate: PathBuf,
        /// At this time or later: RFC 3339, a day, or so long ago (30d, 2h)
        #[arg(long, value_name = "TIME")]
        since: String,
        /// At this time or earlier
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Most samples of each kind of difference
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1000))]
        samples: u32,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of policy files
    Schema,
}

/// Which policy.
#[derive(Clone, Debug, Default, Args)]
pub struct Of {
    /// A policy file other than the one of the settings
    #[arg(long = "policy", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Who wants what.
#[derive(Debug, Default, Args)]
pub struct Explain {
    /// The policy
    #[command(flatten)]
    pub of: Of,
    /// The user
    #[arg(long, default_value = "somebody")]
    pub user: String,
    /// Who vouches for the user: the issuer of the token
    #[arg(long, default_value = "")]
    pub issuer: String,
    /// The address of the token
    #[arg(long)]
    pub email: Option<String>,
    /// The roles, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<String>,
    /// The groups, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub groups: Vec<String>,
    /// The workspace
    #[arg(long)]
    pub tenant: Option<String>,
    /// The agent profiles of the token, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub agents: Vec<String>,
    /// The scope; may be left out where one scope only declares the tool
    #[arg(long)]
    pub scope: Option<String>,
    /// The tool, by the name that clients of the scope use
    #[arg(long, group = "subject")]
    pub tool: Option<String>,
    /// A prompt instead
    #[arg(long, group = "subject")]
    pub prompt: Option<String>,
    /// A resource instead, by its URI
    #[arg(long, group = "subject")]
    pub resource: Option<String>,
    /// The backend, where neither scope nor name say it
    #[arg(long)]
    pub server: Option<String>,
    /// The method of MCP; the usual one
    #[arg(
        long,
        help = "The method, such as completion/complete; tools/call, prompts/get or resources/read"
    )]
    pub method: Option<String>,
    /// What the client says it is called
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
    /// And its version
    #[arg(long, value_name = "VERSION", requires = "client")]
    pub client_version: Option<String>,
    /// The id of the session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// The arguments, as JSON
    #[arg(
        long,
        default_value = "{}",
        help = "The arguments, as JSON; of a completion, those that are settled and the one that is completed"
    )]
    pub args: String,
    /// The time, in RFC 3339; now
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// JSON instead of words
    #[arg(long)]
    pub json: bool,
}

/// How a command of the policy ended.
#[derive(Debug)]
pub enum PolicyEnd {
    /// It did what it was asked, and everything holds.
    Done,
    /// Something does not hold.
    Refuted,
    /// A file or an option is wrong, in this way.
    Wrong(String),
}
