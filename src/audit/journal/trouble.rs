//! Whether a journal can be written.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Size of the file that tells whether writing is possible again, in bytes.
const PROBE_BYTES: usize = 4096;

/// What writing has met with, until it works again.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    is_there: AtomicBool,
    told: Mutex<Option<String>>,
}

impl Trouble {
    /// Whether there is any.
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// The last error.
    pub(super) fn told(&self) -> Option<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how writing went.
    pub(super) fn note(&self, error: Option<&io::Error>) {
        if error.is_none() && !self.is_there() {
            return;
        }
        let had = self.is_there.swap(error.is_some(), Ordering::Relaxed);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
        match error {
            Some(error) if !had => {
                tracing::error!(error = %error, "the audit journal cannot be written; calls are refused");
            }
            None if had => tracing::info!("the audit journal can be written again"),
            Some(_) | None => {}
        }
    }
}

/// Whether files can be written in a folder.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join("probe");
    let written = std::fs::write(&path, [b' '; PROBE_BYTES]);
    // A disk that is full takes a part of it.
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}
