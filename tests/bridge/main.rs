//! The stdio bridge as a process: against a server that plays a script, and
//! against the real gateway with the real calculator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod client;
mod clients;
mod faults;
mod framing;
mod gateway;
mod legacy;
mod modern;
mod order;
mod server;
mod streams;
mod tokens;

#[path = "../e2e/http.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which needs more of it")]
mod http;
#[path = "../e2e/leak.rs"]
mod leak;
#[path = "../e2e/recorder.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which needs more of it")]
mod recorder;
#[path = "../e2e/stack.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which needs more of it")]
mod stack;
