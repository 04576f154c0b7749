//! Time as a parameter.
//!
//! Rooms never ask the operating system what time it is: they hold a
//! [`Clock`] and tests hold the [`ManualClock`] that moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A source of wall-clock and monotonic time. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system's clocks.
    System(SystemClock),
    /// A clock that stands still until a test moves it.
    Manual(Arc<ManualClock>),
}

/// The operating system's clocks; monotonic time counts from construction.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

/// A clock for tests. Both readings move only through [`ManualClock::advance`].
#[derive(Debug)]
pub struct ManualClock {
    wall_micros: AtomicI64,
    monotonic_micros: AtomicU64,
}

impl Clock {
    /// The clock a running process uses.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one door through which real time enters")]
    pub fn system() -> Self {
        Self::System(SystemClock { start: Instant::now() })
    }

    /// A clock that starts at `wall` and moves only by hand.
    #[must_use]
    pub fn manual(wall: DateTime<Utc>) -> (Self, Arc<ManualClock>) {
        let hand = Arc::new(ManualClock {
            wall_micros: AtomicI64::new(wall.timestamp_micros()),
            monotonic_micros: AtomicU64::new(0),
        });
        (Self::Manual(Arc::clone(&hand)), hand)
    }

    /// Wall-clock time in UTC, with microsecond resolution: finer digits do
    /// not survive a PostgreSQL round trip, so they are never made.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one door through which real time enters")]
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match self {
            Self::System(_) => Utc::now().timestamp_micros(),
            Self::Manual(hand) => hand.wall_micros.load(Ordering::Acquire),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Seconds since the Unix epoch, for comparison with JWT numeric dates.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.now().timestamp()
    }

    /// Time since an arbitrary origin that never goes back; for durations,
    /// caches and limits.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        match self {
            Self::System(clock) => clock.start.elapsed(),
            Self::Manual(hand) => {
                Duration::from_micros(hand.monotonic_micros.load(Ordering::Acquire))
            }
        }
    }
}

impl ManualClock {
    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.monotonic_micros.fetch_add(micros, Ordering::AcqRel);
        self.wall_micros.fetch_add(i64::try_from(micros).unwrap_or(i64::MAX), Ordering::AcqRel);
    }
}

/// A point in time as text; see [`rfc3339`].
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339([u8; 27]);

impl Rfc3339 {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits and signs of ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// RFC 3339 in UTC with six digits of a second, which sorts. Every call is
/// written down thrice; chrono's own formatting takes longer.
#[must_use]
pub fn rfc3339(time: DateTime<Utc>) -> Rfc3339 {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |at: usize, digits: usize, mut number: u32| {
        for place in text[at..at + digits].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, time.year().unsigned_abs());
    put(5, 2, time.month());
    put(8, 2, time.day());
    put(11, 2, time.hour());
    put(14, 2, time.minute());
    put(17, 2, time.second());
    put(20, 6, time.timestamp_subsec_micros());
    Rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let (clock, hand) = Clock::manual(start);
        assert_eq!(clock.now(), start);
        hand.advance(Duration::from_millis(1500));
        assert_eq!(clock.now() - start, chrono::TimeDelta::milliseconds(1500));
        assert_eq!(clock.monotonic(), Duration::from_millis(1500));
    }

    #[test]
    fn times_are_written_as_chrono_would() {
        for micros in [0, 1_763_720_000_000_001, 4_102_444_799_999_999, 951_827_696_120_000] {
            let time = DateTime::from_timestamp_micros(micros).unwrap();
            let expected = time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            assert_eq!(rfc3339(time).as_str(), expected);
        }
    }

    #[test]
    fn the_system_clock_never_runs_backwards() {
        let clock = Clock::system();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert_eq!(clock.now().timestamp_subsec_nanos() % 1000, 0);
    }
}
