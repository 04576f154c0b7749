//! Counters in this process.
//!
//! Counters lie in shards, each behind its own lock. A decision locks the
//! shards of all its counters, in the order of their numbers so that two
//! decisions never wait for each other in a circle, and looks at all of them
//! before it changes any.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::gcra::Gcra;
use super::standing::Outcome;
use super::{Charge, MOST_LIMITS};

const SHARDS: usize = 64;

/// Most counters held: about 12 MB. Only counters that are not at rest count,
/// so it takes this many callers and tools in use within the time a limit
/// needs to recover (two minutes by default).
const MOST_COUNTERS: usize = 1 << 18;

/// The limits of callers, counted here and nowhere else.
#[derive(Debug)]
pub(super) struct Memory {
    shards: Box<[Mutex<Shard>]>,
    /// Keys by two independent secrets: 128 bits that no caller can steer, in
    /// place of names of any length.
    secrets: [RandomState; 2],
    most_a_shard: usize,
}

/// There is no room for another counter, and none is at rest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table of {MOST_COUNTERS} counters in memory is full")]
pub(super) struct Full;

/// When each counter will be at rest, in µs of the monotonic clock.
#[derive(Debug, Default)]
struct Shard {
    rests: HashMap<u128, u64, BuildHasherDefault<AlreadyHashed>>,
    /// No counter is at rest before this time, so no sweep is worth it.
    sweep_from: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self::holding(MOST_COUNTERS)
    }

    /// With room for about so many counters.
    pub(super) fn holding(counters: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            secrets: [RandomState::new(), RandomState::new()],
            most_a_shard: counters / SHARDS,
        }
    }

    /// Charges all limits, or none.
    ///
    /// # Errors
    /// [`Full`] when a caller is new and there is no room: whoever is already
    /// counted stays counted.
    pub(super) fn decide(
        &self,
        charge: &Charge<'_>,
        limits: &[Gcra],
        now: u64,
    ) -> Result<Outcome, Full> {
        let keys = self.keys(charge);
        let keys = &keys[..limits.len()];
        let mut shards = [usize::MAX; MOST_LIMITS];
        for (shard, key) in shards.iter_mut().zip(keys) {
            *shard = shard_of(*key);
        }
        shards.sort_unstable();
        let mut locked: Vec<(usize, MutexGuard<'_, Shard>)> = Vec::with_capacity(MOST_LIMITS);
        for shard in shards.into_iter().take_while(|shard| *shard < SHARDS) {
            if locked.last().is_none_or(|(last, _)| *last < shard) {
                locked.push((shard, lock(&self.shards[shard])));
            }
        }
        let place = |key: u128, locked: &[(usize, MutexGuard<'_, Shard>)]| {
            locked.partition_point(|(shard, _)| *shard < shard_of(key))
        };

        let mut outcome = Outcome { admitted: true, backlogs: [0; MOST_LIMITS] };
        for ((key, gcra), backlog) in keys.iter().zip(limits).zip(&mut outcome.backlogs) {
            let place = place(*key, &locked);
            let shard = &mut locked[place].1;
            let known = shard.rests.get(key).copied();
            if known.is_none() && !shard.has_room(self.most_a_shard, now) {
                return Err(Full);
            }
            let rest = known.unwrap_or(now);
            *backlog = gcra.backlog(rest, now);
            outcome.admitted &= gcra.admits(*backlog);
        }
        if outcome.admitted {
            for ((key, gcra), backlog) in keys.iter().zip(limits).zip(&mut outcome.backlogs) {
                *backlog += gcra.interval();
                let place = place(*key, &locked);
                locked[place].1.set(*key, now.saturating_add(*backlog));
            }
        }
        Ok(outcome)
    }

    /// Forgets the counters that are at rest, which changes no decision.
    /// Returns how many are left.
    pub(super) fn purge(&self, now: u64) -> usize {
        let sweep = |shard: &Mutex<Shard>| {
            let mut shard = lock(shard);
            shard.sweep(now);
            if shard.rests.capacity() > 4 * shard.rests.len() {
                shard.rests.shrink_to_fit();
            }
            shard.rests.len()
        };
        self.shards.iter().map(sweep).sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).rests.len()).sum()
    }

    /// The counters of a charge, in the order of the limits.
    fn keys(&self, charge: &Charge<'_>) -> [u128; MOST_LIMITS] {
        let user = self.hash(&charge.user);
        let tool = charge.tool.map_or(0, |tool| self.hash(&(user, tool)));
        [user, tool]
    }

    fn hash(&self, name: &impl std::hash::Hash) -> u128 {
        let [high, low] = self.secrets.each_ref().map(|secret| secret.hash_one(name));
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Shard {
    /// Whether the counters of one more decision fit, after forgetting those
    /// at rest if need be.
    fn has_room(&mut self, most: usize, now: u64) -> bool {
        if self.rests.len() >= most && now >= self.sweep_from {
            self.sweep(now);
        }
        self.rests.len() < most
    }

    fn sweep(&mut self, now: u64) {
        self.rests.retain(|_, rest| *rest > now);
        self.sweep_from = self.rests.values().min().copied().unwrap_or(u64::MAX);
    }

    fn set(&mut self, key: u128, rest: u64) {
        self.rests.insert(key, rest);
        self.sweep_from = self.sweep_from.min(rest);
    }
}

/// What a panicking thread left is whole: a counter is one number.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::cast_possible_truncation, reason = "six bits are wanted")]
fn shard_of(key: u128) -> usize {
    (key >> 64) as usize % SHARDS
}

/// Takes keys that are hashes for what they are.
#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the other half chose the shard")]
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}
