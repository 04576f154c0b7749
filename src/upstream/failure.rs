//! What a failed exchange is called.

use awc::error::{ConnectError, SendRequestError};

use crate::error::{Reason, Refusal};

/// Before a connection stood: the backend is unavailable, and the call has
/// certainly not happened. After: it may have happened, so it is an error and
/// is never tried again.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the error type is open; whatever is added may have reached the backend"
)]
pub(super) fn of(error: &SendRequestError) -> Refusal {
    match error {
        // The name is awc's; it means a connection that broke in use.
        SendRequestError::Connect(ConnectError::Disconnected) => {
            Refusal::new(Reason::BackendError, "the backend hung up without an answer")
        }
        SendRequestError::Connect(cause) => {
            Refusal::new(Reason::BackendUnavailable, format!("cannot connect: {cause}"))
        }
        SendRequestError::Timeout => Refusal::new(Reason::BackendTimeout, "no answer in time"),
        other => Refusal::new(Reason::BackendError, format!("the exchange broke: {other}")),
    }
}
