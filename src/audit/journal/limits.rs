//! What bounds a journal, and what is said when it is at its end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::settings::{AuditSettings, Durability};

/// Whether an event may be left out when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Room {
    /// The event waits for nothing; its request is refused instead.
    Limited,
    /// The event tells the end of a call that has happened. There are no more
    /// of them than calls in flight.
    Granted,
}

/// Why an event is not in the journal.
#[derive(Debug, thiserror::Error)]
pub(in crate::audit) enum JournalError {
    /// The database takes nothing, and the journal has reached its limit.
    #[error("the audit journal is full")]
    Full,
    /// The chain has ended, since the gateway stops.
    #[error("the audit journal has ended")]
    Ended,
    /// The file system refused.
    #[error("the audit journal cannot be written: {0}")]
    Io(Arc<io::Error>),
}

/// What bounds a journal.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Limits {
    pub(super) segment_bytes: u64,
    pub(super) segment_age: Duration,
    pub(super) max_backlog_bytes: u64,
    pub(super) durability: Durability,
    pub(super) checkpoint_age: Duration,
}

impl Limits {
    pub(in crate::audit) fn of(settings: &AuditSettings) -> Self {
        Self {
            segment_bytes: settings.segment_bytes,
            segment_age: Duration::from_secs(settings.segment_seconds),
            max_backlog_bytes: settings.max_backlog_bytes,
            durability: settings.durability,
            checkpoint_age: Duration::from_secs(settings.checkpoint_seconds),
        }
    }
}
