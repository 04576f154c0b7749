//! Scopegate, an MCP gateway: the rooms, in the order a call meets them.

pub mod app;
mod audit;
mod authn;
pub mod bridge;
pub mod cli;
pub mod clock;
mod error;
pub mod files;
mod gateway;
mod generation;
mod handshake;
mod inbound;
mod ingress;
mod invocation;
pub mod lifecycle;
mod outbound;
mod pins;
mod pipeline;
mod policy;
pub mod protocol;
mod quota;
mod redis_link;
mod registry;
mod reload;
mod review;
pub mod secret;
mod session;
pub mod settings;
mod store;
pub mod telemetry;
pub mod toolkit;
mod trail;
mod translate;
mod upstream;

/// Tests that measure costs do so with the allocator of the program.
#[cfg(all(test, not(debug_assertions)))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
