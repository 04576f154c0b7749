//! The backend of the benchmark: it answers every `tools/call` with the same
//! result under the request's id, and does as little else as it can.
//!
//! `stub_backend ADDRESS`, e.g. `stub_backend 127.0.0.1:9000`. `GET /count`
//! says how many calls it has answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::value::RawValue;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// As much of a request as is needed to answer it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
}

async fn answer(body: Bytes) -> HttpResponse {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    if envelope.method != "tools/call" {
        return HttpResponse::NotFound().finish();
    }
    CALLS.fetch_add(1, Ordering::Relaxed);
    let id = envelope.id.get();
    HttpResponse::Ok().content_type(ContentType::json()).body(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"3.5"}}],"isError":false}}}}"#
    ))
}

async fn count() -> String {
    CALLS.load(Ordering::Relaxed).to_string()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    HttpServer::new(|| {
        App::new().route("/mcp", web::post().to(answer)).route("/count", web::get().to(count))
    })
    .workers(1)
    .keep_alive(Duration::from_secs(75))
    .tcp_nodelay(true)
    .bind(address)?
    .run()
    .await
}
