//! The thread that keeps the journal: brings lines to the disk, signs checkpoints
//! in time, turns segments that are old. Off the calls' way, since all of it may
//! wait for a disk.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::journal::Journal;

/// Longest time that `durability: process` leaves lines to the kernel alone.
const SYNC: Duration = Duration::from_millis(50);

/// Longest time between two looks while nothing is written.
const LOOK: Duration = Duration::from_secs(1);

/// The keeper to be: the sending end is the journal's, which ends the thread by
/// going away.
pub(super) fn channel() -> (SyncSender<()>, Receiver<()>) {
    sync_channel(1)
}

/// Begins to keep a journal.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(journal: &Arc<Journal>, woken: Receiver<()>) -> io::Result<()> {
    let journal = Arc::downgrade(journal);
    let name = thread::Builder::new().name("journal".to_owned());
    name.spawn(move || keep(&journal, &woken)).map(drop)
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
