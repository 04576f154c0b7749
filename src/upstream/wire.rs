//! HTTP to backends: requests whose headers are all the gateway's own, and
//! what comes back.

use std::pin::Pin;
use std::time::Duration;

use awc::error::PayloadError;
use awc::http::Method;
use awc::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::Stream;

use super::events::Events;
use super::told;
use super::turn::{Answered, Turn};
use super::{Trail, Upstream, failure};
use crate::error::{Reason, Refusal};
use crate::protocol::accept::{is_event_stream, is_json};
use crate::protocol::headers;
use crate::protocol::raw::{self, Object};
use crate::protocol::revision::Era;
use crate::registry::Backend;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const GATEWAY_AUTH: HeaderName = HeaderName::from_static(headers::GATEWAY_AUTH);
const USER_ID: HeaderName = HeaderName::from_static(headers::USER_ID);
const REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(headers::PROTOCOL_VERSION);
const SESSION_ID: HeaderName = HeaderName::from_static(headers::SESSION_ID);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(headers::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(headers::TRACESTATE);

/// Longest session id taken from a backend, in bytes.
const LONGEST_SESSION: usize = 512;

/// A body as it arrives.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// The envelope of a message to a backend.
#[derive(Clone)]
pub(super) struct Letter<'a> {
    pub(super) to: &'a Backend,
    /// On whose behalf.
    pub(super) user: &'a str,
    pub(super) trail: Trail<'a>,
    /// The revision the message speaks; none on `initialize`.
    pub(super) revision: Option<&'a str>,
    /// The backend's own session, legacy only.
    pub(super) session: Option<&'a str>,
    /// Headers that mirror the body, modern only.
    pub(super) mirrored: Vec<(HeaderName, HeaderValue)>,
}

/// What shape a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    Events,
    Other,
}

/// An answer as it is passed on.
pub(super) enum Told {
    /// In one piece, turned.
    Whole { status: u16, message: Bytes, is_error: bool },
    /// Event by event.
    Events(Box<Events>),
}

/// An error that refuses a message as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AtTheDoor {
    pub(super) code: i64,
    /// It names no id: the backend has not read the message. With an id the
    /// error can be an answer like any other.
    pub(super) unread: bool,
}

/// An answer whose body is still to come.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) shape: Shape,
    /// The session the backend names.
    pub(super) session: Option<String>,
    /// The media type, for the operator.
    pub(super) media_type: Vec<u8>,
    body: Chunks,
}

/// What comes within that time.
///
/// # Errors
/// Its own, and [`Reason::BackendTimeout`].
pub(super) async fn in_time<T>(
    most: Duration,
    what: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let late = |_| Refusal::new(Reason::BackendTimeout, "the backend does not answer in time");
    tokio::time::timeout(most, what).await.map_err(late)?
}

impl Upstream {
    /// Posts a message.
    pub(super) async fn post(
        &self,
        client: &awc::Client,
        letter: Letter<'_>,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        let request = self
            .request(client, Method::POST, letter)?
            .insert_header((CONTENT_TYPE, JSON))
            .insert_header((ACCEPT, EITHER));
        Ok(Response::of(request.send_body(body).await.map_err(|error| failure::of(&error))?))
    }

    /// Opens the stream of a legacy session, or goes on with one.
    pub(super) async fn get(
        &self,
        client: &awc::Client,
        letter: Letter<'_>,
        last_event_id: Option<&str>,
    ) -> Result<Response, Refusal> {
        let mut request =
            self.request(client, Method::GET, letter)?.insert_header((ACCEPT, EVENTS));
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request = request.insert_header((LAST_EVENT_ID, id));
        }
        Ok(Response::of(request.send().await.map_err(|error| failure::of(&error))?))
    }

    /// Ends a legacy session. Returns the status.
    pub(super) async fn delete(
        &self,
        client: &awc::Client,
        letter: Letter<'_>,
    ) -> Result<u16, Refusal> {
        let request = self.request(client, Method::DELETE, letter)?;
        let response = request.send().await.map_err(|error| failure::of(&error))?;
        Ok(response.status().as_u16())
    }

    /// Headers are made from a list of the gateway's own: nothing a client
    /// sends crosses by default, its token least of all.
    fn request(
        &self,
        client: &awc::Client,
        method: Method,
        letter: Letter<'_>,
    ) -> Result<awc::ClientRequest, Refusal> {
        let Some(secret) = &self.secret else {
            return Err(Refusal::new(Reason::BackendError, "no shared secret is configured"));
        };
        let user = HeaderValue::from_bytes(letter.user.as_bytes())
            .map_err(|_| Refusal::new(Reason::BackendError, "the user id fits no header"))?;
        let mut request = client
            .request(method, letter.to.url.clone())
            .no_decompress()
            .insert_header((GATEWAY_AUTH, secret.clone()))
            .insert_header((USER_ID, user));
        for (name, value) in [
            (PROTOCOL_VERSION, letter.revision),
            (SESSION_ID, letter.session),
            (REQUEST_ID, Some(letter.trail.request_id)),
            (TRACEPARENT, letter.trail.traceparent),
            (TRACESTATE, letter.trail.tracestate),
        ] {
            if let Some(value) = value.and_then(|text| HeaderValue::from_str(text).ok()) {
                request = request.insert_header((name, value));
            }
        }
        for header in letter.mirrored {
            request = request.append_header(header);
        }
        Ok(request)
    }
}

impl Response {
    fn of<S>(response: awc::ClientResponse<S>) -> Self
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
    {
        let media_type = response.headers().get(CONTENT_TYPE);
        let text = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let shape = if is_json(text) {
            Shape::Json
        } else if is_event_stream(text) {
            Shape::Events
        } else {
            Shape::Other
        };
        let session = response.headers().get(headers::SESSION_ID);
        Self {
            status: response.status().as_u16(),
            shape,
            session: session
                .and_then(|value| value.to_str().ok())
                .filter(|id| !id.is_empty() && id.len() <= LONGEST_SESSION)
                .map(ToOwned::to_owned),
            media_type: media_type.map(|value| value.as_bytes().to_vec()).unwrap_or_default(),
            body: Box::pin(response),
        }
    }

    /// The whole body, at most `limit` bytes.
    pub(super) async fn whole(&mut self, limit: usize) -> Result<Bytes, Refusal> {
        use futures_util::StreamExt as _;
        let mut first = Bytes::new();
        let mut joined = bytes::BytesMut::new();
        while let Some(chunk) = self.body.next().await {
            let chunk = chunk.map_err(|error| failure::broken(&error))?;
            if first.len() + joined.len() + chunk.len() > limit {
                return Err(failure::too_large(limit));
            }
            if first.is_empty() && joined.is_empty() {
                first = chunk;
                continue;
            }
            if !first.is_empty() {
                joined.extend_from_slice(&std::mem::take(&mut first));
            }
            joined.extend_from_slice(&chunk);
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    /// The error with which the backend refuses the message as such, by HTTP
    /// status 400; the body stays to be read.
    ///
    /// # Errors
    /// As the body cannot be read.
    pub(super) async fn refusal(&mut self, limit: usize) -> Result<Option<AtTheDoor>, Refusal> {
        if self.status != 400 || self.shape != Shape::Json {
            return Ok(None);
        }
        let text = self.whole(limit).await?;
        self.body = Box::pin(futures_util::stream::iter([Ok(text.clone())]));
        let Ok(message) = raw::value(&text).and_then(Object::read) else { return Ok(None) };
        let code = message.get("error").ok().flatten().and_then(told::code);
        let unread = message.get("id").is_ok_and(|id| id.is_none_or(|id| id.get() == "null"));
        Ok(code.map(|code| AtTheDoor { code, unread }))
    }

    /// Reads an answer as far as it must be known how to pass it on.
    ///
    /// # Errors
    /// [`Reason::BackendError`] when it is no answer.
    pub(super) async fn told(mut self, limit: usize, turn: &Turn) -> Result<Told, Refusal> {
        let status = self.status;
        if status == 200 && self.shape == Shape::Events {
            return Ok(Told::Events(Box::new(self.events(limit))));
        }
        let message = self.whole(limit).await?;
        // Answers come with 200; modern ones also with 400 and 404, always with
        // a JSON-RPC error that the client needs. Any other status speaks to
        // the gateway: a 401 passed on would send the client to its issuer, a
        // legacy 404 would end its session.
        let expected = match status {
            200 => true,
            400 => self.shape == Shape::Json,
            404 => self.shape == Shape::Json && turn.backend() == Era::Modern,
            _ => false,
        };
        if expected && let Some(Answered { message, is_error, status: own }) = turn.whole(&message)
        {
            return Ok(Told::Whole { status: own.unwrap_or(status), message, is_error });
        }
        Err(failure::no_answer(status, &self.media_type, &message))
    }

    /// The body as events, each at most `limit` bytes.
    pub(super) fn events(self, limit: usize) -> Events {
        Events::new(self.body, limit)
    }
}
