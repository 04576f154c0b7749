//! The calculator service and the kit below it, over real HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(clippy::needless_pass_by_value, reason = "a test writes its JSON in place")]

mod http;
mod process;
mod registry;

mod beyond;
mod contract;
mod eras;
mod kit;
mod life;
mod oracle;
mod refusals;
mod vectors;
