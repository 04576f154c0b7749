//! The one door through which every reply leaves: rendered, sealed in the
//! audit trail, counted.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;

use super::render::{self, Rendered};
use super::stream::{self, Start};
use super::{Site, wellknown};
use crate::audit::{Digest, Outcome, Surface};
use crate::authn::challenge;
use crate::error::{Reason, Refusal};
use crate::pipeline::{Answer, Known, Overheard, Walked};
use crate::protocol::{headers, sse};
use crate::quota::retry_after_seconds;
use crate::telemetry::{self, InFlight};

const SESSION_ID: HeaderName = HeaderName::from_static(headers::SESSION_ID);
const JSON: &str = "application/json";
pub(super) const EVENT_STREAM: &str = "text/event-stream";
pub(super) const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a reply needs to know of the request's surroundings.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) surface: Surface,
    /// The path that was asked for.
    pub(super) endpoint: &'a str,
    /// The scope in it, on scoped endpoints.
    pub(super) scope: &'a str,
    pub(super) site: &'a web::Data<Site>,
    /// HTTP methods the path knows, for `Allow`.
    pub(super) allow: &'static str,
}

/// Renders what came of a walk, seals its entry, and makes the response. A
/// stream takes the entry along, and with it the count of calls in progress.
pub(super) async fn respond(
    walked: Walked,
    around: Surroundings<'_>,
    in_flight: Option<InFlight>,
) -> HttpResponse {
    match split(walked, around, in_flight) {
        Came::Stream(start) => {
            let mut head = HttpResponse::Ok();
            quota_headers(&mut head, &start.known);
            stream::response(head, *start)
        }
        Came::Whole(walked) => {
            let Settled { rendered, known, refusal } = settle(walked, around).await;
            finish(rendered, &known, refusal.as_ref(), around)
        }
    }
}

/// What came of a walk.
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made")]
pub(super) enum Came {
    /// A stream, with what it begins with.
    Stream(Box<Start>),
    /// Anything else.
    Whole(Walked),
}

/// What a stream begins with, where that is what came of a walk.
pub(super) fn split(walked: Walked, around: Surroundings<'_>, in_flight: Option<InFlight>) -> Came {
    let Walked { mut known, entry, result } = walked;
    let (pieces, wants_answer, seat) = match result {
        Ok(Answer::Streamed(flow)) => {
            (stream::of_call(flow, known.account.credit.take()), true, None)
        }
        Ok(Answer::Listening(listening)) => (stream::of_listening(listening), true, None),
        Ok(Answer::Overheard(Overheard { flows, changes, seat, at_most, listener })) => {
            let pieces = stream::for_a_time(stream::of_all(flows, changes), at_most);
            (stream::held_by(pieces, listener), false, Some(seat))
        }
        result => return Came::Whole(Walked { known, entry, result }),
    };
    Came::Stream(Box::new(Start {
        pieces,
        seat,
        entry,
        known,
        site: around.site.clone(),
        surface: around.surface,
        endpoint: around.endpoint.into(),
        scope: around.scope.into(),
        wants_answer,
        in_flight,
    }))
}

/// What came of a walk, on record.
pub(super) struct Settled {
    pub(super) rendered: Rendered,
    known: Known,
    /// Why it is not what was asked for.
    pub(super) refusal: Option<Refusal>,
}

/// Renders what came of a walk, seals its entry and counts it.
pub(super) async fn settle(walked: Walked, around: Surroundings<'_>) -> Settled {
    let Walked { known, entry, result } = walked;
    let rendered = match &result {
        Ok(answer) => render::answer(answer, &known, around),
        Err(refusal) => render::refusal(refusal, &known, around),
    };
    let upstream_took = match &result {
        Ok(Answer::Forwarded(reply)) => Some(reply.took),
        Ok(_) | Err(_) => None,
    };
    let outcome = match &result {
        Ok(_) => Outcome {
            is_error: Some(rendered.is_error),
            result_bytes: u64::try_from(rendered.body.len()).ok(),
            result_digest: Some(Digest::of(&rendered.body)),
            upstream_took,
            ..Outcome::done(rendered.status)
        },
        Err(refusal) => Outcome::refused(refusal, rendered.status),
    };
    let sealed = entry.seal(&outcome).await;
    let (rendered, refusal) = match (result, sealed) {
        // A forwarded call has its intent on record and its effect cannot be
        // taken back; a refusal stays one. Anything else that cannot be
        // recorded is not given.
        (Ok(Answer::Forwarded(_)), _) | (Ok(_), Ok(())) => (rendered, None),
        (Err(refusal), _) => (rendered, Some(refusal)),
        (Ok(_), Err(unrecorded)) => {
            (render::refusal(&unrecorded, &known, around), Some(unrecorded))
        }
    };
    let seen = (rendered.status, rendered.is_error);
    count(around.site, around.surface, &known, seen, refusal.as_ref(), upstream_took);
    Settled { rendered, known, refusal }
}

/// A refusal of a path that has no walk.
pub(super) fn refuse(refusal: &Refusal, around: Surroundings<'_>) -> HttpResponse {
    let known = Known::default();
    let rendered = render::refusal(refusal, &known, around);
    let seen = (rendered.status, rendered.is_error);
    count(around.site, around.surface, &known, seen, Some(refusal), None);
    finish(rendered, &known, Some(refusal), around)
}

/// Counts what a client got: its status, and whether it was an error.
pub(super) fn count(
    site: &Site,
    surface: Surface,
    known: &Known,
    (status, is_error): (u16, bool),
    refusal: Option<&Refusal>,
    upstream_took: Option<Duration>,
) {
    let metrics = &site.metrics;
    let surface = match surface {
        Surface::Mcp => telemetry::Surface::Mcp,
        Surface::Rest => telemetry::Surface::Rest,
        Surface::Admin => telemetry::Surface::Admin,
        Surface::Jobs | Surface::Files | Surface::Process | Surface::Other => {
            telemetry::Surface::Other
        }
    };
    metrics.request(surface, status);
    if let Some(refusal) = refusal {
        metrics.refusal(refusal.reason.code());
        if refusal.reason.is_authentication() {
            metrics.auth_failure(refusal.reason.name());
        }
    }
    if let (Some(tool), Some(started)) = (&known.tool, known.started) {
        let outcome = match refusal.map(|refusal| refusal.reason) {
            None if is_error => telemetry::Outcome::ToolError,
            None => telemetry::Outcome::Success,
            Some(Reason::BackendTimeout) => telemetry::Outcome::Timeout,
            Some(Reason::BackendUnavailable | Reason::BackendError | Reason::ReplyTooLarge) => {
                telemetry::Outcome::UpstreamError
            }
            Some(_) => telemetry::Outcome::Refused,
        };
        site.tools.load().call(&tool.scope, &tool.name, outcome);
        metrics.call_took(site.gateway.clock.monotonic().saturating_sub(started));
    }
    if let Some(took) = known.quota_took {
        metrics.quota_decided(took);
    }
    if let Some(took) = upstream_took {
        metrics.upstream_took(took);
    }
}

fn quota_headers(response: &mut HttpResponseBuilder, known: &Known) {
    if let Some(standing) = &known.account.standing {
        for (name, value) in standing.headers() {
            response.insert_header((name, value));
        }
    }
}

fn finish(
    rendered: Rendered,
    known: &Known,
    refusal: Option<&Refusal>,
    around: Surroundings<'_>,
) -> HttpResponse {
    let status = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    quota_headers(&mut response, known);
    if let Some(session) = &rendered.session {
        response.insert_header((SESSION_ID, session.as_str()));
    }
    if let Some(refusal) = refusal {
        if let Some(delay) = refusal.retry_after {
            response.insert_header((RETRY_AFTER, retry_after_seconds(delay)));
        }
        if rendered.status == 401
            && let Some(challenge) =
                challenge(refusal.reason, refusal.public.as_deref(), &wellknown::url_of(around))
        {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if refusal.reason == Reason::MethodNotAllowed {
            response.insert_header((ALLOW, around.allow));
        }
    }
    if rendered.body.is_empty() {
        return response.finish();
    }
    if known.events_only() && rendered.status == 200 {
        response
            .content_type(EVENT_STREAM)
            .insert_header((CACHE_CONTROL, "no-cache, no-transform"))
            .insert_header((ACCEL_BUFFERING, "no"));
        return response.body(Bytes::from(sse::message_event(&rendered.body)));
    }
    response.content_type(JSON).insert_header((CACHE_CONTROL, "no-store")).body(rendered.body)
}
