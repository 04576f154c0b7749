//! Texts from outside that name something in a repository: paths, revisions,
//! cursors. Pure, and imports nothing of the service, so that it can be fuzzed
//! alone.

pub(crate) mod cursor;
pub(crate) mod path;
pub(crate) mod quote;
pub(crate) mod revision;

/// Why a text names nothing. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(pub(crate) &'static str);
