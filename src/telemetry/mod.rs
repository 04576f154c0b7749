//! Log lines, the span of a request, and every metric.

mod json;
mod metrics;
mod root_span;

pub use metrics::{InFlight, KnownLabels, Metrics, Outcome, Surface, ToolCounters};
pub use root_span::{ClientIp, RequestId, RequestSpan};

use std::io::{self, IsTerminal};

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
    /// Logging was set up before.
    #[error("logging is already set up: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to standard error from now on, one write a line; standard
/// output belongs to the answers of commands.
///
/// The filter goes by target and level only. Filters on span fields would
/// take a lock of the whole process at each entry of a span.
///
/// # Errors
/// When the level cannot be read, or logging is already set up.
pub fn init(settings: &TelemetrySettings, clock: Clock) -> Result<(), InitError> {
    let filter = settings.log_filter().ok_or(InitError::Filter)?;
    let lines = match settings.log_format {
        LogFormat::Json => json::JsonLines::new(clock, io::stderr).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
    };
    registry().with(lines.with_filter(filter)).try_init()?;
    Ok(())
}
