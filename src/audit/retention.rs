//! Removes from the database what is older than `audit.retention_days`, so that
//! what is left still verifies.
//!
//! What goes must verify first ([`super::expiry`]): this gateway is about to vouch
//! for it. Then, before anything goes, an event in this gateway's own chain says up to where
//! each chain is cut and which hash that line had; a checkpoint signs it, and
//! only when the database has both are the old events removed. The first event
//! that is left holds the same hash as the one before it. So a verifier sees that
//! the beginning was removed by a gateway, and by nobody else.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, Days, TimeZone, Utc};
use tokio::sync::watch;

use super::chain::Removal;
use super::expiry::{Border, Examiner, Kept};
use super::journal::{Journal, Room};
use super::keeper::aside;
use super::keys::KeyRing;
use super::shipper::Report;
use crate::clock::Clock;
use crate::store::{Cut, Store, StoreError};

/// Time between two looks.
const LOOK: Duration = Duration::from_hours(1);

/// Longest wait for the database to have what was announced.
const PATIENCE: Duration = Duration::from_mins(1);

/// Looks after the age of the trail.
#[derive(Debug)]
pub(super) struct Janitor {
    pub(super) store: Arc<Store>,
    pub(super) journal: Arc<Journal>,
    pub(super) report: Arc<Report>,
    pub(super) clock: Clock,
    pub(super) days: Option<u32>,
    /// Whose signatures are believed.
    pub(super) ring: KeyRing,
    /// Becomes `true` when the gateway stops.
    pub(super) stop: watch::Receiver<bool>,
}

impl Janitor {
    /// Runs until it is told to stop. Not to be aborted: a transaction that is
    /// cut off at its beginning stays open in the pool.
    pub(super) async fn run(self) {
        let mut stop = self.stop.clone();
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(
                    error = %error,
                    "old audit events could not be removed; this is tried again"
                );
            }
            // An error: whoever would say so is gone.
            if tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }

    /// Does once what is to be done.
    pub(super) async fn look(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.prepare_months(now).await?;
        let Some(days) = self.days else { return Ok(()) };
        // A chain that is alive is never cut as a whole.
        aside(&self.journal, Journal::beat).await;
        let cutoff = cutoff(now, days);
        let mut cuts = self.cuts(cutoff).await?;
        if !self.announce(&mut cuts, days).await {
            return Err(StoreError::Unavailable("the announcement did not arrive".to_owned()));
        }
        if !cuts.is_empty() {
            tracing::info!(chains = cuts.len(), before = %cutoff, "removing old audit events");
        }
        let cuts = cuts.into_iter().map(|(cut, _)| cut).collect();
        self.store.remove_expired(cuts, cutoff, now).await
    }

    /// What may go, as far as it verifies, and cuts whose announcement grows old
    /// itself, as far as it was signed.
    async fn cuts(&self, cutoff: DateTime<Utc>) -> Result<Vec<(Cut, Border)>, StoreError> {
        let mut examiner = Examiner::new(&self.store, &self.ring);
        let mut cuts: Vec<(Cut, Border)> = Vec::new();
        for chain_id in self.store.expired(cutoff).await? {
            let border = match examiner.border(&chain_id, cutoff).await {
                Ok(Some(border)) => border,
                Ok(None) => continue,
                Err(Kept::Store(error)) => return Err(error),
                Err(Kept::Damaged { seq, why }) => {
                    tracing::error!(chain_id, seq, why, "old audit events do not verify, and stay");
                    continue;
                }
            };
            let (seq, hash) = (border.seq, border.hash.to_string());
            cuts.push((Cut { chain_id, seq, hash, by: None }, border));
        }
        for cut in self.store.fading_cuts(cutoff).await? {
            // Unless it is cut further anyway.
            if cuts.iter().any(|(new, _)| new.chain_id == cut.chain_id) {
                continue;
            }
            match examiner.announced(&cut).await {
                Ok(Some(border)) => cuts.push((cut, border)),
                Err(Kept::Store(error)) => return Err(error),
                Ok(None) | Err(Kept::Damaged { .. }) => tracing::error!(
                    chain_id = cut.chain_id,
                    seq = cut.seq,
                    "audit_retention says what nothing signed does, and is not repeated"
                ),
            }
        }
        Ok(cuts)
    }

    /// Writes down what is about to go. `false`: the database does not have it.
    async fn announce(&self, cuts: &mut [(Cut, Border)], days: u32) -> bool {
        let (notary, chain_id) = (self.journal.notary(), self.journal.chain_id());
        for (cut, border) in &mut *cuts {
            let Border { seq, hash, time } = *border;
            let removal = Removal { chain_id: &cut.chain_id, seq, hash, time, days };
            let queued = self.journal.append(&notary.retention(chain_id, &removal), Room::Granted);
            let Ok(queued) = queued else { return false };
            if self.journal.settle_soon(&queued).await.is_err() {
                return false;
            }
            cut.by = Some((chain_id.to_owned(), queued.seq()));
        }
        aside(&self.journal, Journal::checkpoint).await;
        let last = self.journal.last_seq();
        let mut progress = self.report.progress.subscribe();
        self.report.hurry.notify_one();
        let mut stop = self.stop.clone();
        tokio::select! {
            arrived = progress.wait_for(|now| now.shipped_seq >= last) => arrived.is_ok(),
            _stopped = stop.wait_for(|stop| *stop) => false,
            () = tokio::time::sleep(PATIENCE) => false,
        }
    }
}

/// Before this, events may go: the beginning of a month, so that PostgreSQL can
/// drop it as a whole.
fn cutoff(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    let oldest = now.checked_sub_days(Days::new(days.into())).unwrap_or(DateTime::UNIX_EPOCH);
    let month = Utc.with_ymd_and_hms(oldest.year(), oldest.month(), 1, 0, 0, 0);
    month.single().unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_as_a_whole() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let cases = [
            ("2026-11-25T12:00:00Z", 30, "2026-10-01T00:00:00Z"),
            ("2026-11-01T00:00:00Z", 1, "2026-10-01T00:00:00Z"),
            ("2026-11-02T00:00:00Z", 1, "2026-11-01T00:00:00Z"),
            ("2026-01-05T00:00:00Z", 365, "2025-01-01T00:00:00Z"),
        ];
        for (now, days, expected) in cases {
            assert_eq!(cutoff(at(now), days), at(expected));
        }
    }
}
