//! Rates as people write them, in the whole microseconds that count.

/// Longest time from exhaustion to rest: 31 days, in microseconds. Times stay
/// far below 2^53 µs, up to which the numbers of Lua are exact.
const LONGEST_REFILL: u64 = 31 * 24 * 3600 * 1_000_000;

/// The windows a rate may be written in: spellings, length in microseconds,
/// and the words of a sentence.
const WINDOWS: [(&[&str], u64, &str); 4] = [
    (&["s", "sec", "second"], 1_000_000, "a second"),
    (&["min", "minute"], MINUTE, "a minute"),
    (&["h", "hour"], 3_600_000_000, "an hour"),
    (&["d", "day"], 86_400_000_000, "a day"),
];

const MINUTE: u64 = 60_000_000;

/// So many calls in a window, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    count: u32,
    window: &'static str,
    burst: u32,
    interval: u64,
    tolerance: u64,
}

impl Rate {
    /// So many calls a minute, and so many at once from rest.
    ///
    /// # Errors
    /// When it allows nothing, more than one call a microsecond, or takes
    /// longer than a month to be at rest again.
    pub(crate) fn per_minute(count: u32, burst: u32) -> Result<Self, &'static str> {
        Self::new(count, MINUTE, "a minute", burst)
    }

    /// Reads `1000/min`: a count, and `s`, `min`, `h` or `d`. Without a burst
    /// it is the count.
    ///
    /// # Errors
    /// A sentence about what cannot be read, or is senseless.
    pub(super) fn read(text: &str, burst: Option<u32>) -> Result<Self, &'static str> {
        const SHAPE: &str = "write it as `1000/min`; windows are s, min, h and d";
        let (count, window) = text.split_once('/').ok_or(SHAPE)?;
        let count = count.trim().parse().map_err(|_| SHAPE)?;
        let known = |window: &str| WINDOWS.into_iter().find(|(names, ..)| names.contains(&window));
        let (_, length, words) = known(window.trim()).ok_or(SHAPE)?;
        Self::new(count, length, words, burst.unwrap_or(count))
    }

    fn new(
        count: u32,
        length: u64,
        window: &'static str,
        burst: u32,
    ) -> Result<Self, &'static str> {
        if count == 0 || burst == 0 {
            return Err("the rate and burst must be at least 1");
        }
        if u64::from(count) > length {
            return Err("the rate must be at most 1 a microsecond");
        }
        // Rounded up, so that never more passes than was said.
        let interval = length.div_ceil(u64::from(count));
        let tolerance = interval.saturating_mul(u64::from(burst));
        if tolerance > LONGEST_REFILL {
            return Err("the burst must be regained within 31 days at the rate");
        }
        Ok(Self { count, window, burst, interval, tolerance })
    }

    /// Sustained calls in a [`window`](Self::window).
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The window, in the words of a sentence: `a minute`.
    pub(crate) fn window(&self) -> &'static str {
        self.window
    }

    /// Calls at once, from rest.
    pub(crate) fn burst(&self) -> u32 {
        self.burst
    }

    /// Time between two sustained calls, in microseconds.
    pub(crate) fn interval(&self) -> u64 {
        self.interval
    }

    /// Time in which the whole burst is regained, in microseconds.
    pub(crate) fn tolerance(&self) -> u64 {
        self.tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_rounded_up() {
        let numbers = |text, burst| {
            let rate = Rate::read(text, burst).unwrap();
            (rate.interval, rate.tolerance)
        };
        assert_eq!(numbers("60/min", Some(5)), (1_000_000, 5_000_000));
        assert_eq!(numbers("7/minute", Some(1)), (8_571_429, 8_571_429));
        assert_eq!(numbers("1000000/s", Some(1)), (1, 1));
        assert_eq!(numbers("10 / h", None), (360_000_000, 3_600_000_000));
        assert_eq!(numbers("1/day", None), (86_400_000_000, 86_400_000_000));
    }

    #[test]
    fn senseless_rates_are_refused() {
        for (count, burst) in [(0, 1), (1, 0), (60_000_001, 1), (1, u32::MAX), (1, 44_641)] {
            assert!(Rate::per_minute(count, burst).is_err(), "{count} {burst}");
        }
        assert!(Rate::per_minute(1, 44_640).is_ok());
        for text in ["", "5", "5/", "/min", "-5/min", "5/week", "5/min/s", "1.5/s", "5000000000/s"]
        {
            assert!(Rate::read(text, None).is_err(), "{text}");
        }
        assert!(Rate::read("1000001/s", None).is_err());
    }
}
