//! The span around every request.
//!
//! Its fields are a contract with whoever reads the logs: `request_id`,
//! `method`, `path` (without the query, which may hold a token), `client_ip`
//! and `status`. No header is ever a field.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use tracing::Span;
use tracing::field::{self, Empty};
use tracing_actix_web::RootSpanBuilder;

/// Longest path shown, in bytes.
const LONGEST_PATH: usize = 256;

/// The caller's address as the ingress established it; an extension of the
/// request. Without it the address of the connection is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// The id of the request as the ingress established it, already checked to
/// be short and printable; an extension of the request. Without it a fresh
/// UUID is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// Builds the span; for `tracing_actix_web::TracingLogger`.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let extensions = request.extensions();
        let given = extensions.get::<RequestId>().map(|id| &id.0 as &dyn Display);
        let made = extensions.get::<tracing_actix_web::RequestId>().map(|id| id as &dyn Display);
        let client = extensions
            .get::<ClientIp>()
            .map(|client| client.0)
            .or_else(|| request.peer_addr().map(|peer| peer.ip()));
        let path = request.path();
        // Where the level lets no span through, none of this is evaluated.
        tracing::info_span!(
            "request",
            request_id = given.or(made).map(field::display),
            method = request.method().as_str(),
            path = &path[..path.floor_char_boundary(LONGEST_PATH)],
            client_ip = client.map(field::display),
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
            tracing::warn!(parent: &span, "request failed");
        } else {
            tracing::debug!(parent: &span, "request finished");
        }
    }
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
            let request = request().to_srv_request();
            request.extensions_mut().insert(ClientIp("192.0.2.7".parse().unwrap()));
            request.extensions_mut().insert(RequestId("req-1".into()));
            answered(request, StatusCode::OK);
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
    fn without_extensions_the_peer_is_shown() {
        let lines = lines(|| answered(request().to_srv_request(), StatusCode::BAD_GATEWAY));
        assert_eq!(lines[0]["request"]["client_ip"], "127.0.0.9");
        assert_eq!(lines[0]["request"]["request_id"], serde_json::Value::Null);
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
