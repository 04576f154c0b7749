//! Refused attempts beyond so many a minute, counted together.
//!
//! Each caller, and each address of those who could not say who they are, has a
//! window of a minute from its first refused attempt. So many of them get an
//! event each, and so does the first of every further reason, and the first at
//! every further tool of the registry: none of these can be hidden in a crowd.
//! The rest is counted ([`Fold`]), and the count becomes one event when the window
//! is over, or when the process stops. So nobody can fill the journal with
//! refusals, and none is without a trace. A crash loses the counts of windows that
//! are open: at most a minute's.
//!
//! Those who are not known share a bound besides ([`Crowd`]), however many
//! addresses they have: so many events and so many counts a minute, for all
//! together. What is beyond becomes one count.
//!
//! Memory is bounded: so many windows for callers, and so many for addresses
//! (IPv6: networks of 64 bits, which one host may have as a whole). Whoever
//! comes when all are taken shares the last one, as `others`.

mod fold;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub(super) use fold::{Attempt, Fold, Source};

use super::facts::Facts;

/// How long a window is.
const WINDOW: Duration = Duration::from_mins(1);

/// How often somebody looks for windows that are over.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// Most windows of callers, and most of addresses.
const MOST_WINDOWS: usize = 4096;

/// Most reasons and tools of the registry that are news in one window.
const MOST_NEWS: usize = 1024;

/// How many windows' events all who are not known may have together in a minute.
const CROWD: u32 = 64;

/// Most counts of addresses in a minute; the others are one.
const MOST_CROWD_FOLDS: usize = 256;

/// Most counts that wait for a journal that cannot be written.
const MOST_WAITING: usize = 2 * MOST_WINDOWS + 2;

/// What becomes of a refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It gets an event of its own.
    Written,
    /// It is counted.
    Counted,
}

/// The windows of all sources.
#[derive(Debug)]
pub(super) struct Floods {
    /// Attempts of a window that get an event each. 0: all.
    most: u32,
    tables: Mutex<Tables>,
    folded: AtomicU64,
}

#[derive(Debug, Default)]
struct Tables {
    callers: HashMap<Key, Window>,
    addresses: HashMap<Key, Window>,
    crowd: Crowd,
    /// Counts that could not be written.
    waiting: Vec<Fold>,
}

/// Whose window it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A user of an issuer.
    Caller(Option<Arc<str>>, Arc<str>),
    /// An address, or the first of its network.
    Address(Option<IpAddr>),
    /// All for whom there was no window left.
    Others,
}

#[derive(Debug)]
struct Window {
    /// When it began, by the monotonic clock.
    began: Duration,
    written: u32,
    /// Digests of the reasons, and of tools with theirs, that have an event
    /// already.
    told: HashSet<u64>,
    fold: Option<Fold>,
}

/// What all who are not known have had in this minute.
#[derive(Debug, Default)]
struct Crowd {
    /// When it began, by the monotonic clock.
    began: Duration,
    written: u32,
    folds: usize,
    /// Counts of addresses beyond those that get an event each.
    joined: Option<Fold>,
}

impl Floods {
    /// With so many events of their own for each source in a minute.
    pub(super) fn new(most: u32) -> Self {
        Self { most, tables: Mutex::default(), folded: AtomicU64::new(0) }
    }

    /// What becomes of an attempt, and the count of the window before, where that
    /// has ended.
    pub(super) fn judge(
        &self,
        attempt: Attempt<'_>,
        now: DateTime<Utc>,
        mono: Duration,
    ) -> (Verdict, Option<Fold>) {
        if self.most == 0 {
            return (Verdict::Written, None);
        }
        self.place(attempt, (now, mono), false)
    }

    /// Counts an attempt whose event could not be written.
    pub(super) fn count(&self, attempt: Attempt<'_>, now: DateTime<Utc>, mono: Duration) {
        if let (_, Some(closed)) = self.place(attempt, (now, mono), true) {
            self.put_back(closed);
        }
    }

    fn place(
        &self,
        attempt: Attempt<'_>,
        (now, mono): (DateTime<Utc>, Duration),
        must_count: bool,
    ) -> (Verdict, Option<Fold>) {
        let (key, source) = source(attempt.facts);
        let mut tables = self.tables();
        let Tables { callers, addresses, crowd, .. } = &mut *tables;
        let is_known = matches!(key, Key::Caller(..));
        let table = if is_known { callers } else { addresses };
        let crowded = table.len() >= MOST_WINDOWS && !table.contains_key(&key);
        let (key, source) =
            if crowded { (Key::Others, Source::of_others()) } else { (key, source) };
        let window = table.entry(key).or_insert_with(|| Window::begin(mono));
        let mut closed = None;
        if window.is_over(mono) {
            closed = std::mem::replace(window, Window::begin(mono)).fold;
            if !is_known {
                closed = closed.and_then(|fold| crowd.let_out(fold, mono));
            }
        }
        if !must_count {
            // Not `||`: what is written is no news any more.
            let is_news = window.is_news(attempt);
            let fits = window.written < self.most || is_news;
            if fits && (is_known || crowd.let_in(self.most, mono)) {
                window.written = window.written.saturating_add(1);
                return (Verdict::Written, closed);
            }
        }
        let fold = window.fold.get_or_insert_with(|| Fold::begin(source, attempt.decision, now));
        fold.add(attempt, now);
        self.folded.fetch_add(1, Ordering::Relaxed);
        (Verdict::Counted, closed)
    }

    /// The counts of windows that are over, which are forgotten.
    pub(super) fn take_closed(&self, mono: Duration) -> Vec<Fold> {
        let mut tables = self.tables();
        let mut closed = std::mem::take(&mut tables.waiting);
        let Tables { callers, addresses, crowd, .. } = &mut *tables;
        // What has been held back since the minute before.
        closed.extend(crowd.turn(mono));
        let mut let_out = |table: &mut HashMap<Key, Window>, crowd: Option<&mut Crowd>| {
            let mut ended = Vec::new();
            table.retain(|_, window| {
                let over = window.is_over(mono);
                if over {
                    ended.extend(window.fold.take());
                }
                !over
            });
            match crowd {
                None => closed.extend(ended),
                Some(crowd) => {
                    closed.extend(ended.into_iter().filter_map(|fold| crowd.let_out(fold, mono)));
                }
            }
        };
        let_out(callers, None);
        let_out(addresses, Some(crowd));
        closed
    }

    /// All counts. Windows go on.
    pub(super) fn take_all(&self, mono: Duration) -> Vec<Fold> {
        let mut tables = self.tables();
        let mut all = std::mem::take(&mut tables.waiting);
        let Tables { callers, addresses, crowd, .. } = &mut *tables;
        all.extend(callers.values_mut().filter_map(|window| window.fold.take()));
        let folds = addresses.values_mut().filter_map(|window| window.fold.take());
        all.extend(folds.filter_map(|fold| crowd.let_out(fold, mono)));
        all.extend(crowd.joined.take());
        all
    }

    /// Keeps a count that could not be written for the next time.
    pub(super) fn put_back(&self, fold: Fold) {
        let mut tables = self.tables();
        if tables.waiting.len() < MOST_WAITING {
            tables.waiting.push(fold);
        } else if let Some(last) = tables.waiting.last_mut() {
            last.join(&fold);
        }
    }

    /// Attempts counted so far.
    pub(super) fn folded(&self) -> u64 {
        self.folded.load(Ordering::Relaxed)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn begin(mono: Duration) -> Self {
        Self { began: mono, written: 0, told: HashSet::new(), fold: None }
    }

    fn is_over(&self, mono: Duration) -> bool {
        mono.saturating_sub(self.began) >= WINDOW
    }

    /// Whether this window has seen nothing like it; now it has.
    fn is_news(&mut self, Attempt { facts, reason, .. }: Attempt<'_>) -> bool {
        let tool = facts.tool().filter(|_| facts.declared);
        let mut is_new = false;
        for what in [Some((reason, None)), tool.map(|tool| (reason, Some(tool)))] {
            let Some(what) = what else { continue };
            let mut digest = DefaultHasher::new();
            what.hash(&mut digest);
            is_new |= self.told.len() < MOST_NEWS && self.told.insert(digest.finish());
        }
        is_new
    }
}

impl Crowd {
    /// Begins anew where a minute is over; what was held back in it.
    fn turn(&mut self, mono: Duration) -> Option<Fold> {
        if mono.saturating_sub(self.began) < WINDOW {
            return None;
        }
        let joined = self.joined.take();
        *self = Self { began: mono, ..Self::default() };
        joined
    }

    /// Whether one more event fits.
    fn let_in(&mut self, most: u32, mono: Duration) -> bool {
        self.joined = self.turn(mono).or_else(|| self.joined.take());
        let fits = self.written < most.saturating_mul(CROWD);
        self.written += u32::from(fits);
        fits
    }

    /// The count, if one more fits. Otherwise it waits with the others.
    fn let_out(&mut self, fold: Fold, mono: Duration) -> Option<Fold> {
        self.joined = self.turn(mono).or_else(|| self.joined.take());
        if self.folds < MOST_CROWD_FOLDS {
            self.folds += 1;
            return Some(fold);
        }
        match &mut self.joined {
            Some(joined) => joined.join(&fold),
            None => self.joined = Some(fold),
        }
        None
    }
}

/// Whose attempt it is.
fn source(facts: &Facts) -> (Key, Source) {
    let Some(caller) = &facts.caller else {
        let address = facts.opening.client_addr.map(network);
        return (Key::Address(address), Source { user: None, others: false });
    };
    let issuer = caller.issuer.clone();
    let key = Key::Caller(issuer.clone(), Arc::clone(&caller.user_id));
    (key, Source { user: Some((issuer, Arc::clone(&caller.user_id))), others: false })
}

/// An IPv4 address as it is; of an IPv6 address, the network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
