//! The whole product as real processes: callers, nginx with the shipped
//! template, the gateway, a tool service and an issuer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod advertised;
mod canary;
mod clients;
mod documents;
mod edge;
mod http;
mod leak;
mod leaving;
mod recorder;
mod stack;
mod trail;
