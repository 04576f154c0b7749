//! The span around every request.
//!
//! Its fields are a contract with whoever reads the logs: `request_id`,
//! `method`, `path` (without the query, which may hold a token), `client_ip`
//! and `status`. No header is ever a field.

use std::net::IpAddr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use tracing::Span;
use tracing::field::{self, Empty};
use tracing_actix_web::RootSpanBuilder;
use uuid::Uuid;

/// Longest path shown, in bytes.
const LONGEST_PATH: usize = 256;

/// Longest request id taken over from a request, in bytes.
const LONGEST_REQUEST_ID: usize = 128;

/// The id of a request: the one it brings in `X-Request-ID`, if that is short
/// and visible ASCII, else the one that was made when it arrived. The same
/// for the span, the audit trail and the backend.
#[must_use]
pub fn request_id(request: &impl HttpMessage) -> String {
    let brought = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if let Some(id) = brought.filter(fits) {
        return id.to_owned();
    }
    let made = request.extensions().get::<tracing_actix_web::RequestId>().copied();
    made.map_or_else(|| Uuid::now_v7().to_string(), |id| id.to_string())
}

/// Notes in the current span where the request really came from.
pub fn client_ip(address: IpAddr) {
    Span::current().record("client_ip", field::display(address));
}

/// Builds the span; for `tracing_actix_web::TracingLogger`.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        // For looking closely. At the usual level there is no span, and none of
        // this is evaluated: the line about a call is the audit trail's and
        // has all of it, and a span costs each call as much as that line.
        tracing::debug_span!(
            "request",
            request_id = request_id(request),
            method = request.method().as_str(),
            path = shown_path(request.path()),
            client_ip = Empty,
            status = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
        // The line about a call is the pipeline's; this one is for looking
        // closely, and for faults that never reached the pipeline.
        if outcome.is_err() || status.is_server_error() {
            let request = outcome.as_ref().ok().map(ServiceResponse::request);
            tracing::warn!(
                parent: &span,
                request_id = request.map(request_id),
                path = request.map(|request| shown_path(request.path())),
                status = status.as_u16(),
                "request failed"
            );
        } else {
            tracing::debug!(parent: &span, "request finished");
        }
    }
}

/// As much of a path as is shown.
fn shown_path(path: &str) -> &str {
    &path[..path.floor_char_boundary(LONGEST_PATH)]
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use actix_web::{HttpResponse, error};

    use super::super::json::tests::lines;
    use super::*;

    fn request() -> TestRequest {
        TestRequest::post()
            .uri("/calculator/mcp?access_token=hunter2")
            .insert_header(("Authorization", "Bearer hunter2"))
            .peer_addr("127.0.0.9:1".parse().unwrap())
    }

    fn answered(request: ServiceRequest, status: StatusCode) {
        let span = RequestSpan::on_request_start(&request);
        RequestSpan::on_request_end(span, &Ok(request.into_response(HttpResponse::new(status))));
    }

    #[test]
    fn the_span_shows_the_request_but_no_query_and_no_header() {
        let lines = lines(|| {
            let request = request().insert_header(("X-Request-ID", "req-1")).to_srv_request();
            let span = RequestSpan::on_request_start(&request);
            span.in_scope(|| client_ip("192.0.2.7".parse().unwrap()));
            let response = request.into_response(HttpResponse::new(StatusCode::OK));
            RequestSpan::on_request_end(span, &Ok(response));
        });
        assert_eq!(
            lines[0]["request"],
            serde_json::json!({
                "request_id": "req-1",
                "method": "POST",
                "path": "/calculator/mcp",
                "client_ip": "192.0.2.7",
                "status": 200,
            })
        );
        assert_eq!(lines[0]["level"], "DEBUG");
        assert!(!format!("{lines:?}").contains("hunter2"));
    }

    #[test]
    fn odd_request_ids_are_replaced() {
        let id = |value: &str| {
            request_id(&TestRequest::get().insert_header(("x-request-id", value)).to_http_request())
        };
        assert_eq!(id("abc-1"), "abc-1");
        for odd in ["", "a b", &"x".repeat(129)] {
            assert_eq!(id(odd).len(), 36, "{odd:?}");
        }
    }

    #[test]
    fn a_failing_answer_is_a_warning() {
        let lines = lines(|| answered(request().to_srv_request(), StatusCode::BAD_GATEWAY));
        assert_eq!(lines[0]["request_id"].as_str().unwrap().len(), 36);
        assert_eq!(
            (lines[0]["path"].as_str(), lines[0]["status"].as_u64()),
            (Some("/calculator/mcp"), Some(502))
        );
        assert_eq!(lines[0]["level"], "WARN");
    }

    #[test]
    fn an_error_has_its_status_and_a_long_path_is_cut() {
        let lines = lines(|| {
            let path = format!("/{}", "x".repeat(5000));
            let request = TestRequest::get().uri(&path).to_srv_request();
            let span = RequestSpan::on_request_start(&request);
            let outcome: Result<ServiceResponse, Error> = Err(error::ErrorImATeapot("tea"));
            RequestSpan::on_request_end(span, &outcome);
        });
        assert_eq!(lines[0]["request"]["status"], 418);
        assert_eq!(lines[0]["request"]["path"].as_str().unwrap().len(), LONGEST_PATH);
    }
}
