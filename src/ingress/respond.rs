//! The one door through which every reply leaves: rendered, sealed in the
//! audit trail, counted.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use bytes::Bytes;

use super::render::{self, Rendered};
use super::{Site, wellknown};
use crate::audit::{Digest, Outcome, Surface};
use crate::authn::challenge;
use crate::error::{Reason, Refusal};
use crate::pipeline::{Answer, Known, Walked};
use crate::protocol::sse;
use crate::quota::retry_after_seconds;
use crate::telemetry;

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a reply needs to know of the request's surroundings.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) surface: Surface,
    /// The path that was asked for.
    pub(super) endpoint: &'a str,
    /// The scope in it, on scoped endpoints.
    pub(super) scope: &'a str,
    pub(super) site: &'a Site,
    /// HTTP methods the path knows, for `Allow`.
    pub(super) allow: &'static str,
}

/// Renders what came of a walk, seals its entry, and makes the response.
pub(super) async fn respond(walked: Walked, around: Surroundings<'_>) -> HttpResponse {
    let Walked { known, entry, result } = walked;
    let rendered = match &result {
        Ok(answer) => render::answer(answer, &known, around),
        Err(refusal) => render::refusal(refusal, &known, around),
    };
    let upstream_took = match &result {
        Ok(Answer::Forwarded(reply)) => Some(reply.took),
        Ok(Answer::Accepted | Answer::Result(_) | Answer::Tools(..) | Answer::Page(_)) | Err(_) => {
            None
        }
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
    count(around, &known, &rendered, refusal.as_ref(), upstream_took);
    finish(rendered, &known, refusal.as_ref(), around)
}

/// A refusal of a path that has no walk.
pub(super) fn refuse(refusal: &Refusal, around: Surroundings<'_>) -> HttpResponse {
    let known = Known::default();
    let rendered = render::refusal(refusal, &known, around);
    count(around, &known, &rendered, Some(refusal), None);
    finish(rendered, &known, Some(refusal), around)
}

fn count(
    around: Surroundings<'_>,
    known: &Known,
    rendered: &Rendered,
    refusal: Option<&Refusal>,
    upstream_took: Option<Duration>,
) {
    let metrics = &around.site.metrics;
    let surface = match around.surface {
        Surface::Mcp => telemetry::Surface::Mcp,
        Surface::Rest => telemetry::Surface::Rest,
        Surface::Admin => telemetry::Surface::Admin,
        Surface::Jobs | Surface::Files | Surface::Other => telemetry::Surface::Other,
    };
    metrics.request(surface, rendered.status);
    if let Some(refusal) = refusal {
        metrics.refusal(refusal.reason.code());
        if refusal.reason.is_authentication() {
            metrics.auth_failure(refusal.reason.name());
        }
    }
    if let (Some(tool), Some(started)) = (&known.tool, known.started) {
        let outcome = match refusal.map(|refusal| refusal.reason) {
            None if rendered.is_error => telemetry::Outcome::ToolError,
            None => telemetry::Outcome::Success,
            Some(Reason::BackendTimeout) => telemetry::Outcome::Timeout,
            Some(Reason::BackendUnavailable | Reason::BackendError | Reason::ReplyTooLarge) => {
                telemetry::Outcome::UpstreamError
            }
            Some(_) => telemetry::Outcome::Refused,
        };
        around.site.tools.call(&tool.scope, &tool.name, outcome);
        metrics.call_took(around.site.gateway.clock.monotonic().saturating_sub(started));
    }
    if let Some(took) = known.quota_took {
        metrics.quota_decided(took);
    }
    if let Some(took) = upstream_took {
        metrics.upstream_took(took);
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
    if let Some(standing) = &known.standing {
        for (name, value) in standing.headers() {
            response.insert_header((name, value));
        }
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
    if known.events_only && rendered.status == 200 {
        response
            .content_type(EVENT_STREAM)
            .insert_header((CACHE_CONTROL, "no-cache, no-transform"))
            .insert_header((ACCEL_BUFFERING, "no"));
        return response.body(Bytes::from(sse::message_event(&rendered.body)));
    }
    response.content_type(JSON).insert_header((CACHE_CONTROL, "no-store")).body(rendered.body)
}
