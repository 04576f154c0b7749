//! `scopegate audit …`: reading the audit trail.

use clap::{Args, Subcommand, ValueEnum};

const AFTER: &str = "\
Where it reads:
  The configured database (database.url, DATABASE_URL), SQLite or PostgreSQL. It
  only reads, needs no running gateway, and may run beside one. What still waits
  in the journal of a gateway is not there yet.

Filters:
  The same as those of GET /admin/audit-logs, each exactly, all of them together:
  kind, user_id, tool_name, endpoint_path, status, decision, reason, error_code,
  tenant, scope, backend, agent, client_addr, request_id, call_id, session, turn,
  arguments_digest, policy_digest. Times are given by --since and --until.

Times:
  RFC 3339 (2026-11-25T08:30:00Z), a day (2026-11-25: its beginning, UTC), or so
  long ago: 45s, 15m, 2h, 30d, 4w.

Exit codes:
  0  done
  1  something failed while running, such as a database that does not answer
  2  the configuration, the command line or a filter is wrong
  4  nothing on record has this id (explain)";

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Write a whole selection to standard output
    ///
    /// jsonl: the lines of the journal as they were written, to the byte. Without
    /// --filter these are all events, chain after chain without holes, which
    /// `scopegate audit verify` can check; with filters, those of the calls that
    /// fit. csv (RFC 4180) and cef: one row a call or refusal, oldest first. In
    /// csv a value that a spreadsheet would take for a formula has a ' before it.
    ///
    /// Reads a page at a time, however much there is, and shows its progress when
    /// standard error is a terminal.
    #[command(after_help = AFTER)]
    Export {
        /// How it is written
        #[arg(long, value_enum)]
        format: Format,
        /// Which calls
        #[command(flatten)]
        selection: Selection,
    },
    /// Show calls and refusals, newest first
    #[command(after_help = AFTER)]
    Query {
        /// Which calls
        #[command(flatten)]
        selection: Selection,
        /// Most rows
        #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// One JSON object a line instead of words
        #[arg(long)]
        json: bool,
    },
    /// Show the newest events, oldest first, and with -f each further one
    ///
    /// An outcome is shown with the call it belongs to. Events appear when they
    /// reach the database, by default within a fraction of a second.
    #[command(after_help = AFTER)]
    Tail {
        /// Go on until interrupted
        #[arg(long, short)]
        follow: bool,
        /// How many events to begin with
        #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
        lines: u32,
        /// Only events that fit: NAME=VALUE, may be repeated. `status` is known
        /// of whole calls only
        #[arg(long, value_name = "NAME=VALUE")]
        filter: Vec<String>,
        /// The lines of the journal instead of words
        #[arg(long)]
        json: bool,
    },
    /// Tell the whole story of a call, in words
    ///
    /// Who called what from where, which rule of which policy decided, how long
    /// each part took, and what came of it.
    #[command(after_help = AFTER)]
    Explain {
        /// Id of the request, of the call, or of an event
        id: String,
    },
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The lines of the journal
    Jsonl,
    /// For spreadsheets
    Csv,
    /// For a SIEM: `ArcSight` Common Event Format
    #[value(help = "For a SIEM: ArcSight Common Event Format")]
    Cef,
}

/// Which calls.
#[derive(Clone, Debug, Default, Args)]
pub struct Selection {
    /// At this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// At this time or earlier
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only what fits: NAME=VALUE, may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub filter: Vec<String>,
}

/// How a command of the audit trail ended.
#[derive(Debug)]
pub enum AuditEnd {
    /// It did what it was asked.
    Done,
    /// A filter or a time is wrong, in this way.
    Wrong(String),
    /// There is nothing of that id.
    Nothing,
}
