//! The only place that talks to backends.

mod annotated;
mod ascend;
mod bound;
mod definitions;
mod descend;
mod down;
mod events;
mod exchange;
mod failure;
mod flight;
mod flow;
mod in_session;
mod linger;
mod lodging;
mod mirror;
mod news;
mod nonce;
mod peer;
mod pool;
mod questions;
mod recall;
mod rename;
mod resume;
mod rounds;
mod schemas;
mod seat;
mod subscription;
mod told;
mod turn;
mod wire;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use dashmap::DashMap;
use serde_json::value::RawValue;

pub(crate) use exchange::{Ask, Reply, Whole, id_in};
pub(crate) use flow::{Flow, Piece};
pub(crate) use lodging::Subscriber;
pub(crate) use news::Permits;
pub(crate) use peer::{Introduction, Presented};
pub(crate) use seat::{Berth, Seated};

use crate::audit::Recorded;
use crate::clock::Clock;
use crate::error::Refusal;
use crate::outbound;
use crate::protocol::mcp::Method;
use crate::protocol::raw;
use crate::quota::Admission;
use crate::session::{Opened, Sessions, Uid};
use crate::settings::UpstreamSettings;
use flight::Flights;
use peer::Peers;
use pool::Pool;
use questions::Questions;
use schemas::Schemas;
use subscription::Watches;

/// The road to the backends. Shared by all workers; what belongs to a thread
/// comes in with each call.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Proves to backends that the gateway is calling. Without it nothing is
    /// forwarded.
    secret: Option<HeaderValue>,
    max_reply_bytes: usize,
    connect_timeout: Duration,
    connections: usize,
    clock: Clock,
    peers: Peers,
    pool: Pool,
    flights: Flights,
    questions: Questions,
    schemas: Schemas,
    watches: Watches,
    sessions: Arc<Sessions>,
    /// What legacy clients of modern backends want logged, by session.
    levels: DashMap<Uid, Box<str>>,
    /// The gateway's name and version.
    server_info: Box<RawValue>,
}

/// What accompanies a message to a backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trail<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) tracestate: Option<&'a str>,
}

impl Trail<'static> {
    /// Of messages that no client's request stands behind.
    pub(crate) const INTERNAL: Self =
        Self { request_id: "scopegate", traceparent: None, tracestate: None };
}

impl Upstream {
    /// Builds the room from its settings.
    pub(crate) fn new(
        settings: &UpstreamSettings,
        server_info: Box<RawValue>,
        sessions: Arc<Sessions>,
        clock: Clock,
    ) -> Self {
        let secret = settings.shared_secret.as_ref().and_then(|secret| {
            let mut value = HeaderValue::from_str(secret.expose()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self {
            secret,
            max_reply_bytes: settings.max_reply_bytes,
            connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
            connections: settings.connections_per_worker,
            clock,
            peers: Peers::default(),
            pool: Pool::default(),
            flights: Flights::default(),
            questions: Questions::default(),
            schemas: Schemas::default(),
            watches: Watches::default(),
            sessions,
            levels: DashMap::new(),
            server_info,
        }
    }

    /// A client for the calling thread.
    pub(crate) fn client(&self) -> awc::Client {
        outbound::client(outbound::Limits {
            connect: self.connect_timeout,
            connections: self.connections,
            keep_alive: Duration::from_mins(1),
        })
    }

    /// Sends a recorded call to its backend and waits for its answer to begin.
    /// Takes nothing but a [`Recorded`] call, so nothing is called that was
    /// not authenticated, allowed, admitted and written down.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`], [`Reason::BackendTimeout`],
    /// [`Reason::BackendError`], [`Reason::ReplyTooLarge`],
    /// [`Reason::UnknownSession`], [`Reason::Cancelled`],
    /// [`Reason::HeaderMismatch`].
    ///
    /// [`Reason::BackendUnavailable`]: crate::error::Reason::BackendUnavailable
    /// [`Reason::BackendTimeout`]: crate::error::Reason::BackendTimeout
    /// [`Reason::BackendError`]: crate::error::Reason::BackendError
    /// [`Reason::ReplyTooLarge`]: crate::error::Reason::ReplyTooLarge
    /// [`Reason::UnknownSession`]: crate::error::Reason::UnknownSession
    /// [`Reason::Cancelled`]: crate::error::Reason::Cancelled
    /// [`Reason::HeaderMismatch`]: crate::error::Reason::HeaderMismatch
    pub(crate) async fn forward(
        self: &Arc<Self>,
        client: &awc::Client,
        recorded: &Recorded<Admission<'_>>,
        seat: Option<&Arc<Opened>>,
        streams: bool,
        trail: Trail<'_>,
    ) -> Result<Reply, Refusal> {
        let permit = recorded.as_ref().permit();
        let target = permit.target();
        let (subject, call) = (target.subject(), target.call());
        let said = permit.redacted_message().unwrap_or(&call.message);
        let renamed;
        let (message, id) = if subject.inner != subject.name {
            renamed =
                rename::renamed(said, call.method, &subject.inner).map_err(exchange::unfit)?;
            (&renamed, id_in(&renamed)?)
        } else if permit.redacted_message().is_some() {
            (said, id_in(said)?)
        } else {
            (said, call.id)
        };
        let mut ask = Ask {
            backend: &subject.backend,
            place: subject.backend_index,
            caller: target.caller(),
            seat,
            era: call.era,
            revision: call.revision,
            id,
            method: call.method.name().unwrap_or_default(),
            name: Some(&*subject.inner),
            message: message.clone(),
            mirrored: &call.mirrored,
            timeout: subject.timeout,
            idle: Some(subject.timeout),
            streams,
            trail,
        };
        if call.method == Method::ToolsCall {
            self.check_mirrored(client, &ask, subject.tool.as_deref(), call.arguments).await?;
        }
        let told;
        if permit.redacted_message().is_some() && !call.mirrored.is_empty() {
            // The headers must not tell what the body hides.
            let body = raw::value(message).map_err(exchange::unfit)?;
            told = self.annotated(client, &ask, body).await?;
            ask.mirrored = &told;
        }
        self.exchange(client, ask).await
    }

    /// The level of log messages a legacy client wants of modern backends.
    pub(crate) fn set_level(&self, seat: Uid, level: &str) {
        self.levels.insert(seat, level.into());
    }

    fn level(&self, seat: Uid) -> Option<Box<str>> {
        self.levels.get(&seat).map(|level| level.clone())
    }

    /// Asks a backend for what changes nothing and names nothing, such as a
    /// list: what comes back is the policy's to judge.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub(crate) async fn consult(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: Ask<'_>,
    ) -> Result<Reply, Refusal> {
        let (backend, method) = (ask.backend, ask.method);
        let reply = self.exchange(client, ask).await?;
        if method != "tools/list" {
            return Ok(reply);
        }
        let whole = reply.whole().await?;
        self.overhear_tools(backend, &whole.message);
        Ok(Reply::Whole(whole))
    }
}

/// No `Mcp-Param-*` header.
pub(crate) const UNMIRRORED: &[(Cow<'static, str>, Cow<'static, str>)] = &[];
