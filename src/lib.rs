//! Scopegate, an MCP gateway: the rooms, in the order a call meets them.

pub mod app;
mod audit;
mod authn;
pub mod cli;
pub mod clock;
mod error;
mod gateway;
mod handshake;
mod inbound;
mod ingress;
mod invocation;
pub mod lifecycle;
mod outbound;
mod pipeline;
mod policy;
pub mod protocol;
mod quota;
mod registry;
pub mod secret;
mod session;
pub mod settings;
mod store;
pub mod telemetry;
pub mod toolkit;
mod translate;
mod upstream;
