//! Tools pinned to the definition that somebody has approved.
//!
//! A backend may change what it says of a tool after it was looked at (a "rug
//! pull"): another description, a wider schema, an annotation that says the
//! opposite. With a lock (`registry.lock`) a tool is shown and called only as it
//! was approved. One that differs, or is in no lock, is quarantined: it is in no
//! list, and its calls are refused with `tool_quarantined`. Others go on.

mod definition;
mod lock;
mod seen;
#[cfg(test)]
mod tests;

pub(crate) use definition::{Definition, differences};
pub(crate) use lock::Lock;
pub(crate) use seen::{Found, Seen};

/// How a tool stands with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As it was approved.
    Approved,
    /// Nobody has approved a tool of this name.
    New,
    /// It is not as it was approved.
    Changed,
    /// Approved, and its backend does not offer it any more.
    Gone,
}

impl Standing {
    /// Its word in reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}
