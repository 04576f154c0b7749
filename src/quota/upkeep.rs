//! What is done about counters when nobody asks.

use std::time::Duration;

use super::{Quota, Store};

/// Time between two purges of [`Quota::keep_tidy`].
const PURGE_INTERVAL: Duration = Duration::from_mins(1);

impl Quota {
    /// Forgets counters in memory that are at rest and so say nothing. (The
    /// reference system forgets after ten idle minutes (C-37), which for a
    /// slow limit is too early.) Redis does this by itself. Returns how many
    /// counters are left in memory.
    pub(crate) fn purge(&self) -> usize {
        let now = self.inner.now();
        self.inner.abuse.purge(now);
        let local = self.inner.local.purge(now);
        match &self.inner.store {
            Store::Memory(memory) => memory.purge(now),
            Store::Redis(_) => local,
        }
    }

    /// Purges from time to time, and renews what calls in progress hold, for
    /// ever. To be run once, in the background.
    pub(crate) async fn keep_tidy(&self) {
        let purging = async {
            let mut ticks = tokio::time::interval(PURGE_INTERVAL);
            loop {
                ticks.tick().await;
                self.purge();
            }
        };
        let renewing = async {
            let Store::Redis(_) = &self.inner.store else { return };
            let io = self.worker_io();
            // Twice may fail before one ends.
            let mut ticks = tokio::time::interval(self.inner.lease / 3);
            loop {
                ticks.tick().await;
                self.inner.renew(io.0.as_deref()).await;
            }
        };
        futures_util::future::join(purging, renewing).await;
    }
}
