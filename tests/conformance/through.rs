//! The suite through nginx and the gateway, with a bearer token: the backends
//! pass alone (see `alone`), so what fails here is the gateway's doing.

use crate::expected::{
    Expected, RUST_2025_THROUGH, RUST_2026_THROUGH, TYPESCRIPT_2025_THROUGH, TYPESCRIPT_2026,
};
use crate::results;
use crate::stack::Stack;
use crate::suite::Report;

fn passes_through(expected: &Expected) {
    let stack = Stack::start(expected.sdk);
    let bearer = format!("Bearer {}", stack.token());
    let report = Report::of(expected.revision, &stack.url(), Some(("Authorization", &bearer)));
    report.assert(expected);
    results::record(expected, "through the gateway", &report);
}

#[test]
fn through_the_gateway_rust_2025() {
    passes_through(&RUST_2025_THROUGH);
}

#[test]
fn through_the_gateway_rust_2026() {
    passes_through(&RUST_2026_THROUGH);
}

#[test]
fn through_the_gateway_typescript_2025() {
    passes_through(&TYPESCRIPT_2025_THROUGH);
}

#[test]
fn through_the_gateway_typescript_2026() {
    passes_through(&TYPESCRIPT_2026);
}
