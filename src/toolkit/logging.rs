//! Logs of a service: JSON lines on standard error. Messages name tools,
//! request ids, outcomes and times; never arguments, results or secrets.

use std::panic;

use tracing::level_filters::LevelFilter;

/// Starts logging. A second call in one process changes nothing.
pub(super) fn start(level: LevelFilter) {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .finish();
    // Only a test that has its own subscriber makes this fail.
    let _ = tracing::subscriber::set_global_default(subscriber);
    // The standard hook prints the panic's message, which may hold a value.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}
