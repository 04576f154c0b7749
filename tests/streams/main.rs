//! What the conformance suite does not notice: streams, sessions and
//! cancellation, through nginx and two replicas of the gateway that know
//! nothing of each other but what PostgreSQL and Redis tell them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail the test, and calls read like prose"
)]

mod audit;
mod bytes;
mod cancellation;
mod client;
mod events;
mod fidelity;
mod http;
mod ids;
mod keep_alive;
mod limits;
mod listening;
mod oldest;
#[path = "../product/mod.rs"]
mod product;
mod questions;
mod resuming;
mod scripted;
mod sessions;
mod several;
mod stack;
mod streaming;
mod tasks;
mod watch;
mod world;
