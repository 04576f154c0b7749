//! The smallest proxy that actix-web and awc allow: it reads a body, posts it
//! on, and answers with what comes back. It checks, counts and records nothing,
//! so it shows how near to nginx a gateway made of these two can come.
//!
//! `minimal_proxy ADDRESS BACKEND`, e.g.
//! `minimal_proxy 127.0.0.1:9001 http://127.0.0.1:9000/mcp`.

use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};

// The gateway's allocator, so that the two differ only in what they do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Backend {
    client: awc::Client,
    url: String,
}

async fn forward(body: Bytes, backend: Data<Backend>) -> HttpResponse {
    let sending =
        backend.client.post(&backend.url).content_type("application/json").send_body(body);
    let Ok(mut reply) = sending.await else {
        return HttpResponse::BadGateway().finish();
    };
    let Ok(body) = reply.body().await else {
        return HttpResponse::BadGateway().finish();
    };
    let mut response = HttpResponse::build(reply.status());
    if let Some(content_type) = reply.headers().get(CONTENT_TYPE) {
        response.insert_header((CONTENT_TYPE, content_type.clone()));
    }
    response.body(body)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:9000/mcp".to_owned());
    HttpServer::new(move || {
        let client = client();
        // Each worker has a client of its own: the closure runs once a worker.
        App::new()
            .app_data(Data::new(Backend { client, url: url.clone() }))
            .route("/mcp", web::post().to(forward))
    })
    .keep_alive(Duration::from_secs(75))
    .tcp_nodelay(true)
    .bind(address)?
    .run()
    .await
}

#[expect(clippy::disallowed_methods, reason = "not the gateway: nothing here needs its guards")]
fn client() -> awc::Client {
    awc::Client::builder()
        .connector(awc::Connector::new().limit(1024))
        .disable_timeout()
        .no_default_headers()
        .finish()
}
