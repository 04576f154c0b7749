//! The gateway's protocol room, compiled alone: it is pure and imports no
//! other room, so that the targets build in seconds.

#[path = "../../../src/protocol/mod.rs"]
pub mod protocol;
