//! The thread that keeps the journal: brings lines to the disk, signs checkpoints
//! in time, turns segments that are old. Off the calls' way, since all of it may
//! wait for a disk.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::journal::Journal;
use crate::settings::Durability;

/// Longest time that `durability: process` leaves lines to the kernel alone.
const SYNC: Duration = Duration::from_millis(50);

/// Longest time between two looks while nothing is written.
const LOOK: Duration = Duration::from_secs(1);

/// Wakes the threads of a journal, whose it is; when it goes away, they end.
#[derive(Debug)]
pub(super) struct Wakers {
    /// There is something to keep.
    pub(super) keeper: SyncSender<()>,
    /// There is something to write: where calls wait for the disk, which is none
    /// of the workers' business.
    pub(super) writer: Option<SyncSender<()>>,
}

/// The threads' ends.
#[derive(Debug)]
pub(super) struct Woken {
    keeper: Receiver<()>,
    writer: Option<Receiver<()>>,
}

/// The threads to be.
pub(super) fn channel(durability: Durability) -> (Wakers, Woken) {
    let (keeper, kept) = sync_channel(1);
    let (writer, written) = (durability == Durability::Disk).then(|| sync_channel(1)).unzip();
    (Wakers { keeper, writer }, Woken { keeper: kept, writer: written })
}

/// Begins to keep a journal, and to write it where that waits for the disk.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(journal: &Arc<Journal>, woken: Woken) -> io::Result<()> {
    let thread = |name: &str| thread::Builder::new().name(name.to_owned());
    if let Some(woken) = woken.writer {
        let journal = Arc::downgrade(journal);
        thread("journal-disk").spawn(move || write(&journal, &woken))?;
    }
    let journal = Arc::downgrade(journal);
    thread("journal").spawn(move || keep(&journal, &woken.keeper)).map(drop)
}

/// Has a journal do what may wait for a disk, off the threads that run futures.
/// Nothing is done by a runtime that shuts down.
pub(super) async fn aside<T: Send + 'static>(
    journal: &Arc<Journal>,
    work: impl FnOnce(&Journal) -> T + Send + 'static,
) -> Option<T> {
    let journal = Arc::clone(journal);
    tokio::task::spawn_blocking(move || work(&journal)).await.ok()
}

fn write(journal: &Weak<Journal>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let Some(journal) = journal.upgrade() else { return };
        journal.write_queued();
    }
}

fn keep(journal: &Weak<Journal>, woken: &Receiver<()>) {
    loop {
        // The first line after a rest wakes it; those that follow within the
        // time share its way to the disk.
        let waited = match woken.recv_timeout(LOOK) {
            Ok(()) => woken.recv_timeout(SYNC),
            timeout @ Err(_) => timeout,
        };
        if waited == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        let Some(journal) = journal.upgrade() else { return };
        journal.keep();
    }
}
