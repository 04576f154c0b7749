//! Configuration that changes under a running gateway: policy, registry, keys.
//!
//! A reload reads every file anew, judges all of it (the cases and invariants
//! that the settings name included), writes it into the audit trail, and only
//! then puts it in force in one step. Whatever fails on the way leaves
//! everything as it was; `GET /admin/reload-status`, `/ready`, a metric and the
//! log say so.
//!
//! Asked for by `SIGHUP`, by `POST /admin/reload`, and by files that change
//! ([`Watch`]). One task does them all, one after the other; who asks while one
//! is under way is answered by the next.

mod files;
mod gate;
mod handle;
mod status;
mod watch;

pub(crate) use files::{Configured, all, bounds, problem_of, rules};
pub(crate) use handle::{Reload, Request};
pub(crate) use status::Status;
pub(crate) use watch::{Watch, looks};

/// Who wants the files read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `SIGHUP`.
    Signal,
    /// `POST /admin/reload`.
    Admin,
    /// A file that has changed.
    Files,
}

impl Origin {
    /// Its word in logs and in the audit trail.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Admin => "admin",
            Self::Files => "files",
        }
    }
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A new generation is in force.
    Applied(u64),
    /// Everything is as it was read before; the generation stays.
    Unchanged(u64),
    /// What was read is not fit; the generation before stays in force.
    Refused(Vec<String>),
}
