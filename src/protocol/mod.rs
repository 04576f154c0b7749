//! The Model Context Protocol as the gateway needs it: envelopes with raw
//! parameters, methods, headers, revisions, codes and the lines of an event
//! stream. Pure: no I/O, no clock, no web framework.

pub mod accept;
pub mod call;
pub mod codes;
pub mod headers;
pub mod jsonrpc;
pub mod mcp;
mod params;
pub mod revision;
pub mod sse;
