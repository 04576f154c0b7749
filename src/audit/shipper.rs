//! Carries events from the journal into the database, behind the calls' backs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::facts::Kind;
use super::ids::Ids;
use super::journal::Journal;
use super::line::Body;
use super::recover::Left;
use super::segment::Segment;
use super::tail::{Chunk, Tail};
use crate::clock::Clock;
use crate::store::{Batch, Store, StoreError};

/// Most events of a batch. Fewer cost more each, more gain little.
const MOST: usize = 512;

/// Pauses between two attempts while the database is down, each twice the one
/// before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Longest text kept of a line that is no event, in bytes.
const MOST_DAMAGE: usize = 64 * 1024;

/// How far the database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Number of this chain's last event in the database.
    pub(super) shipped_seq: i64,
    /// Chains left behind that are not yet whole in the database.
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
}

/// A chain on its way.
struct Position {
    tail: Tail,
    /// Where the database stands.
    cursor: i64,
    /// Most events of the next batch; fewer while a refused one is looked for.
    most: usize,
}

#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the audit journal cannot be read: {0}")]
    Journal(#[from] std::io::Error),
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
                () = self.report.hurry.notified() => {}
                () = self.journal.enough(), if !failing => {}
            }
            self.journal.probe();
            self.journal.write_queued();
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
            self.tell(drained.err());
        }
    }

    /// Ships everything that waits now. What comes meanwhile waits for the
    /// next time: a busy journal would otherwise be carried in crumbs, and a
    /// batch costs much, a line little.
    async fn drain(&mut self, position: &mut Option<Position>) -> Result<(), ShipError> {
        while !self.left.is_empty() {
            let left = &self.left[0];
            let mut position = None;
            while let Some(end) = self.step(&left.chain_id, &left.segments, &mut position).await? {
                let waiting = self.left.iter().map(Left::bytes).sum::<u64>();
                self.journal.note_left(waiting.saturating_sub(end));
            }
            self.left.remove(0).remove();
            self.journal.note_left(self.left.iter().map(Left::bytes).sum());
            self.report.progress.send_modify(|progress| progress.left = self.left.len());
        }
        let chain_id = self.journal.chain_id();
        let last_seq = self.journal.last_seq();
        if last_seq > self.report.progress.borrow().shipped_seq {
            let journal = Arc::clone(&self.journal);
            let synced = tokio::task::spawn_blocking(move || journal.sync()).await;
            synced.unwrap_or_else(|error| Err(std::io::Error::other(error)))?;
        }
        while last_seq > self.report.progress.borrow().shipped_seq {
            let segments = self.journal.segments();
            let Some(end) = self.step(chain_id, &segments, position).await? else { break };
            let next = position.as_ref().map_or(1, |position| position.cursor);
            self.journal.note_shipped(next, end);
            self.report.progress.send_modify(|progress| progress.shipped_seq = next - 1);
        }
        Ok(())
    }

    /// Ships one batch of a chain. Returns up to which byte of the chain the
    /// database is now, or `None` when there was nothing more.
    async fn step(
        &self,
        chain_id: &str,
        segments: &[Segment],
        position: &mut Option<Position>,
    ) -> Result<Option<u64>, ShipError> {
        if position.is_none() {
            let cursor = self.store.cursor(chain_id).await?;
            *position = Some(Position { tail: Tail::at(cursor), cursor, most: MOST });
        }
        let Some(here) = position else { return Ok(None) };
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

    fn tell(&self, error: Option<ShipError>) {
        let text = error.map(|error| error.to_string());
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
