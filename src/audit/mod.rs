//! The audit trail: journal first, database second.
//!
//! Every event is a line of the journal before it takes effect ([`Entry`]); a
//! shipper carries the lines into the database behind the calls' backs, each
//! exactly once. While the database is down, calls go on and the journal grows
//! to a limit; when the journal cannot be written, calls are refused.
//!
//! Denied and failed attempts are events too, one each, up to so many a minute of
//! one caller or address; further ones are counted, and the count is an event
//! ([`flood`]).

mod chain;
mod digest;
mod entry;
mod expiry;
mod facts;
mod flood;
mod ids;
mod journal;
mod keeper;
mod keys;
mod line;
mod recover;
mod redact;
mod reloaded;
mod retention;
mod segment;
mod shipper;
mod signer;
mod tail;
#[cfg(test)]
mod tests;
mod verify;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

pub(crate) use digest::Digest;
pub(crate) use entry::{Entry, Recorded};
pub(crate) use facts::{CallerFacts, Opening, Outcome, Surface, TargetFacts};
pub(crate) use keys::KeyRing;
pub(crate) use reloaded::Reloaded;
pub(crate) use signer::{KeyError, check_key, public_keys, rotate};
pub(crate) use verify::{
    EarlierReport, Extent, Verification, Verifier, read_database, read_file, read_journal,
};

use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::settings::AuditSettings;
use crate::store::Store;
use chain::Notary;
use facts::{Event, Facts};
use flood::{Attempt, Floods, Fold, Verdict};
use ids::Ids;
use journal::{Journal, JournalError, Limits, Queued, Room};
use line::Body;
use recover::Finder;
use redact::Keeping;
use retention::Janitor;
use shipper::{Progress, Report, Shipper};
use signer::Signer;

thread_local! {
    /// The line being written; its memory serves every event of the thread.
    static BODY: RefCell<Body> = RefCell::default();

    /// Entries that are open on this thread. Only a hint: an entry may end on
    /// another thread than it began on.
    static OPEN: Cell<u32> = const { Cell::new(0) };
}

fn open_entries() -> u32 {
    OPEN.try_with(Cell::get).unwrap_or_default()
}

fn note_open(change: impl FnOnce(u32) -> u32) {
    // A thread that ends keeps no count.
    let _ = OPEN.try_with(|open| open.set(change(open.get())));
}

/// Why the audit trail cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// The journal's folder cannot be used.
    #[error("the audit journal at {} cannot be used: {error}", path.display())]
    Journal {
        /// The folder.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

impl From<aws_lc_rs::error::Unspecified> for AuditError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Random
    }
}

/// The audit trail of this process, for all workers.
#[derive(Debug)]
pub(crate) struct Auditor {
    journal: Arc<Journal>,
    ids: Ids,
    clock: Clock,
    keeping: Keeping,
    floods: Floods,
    /// Whether the chain is to end: then nobody else may take counts that he
    /// could not write any more.
    ending: Mutex<bool>,
    max_backlog_bytes: u64,
    report: Arc<Report>,
    shipping: AbortHandle,
    stop: watch::Sender<bool>,
}

/// How the audit trail is, for `/ready` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// Bytes of the journal that are not in the database yet.
    pub(crate) backlog_bytes: u64,
    /// At how many calls are refused.
    pub(crate) max_backlog_bytes: u64,
    /// Events of this process that were written.
    pub(crate) events: u64,
    /// Events of this process that are in the database.
    pub(crate) shipped_events: u64,
    /// Refused attempts that were counted and have no event of their own.
    pub(crate) folded: u64,
    /// Why the journal cannot be written. Calls are refused.
    pub(crate) write_error: Option<String>,
    /// Why events do not reach the database. Calls go on.
    pub(crate) ship_error: Option<String>,
}

impl Health {
    /// Whether calls can be recorded, and so be made.
    pub(crate) fn records(&self) -> bool {
        self.write_error.is_none() && self.backlog_bytes < self.max_backlog_bytes
    }
}

impl Auditor {
    /// Begins a chain, and starts to ship it and what earlier processes left
    /// behind. The journal lies in `audit.journal_dir`, else in `journal` of
    /// `state_dir`.
    ///
    /// # Errors
    /// When the journal's folder cannot be used, or there is no key to sign with.
    pub(crate) fn open(
        settings: &AuditSettings,
        state_dir: &Path,
        store: &Arc<Store>,
        clock: Clock,
    ) -> Result<Arc<Self>, AuditError> {
        let path = settings.journal_dir.clone().unwrap_or_else(|| state_dir.join("journal"));
        let ids = Ids::new()?;
        let chain_id = ids.next(clock.now()).to_string();
        let notary = Notary {
            signer: Signer::open(settings, state_dir, clock.now())?,
            ids: Ids::new()?,
            clock: clock.clone(),
            every_events: settings.checkpoint_events,
            every_seconds: settings.checkpoint_seconds,
        };
        let (wake, woken) = keeper::channel(settings.durability);
        let finder = Finder::new(&path);
        let (journal, found) =
            recover::open(&finder, &chain_id, Limits::of(settings), notary, wake)
                .map_err(|error| AuditError::Journal { path: path.clone(), error })?;
        let left = found.left;
        journal.note_left(left.iter().map(recover::Left::bytes).sum());
        let journal = Arc::new(journal);
        keeper::start(&journal, woken).map_err(|error| AuditError::Journal { path, error })?;
        let progress = Progress { shipped_seq: 0, left: left.len() };
        let report = Arc::new(Report {
            progress: watch::Sender::new(progress),
            error: Mutex::new(None),
            hurry: Notify::new(),
        });
        let shipper = Shipper {
            store: Arc::clone(store),
            journal: Arc::clone(&journal),
            left,
            report: Arc::clone(&report),
            interval: Duration::from_millis(settings.ship_interval_ms.max(1)),
            ids: Ids::new()?,
            clock: clock.clone(),
            finder,
            looked: clock.monotonic(),
            unread: found.unread,
            adopted: false,
            sent: 1.into(),
            hurried: false,
        };
        let (stop, stopped) = watch::channel(false);
        let janitor = Janitor {
            store: Arc::clone(store),
            journal: Arc::clone(&journal),
            report: Arc::clone(&report),
            clock: clock.clone(),
            days: settings.retention_days,
            ring: public_keys(settings, state_dir, clock.now())?,
            stop: stopped,
        };
        let shipping = store.spawn(shipper.run()).abort_handle();
        drop(store.spawn(janitor.run()));
        let auditor = Arc::new(Self {
            journal,
            ids,
            clock,
            keeping: Keeping {
                kept: settings.arguments,
                most: settings.max_arguments_bytes,
                most_value: settings.max_value_bytes,
            },
            floods: Floods::new(settings.refusals_per_minute),
            ending: Mutex::new(false),
            max_backlog_bytes: settings.max_backlog_bytes,
            report,
            shipping,
            stop,
        });
        drop(store.spawn(close_floods(Arc::downgrade(&auditor))));
        Ok(auditor)
    }

    /// Opens the record of a request.
    pub(crate) fn begin(self: &Arc<Self>, opening: Opening) -> Entry {
        Entry::open(Arc::clone(self), opening)
    }

    /// How it is.
    pub(crate) fn health(&self) -> Health {
        let shipped_seq = self.report.progress.borrow().shipped_seq;
        Health {
            backlog_bytes: self.journal.backlog_bytes(),
            max_backlog_bytes: self.max_backlog_bytes,
            events: self.journal.last_seq().unsigned_abs(),
            shipped_events: shipped_seq.unsigned_abs(),
            folded: self.floods.folded(),
            write_error: self.journal.trouble(),
            ship_error: self.report.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Waits until everything written so far is in the database, what other
    /// processes left behind included. `false`: not within `deadline`; it stays
    /// in the journal for the next start.
    pub(crate) async fn flush(&self, deadline: Duration) -> bool {
        self.write_folds(self.floods.take_all(self.clock.monotonic()), Room::Limited);
        self.journal.write_queued();
        let last = self.journal.last_seq();
        let mut progress = self.report.progress.subscribe();
        self.report.hurry.notify_one();
        let done = progress.wait_for(|now| now.shipped_seq >= last && now.left == 0);
        tokio::time::timeout(deadline, done).await.is_ok_and(|done| done.is_ok())
    }

    /// Ends the chain with a signed checkpoint, so that whoever cuts its tail
    /// is found out, and waits as [`flush`](Self::flush) does. Nothing can be
    /// recorded afterwards.
    pub(crate) async fn finish(&self, deadline: Duration) -> bool {
        {
            let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
            *ending = true;
            // The last chance: they are few, and memory is about to go.
            self.write_folds(self.floods.take_all(self.clock.monotonic()), Room::Granted);
        }
        self.journal.end();
        self.flush(deadline).await
    }

    /// Whether an attempt is one too many of its source's, and is now counted
    /// instead of written.
    fn is_of_a_flood(&self, attempt: Attempt<'_>) -> bool {
        let (now, mono) = (self.clock.now(), self.clock.monotonic());
        let (verdict, closed) = self.floods.judge(attempt, now, mono);
        self.write_folds(closed, Room::Limited);
        verdict == Verdict::Counted
    }

    /// Counts an attempt whose event could not be written, so that it leaves a
    /// trace once the journal can be written again.
    fn count(&self, attempt: Attempt<'_>) {
        self.floods.count(attempt, self.clock.now(), self.clock.monotonic());
    }

    /// Writes the counts of windows that are over.
    fn close_windows(&self) {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ending {
            self.write_folds(self.floods.take_closed(self.clock.monotonic()), Room::Limited);
        }
    }

    fn write_folds(&self, folds: impl IntoIterator<Item = Fold>, room: Room) {
        let append = |fold: Fold| {
            let now = self.clock.now();
            let mut body = Body::default();
            fold.write((now, self.ids.next(now)), self.journal.chain_id(), &mut body);
            let queued = self.journal.append(&body, room);
            (fold, queued)
        };
        // The first that is settled writes them all.
        let folds: Vec<_> = folds.into_iter().map(append).collect();
        for (fold, queued) in folds {
            if queued.and_then(|queued| self.journal.settle(&queued)).is_err() {
                // The journal has said what is wrong.
                self.floods.put_back(fold);
            }
        }
    }

    /// Writes an event at once.
    fn append(&self, facts: &Facts, event: &Event<'_>, room: Room) -> Result<(), Refusal> {
        let queued = self.queue(facts, event, room)?;
        self.journal.settle(&queued).map_err(unavailable)
    }

    /// Writes an event together with those of the calls that this thread
    /// brings as far meanwhile: a write for each would cost a call a tenth of
    /// its time.
    async fn append_together(
        &self,
        facts: &Facts,
        event: &Event<'_>,
        room: Room,
    ) -> Result<(), Refusal> {
        let queued = self.queue(facts, event, room)?;
        if open_entries() > 1 {
            tokio::task::yield_now().await;
        }
        self.journal.settle_soon(&queued).await.map_err(unavailable)
    }

    /// Writes an event whose writer does not ask what comes of it.
    fn leave(&self, facts: &Facts, event: &Event<'_>, room: Room) -> Result<(), Refusal> {
        self.journal.settle_some_time(&self.queue(facts, event, room)?);
        Ok(())
    }

    fn queue(&self, facts: &Facts, event: &Event<'_>, room: Room) -> Result<Queued, Refusal> {
        let write = |body: &mut Body| {
            facts.write(event, self.journal.chain_id(), body);
            self.journal.append(body, room)
        };
        // A thread that ends may still drop an entry.
        let queued = BODY
            .try_with(|body| write(&mut body.borrow_mut()))
            .unwrap_or_else(|_| write(&mut Body::default()));
        queued.map_err(unavailable)
    }
}

/// Writes the counts of floods once their windows are over, as long as the
/// trail lives.
async fn close_floods(auditor: Weak<Auditor>) {
    loop {
        tokio::time::sleep(flood::SWEEP).await;
        let Some(auditor) = auditor.upgrade() else { return };
        auditor.close_windows();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: JournalError) -> Refusal {
    Refusal::new(Reason::AuditUnavailable, error.to_string())
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.shipping.abort();
        self.stop.send_replace(true);
    }
}
