//! Leaving in order: stop accepting, turn `/ready` red, finish calls, flush
//! the audit trail, then exit.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to stop (`SIGTERM` or `SIGINT`).
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn asked_to_stop() -> std::io::Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Time for load balancers to see that `/ready` has turned red before the
/// listener closes.
pub const NOTICE: Duration = Duration::from_millis(200);
