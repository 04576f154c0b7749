//! Counts of decisions, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::check::{Check, Of, Rule};
use crate::policy::Per;

/// Names of what refuses, in the order of the rows: rates, concurrencies,
/// budgets.
const LIMITS: [&str; 15] = [
    "user",
    "user_tool",
    "tool",
    "tenant",
    "tenant_tool",
    "global",
    "user_concurrency",
    "user_tool_concurrency",
    "tool_concurrency",
    "tenant_concurrency",
    "tenant_tool_concurrency",
    "global_concurrency",
    "turn_budget",
    "day_budget",
    "job_budget",
];

/// What else can become of a decision.
#[derive(Clone, Copy, Debug)]
pub(super) enum Other {
    /// Charged before.
    Free,
    /// Let pass uncounted.
    Uncounted,
    /// Decided here while Redis is away.
    Local,
    /// Refused since nothing can be counted.
    Unavailable,
    /// A caller is barred for abuse, or an address.
    Abuse,
}

const OTHERS: [(&str, &str); 5] = [
    ("all", "free"),
    ("all", "uncounted"),
    ("all", "local"),
    ("all", "unavailable"),
    ("abuse", "refused"),
];

#[derive(Debug, Default)]
pub(super) struct Tally {
    admitted: [AtomicU64; LIMITS.len()],
    refused: [AtomicU64; LIMITS.len()],
    others: [AtomicU64; OTHERS.len()],
}

impl Tally {
    pub(super) fn admitted(&self, checks: &[Check]) {
        for row in checks.iter().filter_map(row) {
            self.admitted[row].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// By the check that refused.
    pub(super) fn refused(&self, check: &Check) {
        if let Some(row) = row(check) {
            self.refused[row].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn other(&self, other: Other) {
        self.others[other as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Limit, outcome and count, of those that have happened.
    pub(super) fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let of = |outcome, counts: &[AtomicU64; LIMITS.len()]| {
            let rows = LIMITS.iter().zip(counts);
            rows.map(|(limit, it)| (*limit, outcome, count(it))).collect::<Vec<_>>()
        };
        let others = OTHERS.iter().zip(&self.others);
        let others = others.map(|((limit, outcome), it)| (*limit, *outcome, count(it)));
        let mut rows = of("admitted", &self.admitted);
        rows.extend(of("refused", &self.refused));
        rows.extend(others);
        rows.retain(|(.., count)| *count > 0);
        rows
    }
}

fn row(check: &Check) -> Option<usize> {
    let budgets = 2 * Per::ALL.len();
    match &check.of {
        Of::Limit(limit) => {
            let concurrency = matches!(check.rule, Rule::Lease { .. });
            let base = if concurrency { Per::ALL.len() } else { 0 };
            Some(base + limit.per as usize)
        }
        Of::Turn => Some(budgets),
        Of::Day => Some(budgets + 1),
        Of::Job => Some(budgets + 2),
        Of::Call => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_after_their_limits() {
        for per in Per::ALL {
            assert_eq!(LIMITS[per as usize], per.name());
            let concurrency = LIMITS[Per::ALL.len() + per as usize];
            assert_eq!(concurrency, format!("{}_concurrency", per.name()));
        }
    }
}
