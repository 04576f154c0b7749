//! Failing quietly: a fault is logged when it begins and when it is over, and
//! what failed is tried again after longer and longer pauses.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Something that may be failing.
pub(super) struct Fault {
    sentence: &'static str,
    failing: AtomicBool,
}

impl Fault {
    pub(super) fn new(sentence: &'static str) -> Self {
        Self { sentence, failing: AtomicBool::new(false) }
    }

    /// Logs what a result changes, and passes it on.
    pub(super) fn note<T, E: Display>(&self, result: Result<T, E>) -> Result<T, E> {
        let failing = result.is_err();
        if self.failing.swap(failing, Ordering::Relaxed) != failing {
            match &result {
                Ok(_) => tracing::info!(was = self.sentence, "replicas are in touch again"),
                Err(error) => tracing::warn!(problem = %error, "{}", self.sentence),
            }
        }
        result
    }
}

/// Pauses that grow while nothing succeeds.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }

    pub(super) fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }
}
