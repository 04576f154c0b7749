//! The arithmetic of rates: the generic cell rate algorithm, in whole
//! microseconds, the same in memory and in the scripts.
//!
//! A counter holds the time at which its limit will be at rest again (the
//! "theoretical arrival time"). What lies between now and then is the
//! *backlog*. Each call adds its `cost` to it, one interval of the rate
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

/// Most that is taken out of one queue, in µs: with more, the scripts' numbers
/// would not be exact. From then on nothing is, until it has been at rest.
const MOST_BACK: u64 = 1 << 52;

/// What a counter holds: charges that stand in line to be worked off, one
/// after the other. It begins when one comes to a counter at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    /// When all of it is worked off.
    pub(super) rest: u64,
    /// When it began.
    pub(super) start: u64,
    /// How much has been taken out of it since.
    pub(super) back: u64,
}

/// A charge, as whoever may take it back has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Charged {
    pub(super) cost: u64,
    /// When it was made.
    pub(super) at: u64,
    /// What its counter read then.
    pub(super) rest: u64,
    /// What had been taken out of its queue then.
    pub(super) back: u64,
}

impl Queue {
    /// As it stands now: a new one, where the counter is at rest or was cut to
    /// the tolerance.
    pub(super) fn at(self, gcra: Gcra, now: u64) -> Self {
        let backlog = gcra.backlog(self.rest, now);
        let rest = now.saturating_add(backlog);
        if backlog == 0 || rest < self.rest { Self { rest, start: now, back: 0 } } else { self }
    }

    /// With one charge more, of one that stands so now.
    pub(super) fn charged(self, cost: u64) -> Self {
        Self { rest: self.rest.saturating_add(cost), ..self }
    }

    /// Without a charge that was made before; `None`: at rest.
    ///
    /// The charge took the time from `rest - cost` to `rest`. What of it has
    /// passed is worked off, and may have made room for others who were let
    /// pass; giving that back would let pass more than the rate. What lies
    /// ahead can be taken out exactly: whoever came since stands behind it.
    ///
    /// When others were taken out that stood before it, it has moved forward.
    /// Nobody knows where those stood that were taken out since, so all are
    /// taken to have stood before it, as far as so much did: it is never given
    /// back more than lies ahead, and less only when others that came later
    /// were given back sooner. A queue that has ended owes nothing.
    pub(super) fn without(self, charged: &Charged, now: u64) -> Option<Self> {
        let Charged { cost, at, rest, back } = *charged;
        let before = rest.saturating_sub(cost).saturating_sub(at);
        let moved = self.back.saturating_sub(back).min(before);
        let ahead = rest.saturating_sub(moved).saturating_sub(now).min(cost);
        let known = self.start <= at && self.back + ahead <= MOST_BACK;
        let ahead = if known { ahead } else { 0 };
        let rest = self.rest.saturating_sub(ahead);
        (rest > now).then_some(Self { rest, back: self.back + ahead, ..self })
    }
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
        let queue = Queue { rest: 9000, start: 0, back: 0 };
        let charged = Charged { cost: 1000, at: 0, rest: 5000, back: 0 };
        let left = |now| queue.without(&charged, now).map(|queue| queue.rest);
        assert_eq!(left(0), Some(8000), "behind others: all of it");
        assert_eq!(left(4400), Some(8400), "being worked off: the rest of it");
        assert_eq!(left(6000), Some(9000), "worked off: nothing");
        assert_eq!(left(9000), None, "at rest");
        let later = Queue { start: 1, ..queue };
        assert_eq!(later.without(&charged, 1), Some(later), "of a queue that has ended");
    }

    #[test]
    fn so_much_is_given_back_that_numbers_stay_exact_and_no_more() {
        let queue = Queue { rest: 9000, start: 0, back: MOST_BACK - 1000 };
        let charged = Charged { cost: 1000, at: 0, rest: 5000, back: queue.back };
        let once = queue.without(&charged, 0).unwrap();
        assert_eq!((once.rest, once.back), (8000, MOST_BACK));
        assert_eq!(once.without(&Charged { back: MOST_BACK, ..charged }, 0), Some(once));
    }

    /// A burst of which half fails at once and half later gives nothing back
    /// that was worked off meanwhile.
    #[test]
    fn charges_that_moved_forward_are_worked_off_sooner() {
        let gcra = gcra(60, 10);
        let mut queue = Queue::default();
        let mut charges = Vec::new();
        for _ in 0..10 {
            charges.push(charge(gcra, &mut queue, 0).unwrap());
        }
        for charged in &charges[..5] {
            queue = queue.without(charged, 0).unwrap();
        }
        assert_eq!(queue.rest, 5_000_000);
        // All at rest after five seconds, and a new burst passes.
        let now = 5_000_000;
        for _ in 0..10 {
            charge(gcra, &mut queue, now).unwrap();
        }
        for charged in &charges[5..] {
            queue = queue.without(charged, now).unwrap();
        }
        assert_eq!(charge(gcra, &mut queue, now), None, "no more than the burst");
    }

    fn charge(gcra: Gcra, queue: &mut Queue, now: u64) -> Option<Charged> {
        let standing = queue.at(gcra, now);
        gcra.admits(standing.rest - now).then(|| {
            *queue = standing.charged(gcra.cost);
            Charged { cost: gcra.cost, at: now, rest: queue.rest, back: queue.back }
        })
    }

    /// Whatever is taken back, in whatever order, a counter never lets pass
    /// more than one that never had those charges; and what is taken back at
    /// the moment it was charged is given back whole.
    #[test]
    fn refunds_never_let_pass_more_than_if_the_calls_had_not_been() {
        use proptest::prelude::*;
        let step = (0..3_000_000_u64, 0..4_u8, any::<prop::sample::Index>());
        let history = proptest::collection::vec(step, 1..80);
        proptest!(|(history in history, burst in 1..12_u32)| {
            let gcra = gcra(60, burst);
            let (mut queue, mut now) = (Queue::default(), 10_000_000_u64);
            let (mut open, mut gone): (Vec<Charged>, Vec<Charged>) = Default::default();
            let mut all = Vec::new();
            for (number, (pause, what, which)) in history.iter().enumerate() {
                // Most things happen close to each other.
                now += if what % 2 == 0 { pause / 100 } else { *pause };
                if *what > 1 && !open.is_empty() {
                    let charged = open.swap_remove(which.index(open.len()));
                    queue = queue.without(&charged, now).unwrap_or_default();
                    gone.push(charged);
                } else if let Some(charged) = charge(gcra, &mut queue, now) {
                    open.push(charged);
                    all.push(charged);
                }
                let stays = |charged: &&Charged| !gone.contains(charged);
                let bare = all.iter().filter(stays).fold(0, |rest: u64, charged| {
                    rest.max(charged.at) + charged.cost
                });
                prop_assert!(queue.rest.max(now) >= bare.max(now), "at step {}", number);
            }
        });
        proptest!(|(order in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle())| {
            let gcra = gcra(60, 10);
            let mut queue = Queue::default();
            let charges: Vec<_> =
                (0..10).map(|_| charge(gcra, &mut queue, 7).unwrap()).collect();
            for at in order {
                queue = queue.without(&charges[at], 7).unwrap_or_default();
            }
            prop_assert_eq!(queue, Queue::default());
        });
    }
}
