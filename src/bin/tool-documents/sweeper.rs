//! Removes what has expired, all along.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use scopegate::files::Store;

/// How long what has expired may lie there.
const EVERY: Duration = Duration::from_mins(10);

/// Sweeps the store for as long as somebody has it.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(store: &Arc<Store>) -> io::Result<()> {
    let store = Arc::downgrade(store);
    thread::Builder::new().name("sweeper".to_owned()).spawn(move || run(&store)).map(drop)
}

fn run(store: &Weak<Store>) {
    loop {
        // Woken too early, it only sweeps too often.
        thread::park_timeout(EVERY);
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.sweep() {
            tracing::error!(%error, "the folder of files cannot be tidied up");
        }
    }
}
