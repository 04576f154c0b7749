//! The arithmetic of rates: the generic cell rate algorithm, in whole
//! microseconds, the same in memory and in the scripts.
//!
//! A counter holds one number: the time at which its limit will be at rest
//! again (the "theoretical arrival time"). What lies between now and then is
//! the *backlog*. Each call adds its `cost` to it, one interval of the rate
//! for each call it counts for; a call that would lift it above `tolerance` is
//! refused. From rest, exactly `burst` calls pass at once; sustained, one
//! passes an interval.

use std::time::Duration;

use crate::policy::Rate;

/// One rate as one call meets it, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gcra {
    /// What the call adds.
    pub(super) cost: u64,
    /// Largest backlog.
    pub(super) tolerance: u64,
}

impl Gcra {
    /// A call that counts for `weight` calls. One that counts for more than
    /// the burst passes from rest only.
    pub(super) fn new(rate: &Rate, weight: u32) -> Self {
        let cost = rate.interval().saturating_mul(u64::from(weight)).min(rate.tolerance());
        Self { cost, tolerance: rate.tolerance() }
    }

    /// The share of one of so many gateways: each call costs as much as that
    /// many, so that together they pass no more than the rate, and from rest
    /// each at most its part of the burst, but one call.
    pub(super) fn share(self, replicas: u32) -> Self {
        let cost = self.cost.saturating_mul(u64::from(replicas));
        Self { cost, tolerance: self.tolerance.max(cost) }
    }

    /// What is not yet worked off of a counter that reads `rest`. Never more
    /// than the limit can have charged: a clock that jumped back, or a limit
    /// that was made smaller, does not lock anybody out for longer.
    pub(super) fn backlog(self, rest: u64, now: u64) -> u64 {
        rest.saturating_sub(now).min(self.tolerance)
    }

    /// Whether the call may pass.
    pub(super) fn admits(self, backlog: u64) -> bool {
        backlog + self.cost <= self.tolerance
    }

    /// How many such calls could pass at once.
    pub(super) fn remaining(self, backlog: u64) -> u32 {
        let room = self.tolerance.saturating_sub(backlog);
        u32::try_from(room / self.cost.max(1)).unwrap_or(u32::MAX)
    }

    /// Time until the call can pass; zero when it can now.
    pub(super) fn wait(self, backlog: u64) -> Duration {
        Duration::from_micros((backlog + self.cost).saturating_sub(self.tolerance))
    }
}

/// How much of a charge is given back, in microseconds, when it is taken back
/// at `now`. `rest` is what the counter read after the charge.
///
/// The charge took the time from `rest - cost` to `rest`. What of it has
/// passed is worked off, and may have made room for others who were let pass;
/// giving that back would let pass more than the rate. What lies ahead can be
/// taken out exactly: whoever came since stands behind it. A counter that has
/// been at rest since owes nothing.
pub(super) fn refund(cost: u64, rest: u64, now: u64) -> u64 {
    rest.saturating_sub(now).min(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gcra(per_minute: u32, burst: u32) -> Gcra {
        Gcra::new(&Rate::per_minute(per_minute, burst).unwrap(), 1)
    }

    #[test]
    fn the_burst_passes_and_then_one_an_interval() {
        let gcra = gcra(60, 2);
        assert_eq!(gcra, Gcra { cost: 1_000_000, tolerance: 2_000_000 });
        assert!(gcra.admits(0) && gcra.admits(1_000_000));
        assert!(!gcra.admits(1_000_001), "one microsecond too early");
        assert_eq!(gcra.wait(1_000_001), Duration::from_micros(1));
        assert_eq!(gcra.wait(1_000_000), Duration::ZERO);
        assert_eq!([0, 1, 1_000_001, 2_000_000].map(|it| gcra.remaining(it)), [2, 1, 0, 0]);
    }

    #[test]
    fn a_counter_from_the_far_future_counts_as_exhausted_not_more() {
        assert_eq!(gcra(60, 5).backlog(u64::MAX, 1), 5_000_000);
        assert_eq!(gcra(60, 5).backlog(10, 11), 0);
    }

    #[test]
    fn a_weight_is_so_many_calls_at_once() {
        let rate = Rate::per_minute(60, 5).unwrap();
        assert_eq!(Gcra::new(&rate, 3).remaining(0), 1);
        assert!(!Gcra::new(&rate, 3).admits(2_000_001));
        assert!(Gcra::new(&rate, 9).admits(0) && !Gcra::new(&rate, 9).admits(1));
    }

    #[test]
    fn shares_together_are_at_most_the_whole_but_one_call_each() {
        for (burst, replicas) in [(10, 3), (2, 3), (7, 7), (1, 1), (2000, 64)] {
            let share = gcra(60, burst).share(replicas);
            assert_eq!(share.remaining(0), (burst / replicas).max(1), "{burst} {replicas}");
        }
    }

    #[test]
    fn only_what_lies_ahead_is_given_back() {
        assert_eq!(refund(1000, 5000, 0), 1000, "behind others: all of it");
        assert_eq!(refund(1000, 5000, 4400), 600, "being worked off: the rest of it");
        assert_eq!(refund(1000, 5000, 6000), 0, "worked off: nothing");
    }

    /// A counter with one of its charges taken back never lets pass more than
    /// one that never had it.
    #[test]
    fn a_refund_never_lets_pass_more_than_if_the_call_had_not_been() {
        use proptest::prelude::*;
        let history = proptest::collection::vec((0..4_000_000_u64, any::<bool>()), 1..40);
        proptest!(|(history in history, burst in 1..6_u32, at in 0..40_usize, later in 0..8_usize)| {
            let gcra = gcra(60, burst);
            let (mut with, mut without, mut now) = (0_u64, 0_u64, 10_000_000_u64);
            let mut charged = None;
            let charge = |rest: &mut u64, now: u64| {
                let backlog = gcra.backlog(*rest, now);
                let admits = gcra.admits(backlog);
                if admits {
                    *rest = now + backlog + gcra.cost;
                }
                admits
            };
            for (step, (pause, _)) in history.iter().enumerate() {
                now += pause;
                if step == at && charge(&mut with, now) {
                    charged = Some((with, step));
                    continue;
                }
                // Whatever the first lets pass is charged to the second, too.
                if charge(&mut with, now) {
                    without = without.max(now) + gcra.cost;
                }
                if let Some((rest, when)) = charged && step >= when + later {
                    with -= refund(gcra.cost, rest, now).min(with);
                    charged = None;
                    prop_assert!(with.max(now) >= without.max(now), "at step {}", step);
                }
            }
        });
    }
}
