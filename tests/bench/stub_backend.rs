//! The backend of the benchmark: it answers every `tools/call` with the same
//! result under the request's id, and does as little else as it can.
//!
//! `stub_backend ADDRESS`, e.g. `stub_backend 127.0.0.1:9000`. `/mcp` speaks
//! both eras and keeps no sessions; two of its tools answer with a stream,
//! `stream_events` and `stream_silence`. `/seated` is a legacy server with
//! sessions and their streams. `GET /count` says how many calls were answered,
//! `GET /open` how many silent streams are open.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpResponse, HttpServer};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;

static CALLS: AtomicU64 = AtomicU64::new(0);
static SESSIONS: AtomicU64 = AtomicU64::new(0);
static OPEN: AtomicU64 = AtomicU64::new(0);

/// Between the first event of `stream_events` and its second.
const DELAY: Duration = Duration::from_millis(10);

const RESULT: &str = r#"{"content":[{"type":"text","text":"3.5"}],"isError":false}"#;
const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"stub","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"stub","version":"1"}}"#;
const NEWS: &str = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"at work\"}}\n\n";

/// As much of a request as is needed to answer it.
#[derive(Deserialize)]
struct Envelope<'a> {
    /// Notifications have none.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow, default)]
    params: Params<'a>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
}

/// A stream that somebody reads.
struct Listener;

impl Listener {
    fn new() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(body: Bytes) -> HttpResponse {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let Some(id) = envelope.id else { return HttpResponse::Accepted().finish() };
    match (envelope.method, envelope.params.name) {
        ("tools/call", Some("stream_events")) => events(&response(id, RESULT)),
        ("tools/call", Some("stream_silence")) => silence(),
        ("tools/call", _) => {
            CALLS.fetch_add(1, Ordering::Relaxed);
            json(response(id, RESULT))
        }
        ("server/discover", _) => json(response(id, DISCOVERED)),
        ("initialize", _) => json(response(id, INITIALIZED)),
        _ => HttpResponse::NotFound().finish(),
    }
}

/// The legacy server with sessions: any id will do.
async fn seated(body: Bytes) -> HttpResponse {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    match (envelope.id, envelope.method) {
        (None, _) => HttpResponse::Accepted().finish(),
        (Some(id), "initialize") => HttpResponse::Ok()
            .content_type(ContentType::json())
            .insert_header((
                "mcp-session-id",
                format!("bench-{}", SESSIONS.fetch_add(1, Ordering::Relaxed)),
            ))
            .body(response(id, INITIALIZED)),
        (Some(_), "server/discover") => HttpResponse::BadRequest().finish(),
        (Some(id), _) => json(response(id, RESULT)),
    }
}

fn response(id: &RawValue, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn json(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(body)
}

/// An event at once, another one later, and then the answer.
fn events(answer: &str) -> HttpResponse {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let later = stream::once(async {
        actix_web::rt::time::sleep(DELAY).await;
        Bytes::from_static(NEWS.as_bytes())
    });
    let answer = Bytes::from(format!("event: message\ndata: {answer}\n\n"));
    let first = stream::iter([Bytes::from_static(NEWS.as_bytes())]);
    streaming(first.chain(later).chain(stream::iter([answer])))
}

/// One event, and nothing more.
fn silence() -> HttpResponse {
    let listener = Listener::new();
    let first = stream::iter([Bytes::from_static(NEWS.as_bytes())]);
    let rest = stream::once(async move {
        let _listener = listener;
        std::future::pending::<Bytes>().await
    });
    streaming(first.chain(rest))
}

fn streaming(chunks: impl Stream<Item = Bytes> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-cache"))
        // As MCP servers do: nginx would collect events otherwise.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(chunks.map(Ok::<_, Error>))
}

async fn listen() -> HttpResponse {
    silence()
}

async fn leave() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn count() -> String {
    CALLS.load(Ordering::Relaxed).to_string()
}

async fn open() -> String {
    OPEN.load(Ordering::Relaxed).to_string()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    HttpServer::new(|| {
        App::new()
            .route("/mcp", web::post().to(answer))
            .route("/seated", web::post().to(seated))
            .route("/seated", web::get().to(listen))
            .route("/seated", web::delete().to(leave))
            .route("/count", web::get().to(count))
            .route("/open", web::get().to(open))
    })
    .workers(1)
    .keep_alive(Duration::from_secs(75))
    // To notice at once who leaves a silent stream.
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    .bind(address)?
    .run()
    .await
}
