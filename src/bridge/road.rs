//! The road to the endpoint: one request and its answer's beginning. Here the
//! token is put on and renewed, and here is decided what may be tried again.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use awc::error::{ConnectError, SendRequestError};
use awc::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use awc::http::{Method, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use url::Url;

use super::backoff::Backoff;
use super::events::Body;
use super::fault::Fault;
use super::in_flight::{Stage, Ticket};
use super::token::Keeper;
use crate::clock::Clock;
use crate::protocol::accept::{is_event_stream, is_json};

/// How the bridge calls itself to servers.
pub(super) const USER_AGENT_VALUE: &str = concat!("scopegate-bridge/", env!("CARGO_PKG_VERSION"));

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Headers that go with one message.
pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

/// The road, for one thread.
pub(super) struct Road {
    endpoint: Url,
    client: awc::Client,
    keeper: Rc<Keeper>,
    clock: Clock,
    /// How long to go on trying to connect.
    patience: Duration,
}

/// An answer of which only the head has been read.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// What is sent.
struct Load<'a> {
    method: Method,
    accept: Option<HeaderValue>,
    headers: &'a Headers,
    body: Bytes,
    ticket: Option<Rc<Ticket>>,
}

impl Road {
    pub(super) fn new(
        endpoint: Url,
        client: awc::Client,
        keeper: Rc<Keeper>,
        clock: Clock,
        patience: Duration,
    ) -> Self {
        Self { endpoint, client, keeper, clock, patience }
    }

    /// Posts a message. The ticket, if it belongs to a request, learns how far
    /// the message has come.
    pub(super) async fn post(
        &self,
        headers: &Headers,
        body: Bytes,
        ticket: Option<Rc<Ticket>>,
    ) -> Result<Reply, Fault> {
        self.send(Load { method: Method::POST, accept: Some(EITHER), headers, body, ticket }).await
    }

    /// Asks for an event stream.
    pub(super) async fn get(&self, headers: &Headers) -> Result<Reply, Fault> {
        let (accept, body) = (Some(EVENTS), Bytes::new());
        self.send(Load { method: Method::GET, accept, headers, body, ticket: None }).await
    }

    /// Ends a session.
    pub(super) async fn delete(&self, headers: &Headers) -> Result<Reply, Fault> {
        let body = Bytes::new();
        self.send(Load { method: Method::DELETE, accept: None, headers, body, ticket: None }).await
    }

    /// Sends once. Only what certainly was not executed is sent again: when no
    /// connection came about, and once, with another token, after a 401.
    async fn send(&self, load: Load<'_>) -> Result<Reply, Fault> {
        let bearer = self.keeper.current().await.map_err(Fault::NoToken)?;
        let reply = self.arrive(&load, &bearer).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        drop(reply);
        tracing::info!("the endpoint refused the token; asking for another one");
        load.set_stage(Stage::Waiting);
        let other = self.keeper.instead_of(&bearer).await.map_err(Fault::TokenRefused)?;
        self.arrive(&load, &other).await
    }

    /// Tries until a connection comes about, or patience ends.
    async fn arrive(&self, load: &Load<'_>, bearer: &HeaderValue) -> Result<Reply, Fault> {
        let started = self.clock.monotonic();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let fault = match self.attempt(load, bearer).await {
                Ok(reply) => return Ok(reply),
                Err(fault) => fault,
            };
            let pause = backoff.pause();
            let waited = self.clock.monotonic().saturating_sub(started);
            if !matches!(fault, Fault::Unreachable(_)) || waited + pause > self.patience {
                return Err(fault);
            }
            tracing::debug!("trying again: {fault}");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, load: &Load<'_>, bearer: &HeaderValue) -> Result<Reply, Fault> {
        let mut request = self
            .client
            .request(load.method.clone(), self.endpoint.as_str())
            .no_decompress()
            .insert_header((USER_AGENT, USER_AGENT_VALUE))
            .insert_header((AUTHORIZATION, bearer.clone()));
        if let Some(accept) = &load.accept {
            request = request.insert_header((ACCEPT, accept.clone()));
        }
        for (name, value) in load.headers {
            request = request.append_header((name, value));
        }
        let begun = Rc::new(Cell::new(false));
        let sending = if load.body.is_empty() {
            request.send()
        } else {
            let body = Leaving {
                bytes: Some(load.body.clone()),
                length: load.body.len() as u64,
                begun: Rc::clone(&begun),
                ticket: load.ticket.clone(),
            };
            request.insert_header((CONTENT_TYPE, JSON)).send_body(body)
        };
        let response = sending.await.map_err(|error| load.fault(&error, begun.get()))?;
        load.set_stage(Stage::Sent);
        Ok(Reply {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.map(|piece| piece.map_err(io::Error::other)).boxed_local(),
        })
    }
}

impl Load<'_> {
    fn set_stage(&self, stage: Stage) {
        if let Some(ticket) = &self.ticket {
            ticket.set_stage(stage);
        }
    }

    /// What an attempt without an answer was. A server that hangs up looks like
    /// one that cannot be reached, hence the look at whether anything had left.
    fn fault(&self, error: &SendRequestError, begun: bool) -> Fault {
        let SendRequestError::Connect(why) = error else { return Fault::Broken(said(error)) };
        let hung_up = self.body.is_empty() && matches!(why, ConnectError::Disconnected);
        if begun || hung_up {
            Fault::Broken("the endpoint hung up".to_owned())
        } else {
            Fault::Unreachable(why.to_string())
        }
    }
}

/// What a failed request says; some of its kinds have no words of their own.
fn said(error: &SendRequestError) -> String {
    if let SendRequestError::Send(why) = error {
        why.to_string()
    } else if let SendRequestError::Response(why) = error {
        why.to_string()
    } else {
        error.to_string()
    }
}

impl Reply {
    /// Whether it is one JSON text.
    pub(super) fn is_json(&self) -> bool {
        is_json(self.content_type())
    }

    /// Whether it is an event stream.
    pub(super) fn is_event_stream(&self) -> bool {
        is_event_stream(self.content_type())
    }

    fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Reads the body to its end.
    pub(super) async fn read(mut self, limit: usize) -> Result<Bytes, Fault> {
        let told =
            self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut text = BytesMut::new();
        while let Some(piece) = self.body.next().await {
            let piece = piece.map_err(|error| Fault::Broken(error.to_string()))?;
            if text.len() + piece.len() > limit {
                return Err(Fault::AnswerTooLarge(limit));
            }
            text.extend_from_slice(&piece);
        }
        // The client library takes a connection that broke for the end.
        if told.is_some_and(|told: usize| told > text.len()) {
            return Err(Fault::Broken("the endpoint hung up".to_owned()));
        }
        Ok(text.freeze())
    }
}

/// A body that tells how far it has come.
struct Leaving {
    bytes: Option<Bytes>,
    length: u64,
    begun: Rc<Cell<bool>>,
    ticket: Option<Rc<Ticket>>,
}

impl MessageBody for Leaving {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        this.begun.set(true);
        let bytes = this.bytes.take();
        if let Some(ticket) = &this.ticket {
            ticket.set_stage(if bytes.is_some() { Stage::Leaving } else { Stage::Sent });
        }
        Poll::Ready(bytes.map(Ok))
    }
}
