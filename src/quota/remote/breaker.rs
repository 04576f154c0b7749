//! The circuit breaker before Redis: while it is away, calls do not wait for
//! it one by one, and when it is back, one call tries it and not all.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// So many failures in a row open the circuit.
const THRESHOLD: u32 = 5;

/// Failures closer to each other than this are one: when a busy machine stands
/// still for a moment, all calls in flight fail together.
const APART: Duration = Duration::from_millis(10);

/// How long it stays open first; twice as long after each trial that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whoever tries has so long before somebody else may.
const TRIAL: Duration = Duration::from_secs(1);

/// One for all workers of a gateway.
#[derive(Debug)]
pub(super) struct Breaker {
    clock: Clock,
    failures: AtomicU32,
    /// When the last failure was counted, in µs.
    last: AtomicU64,
    /// Trials that failed since the circuit was closed.
    trips: AtomicU32,
    /// When the next may try, by the monotonic clock, in µs; 0: the circuit is closed.
    open_until: AtomicU64,
    /// Moves pauses apart, so that replicas do not all try at once.
    salt: u64,
}

/// The circuit is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Open;

/// Leave to ask Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The circuit is closed.
    Closed,
    /// This one tries.
    Trial,
}

impl Breaker {
    pub(super) fn new(clock: Clock, salt: u64) -> Self {
        Self {
            clock,
            failures: AtomicU32::new(0),
            last: AtomicU64::new(0),
            trips: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
            salt,
        }
    }

    /// Whether Redis may be asked.
    pub(super) fn enter(&self) -> Result<Pass, Open> {
        let until = self.open_until.load(Ordering::Relaxed);
        if until == 0 {
            return Ok(Pass::Closed);
        }
        let now = self.now();
        let next = now.saturating_add(micros(TRIAL));
        let won = now >= until
            && self
                .open_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if won { Ok(Pass::Trial) } else { Err(Open) }
    }

    /// Redis answered.
    pub(super) fn succeeded(&self) {
        // Looked at first: writing what does not change costs the other cores.
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.open_until.load(Ordering::Relaxed) > 0 {
            self.trips.store(0, Ordering::Relaxed);
            self.open_until.store(0, Ordering::Relaxed);
        }
    }

    /// Redis did not answer.
    pub(super) fn failed(&self, pass: Pass) {
        match pass {
            Pass::Trial => {
                let trips = self.trips.fetch_add(1, Ordering::Relaxed);
                self.open_until.store(self.after(trips.saturating_add(1)), Ordering::Relaxed);
            }
            Pass::Closed if self.count() >= THRESHOLD => {
                let until = self.after(0);
                // Whoever left before it opened has nothing more to say.
                let _ = self.open_until.compare_exchange(
                    0,
                    until,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            Pass::Closed => {}
        }
    }

    /// Counts a failure; so many there are in a row.
    fn count(&self) -> u32 {
        let (now, last) = (self.now(), self.last.load(Ordering::Relaxed));
        let counts = now.saturating_sub(last) >= micros(APART)
            && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if counts {
            self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
        } else {
            self.failures.load(Ordering::Relaxed)
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Relaxed) > 0
    }

    fn after(&self, trips: u32) -> u64 {
        let pause = micros(FIRST_PAUSE).saturating_mul(1 << trips.min(16));
        let pause = pause.min(micros(LONGEST_PAUSE));
        // Three quarters of it, and up to half of it more.
        let apart = self.salt.wrapping_mul(u64::from(trips) + 1) % (pause / 2);
        self.now().saturating_add(pause / 4 * 3 + apart).max(1)
    }

    fn now(&self) -> u64 {
        micros(self.clock.monotonic())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(salt: u64) -> (Breaker, std::sync::Arc<crate::clock::ManualClock>) {
        let (clock, hand) = Clock::manual(chrono::DateTime::default());
        (Breaker::new(clock, salt), hand)
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_call_tries() {
        let (breaker, hand) = breaker(7);
        for _ in 0..THRESHOLD - 1 {
            hand.advance(APART);
            // All calls in flight fail together.
            for _ in 0..64 {
                breaker.failed(breaker.enter().unwrap());
            }
        }
        breaker.succeeded();
        for _ in 0..THRESHOLD {
            hand.advance(APART);
            assert_eq!(breaker.enter(), Ok(Pass::Closed), "those before did not count");
            breaker.failed(Pass::Closed);
        }
        assert!(breaker.is_open() && breaker.enter() == Err(Open));
        hand.advance(FIRST_PAUSE * 5 / 4);
        assert_eq!(breaker.enter(), Ok(Pass::Trial));
        assert_eq!(breaker.enter(), Err(Open), "one only");
        breaker.failed(Pass::Trial);
        hand.advance(FIRST_PAUSE);
        assert_eq!(breaker.enter(), Err(Open), "twice as long");
        hand.advance(FIRST_PAUSE * 2);
        assert_eq!(breaker.enter(), Ok(Pass::Trial));
        breaker.succeeded();
        assert_eq!(breaker.enter(), Ok(Pass::Closed));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_trial_that_nobody_ends_does_not_keep_it_open() {
        let (breaker, hand) = breaker(0);
        for _ in 0..THRESHOLD {
            hand.advance(APART);
            breaker.failed(Pass::Closed);
        }
        hand.advance(LONGEST_PAUSE);
        assert_eq!(breaker.enter(), Ok(Pass::Trial));
        hand.advance(TRIAL);
        assert_eq!(breaker.enter(), Ok(Pass::Trial));
    }

    #[test]
    fn pauses_are_bounded_and_apart() {
        let mut all = std::collections::HashSet::new();
        for salt in [3, 1_000_003, u64::MAX / 3] {
            let (breaker, _) = breaker(salt);
            for trips in 0..40 {
                let pause = breaker.after(trips);
                assert!(pause <= micros(LONGEST_PAUSE) * 5 / 4, "{pause}");
            }
            all.insert(breaker.after(30));
        }
        assert_eq!(all.len(), 3);
    }
}
