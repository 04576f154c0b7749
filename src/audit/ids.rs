//! Identifiers of events, calls and chains: `UUIDv7` (RFC 9562 §5.7).

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Makes identifiers without asking the operating system for each: the time in
/// milliseconds, a counter of this process, and 42 bits of its own randomness.
/// They sort by time, and within a millisecond by their making.
#[derive(Debug)]
pub(super) struct Ids {
    process: u64,
    count: AtomicU32,
}

impl Ids {
    /// A maker of identifiers that no other process makes.
    pub(super) fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random)?;
        Ok(Self { process: u64::from_le_bytes(random) >> 22, count: AtomicU32::new(0) })
    }

    /// The next one.
    pub(super) fn next(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u128::from(now.timestamp_millis().unsigned_abs() & 0xffff_ffff_ffff);
        let count = u128::from(self.count.fetch_add(1, Ordering::Relaxed));
        let version = 7_u128 << 76 | (count >> 20) << 64;
        let variant = 2_u128 << 62 | (count & 0xf_ffff) << 42 | u128::from(self.process);
        Uuid::from_u128(millis << 80 | version | variant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_by_their_making() {
        let ids = Ids::new().unwrap();
        let now = DateTime::from_timestamp_millis(1_763_700_000_123).unwrap();
        let made: Vec<Uuid> = (0..3000).map(|_| ids.next(now)).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
        for id in &made {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(id.get_timestamp().unwrap().to_unix().0, 1_763_700_000);
        }
        let other = Ids::new().unwrap();
        assert_ne!(other.next(now).as_u128() & 0x3ff_ffff_ffff, ids.process.into());
    }
}
