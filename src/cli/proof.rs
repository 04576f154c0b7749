//! `scopegate audit verify` and `audit keys`: what may be written there.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// After the help of `audit verify`.
const AFTER_VERIFY: &str = "\
The first damaged record is named by chain and number, with what was done to it:
changed, missing, reordered, truncated, forked, added, unsigned, bad_signature,
unknown_key.

Exit codes:
  0  nothing is wrong
  1  something was done to the trail
  2  the command line is wrong, the trail or the keys cannot be read, or there is
     no event at all";

/// Proves the audit trail whole.
#[derive(Clone, Debug, Subcommand)]
pub enum Proof {
    /// Prove that no record was changed, removed or added, with public keys
    /// alone
    #[command(after_help = AFTER_VERIFY)]
    Verify(VerifyArguments),
    /// Print the public keys that verify the trail, oldest first
    Keys {
        /// What to do instead of printing
        #[command(subcommand)]
        action: Option<KeysAction>,
        /// Print PEM only, for other programs
        #[arg(long)]
        pem: bool,
    },
}

/// What to do with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum KeysAction {
    /// Make a new signing key, endorsed by the one before; gateways sign with
    /// it from their next start on
    Rotate,
}

/// Where the trail lies, and whom to believe.
#[derive(Clone, Debug, Args)]
pub struct VerifyArguments {
    /// A folder of the journal
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "database"])]
    pub journal: Option<PathBuf>,
    /// A file of lines as the journal has them
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    pub file: Option<PathBuf>,
    /// The database of the configuration; this is what happens without a
    /// source
    #[arg(long)]
    pub database: bool,
    /// The public keys: what `scopegate audit keys` prints, as JSON or PEM
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
    /// The file is a part of the trail: chains may begin later, or be missing
    #[arg(long, requires = "file")]
    pub part: bool,
    /// What an earlier run printed with --json: each chain must still be there as
    /// it was, or be removed for its age
    #[arg(long, value_name = "FILE", conflicts_with_all = ["journal", "part"])]
    pub since_report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
