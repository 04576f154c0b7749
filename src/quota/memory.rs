//! Counters in this process.
//!
//! Counters lie in shards, each behind its own lock. A decision locks the
//! shards of all its counters, in the order of their numbers so that two
//! decisions never wait for each other in a circle, and looks at all of them
//! before it changes any.
//!
//! What clients name themselves (requests, questions, turns, jobs) lies aside,
//! in a table that is never full: the counter with the fewest calls gives way.
//! So whoever names a great many of them forgets its own, and keeps nobody from
//! being counted. A request that was forgotten is charged when it comes again.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::check::{Cell, Check, Free, Key, Outcome, Seen, Undo};
use super::name::Name;

const SHARDS: usize = 64;

/// Most counters held: about 25 MB. Only counters that are not at rest count,
/// so it takes this many callers and tools in use within the time a limit
/// needs to recover (two minutes by default).
const MOST_COUNTERS: usize = 1 << 18;

/// Most counters held that clients name: about 6 MB.
const MOST_ASIDE: usize = 1 << 16;

/// The limits of callers, counted here and nowhere else.
#[derive(Debug)]
pub(super) struct Memory {
    shards: Box<[Mutex<Shard>]>,
    /// Keys by two independent secrets: 128 bits that no caller can steer, in
    /// place of names of any length.
    secrets: [RandomState; 2],
    most_a_shard: usize,
    most_aside: usize,
}

/// There is no room for another counter, and none is at rest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table of {MOST_COUNTERS} counters in memory is full")]
pub(super) struct Full;

type Cells = HashMap<u128, Cell, BuildHasherDefault<AlreadyHashed>>;

#[derive(Debug, Default)]
struct Shard {
    cells: Cells,
    /// Those that clients name.
    aside: Cells,
    /// No counter is at rest before this time, so no sweep is worth it.
    sweep_from: u64,
}

/// The locked shards of one decision, by their numbers.
type Locked<'a> = Vec<(usize, MutexGuard<'a, Shard>)>;

impl Memory {
    pub(super) fn new() -> Self {
        Self::holding(MOST_COUNTERS, MOST_ASIDE)
    }

    /// With room for about so many counters, and so many that clients name.
    pub(super) fn holding(counters: usize, aside: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            secrets: [RandomState::new(), RandomState::new()],
            most_a_shard: counters / SHARDS,
            most_aside: aside / SHARDS,
        }
    }

    /// Where the counter of that name lies.
    pub(super) fn key(&self, name: &Name<'_>) -> Key {
        Key::Here(self.hash(name))
    }

    /// Charges all counters, or none.
    ///
    /// # Errors
    /// [`Full`] when a caller is new and there is no room: whoever is already
    /// counted stays counted.
    pub(super) fn decide(&self, checks: &[Check], now: u64) -> Result<Outcome, Full> {
        let ids: Vec<u128> = checks.iter().map(|check| self.id(&check.key)).collect();
        let mut locked = self.lock_all(&ids);
        let mut freed_by = None;
        let mut seen = Vec::with_capacity(checks.len());
        let mut found = Vec::with_capacity(checks.len());
        for (at, (check, id)) in checks.iter().zip(&ids).enumerate() {
            let shard = shard(&mut locked, *id);
            let cell = if check.is_named_by_client() {
                shard.aside.get(id).copied()
            } else {
                let cell = shard.cells.get(id).copied();
                if cell.is_none() && !shard.has_room(self.most_a_shard, now) {
                    return Err(Full);
                }
                cell
            };
            let read = check.rule.read(cell, now);
            if freed_by.is_none() && check.rule.frees(read) {
                freed_by = Some(at);
            }
            seen.push(read);
            found.push(cell);
        }
        let free = Free::by(freed_by.and_then(|at: usize| checks.get(at)));
        let stops =
            |(check, seen): (&Check, &Seen)| check.rule.stops(*seen) && check.rule.binds(free);
        let admitted = !checks.iter().zip(&seen).any(stops);
        if admitted {
            for (at, (check, id)) in checks.iter().zip(&ids).enumerate() {
                let freed = (freed_by == Some(at), free);
                let charged = check.rule.charged(found[at], seen[at], now, freed);
                if let Some((after, cell)) = charged {
                    seen[at] = after;
                    let shard = shard(&mut locked, *id);
                    if check.is_named_by_client() {
                        shard.set_aside(*id, cell, self.most_aside, now);
                    } else {
                        shard.set(*id, cell);
                    }
                }
            }
        }
        Ok(Outcome { admitted, freed_by, now, seen })
    }

    /// What each check reads; changes nothing.
    pub(super) fn look(&self, checks: &[Check], now: u64) -> Outcome {
        let seen = checks.iter().map(|check| {
            let id = self.id(&check.key);
            let cell = lock(&self.shards[shard_of(id)]).find(id);
            check.rule.read(cell, now)
        });
        Outcome { admitted: true, freed_by: None, now, seen: seen.collect() }
    }

    /// Takes charges back.
    pub(super) fn settle<'a>(&self, undo: impl Iterator<Item = (&'a Key, Undo)>, now: u64) {
        let mut retried = false;
        for (key, undo) in undo {
            let id = self.id(key);
            let mut shard = lock(&self.shards[shard_of(id)]);
            let aside = matches!(undo, Undo::Once { .. } | Undo::Credit { .. });
            let aside = aside || shard.aside.contains_key(&id);
            let cell = shard.find(id);
            let alive = cell.filter(|cell| cell.until > now);
            if let Undo::Once { until } = undo {
                retried = alive.is_none_or(|cell| (cell.value, cell.until) != (1, until));
            }
            let cell = match (undo, cell) {
                (Undo::Rate(_) | Undo::Once { .. } | Undo::Credit { .. }, _) if retried => continue,
                (Undo::Credit { keep }, _) => {
                    Some(Cell { until: now.saturating_add(keep), value: 1, start: 0 })
                }
                (Undo::Once { .. }, _) | (_, None) => None,
                (Undo::Rate(charged), Some(cell)) => {
                    cell.queue().without(&charged, now).map(Cell::from)
                }
                (Undo::Budget { until }, Some(cell)) if cell.until != until => Some(cell),
                (Undo::Lease | Undo::Budget { .. }, Some(cell)) => {
                    Some(Cell { value: cell.value.saturating_sub(1), ..cell })
                        .filter(|cell| cell.value > 0)
                }
            };
            match cell {
                Some(cell) if aside => shard.set_aside(id, cell, self.most_aside, now),
                Some(cell) => shard.set(id, cell),
                None => shard.forget(id),
            }
        }
    }

    /// Forgets counters, whatever they say. Calls in progress go on, uncounted.
    pub(super) fn forget<'a>(&self, keys: impl Iterator<Item = &'a Key>) {
        for key in keys {
            let id = self.id(key);
            lock(&self.shards[shard_of(id)]).forget(id);
        }
    }

    /// Forgets the counters that are at rest, which changes no decision.
    /// Returns how many are left.
    pub(super) fn purge(&self, now: u64) -> usize {
        let sweep = |shard: &Mutex<Shard>| {
            let mut shard = lock(shard);
            shard.sweep(now);
            shard.aside.retain(|_, cell| cell.until > now);
            if shard.aside.capacity() > 4 * shard.aside.len() {
                shard.aside.shrink_to_fit();
            }
            if shard.cells.capacity() > 4 * shard.cells.len() {
                shard.cells.shrink_to_fit();
            }
            shard.cells.len() + shard.aside.len()
        };
        self.shards.iter().map(sweep).sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = lock(shard);
            shard.cells.len() + shard.aside.len()
        };
        self.shards.iter().map(count).sum()
    }

    fn lock_all(&self, ids: &[u128]) -> Locked<'_> {
        let mut shards: Vec<usize> = ids.iter().map(|id| shard_of(*id)).collect();
        shards.sort_unstable();
        shards.dedup();
        shards.into_iter().map(|shard| (shard, lock(&self.shards[shard]))).collect()
    }

    /// A key of Redis' has a place here, too, for when Redis is away.
    fn id(&self, key: &Key) -> u128 {
        match key {
            Key::Here(id) => *id,
            Key::There(text) => self.hash(text),
        }
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
        if self.cells.len() >= most && now >= self.sweep_from {
            self.sweep(now);
        }
        self.cells.len() < most
    }

    fn sweep(&mut self, now: u64) {
        self.cells.retain(|_, cell| cell.until > now);
        self.sweep_from = self.cells.values().map(|cell| cell.until).min().unwrap_or(u64::MAX);
    }

    /// A name is hashed with its kind, so no two tables have one id.
    fn find(&self, id: u128) -> Option<Cell> {
        self.cells.get(&id).or_else(|| self.aside.get(&id)).copied()
    }

    fn forget(&mut self, id: u128) {
        self.cells.remove(&id);
        self.aside.remove(&id);
    }

    /// Sets a counter that a client named. For a new one another gives way,
    /// if need be: one at rest, else of those with the fewest calls the one
    /// that ends first.
    fn set_aside(&mut self, id: u128, cell: Cell, most: usize, now: u64) {
        if cell.until <= now {
            self.aside.remove(&id);
            return;
        }
        if self.aside.len() >= most && !self.aside.contains_key(&id) {
            let weight = |cell: &Cell| {
                if cell.until > now { (cell.value, cell.until) } else { (0, 0) }
            };
            let least = self.aside.iter().min_by_key(|(_, cell)| weight(cell));
            let Some((least, _)) = least.map(|(id, cell)| (*id, *cell)) else { return };
            self.aside.remove(&least);
        }
        self.aside.insert(id, cell);
    }

    fn set(&mut self, id: u128, cell: Cell) {
        self.cells.insert(id, cell);
        self.sweep_from = self.sweep_from.min(cell.until);
    }
}

fn shard<'l>(locked: &'l mut Locked<'_>, id: u128) -> &'l mut Shard {
    let place = locked.partition_point(|(shard, _)| *shard < shard_of(id));
    &mut locked[place].1
}

/// What a panicking thread left is whole: a counter is set in one go.
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
