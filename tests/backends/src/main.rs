//! An MCP server on the official Rust SDK that offers everything tests ask
//! for: what the conformance suite calls, and tools of our own.
//!
//! `everything --listen 127.0.0.1:9000 [--era dual|legacy|modern] [--json]`
//! serves MCP at `/mcp`, and at `/observed` what it has seen (see `observed`).
//! With `TOOL_GATEWAY_SHARED_SECRET` it refuses whoever does not show that
//! secret in `X-Gateway-Auth`.
#![expect(
    deprecated,
    reason = "clients still use what 2026-07-28 deprecates: logging, sampling, roots"
)]

mod catalogue;
mod era;
mod everything;
mod front;
mod news;
mod observed;
mod questions;
mod sessions;
mod tasks;
mod tools;

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use tokio::net::TcpListener;

use crate::era::Era;
use crate::everything::Shared;
use crate::front::Front;

/// An MCP server that offers everything tests ask for.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; on loopback only.
    #[arg(long, env = "BACKEND_LISTEN", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Which revisions of the protocol to speak.
    #[arg(long, env = "BACKEND_ERA", value_enum, default_value_t = Era::Dual)]
    era: Era,
    /// Answers requests of 2026-07-28 with JSON where no stream is needed.
    #[arg(long)]
    json: bool,
    /// What callers must show in `X-Gateway-Auth`; nothing, when not given.
    #[arg(long, env = "TOOL_GATEWAY_SHARED_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.listen.ip().is_loopback() {
        return Err(std::io::Error::other("a test backend listens on loopback only"));
    }
    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let shared = Arc::new(Shared::new());
    let front = Front::new(&shared, arguments.era, arguments.json, arguments.secret);
    tokio::select! {
        result = front.serve(listener) => result,
        result = tokio::signal::ctrl_c() => result,
    }
}
