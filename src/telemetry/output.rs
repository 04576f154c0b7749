//! Standard error, a few lines at a time.
//!
//! A write for every line would cost each call a system call, so lines are
//! gathered and written together: at the latest after [`LONGEST_WAIT`], and at
//! once for warnings and errors, which are what a crash leaves to read. What
//! must not be lost is in the audit journal, not here.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Longest time a line is held back.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Held back at most, in bytes.
const MOST_BYTES: usize = 32 * 1024;

/// Gathers lines for one destination.
#[derive(Clone)]
pub(super) struct Gathered(Arc<Mutex<Vec<u8>>>);

/// Takes one line.
pub(super) struct Line<'a> {
    gathered: &'a Gathered,
    urgent: bool,
}

impl Gathered {
    /// Gathers lines for standard error, and starts the thread that writes
    /// them.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn stderr() -> io::Result<Self> {
        let gathered = Self(Arc::new(Mutex::new(Vec::with_capacity(MOST_BYTES))));
        let waiting = gathered.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                thread::park_timeout(LONGEST_WAIT);
                waiting.write_out();
            }
        })?;
        Ok(gathered)
    }

    /// Writes what is held back.
    pub(super) fn write_out(&self) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !lines.is_empty() {
            // Nobody is left to tell that standard error is closed.
            let _ = io::stderr().write_all(&lines);
            lines.clear();
        }
    }
}

impl<'a> MakeWriter<'a> for Gathered {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { gathered: self, urgent: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { gathered: self, urgent: *metadata.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let full = {
            let mut lines = self.gathered.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.extend_from_slice(line);
            lines.len() >= MOST_BYTES
        };
        if full || self.urgent {
            self.gathered.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gathered.write_out();
        Ok(())
    }
}
