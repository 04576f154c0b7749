//! What one decision consists of: checks, each of one counter.
//!
//! The same arithmetic stands in `remote/decide.lua`; `tests/agreement.rs`
//! holds the two against each other.

use std::sync::Arc;

use super::gcra::{Charged, Gcra, Queue};
use crate::policy::Limit;

/// One day, in microseconds. Budgets of a day end at midnight UTC.
const DAY: u64 = 86_400_000_000;

/// One counter, and what the call asks of it.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) rule: Rule,
    pub(super) key: Key,
    pub(super) of: Of,
}

impl Check {
    /// Whether the client chooses which counter it is: there may be any
    /// number of them.
    pub(super) fn is_named_by_client(&self) -> bool {
        matches!(self.of, Of::Turn | Of::Job)
            || matches!(self.rule, Rule::Once { .. } | Rule::Credit { .. })
    }
}

/// What a counter is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Calls over time.
    Rate(Gcra),
    /// Calls in progress.
    Lease { most: u32 },
    /// Calls counted until the window ends.
    Budget { most: u32, window: Window },
    /// Whether this very call was charged before: so many retries are free
    /// for so long (µs) after.
    Once { retries: u32, keep: u64 },
    /// Whether the call answers a question that its last round asked; once.
    Credit { keep: u64 },
}

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// So many microseconds from its first call.
    Of(u64),
    /// To the next midnight UTC.
    Day,
}

/// Where a counter lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// In this process, by a hash that no caller can steer.
    Here(u128),
    /// In Redis.
    There(Box<str>),
}

/// What a check belongs to.
#[derive(Clone, Debug)]
pub(super) enum Of {
    Limit(Arc<Limit>),
    Turn,
    Day,
    Job,
    /// The call itself.
    Call,
}

/// A counter in memory. It is at rest, and says nothing, from `until` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) until: u64,
    /// Calls, or retries; of a rate, how much was taken out of its queue.
    pub(super) value: u64,
    /// Of a rate, when its queue began.
    pub(super) start: u64,
}

/// What a check reads: of a rate the backlog; calls in progress, or used; of
/// a call that was charged before 1 and its free retries so far; of a credit 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) value: u64,
    /// When a budget that is in use ends.
    pub(super) until: u64,
    /// How much had been taken out of the queue of a rate.
    pub(super) back: u64,
}

/// What came of all checks of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether the call may pass; then all counters were charged, otherwise
    /// none.
    pub(super) admitted: bool,
    /// The check, by its place, that says the call was charged before, so that
    /// only its lease was taken. The first of them.
    pub(super) freed_by: Option<usize>,
    /// When this was decided, in µs by the store's clock.
    pub(super) now: u64,
    /// What each check reads after that, in their order.
    pub(super) seen: Vec<Seen>,
}

/// Whether a call was charged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Free {
    No,
    /// It is a retry: another attempt, which budgets count.
    Retry,
    /// It answers a question: it is the call that was charged.
    Answer,
}

impl Free {
    /// By the check that says so.
    pub(super) fn by(check: Option<&Check>) -> Self {
        match check.map(|check| check.rule) {
            None => Self::No,
            Some(Rule::Credit { .. }) => Self::Answer,
            Some(_) => Self::Retry,
        }
    }
}

impl Outcome {
    /// Whether the call was charged before.
    pub(super) fn is_free(&self) -> bool {
        self.freed_by.is_some()
    }

    /// How. `checks`: those that were asked.
    pub(super) fn free(&self, checks: &[Check]) -> Free {
        Free::by(self.freed_by.and_then(|at| checks.get(at)))
    }
}

impl Rule {
    /// What it reads of its counter.
    pub(super) fn read(self, cell: Option<Cell>, now: u64) -> Seen {
        let cell = cell.filter(|cell| cell.until > now).unwrap_or_default();
        match self {
            Self::Rate(gcra) => Seen::of(cell.queue().at(gcra, now), now),
            Self::Lease { .. } | Self::Once { .. } | Self::Credit { .. } => {
                Seen { value: cell.value, ..Seen::default() }
            }
            Self::Budget { .. } => Seen { value: cell.value, until: cell.until, ..Seen::default() },
        }
    }

    /// Whether it stops the call, unless that was charged before.
    pub(super) fn stops(self, seen: Seen) -> bool {
        match self {
            Self::Rate(gcra) => !gcra.admits(seen.value),
            Self::Lease { most } | Self::Budget { most, .. } => seen.value >= u64::from(most),
            Self::Once { .. } | Self::Credit { .. } => false,
        }
    }

    /// Whether it says that the call was charged before.
    pub(super) fn frees(self, seen: Seen) -> bool {
        match self {
            Self::Once { retries, .. } => (1..=u64::from(retries)).contains(&seen.value),
            Self::Credit { .. } => seen.value > 0,
            Self::Rate(_) | Self::Lease { .. } | Self::Budget { .. } => false,
        }
    }

    /// Whether it binds also calls that were charged before.
    pub(super) fn binds_always(self) -> bool {
        matches!(self, Self::Lease { .. })
    }

    /// Whether it binds a call of that kind.
    pub(super) fn binds(self, free: Free) -> bool {
        match self {
            Self::Lease { .. } => true,
            Self::Budget { .. } => free != Free::Answer,
            Self::Rate(_) => free == Free::No,
            Self::Once { .. } | Self::Credit { .. } => false,
        }
    }

    /// Its counter, found like this, after an admitted call; `None` when
    /// nothing changes.
    /// `freed`: this check itself made the call free; `free`: what any did.
    pub(super) fn charged(
        self,
        found: Option<Cell>,
        seen: Seen,
        now: u64,
        (freed, free): (bool, Free),
    ) -> Option<(Seen, Cell)> {
        let (value, until) = match self {
            Self::Rate(_) | Self::Budget { .. } if !self.binds(free) => return None,
            Self::Rate(gcra) => {
                let queue = found.unwrap_or_default().queue().at(gcra, now).charged(gcra.cost);
                return Some((Seen::of(queue, now), queue.into()));
            }
            Self::Lease { .. } => (seen.value + 1, u64::MAX),
            Self::Budget { window, .. } => {
                let until = if seen.value > 0 { seen.until } else { window.end(now) };
                let cell = Cell { until, value: seen.value + 1, start: 0 };
                return Some((Seen { value: cell.value, until, back: 0 }, cell));
            }
            // A retry does not make the time longer in which it is free.
            Self::Once { .. } if freed => (seen.value + 1, found.map_or(0, |found| found.until)),
            Self::Once { keep, .. } => (1, now.saturating_add(keep)),
            Self::Credit { .. } if freed => (0, 1),
            Self::Credit { .. } => return None,
        };
        Some((Seen { value, ..Seen::default() }, Cell { until, value, start: 0 }))
    }
}

impl Cell {
    /// What it holds of a rate.
    pub(super) fn queue(self) -> Queue {
        Queue { rest: self.until, start: self.start, back: self.value }
    }
}

impl From<Queue> for Cell {
    fn from(queue: Queue) -> Self {
        Self { until: queue.rest, value: queue.back, start: queue.start }
    }
}

impl Seen {
    fn of(queue: Queue, now: u64) -> Self {
        Self { value: queue.rest.saturating_sub(now), until: 0, back: queue.back }
    }
}

impl Window {
    /// When a budget ends whose first call comes now.
    pub(super) fn end(self, now: u64) -> u64 {
        match self {
            Self::Of(length) => now.saturating_add(length),
            Self::Day => now - now % DAY + DAY,
        }
    }
}

/// How a charge is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    Rate(Charged),
    Lease,
    /// Of the window that ends then, and of no later one.
    Budget {
        until: u64,
    },
    /// Of the charge that is known until then. To come first: where a retry has
    /// been free meanwhile, the charge is that one's, and neither rates nor the
    /// question are given back; nor where nobody knows any more.
    Once {
        until: u64,
    },
    /// The question stands again, for so long (µs).
    Credit {
        keep: u64,
    },
}
