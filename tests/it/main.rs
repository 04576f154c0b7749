//! The gateway from outside: one binary, HTTP only.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a helper that fails a test, and calls that read like prose"
)]

mod harness;

mod access_matrix;
mod audit;
mod audit_reading;
mod authn;
mod bad_input;
mod floods;
mod forward;
mod kill;
mod mcp;
mod pins;
mod policy;
mod quota;
mod quota_calls;
mod quota_crash;
mod reload;
mod rest;
