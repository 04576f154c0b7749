//! Scopegate, an MCP gateway: the rooms, in the order a call meets them.

pub mod clock;
pub mod error;
pub mod outbound;
pub mod protocol;
pub mod secret;
pub mod settings;
