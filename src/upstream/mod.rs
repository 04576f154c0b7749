//! The only place that talks to backends.

mod failure;
mod reply;

use std::time::Duration;

use awc::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};

pub(crate) use reply::Reply;

use crate::audit::Recorded;
use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::outbound;
use crate::protocol::call::Call;
use crate::protocol::headers;
use crate::protocol::revision::Era;
use crate::quota::Admission;
use crate::registry::Target;
use crate::settings::UpstreamSettings;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const TOOLS_CALL: HeaderValue = HeaderValue::from_static("tools/call");
const GATEWAY_AUTH: HeaderName = HeaderName::from_static(headers::GATEWAY_AUTH);
const USER_ID: HeaderName = HeaderName::from_static(headers::USER_ID);
const REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(headers::PROTOCOL_VERSION);
const METHOD: HeaderName = HeaderName::from_static(headers::METHOD);
const NAME: HeaderName = HeaderName::from_static(headers::NAME);
const TRACEPARENT: HeaderName = HeaderName::from_static(headers::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(headers::TRACESTATE);

/// The road to the backends. Shared by all workers; what belongs to a thread
/// comes in with each call.
pub(crate) struct Upstream {
    /// Proves to backends that the gateway is calling. Without it nothing is
    /// forwarded.
    secret: Option<HeaderValue>,
    max_reply_bytes: usize,
    connect_timeout: Duration,
    connections: usize,
    clock: Clock,
}

/// What accompanies a call next to its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trail<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) tracestate: Option<&'a str>,
}

impl Upstream {
    /// Builds the room from its settings.
    pub(crate) fn new(settings: &UpstreamSettings, clock: Clock) -> Self {
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

    /// Sends a recorded call to its backend and waits for the answer. Takes
    /// nothing but a [`Recorded`] call, so nothing is sent that was not
    /// authenticated, allowed, admitted and written down.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`], [`Reason::BackendTimeout`],
    /// [`Reason::BackendError`], [`Reason::ReplyTooLarge`].
    pub(crate) async fn forward(
        &self,
        client: &awc::Client,
        recorded: &Recorded<Admission<'_>>,
        trail: Trail<'_>,
    ) -> Result<Reply, Refusal> {
        let target = recorded.as_ref().permit().target();
        let started = self.clock.monotonic();
        let exchange = self.exchange(client, target, trail);
        let mut reply = tokio::time::timeout(target.subject().timeout, exchange)
            .await
            .map_err(|_| Refusal::new(Reason::BackendTimeout, "no complete answer in time"))??;
        reply.took = self.clock.monotonic().saturating_sub(started);
        Ok(reply)
    }

    async fn exchange(
        &self,
        client: &awc::Client,
        target: &Target<'_>,
        trail: Trail<'_>,
    ) -> Result<Reply, Refusal> {
        let call = target.call();
        let request = self.request(client, target, trail)?;
        let response =
            request.send_body(call.message.clone()).await.map_err(|error| failure::of(&error))?;
        reply::read(response, call.id, call.era, self.max_reply_bytes).await
    }

    /// Headers are made from a list of the gateway's own: nothing a client
    /// sends crosses by default, its token least of all.
    fn request(
        &self,
        client: &awc::Client,
        target: &Target<'_>,
        trail: Trail<'_>,
    ) -> Result<awc::ClientRequest, Refusal> {
        let Some(secret) = &self.secret else {
            return Err(Refusal::new(Reason::BackendError, "no shared secret is configured"));
        };
        let call = target.call();
        let user = HeaderValue::from_bytes(target.caller().user_id().as_bytes())
            .map_err(|_| Refusal::new(Reason::BackendError, "the user id fits no header"))?;
        let mut request = client
            .post(target.subject().backend.url.clone())
            .no_decompress()
            .insert_header((CONTENT_TYPE, JSON))
            .insert_header((ACCEPT, EITHER))
            .insert_header((GATEWAY_AUTH, secret.clone()))
            .insert_header((USER_ID, user))
            .insert_header((PROTOCOL_VERSION, HeaderValue::from_static(call.revision)));
        for (name, value) in [
            (REQUEST_ID, Some(trail.request_id)),
            (TRACEPARENT, trail.traceparent),
            (TRACESTATE, trail.tracestate),
        ] {
            if let Some(value) = value.and_then(|text| HeaderValue::from_str(text).ok()) {
                request = request.insert_header((name, value));
            }
        }
        Ok(match call.era {
            Era::Legacy => request,
            Era::Modern => mirror(request, call),
        })
    }
}

/// Adds the headers that a modern message must be mirrored in.
fn mirror(mut request: awc::ClientRequest, call: &Call<'_>) -> awc::ClientRequest {
    request = request.insert_header((METHOD, TOOLS_CALL));
    if let Ok(name) = HeaderValue::from_str(&headers::encode_mirrored(&call.name)) {
        request = request.insert_header((NAME, name));
    }
    for (name, value) in &call.mirrored {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            request = request.append_header((name, value));
        }
    }
    request
}
