//! The Model Context Protocol as the gateway needs it: envelopes with raw
//! parameters, methods, headers, revisions, codes, event streams, and edits on
//! raw JSON. Pure: no I/O, no clock, no web framework.

pub mod accept;
pub mod call;
pub mod codes;
pub mod complete;
pub mod headers;
pub mod ids;
pub mod json_path;
pub mod jsonrpc;
pub mod mask;
pub mod mcp;
pub mod mirror;
pub mod number;
mod params;
pub mod raw;
pub mod revision;
pub mod splice;
pub mod sse;
