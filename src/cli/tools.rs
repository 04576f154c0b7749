//! `scopegate tools …`: what backends say of their tools, and what was approved.

use clap::{Args, Subcommand};

const AFTER: &str = "\
Needs registry.lock, the file of approved tools, and asks every backend of
registry.file for its tools, as the gateway itself does. A running gateway reads
the file by itself when it has changed.

Exit codes:
  0  done, and every tool is as it was approved
  1  a backend cannot be asked, or the file cannot be written
  2  the configuration or the command line is wrong
  3  a tool is new, changed or gone (diff)";

/// What to do about tools.
#[derive(Debug, Subcommand)]
pub enum Tools {
    /// Say which tools are not as they were approved, and how they differ
    #[command(after_help = AFTER)]
    Diff {
        /// Which tools
        #[command(flatten)]
        which: Which,
        /// JSON instead of words
        #[arg(long)]
        json: bool,
    },
    /// Approve tools as their backends offer them now
    #[command(after_help = AFTER)]
    Approve {
        /// Which tools
        #[command(flatten)]
        which: Which,
        /// All tools that --backend leaves; those that are gone lose their
        /// approval
        #[arg(long)]
        all: bool,
    },
}

/// Which tools are looked at.
#[derive(Debug, Args)]
pub struct Which {
    /// Tools of this backend only, by its name in the registry
    #[arg(long)]
    pub backend: Option<String>,
    /// This tool only, by its name at the backend; may be given several times
    #[arg(long = "tool", value_name = "TOOL")]
    pub tools: Vec<String>,
}

/// How a command about tools ended.
#[derive(Debug)]
pub enum ToolsEnd {
    /// It was done, and all tools are as approved.
    Done,
    /// Some are not.
    Differing,
    /// What was asked for makes no sense here, and why.
    Wrong(String),
}
