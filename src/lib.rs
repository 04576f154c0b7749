//! Scopegate, an MCP gateway: the rooms, in the order a call meets them.

pub mod authn;
pub mod cli;
pub mod clock;
pub mod error;
pub mod outbound;
pub mod protocol;
#[cfg_attr(not(test), expect(dead_code, reason = "the pipeline is to use it"))]
mod quota;
pub mod secret;
pub mod settings;
pub mod telemetry;
pub mod toolkit;
