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

/// Calls back whenever the process is asked to read its configuration anew
/// (`SIGHUP`), until the task is ended.
///
/// # Errors
/// When the handler cannot be installed.
pub fn asked_to_reload(
    reload: impl Fn() + 'static,
) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(actix_web::rt::spawn(async move {
        while hangup.recv().await.is_some() {
            reload();
        }
    }))
}
