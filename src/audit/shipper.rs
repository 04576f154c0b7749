//! Carries events from the journal into the database, behind the calls' backs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::expiry::{self, is_bare};
use super::facts::Kind;
use super::ids::Ids;
use super::journal::{Journal, JournalError, Room};
use super::keeper::aside;
use super::line::Body;
use super::recover::{Aside, Finder, Left};
use super::segment::Segment;
use super::tail::{Chunk, Tail, TailError};
use crate::clock::Clock;
use crate::store::{Batch, Store, StoreError};

/// Most events of a batch. Fewer cost more each, more gain little.
const MOST: usize = 512;

/// Pauses between two attempts while the database is down, each twice the one
/// before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Time between two looks for chains that were left behind.
const LOOK: Duration = Duration::from_mins(1);

/// Pause between two attempts with a chain that was set aside.
const ASIDE: Duration = Duration::from_secs(10);

/// Longest text kept of a line that is no event, in bytes.
const MOST_DAMAGE: usize = 64 * 1024;

/// How far the database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Number of this chain's last event in the database.
    pub(super) shipped_seq: i64,
    /// Chains left behind that are not yet whole in the database, but for those
    /// that were set aside.
    pub(super) left: usize,
}

/// What the shipper says of itself.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) progress: watch::Sender<Progress>,
    /// The last failure, until something works again.
    pub(super) error: Mutex<Option<String>>,
    /// Asks it to try at once.
    pub(super) hurry: Notify,
}

/// The carrier.
#[derive(Debug)]
pub(super) struct Shipper {
    pub(super) store: Arc<Store>,
    pub(super) journal: Arc<Journal>,
    /// Oldest first.
    pub(super) left: Vec<Left>,
    pub(super) report: Arc<Report>,
    pub(super) interval: Duration,
    pub(super) ids: Ids,
    pub(super) clock: Clock,
    pub(super) finder: Finder,
    /// When it was last looked for chains of processes that are gone, monotonic.
    pub(super) looked: Duration,
    /// What could not be read then.
    pub(super) unread: Vec<String>,
    /// Whether what is from before the chain is vouched for.
    pub(super) adopted: bool,
    /// The number after the last one that was ever on its way to the database,
    /// of the own chain: its cursor cannot be further.
    pub(super) sent: AtomicI64,
    /// Whether somebody waits for all that can be shipped.
    pub(super) hurried: bool,
}

/// A chain on its way.
struct Position {
    tail: Tail,
    /// Where the database stands.
    cursor: i64,
    /// Most events of the next batch; fewer while a refused one is looked for.
    most: usize,
}

impl Position {
    fn at(cursor: i64) -> Self {
        Self { tail: Tail::at(cursor), cursor, most: MOST }
    }
}

#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Journal(#[from] TailError),
    #[error(transparent)]
    Append(#[from] JournalError),
    #[error("the audit journal cannot be brought to the disk: {0}")]
    Sync(#[from] std::io::Error),
    /// Somebody else has moved the cursor. What lies before it would be lost.
    #[error(
        "audit_cursor says that the database has chain {chain_id} up to {said}, which nobody has \
         shipped; nothing is shipped or removed until that is put right"
    )]
    NotOurs { chain_id: String, said: i64 },
}

impl Shipper {
    /// Runs until it is aborted, which is safe at any moment.
    pub(super) async fn run(mut self) {
        let mut pause = self.interval;
        let mut failing = false;
        let mut position = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.report.hurry.notified() => self.hurried = true,
                () = self.journal.enough(), if !failing => {}
            }
            let tidy = |journal: &Journal| {
                journal.probe();
                journal.write_queued();
            };
            aside(&self.journal, tidy).await;
            self.look_around().await;
            let drained = self.drain(&mut position).await;
            pause = match (&drained, failing) {
                (Ok(()), _) => self.interval,
                (Err(_), false) => FIRST_PAUSE,
                (Err(_), true) => pause.saturating_mul(2).min(LONGEST_PAUSE),
            };
            failing = drained.is_err();
            if failing {
                // What the database took is not known any more.
                position = None;
            }
            let aside = self.left.iter().find_map(|left| {
                let why = &left.aside.as_ref()?.why;
                Some(format!("chain {}, left behind, cannot be shipped: {why}", left.chain_id))
            });
            let unread = || self.unread.first().cloned();
            self.tell(drained.err().map(|error| error.to_string()).or(aside).or_else(unread));
        }
    }

    /// Ships everything that waits now. What comes meanwhile waits for the
    /// next time: a busy journal would otherwise be carried in crumbs, and a
    /// batch costs much, a line little.
    async fn drain(&mut self, position: &mut Option<Position>) -> Result<(), ShipError> {
        if !self.adopted {
            self.adopt_all().await?;
            self.adopted = true;
        }
        self.drain_left(false).await?;
        self.drain_own(position).await
    }

    /// Vouches for the chains of gateways that did not chain their lines, once:
    /// while the database has no other chains. What is without hashes later,
    /// somebody else has put there. Before any chain of ours gets there, so that
    /// whatever happens meanwhile, this is made up for at the next start.
    async fn adopt_all(&mut self) -> Result<(), ShipError> {
        let chains = self.store.first_audit_lines().await?;
        self.drain_left(true).await?;
        if chains.iter().all(|(_, first)| is_bare(first)) {
            for (chain_id, _) in &chains {
                self.adopt(chain_id).await?;
            }
        }
        Ok(())
    }

    async fn adopt(&self, chain_id: &str) -> Result<(), ShipError> {
        let Some((seq, sum)) = expiry::sum_of(&self.store, chain_id).await? else { return Ok(()) };
        let body = self.journal.notary().adopted(self.journal.chain_id(), chain_id, seq, sum);
        let queued = self.journal.append(&body, Room::Granted)?;
        self.journal.settle_soon(&queued).await?;
        aside(&self.journal, Journal::checkpoint).await;
        tracing::info!(
            chain_id,
            seq,
            "events from before the hash chain are vouched for as they are"
        );
        Ok(())
    }

    /// Ships what others left behind. A chain that cannot be shipped is set aside
    /// and holds up no other; it stays where it is, and is tried again.
    async fn drain_left(&mut self, bare_only: bool) -> Result<(), ShipError> {
        let now = self.clock.monotonic();
        let hurried = !bare_only && std::mem::take(&mut self.hurried);
        let mut at = 0;
        while let Some(left) = self.left.get(at) {
            let waits = |aside: &Aside| now < aside.until && !hurried;
            if left.aside.as_ref().is_some_and(waits) || bare_only && !left.is_bare {
                at += 1;
                continue;
            }
            match self.ship_left(at).await {
                Ok(()) => self.left.remove(at).remove(),
                // There is nothing to be had of the database now.
                Err(ShipError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    let why = error.to_string();
                    let left = &mut self.left[at];
                    tracing::error!(
                        chain_id = left.chain_id,
                        error = why,
                        "a chain that was left behind cannot be shipped, and is set aside"
                    );
                    left.aside = Some(Aside { why, until: now + ASIDE });
                    at += 1;
                }
            }
            self.note_left();
        }
        Ok(())
    }

    /// Finds chains of processes that went after this one had come.
    async fn look_around(&mut self) {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        let (finder, journal) = (self.finder.clone(), Arc::clone(&self.journal));
        let found = tokio::task::spawn_blocking(move || finder.find(&journal)).await;
        match found.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(None) => {}
            Ok(Some(found)) => {
                self.left.extend(found.left);
                self.unread = found.unread;
                self.note_left();
            }
            Err(error) => {
                tracing::warn!(error = %error, "chains left behind could not be looked for");
            }
        }
    }

    fn note_left(&self) {
        let waiting = || self.left.iter().filter(|left| left.aside.is_none());
        self.journal.note_left(waiting().map(Left::bytes).sum());
        self.report.progress.send_modify(|progress| progress.left = waiting().count());
    }

    async fn ship_left(&self, at: usize) -> Result<(), ShipError> {
        let left = &self.left[at];
        let others = || self.left.iter().filter(|other| other.chain_id != left.chain_id);
        let others = others().filter(|other| other.aside.is_none()).map(Left::bytes).sum::<u64>();
        let cursor = self.store.cursor(&left.chain_id).await?;
        let first_seq = left.segments.first().map_or(1, |first| first.first_seq);
        // What was shipped before our time can be seen in the database only.
        if cursor > first_seq && !self.store.has_audit_line(&left.chain_id, cursor - 1).await? {
            return Err(ShipError::NotOurs { chain_id: left.chain_id.clone(), said: cursor - 1 });
        }
        let mut position = Position::at(cursor);
        while let Some(end) = self.step(&left.chain_id, &left.segments, &mut position).await? {
            self.journal.note_left((others + left.bytes()).saturating_sub(end));
        }
        if left.is_bare {
            self.adopt(&left.chain_id).await?;
        }
        Ok(())
    }

    async fn drain_own(&self, position: &mut Option<Position>) -> Result<(), ShipError> {
        let chain_id = self.journal.chain_id();
        let last_seq = self.journal.last_seq();
        if last_seq <= self.report.progress.borrow().shipped_seq {
            return Ok(());
        }
        let synced = aside(&self.journal, Journal::sync).await;
        synced.unwrap_or_else(|| Err(std::io::Error::other("the gateway stops")))?;
        let here = if let Some(here) = position {
            here
        } else {
            let cursor = self.store.cursor(chain_id).await?;
            if cursor > self.sent.load(Ordering::Relaxed) {
                let chain_id = chain_id.to_owned();
                return Err(ShipError::NotOurs { chain_id, said: cursor - 1 });
            }
            position.insert(Position::at(cursor))
        };
        while last_seq > self.report.progress.borrow().shipped_seq {
            let segments = self.journal.segments();
            let Some(end) = self.step(chain_id, &segments, here).await? else { break };
            self.journal.note_shipped(here.cursor, end);
            let shipped_seq = here.cursor - 1;
            self.report.progress.send_modify(|progress| progress.shipped_seq = shipped_seq);
        }
        Ok(())
    }

    /// Ships one batch of a chain. Returns up to which byte of the chain the
    /// database is now, or `None` when there was nothing more.
    async fn step(
        &self,
        chain_id: &str,
        segments: &[Segment],
        here: &mut Position,
    ) -> Result<Option<u64>, ShipError> {
        while let Some(mut chunk) = here.tail.read(segments, here.most)? {
            if chunk.first_seq > here.cursor {
                tracing::error!(
                    chain_id,
                    from = here.cursor,
                    to = chunk.first_seq - 1,
                    "audit events are neither in the database nor in the journal; the database \
                     was restored, or files were removed"
                );
            }
            if chain_id == self.journal.chain_id() {
                self.sent.fetch_max(chunk.next_seq(), Ordering::Relaxed);
            }
            let text = std::mem::take(&mut chunk.text);
            match self.store.ship(batch(chain_id, here.cursor, &chunk, text)).await {
                Ok(()) => here.most = here.most.saturating_mul(2).min(MOST),
                Err(StoreError::Rejected(_)) if chunk.count > 1 => {
                    here.most = chunk.count.div_ceil(2);
                    continue;
                }
                Err(StoreError::Rejected(why)) => {
                    tracing::error!(
                        chain_id,
                        seq = chunk.first_seq,
                        why,
                        "an audit event is damaged"
                    );
                    let again = here.tail.read(segments, 1)?;
                    let line = again.map(|again| again.text).unwrap_or_default();
                    let text = self.damaged(chain_id, chunk.first_seq, &format!("{why}: {line}"));
                    self.store.ship(batch(chain_id, here.cursor, &chunk, text)).await?;
                }
                Err(error) => return Err(error.into()),
            }
            here.cursor = chunk.next_seq();
            here.tail.advance(&chunk);
            return Ok(Some(chunk.end));
        }
        Ok(None)
    }

    /// An event in the place of a line that is none, with its text as far as
    /// it fits. Without it, one broken line would hold up all that follow.
    fn damaged(&self, chain_id: &str, seq: i64, detail: &str) -> String {
        let time = self.clock.now();
        let mut body = Body::default();
        let mut line = body.begin();
        line.text("chain_id", Some(chain_id), usize::MAX);
        line.text("detail", Some(detail), MOST_DAMAGE);
        line.id("event_id", Some(self.ids.next(time)));
        line.text("kind", Some(Kind::Damaged.name()), usize::MAX);
        line.seq();
        line.time("time", time);
        line.end();
        let mut text = Vec::new();
        body.complete(seq, &mut text);
        text.pop();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn tell(&self, text: Option<String>) {
        let mut known = self.report.error.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &text) {
            (None, Some(error)) => {
                tracing::warn!(error, "audit events wait in the journal for the database");
            }
            (Some(_), None) => tracing::info!("audit events reach the database again"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        *known = text;
    }
}

fn batch(chain_id: &str, cursor: i64, chunk: &Chunk, lines: String) -> Batch {
    let (first_seq, count) = (chunk.first_seq, chunk.count);
    Batch { chain_id: chain_id.to_owned(), cursor, first_seq, count, lines }
}
