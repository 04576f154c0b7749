//! Waiting until a queued line is written.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;

use super::{Checkpoint, Journal, JournalError, Queued};

impl Journal {
    /// Sees to it that a queued line is written, with all that are queued by
    /// now. Once this returns well, the event has happened; otherwise it has
    /// not, and its number goes to another.
    pub(in crate::audit) fn settle(&self, queued: &Queued) -> Result<(), JournalError> {
        if queued.fate.told.get().is_none() {
            self.write(Checkpoint::Due);
        }
        match queued.fate.told.get() {
            Some(Err(error)) => Err(JournalError::Io(Arc::clone(error))),
            Some(Ok(())) => Ok(()),
            // After `write`, whoever had the line in hand has told its fate,
            // or has fallen over it.
            None => Err(JournalError::Io(Arc::new(io::Error::other("the write was given up")))),
        }
    }

    /// [`settle`](Self::settle) for who must not wait for a disk: where the disk
    /// has to have the line, a thread of its own brings it there.
    pub(in crate::audit) async fn settle_soon(&self, queued: &Queued) -> Result<(), JournalError> {
        if let Some(writer) = &self.threads.writer {
            loop {
                let heard = queued.fate.heard.notified();
                let mut heard = std::pin::pin!(heard);
                heard.as_mut().enable();
                if queued.fate.told.get().is_some() {
                    break;
                }
                // It is awake when there is no room.
                if let Err(TrySendError::Disconnected(())) = writer.try_send(()) {
                    break;
                }
                heard.await;
            }
        }
        self.settle(queued)
    }

    /// The same for who does not ask what comes of it.
    pub(in crate::audit) fn settle_some_time(&self, queued: &Queued) {
        let woken = self.threads.writer.as_ref().map(|writer| writer.try_send(()));
        if !matches!(woken, Some(Ok(()) | Err(TrySendError::Full(())))) {
            // The journal says what is wrong.
            let _ = self.settle(queued);
        }
    }
}
