//! What the suite has to find.

use support::backend::Sdk;

/// A set of scenarios that a revision requires, against a backend.
pub(crate) struct Expected {
    pub(crate) sdk: Sdk,
    /// As it is called in the table of results.
    pub(crate) name: &'static str,
    pub(crate) revision: &'static str,
    /// Scenarios that count, all of which pass, and checks in them.
    pub(crate) scored: usize,
    pub(crate) scored_checks: usize,
    /// Checks of scenarios that do not count, and pass.
    pub(crate) other_checks: usize,
    /// Scenarios that do not count, and fail.
    pub(crate) failing: &'static [&'static str],
}

/// The TypeScript SDK has nothing that runs tasks.
const TASKS: &[&str] = &[
    "tasks-capability-negotiation",
    "tasks-dispatch-and-envelope",
    "tasks-lifecycle",
    "tasks-mrtr-composition",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-request-state-removal",
    "tasks-required-task-error",
    "tasks-wire-fields",
];

pub(crate) const RUST_2025: Expected = Expected {
    sdk: Sdk::Rust,
    name: "Rust SDK 3.9.0",
    revision: "2025-11-25",
    scored: 30,
    scored_checks: 70,
    other_checks: 14,
    failing: &[],
};

pub(crate) const RUST_2026: Expected = Expected {
    sdk: Sdk::Rust,
    name: "Rust SDK 3.9.0",
    revision: "2026-07-28",
    scored: 37,
    scored_checks: 121,
    other_checks: 76,
    failing: &[],
};

/// One check fewer than alone: the gateway answers `tools/list` with JSON, and
/// whether several streams work at once is not looked at then.
pub(crate) const RUST_2026_THROUGH: Expected = Expected { scored_checks: 120, ..RUST_2026 };

pub(crate) const RUST_2025_THROUGH: Expected = Expected { scored_checks: 69, ..RUST_2025 };

pub(crate) const TYPESCRIPT_2025_THROUGH: Expected =
    Expected { scored_checks: 69, ..TYPESCRIPT_2025 };

pub(crate) const TYPESCRIPT_2025: Expected = Expected {
    sdk: Sdk::TypeScript,
    name: "TypeScript SDK 2.4.0",
    revision: "2025-11-25",
    scored: 30,
    scored_checks: 70,
    other_checks: 14,
    failing: &[],
};

/// One check fewer than with the Rust SDK: whether several streams work at once
/// is not looked at where a list is answered with JSON.
pub(crate) const TYPESCRIPT_2026: Expected = Expected {
    sdk: Sdk::TypeScript,
    name: "TypeScript SDK 2.4.0",
    revision: "2026-07-28",
    scored: 37,
    scored_checks: 120,
    other_checks: 32,
    failing: TASKS,
};

pub(crate) const TYPESCRIPT1_2025: Expected = Expected {
    sdk: Sdk::TypeScript1,
    name: "TypeScript SDK 1.32.2",
    revision: "2025-11-25",
    scored: 30,
    scored_checks: 70,
    other_checks: 14,
    failing: &[],
};
