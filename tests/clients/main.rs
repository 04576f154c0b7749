//! Real clients against real backends, through nginx and the gateway with a
//! bearer token: each client does every step it can with each backend, whatever
//! revisions the two speak. What comes of it stands in `docs/clients.md`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod cell;
mod client;
mod matrix;
#[path = "../product/mod.rs"]
mod product;
mod results;
mod run;
mod stack;
