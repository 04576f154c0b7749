//! Reading a body in bounds of size and time.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;

use super::answer::plain_error;
use super::service::Service;
use crate::protocol::accept;

/// How much of a body that is too large is still taken from the wire, so
/// that the client gets to read the answer, in bytes.
const DRAIN_BYTES: usize = 8 * 1024 * 1024;

/// Reads a JSON body within the service's limits.
///
/// # Errors
/// The response to give: 415 for another content type, 413 for a body over
/// the limit, 408 for one that does not arrive in time, 400 for a broken one.
pub async fn read(
    service: &Service,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<Bytes, HttpResponse> {
    if !is_json(request.headers()) {
        drain(service, payload).await;
        return Err(plain_error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content type must be application/json",
        ));
    }
    let limit = service.limits().max_body_bytes;
    if declared(request.headers()).is_some_and(|length| length > limit) {
        drain(service, payload).await;
        return Err(too_large());
    }
    let reading = collect(payload, limit);
    match tokio::time::timeout(service.limits().body_timeout, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(Stopped::TooLarge)) => {
            drain(service, payload).await;
            Err(too_large())
        }
        Ok(Err(Stopped::Broken)) => {
            Err(plain_error(StatusCode::BAD_REQUEST, "request body cannot be read"))
        }
        Err(_) => Err(plain_error(StatusCode::REQUEST_TIMEOUT, "timeout")),
    }
}

/// Reads at most `limit` bytes, in its time; nothing when there are more.
pub(super) async fn peek(service: &Service, payload: &mut Payload, limit: usize) -> Option<Bytes> {
    let reading = collect(payload, limit);
    let body = tokio::time::timeout(service.limits().body_timeout, reading).await.ok()?.ok();
    if body.is_none() {
        drain(service, payload).await;
    }
    body
}

enum Stopped {
    TooLarge,
    Broken,
}

async fn collect(payload: &mut Payload, limit: usize) -> Result<Bytes, Stopped> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Stopped::Broken)?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Stopped::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Throws away what is left of a body, in bounds.
async fn drain(service: &Service, payload: &mut Payload) {
    let draining = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(chunk)) = payload.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it ends by itself or by the clock, the answer is the same.
    let _ = tokio::time::timeout(service.limits().body_timeout, draining).await;
}

fn too_large() -> HttpResponse {
    plain_error(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(accept::is_json)
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
