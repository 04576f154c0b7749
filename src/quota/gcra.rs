//! The arithmetic of one limit: the generic cell rate algorithm, in whole
//! microseconds, the same in memory and in `decide.lua`.
//!
//! A counter holds one number: the time at which its limit will be at rest
//! again (the "theoretical arrival time"). What lies between now and then is
//! the *backlog*. Each call adds one `interval` to it; a call that would lift
//! it above `tolerance` is refused. From rest, exactly `burst` calls pass at
//! once; sustained, one passes an interval.

use std::time::Duration;

use super::error::QuotaError;
use crate::settings::RateSettings;

/// Longest time from exhaustion to rest. Times stay far below 2^53 µs, up to
/// which the numbers of Lua are exact.
const LONGEST_REFILL: Duration = Duration::from_hours(31 * 24);

const MINUTE: u64 = 60_000_000;

/// One limit, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gcra {
    interval: u64,
    tolerance: u64,
}

impl Gcra {
    /// The limit that `rate` describes. An interval that is not whole is
    /// rounded up, so that never more passes than was said.
    ///
    /// # Errors
    /// When the rate allows nothing, more than one call a microsecond, or
    /// takes longer than a month to be at rest again.
    pub(super) fn new(limit: &'static str, rate: RateSettings) -> Result<Self, QuotaError> {
        let per_minute = u64::from(rate.per_minute);
        let wrong = |problem| QuotaError::Rate { limit, problem };
        if per_minute == 0 || rate.burst == 0 {
            return Err(wrong("per_minute and burst must be at least 1"));
        }
        if per_minute > MINUTE {
            return Err(wrong("per_minute must be at most 60000000"));
        }
        let interval = MINUTE.div_ceil(per_minute);
        let tolerance = interval * u64::from(rate.burst);
        if u128::from(tolerance) > LONGEST_REFILL.as_micros() {
            return Err(wrong("burst must be regained within 31 days at per_minute"));
        }
        Ok(Self { interval, tolerance })
    }

    /// Time between two sustained calls, in microseconds.
    pub(super) fn interval(self) -> u64 {
        self.interval
    }

    /// Largest backlog, in microseconds.
    pub(super) fn tolerance(self) -> u64 {
        self.tolerance
    }

    /// What is not yet worked off of a counter that reads `rest`. Never more
    /// than the limit can have charged: a clock that jumped back, or a limit
    /// that was made smaller, does not lock anybody out for longer.
    pub(super) fn backlog(self, rest: u64, now: u64) -> u64 {
        rest.saturating_sub(now).min(self.tolerance)
    }

    /// Whether a call may pass.
    pub(super) fn admits(self, backlog: u64) -> bool {
        backlog + self.interval <= self.tolerance
    }

    /// How many calls could pass at once.
    pub(super) fn remaining(self, backlog: u64) -> u32 {
        let room = self.tolerance.saturating_sub(backlog);
        u32::try_from(room / self.interval).unwrap_or(u32::MAX)
    }

    /// Time until a call can pass; zero when it can now.
    pub(super) fn wait(self, backlog: u64) -> Duration {
        Duration::from_micros((backlog + self.interval).saturating_sub(self.tolerance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gcra(per_minute: u32, burst: u32) -> Gcra {
        Gcra::new("user", RateSettings { per_minute, burst }).unwrap()
    }

    #[test]
    fn intervals_are_rounded_up() {
        assert_eq!(gcra(60, 5), Gcra { interval: 1_000_000, tolerance: 5_000_000 });
        assert_eq!(gcra(7, 1).interval, 8_571_429);
        assert_eq!(gcra(60_000_000, 1).interval, 1);
    }

    #[test]
    fn the_burst_passes_and_then_one_an_interval() {
        let gcra = gcra(60, 2);
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
    fn senseless_rates_are_refused() {
        for (per_minute, burst) in [(0, 1), (1, 0), (60_000_001, 1), (1, u32::MAX), (1, 44_641)] {
            assert!(Gcra::new("user", RateSettings { per_minute, burst }).is_err());
        }
        assert!(Gcra::new("user", RateSettings { per_minute: 1, burst: 44_640 }).is_ok());
    }
}
