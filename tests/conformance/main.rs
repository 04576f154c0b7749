//! The official conformance suite against the test backends: alone, so that a
//! fault of theirs is not taken for one of the gateway's, and through nginx and
//! the gateway. The results stand in `docs/conformance.md`. And against the bundled
//! tools alone, as far as they have what the suite asks for.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod alone;
mod expected;
#[path = "../product/mod.rs"]
mod product;
mod results;
mod stack;
mod suite;
mod through;
mod tools;
