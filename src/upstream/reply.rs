//! Reading a backend's answer: one JSON object, or an event stream that ends
//! in one.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use awc::error::PayloadError;
use awc::http::StatusCode;
use awc::http::header::{CONTENT_TYPE, HeaderValue};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sse_stream::SseByteStream;

use crate::audit::Digest;
use crate::error::{Reason, Refusal};
use crate::protocol::accept::{is_event_stream, is_json};
use crate::protocol::revision::Era;

/// Longest media type kept for the operator, in bytes.
const MEDIA_TYPE: usize = 64;

/// An answer to a call, as the backend wrote it.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The backend's status: 200, or 4xx with a JSON-RPC error.
    pub(crate) status: u16,
    /// One JSON-RPC response with the id of the call.
    pub(crate) message: Bytes,
    /// Whether it is an error, or a result with `isError`.
    pub(crate) is_error: bool,
    /// Time from the first byte sent to the last byte read.
    pub(crate) took: Duration,
}

/// The members of a response that are judged; all others pass.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The member of a tool's result that is judged.
#[derive(Deserialize)]
struct ToolResult {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

type ResponseBody<S> = awc::ClientResponse<S>;

/// Reads the answer to the request with this id.
pub(super) async fn read<S>(
    mut response: ResponseBody<S>,
    id: &RawValue,
    era: Era,
    limit: usize,
) -> Result<Reply, Refusal>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let status = response.status();
    let content_type =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (json, events) = (is_json(content_type), is_event_stream(content_type));
    if events && status == StatusCode::OK {
        return from_events(response, id, limit).await;
    }
    let message = response.body().limit(limit).await.map_err(|error| broken(&error, limit))?;
    // Answers come with 200; modern ones also with 400 and 404, always with a
    // JSON-RPC error that the client needs. Any other status speaks to the
    // gateway: a 401 passed on would send the client to its issuer, a legacy
    // 404 would end its session.
    let expected = match status {
        StatusCode::OK => true,
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => json && era == Era::Modern,
        _ => false,
    };
    if expected && let Some(is_error) = judge(&message, id) {
        return Ok(Reply { status: status.as_u16(), message, is_error, took: Duration::ZERO });
    }
    let content_type = response.headers().get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    Err(no_answer(status, content_type, &message))
}

/// What came is no answer. Results are never kept (C-17 asks for an excerpt),
/// so that the operator gets what tells one wrong text from another.
fn no_answer(status: StatusCode, content_type: &[u8], body: &[u8]) -> Refusal {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/+.-_".contains(byte);
    let media_type: String = content_type
        .iter()
        .take_while(|byte| plain(byte))
        .take(MEDIA_TYPE)
        .map(|&byte| char::from(byte))
        .collect();
    Refusal::new(
        Reason::BackendError,
        format!(
            "HTTP {} without an answer to the call: type {media_type:?}, {} bytes, SHA-256 {}",
            status.as_u16(),
            body.len(),
            Digest::of(body),
        ),
    )
}

/// Waits for the event that answers; progress and log notifications before
/// it are dropped.
async fn from_events<S>(
    response: ResponseBody<S>,
    id: &RawValue,
    limit: usize,
) -> Result<Reply, Refusal>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let taken = Rc::new(Cell::new(0_usize));
    let counter = Rc::clone(&taken);
    let bounded = response.map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        counter.set(counter.get() + chunk.len());
        if counter.get() > limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(chunk)
    });
    let mut events = std::pin::pin!(SseByteStream::new(Box::pin(bounded)));
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| {
            if taken.get() > limit {
                too_large(limit)
            } else {
                Refusal::new(Reason::BackendError, format!("the event stream broke: {error}"))
            }
        })?;
        let Some(data) = event.data else { continue };
        if let Some(is_error) = judge(data.as_bytes(), id) {
            let message = Bytes::from(data);
            return Ok(Reply { status: 200, message, is_error, took: Duration::ZERO });
        }
    }
    Err(Refusal::new(Reason::BackendError, "the event stream ended without an answer"))
}

/// `Some(is it an error)` when the text is the answer to the request `id`.
fn judge(text: &[u8], id: &RawValue) -> Option<bool> {
    let response: Response<'_> = serde_json::from_slice(text).ok()?;
    if !same_id(response.id?, id) {
        return None;
    }
    match (response.result, response.error) {
        (None, Some(_)) => Some(true),
        (Some(result), None) if result.get().contains("\"isError\"") => {
            Some(serde_json::from_str::<ToolResult>(result.get()).is_ok_and(|r| r.is_error))
        }
        (Some(_), None) => Some(false),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Whether two ids are the same value, however they are spelled.
fn same_id(a: &RawValue, b: &RawValue) -> bool {
    a.get() == b.get()
        || match (serde_json::from_str::<Value>(a.get()), serde_json::from_str::<Value>(b.get())) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
}

fn broken(error: &PayloadError, limit: usize) -> Refusal {
    if matches!(error, PayloadError::Overflow) {
        too_large(limit)
    } else {
        Refusal::new(Reason::BackendError, format!("the answer broke off: {error}"))
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(Reason::ReplyTooLarge, format!("the answer is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    fn judged(text: &str) -> Option<bool> {
        judge(text.as_bytes(), &raw("7"))
    }

    #[test]
    fn only_the_answer_with_the_id_of_the_call_counts() {
        assert_eq!(judged(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Some(false));
        assert_eq!(judged(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#), None);
        assert_eq!(judged(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#), None);
        assert_eq!(judged(r#"{"jsonrpc":"2.0","result":{}}"#), None);
        assert_eq!(judged(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#), None);
        assert_eq!(judged(r#"{"id":7,"id":7,"result":{}}"#), None);
        assert_eq!(judged("<html>"), None);
    }

    #[test]
    fn errors_are_told_from_results() {
        assert_eq!(judged(r#"{"id":7,"error":{"code":-32602,"message":"x"}}"#), Some(true));
        assert_eq!(judged(r#"{"id":7,"result":{"isError":true}}"#), Some(true));
        assert_eq!(judged(r#"{"id":7,"result":{"isError":false}}"#), Some(false));
        assert_eq!(
            judged(r#"{"id":7,"result":{"content":[{"text":"\"isError\":true"}]}}"#),
            Some(false)
        );
        assert_eq!(judged(r#"{"id":7,"result":null,"error":{}}"#), Some(true));
        assert_eq!(judged(r#"{"id":7}"#), None);
    }

    #[test]
    fn what_is_no_answer_is_described_and_not_quoted() {
        let described = |content_type: &[u8]| {
            no_answer(StatusCode::BAD_GATEWAY, content_type, b"abc").detail.into_owned()
        };
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

    #[test]
    fn ids_are_compared_as_values() {
        assert!(same_id(&raw(r#""a""#), &raw(r#""\u0061""#)));
        assert!(!same_id(&raw("1"), &raw(r#""1""#)));
        assert!(same_id(&raw("12345678901234567890123"), &raw("12345678901234567890123")));
    }
}
