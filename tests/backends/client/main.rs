//! The client of the official Rust SDK, as `tests/clients` drives it: does one
//! step after the other and prints what came of each, `{"ok": …}` or
//! `{"error": …}`, as one line of JSON. The same steps as in
//! `tests/clients/drivers/steps.mjs`.
//!
//! `MCP_URL`, `MCP_TOKEN`, `MCP_MODE` (`initialize` or `auto`), `MCP_TAG`,
//! `MCP_OBSERVED`.
#![expect(deprecated, reason = "clients still offer what 2026-07-28 deprecates: sampling")]

mod handler;
mod observed;
mod steps;

use rmcp::service::ClientServiceExt as _;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Map, Value, json};

use crate::handler::{Handler, lifecycle};

/// What the environment says.
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let config = StreamableHttpClientTransportConfig::with_uri(told("MCP_URL"))
        .auth_header(told("MCP_TOKEN"));
    let transport = StreamableHttpClientTransport::from_config(config);
    let handler = Handler::default();
    let progress = handler.progress();
    let mut report = Map::new();
    match handler.serve_with_lifecycle(transport, lifecycle(&told("MCP_MODE"))).await {
        Ok(client) => {
            let server = client.peer_info();
            let server = server.map_or(Value::Null, |server| json!(*server));
            report.insert("connect".to_owned(), json!({ "ok": steps::introduced(&server) }));
            steps::run(&client, &progress, &mut report).await;
            // The report stands, however the connection ends.
            let _ = client.cancel().await;
        }
        Err(error) => {
            report.insert("connect".to_owned(), json!({ "error": error.to_string() }));
        }
    }
    println!("{}", Value::Object(report));
}
