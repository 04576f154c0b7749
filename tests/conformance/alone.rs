//! The suite against the backends, with nothing in between.

use support::backend::Backend;

use crate::expected::{
    Expected, RUST_2025, RUST_2026, TYPESCRIPT_2025, TYPESCRIPT_2026, TYPESCRIPT1_2025,
};
use crate::results;
use crate::suite::Report;

fn passes_alone(expected: &Expected) {
    let backend = Backend::start(expected.sdk, &[], None);
    let report = Report::of(expected.revision, &backend.url(), None);
    report.assert(expected);
    results::record(expected, "backend alone", &report);
}

#[test]
fn backend_alone_rust_2025() {
    passes_alone(&RUST_2025);
}

#[test]
fn backend_alone_rust_2026() {
    passes_alone(&RUST_2026);
}

#[test]
fn backend_alone_typescript_2025() {
    passes_alone(&TYPESCRIPT_2025);
}

#[test]
fn backend_alone_typescript_2026() {
    passes_alone(&TYPESCRIPT_2026);
}

#[test]
fn backend_alone_typescript1_2025() {
    passes_alone(&TYPESCRIPT1_2025);
}
