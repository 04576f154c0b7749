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

/// Signals that ask to read the configuration anew (`SIGHUP`).
#[derive(Debug)]
pub struct Hangups(tokio::signal::unix::Signal);

/// Takes these signals from here on.
///
/// # Errors
/// When the handler cannot be installed.
pub fn hangups() -> std::io::Result<Hangups> {
    signal(SignalKind::hangup()).map(Hangups)
}

impl Hangups {
    /// Calls back for each, until the task is ended.
    pub fn each(mut self, call: impl Fn() + 'static) -> tokio::task::JoinHandle<()> {
        actix_web::rt::spawn(async move {
            while self.0.recv().await.is_some() {
                call();
            }
        })
    }
}
