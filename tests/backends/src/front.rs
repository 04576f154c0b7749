//! The HTTP side: what is asked of a request before the SDK sees it, and what
//! is remembered of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_service::Service as _;

use crate::era::Era;
use crate::everything::{Everything, Shared};
use crate::observed::{Observed, Open};
use crate::sessions::Sessions;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Takes in requests.
#[derive(Clone)]
pub(crate) struct Front {
    service: StreamableHttpService<Everything, Sessions>,
    observed: Observed,
    era: Era,
    secret: Option<String>,
}

impl Front {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        era: Era,
        json_response: bool,
        secret: Option<String>,
    ) -> Self {
        let mut config = StreamableHttpServerConfig::default();
        config.legacy_session_mode = era != Era::Modern;
        config.json_response = json_response;
        let observed = shared.observed.clone();
        let shared = Arc::clone(shared);
        let service = StreamableHttpService::new(
            move || Ok(Everything::new(Arc::clone(&shared), era)),
            Arc::new(Sessions::default()),
            config,
        );
        Self { service, observed, era, secret }
    }

    /// Serves until the listener fails.
    pub(crate) async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let front = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let front = front.clone();
                    async move { Ok::<_, Infallible>(front.answer(request).await) }
                });
                // Clients leave when they like.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(mut self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/observed") => return told(StatusCode::OK, &self.observed.report()),
            (_, "/mcp") => {}
            _ => return told(StatusCode::NOT_FOUND, &json!({ "error": "not_found" })),
        }
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return told(StatusCode::BAD_REQUEST, &json!({ "error": "no whole body" }));
        };
        let body = body.to_bytes();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let open = self.observed.exchange(head.method.as_str(), &message, &head.headers);
        let shown = head.headers.get("x-gateway-auth").map(http::HeaderValue::as_bytes);
        let answer =
            if self.secret.as_deref().is_some_and(|secret| shown != Some(secret.as_bytes())) {
                told(StatusCode::UNAUTHORIZED, &json!({ "error": "not the gateway" }))
            } else if let Some((status, message)) = self.era.refusal(&head, &message) {
                told(status, &message)
            } else {
                let Ok(answer) =
                    self.service.call(Request::from_parts(head, Full::new(body))).await;
                answer
            };
        open.answered(answer.status(), answer.headers());
        answer.map(|body| Watched { body, open }.boxed())
    }
}

fn told(status: StatusCode, message: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(message.to_string())).boxed());
    *answer.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// A body whose end is remembered.
struct Watched {
    body: BoxBody<Bytes, Infallible>,
    open: Open,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // One of known length is not asked again after its last frame.
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.open.complete();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
