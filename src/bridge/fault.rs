//! Why a request has no answer from the endpoint. The names and codes are part
//! of the interface.

use awc::http::StatusCode;

use crate::protocol::codes;

/// HTTP errors and ended sessions, as the reference bridge numbers them (C-61).
const HTTP_ERROR: i32 = -32000;

/// A request that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// No token could be had.
    #[error("No token: {0}")]
    NoToken(String),
    /// The token was refused, and there is no other.
    #[error("HTTP 401: the token was refused, and there is no other: {0}")]
    TokenRefused(String),
    /// Nobody is there.
    #[error("Cannot connect: {0}")]
    Unreachable(String),
    /// The connection broke with the request on its way or its answer open.
    #[error("The connection broke before the answer came: {0}. The request may have been executed")]
    Broken(String),
    /// A status instead of an answer, with what the endpoint says of it.
    #[error("HTTP {}: {}", .0.as_u16(), .1.as_deref().unwrap_or_else(|| said_by(*.0)))]
    Http(StatusCode, Option<String>),
    /// An event stream without the answer.
    #[error("The stream ended before the answer came. The request may have been executed")]
    StreamEnded,
    /// An answer over the limit, in bytes.
    #[error("The answer is larger than {0} bytes (--max-message-bytes)")]
    AnswerTooLarge(usize),
    /// The endpoint does not know the session any more (HTTP 404).
    #[error(
        "HTTP 404: the session has ended. Another one is being opened; what the server kept in \
         the old one is lost. The request was not executed: repeat it if that does not matter"
    )]
    SessionEnded,
    /// No other session could be had.
    #[error("The session has ended, and another one could not be opened: {0}")]
    NoSession(String),
    /// More requests at once than are kept.
    #[error("Too many requests at once (--max-in-flight)")]
    TooMany,
    /// A message from the client over the limit, in bytes.
    #[error("The message is larger than {0} bytes (--max-message-bytes)")]
    TooLarge(usize),
    /// A message that is none.
    #[error("{}: {}", if *.0 == codes::PARSE_ERROR { "Parse error" } else { "Invalid request" }, .1)]
    Malformed(i32, String),
    /// The bridge ends.
    #[error("The bridge is stopping. The request may have been executed")]
    Stopping,
}

/// What a status says by itself.
fn said_by(status: StatusCode) -> &'static str {
    if status.is_success() { "no answer" } else { status.canonical_reason().unwrap_or("no answer") }
}

impl Fault {
    /// The JSON-RPC code.
    pub(super) fn code(&self) -> i32 {
        match self {
            Self::TokenRefused(_) | Self::Http(..) | Self::SessionEnded => HTTP_ERROR,
            Self::TooLarge(_) => codes::INVALID_REQUEST,
            Self::Malformed(code, _) => *code,
            Self::NoToken(_)
            | Self::Unreachable(_)
            | Self::Broken(_)
            | Self::StreamEnded
            | Self::AnswerTooLarge(_)
            | Self::NoSession(_)
            | Self::TooMany
            | Self::Stopping => codes::INTERNAL_ERROR,
        }
    }

    /// The name in `error.data.code`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NoToken(_) => "token_unavailable",
            Self::TokenRefused(_) => "token_refused",
            Self::Unreachable(_) => "endpoint_unreachable",
            Self::Broken(_) => "connection_broken",
            Self::Http(..) => "http_error",
            Self::StreamEnded => "stream_ended",
            Self::AnswerTooLarge(_) => "answer_too_large",
            Self::SessionEnded => "session_ended",
            Self::NoSession(_) => "session_unavailable",
            Self::TooMany => "too_many_requests",
            Self::TooLarge(_) => "message_too_large",
            Self::Malformed(..) => "invalid_message",
            Self::Stopping => "bridge_stopping",
        }
    }

    /// Whether the request may have been executed all the same.
    pub(super) fn may_be_executed(&self) -> bool {
        match self {
            Self::Broken(_) | Self::StreamEnded | Self::AnswerTooLarge(_) | Self::Stopping => true,
            Self::Http(status, _) => !matches!(status.as_u16(), 401 | 403..=405 | 413 | 415 | 429),
            Self::NoToken(_)
            | Self::TokenRefused(_)
            | Self::Unreachable(_)
            | Self::SessionEnded
            | Self::NoSession(_)
            | Self::TooMany
            | Self::TooLarge(_)
            | Self::Malformed(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_stable() {
        let shown = |fault: Fault| format!("{} {} {fault}", fault.code(), fault.name());
        assert_eq!(
            shown(Fault::Http(StatusCode::BAD_GATEWAY, None)),
            "-32000 http_error HTTP 502: Bad Gateway"
        );
        assert_eq!(
            shown(Fault::Http(StatusCode::PAYLOAD_TOO_LARGE, Some("over 4 MiB".to_owned()))),
            "-32000 http_error HTTP 413: over 4 MiB"
        );
        assert_eq!(
            shown(Fault::Malformed(codes::PARSE_ERROR, "not JSON".to_owned())),
            "-32700 invalid_message Parse error: not JSON"
        );
        assert_eq!(shown(Fault::TooLarge(5)).split(' ').next(), Some("-32600"));
    }
}
