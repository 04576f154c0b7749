//! What can be wrong with the settings, with what is to be sealed, and with
//! what is to be told.

use crate::redis_link::Unreadable;

/// Why sessions cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionsError {
    /// Nothing to derive keys from.
    #[error("sessions.key: is missing, and so is upstream.shared_secret")]
    NoKey,
    /// Where Redis is, or whom to trust there, cannot be read.
    #[error(transparent)]
    Redis(#[from] Unreadable),
    /// The operating system gives no randomness, or no key can be derived.
    #[error("sessions: keys cannot be made")]
    Keys,
}

/// Why a session cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// The session id that a backend gave cannot be a session id. The
    /// backend is at fault.
    #[error("backend {0} gave a session id that is not 1 to 512 visible ASCII characters")]
    BackendSession(u8),
    /// Together the session ids of all backends are too long.
    #[error("the session does not fit into an id of 4096 bytes")]
    TooLarge,
    /// The negotiated revision is none of the legacy era.
    #[error("only clients of the legacy era have sessions")]
    Revision,
    /// The operating system gives no randomness.
    #[error("the session cannot be sealed")]
    Seal,
}

/// A message to the other replicas that is too long: 1 MiB is the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are more than replicas tell each other")]
pub(crate) struct NoticeTooLarge(pub(crate) usize);
