//! Log lines, the span of a request, and every metric.

mod json;
mod metrics;
mod output;
mod root_span;

pub use metrics::{InFlight, KnownLabels, Metrics, Outcome, Surface, ToolCounters};
pub use root_span::{RequestSpan, client_ip, request_id};

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use crate::clock::Clock;
use crate::settings::{LogFormat, TelemetrySettings};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `telemetry.log_level` cannot be read.
    #[error("telemetry.log_level is neither a level nor a filter")]
    Filter,
    /// No thread for the lines.
    #[error("the thread for log lines cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// Logging was set up before.
    #[error("logging is already set up: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Lines that are held back, for [`flush`].
static GATHERED: OnceLock<output::Gathered> = OnceLock::new();

/// Writes log lines that are held back; to be called before the process ends.
pub fn flush() {
    if let Some(gathered) = GATHERED.get() {
        gathered.write_out();
    }
}

/// Sends log lines to standard error from now on; standard output belongs to
/// the answers of commands.
///
/// The filter goes by target and level only. Filters on span fields would
/// take a lock of the whole process at each entry of a span.
///
/// # Errors
/// When the level cannot be read, or logging is already set up.
pub fn init(settings: &TelemetrySettings, clock: Clock) -> Result<(), InitError> {
    let filter = settings.log_filter().ok_or(InitError::Filter)?;
    let lines = match settings.log_format {
        LogFormat::Json => {
            let gathered = output::Gathered::stderr()?;
            let _ = GATHERED.set(gathered.clone());
            json::JsonLines::new(clock, gathered).boxed()
        }
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
    };
    registry().with(lines.with_filter(filter)).try_init()?;
    Ok(())
}

/// Sends plain lines to standard error, at once: for commands that a person
/// or another program started and whose output is not theirs.
///
/// # Errors
/// When `level` is neither a level nor `off`, or logging is already set up.
pub fn plain(level: &str) -> Result<(), InitError> {
    let filter: LevelFilter = level.parse().map_err(|_| InitError::Filter)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_filter(Targets::new().with_target("scopegate", filter));
    registry().with(lines).try_init()?;
    Ok(())
}
