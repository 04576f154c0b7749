//! Clients and backends that do not speak the same era, at the level of
//! messages: what `tests/clients` cannot make its clients do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail the test, and calls read like prose"
)]

mod ascending;
#[path = "../streams/client.rs"]
#[expect(dead_code, reason = "shared with tests/streams, which needs more of it")]
mod client;
mod descending;
#[path = "../streams/events.rs"]
mod events;
#[path = "../streams/http.rs"]
mod http;
mod mirrored;
mod moody;
mod news;
mod probing;
#[path = "../product/mod.rs"]
mod product;
#[path = "../streams/stack.rs"]
#[expect(dead_code, reason = "shared with tests/streams, which needs more of it")]
mod stack;
#[path = "../streams/watch.rs"]
mod watch;
mod world;
