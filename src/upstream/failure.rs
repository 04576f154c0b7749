//! What a failed exchange is called.

use awc::error::{ConnectError, PayloadError, SendRequestError};

use crate::audit::Digest;
use crate::error::{Reason, Refusal};

/// Longest media type kept for the operator, in bytes.
const MEDIA_TYPE: usize = 64;

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

/// A body that broke off.
pub(super) fn broken(error: &PayloadError) -> Refusal {
    Refusal::new(Reason::BackendError, format!("the answer broke off: {error}"))
}

/// A body, or an event, beyond its limit.
pub(super) fn too_large(limit: usize) -> Refusal {
    Refusal::new(Reason::ReplyTooLarge, format!("the answer is larger than {limit} bytes"))
}

/// What came is no answer. Results are never kept (C-17 asks for an excerpt),
/// so that the operator gets what tells one wrong text from another.
pub(super) fn no_answer(status: u16, media_type: &[u8], body: &[u8]) -> Refusal {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/+.-_".contains(byte);
    let media_type: String = media_type
        .iter()
        .take_while(|byte| plain(byte))
        .take(MEDIA_TYPE)
        .map(|&byte| char::from(byte))
        .collect();
    Refusal::new(
        Reason::BackendError,
        format!(
            "HTTP {status} without an answer to the call: type {media_type:?}, {} bytes, SHA-256 {}",
            body.len(),
            Digest::of(body),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_described_and_not_quoted() {
        let described = |media_type: &[u8]| no_answer(502, media_type, b"abc").detail.into_owned();
        // FIPS 180-4, the sample of one block.
        let sample = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            described(b"text/html; charset=canary"),
            format!(
                "HTTP 502 without an answer to the call: type \"text/html\", 3 bytes, SHA-256 {sample}"
            )
        );
        assert!(described(b"").contains("type \"\", 3 bytes"));
        assert!(described(b"\xff<b>").contains("type \"\", 3 bytes"));
        assert!(described(&[b'x'; 500]).contains(&format!("type \"{}\",", "x".repeat(64))));
    }
}
