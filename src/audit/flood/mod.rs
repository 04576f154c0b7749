//! Refused attempts beyond so many a minute, counted together.
//!
//! Each caller, and each address of those who could not say who they are, has a
//! window of a minute from its first refused attempt. So many of them get an
//! event each, and so does the first of every further reason; the rest is
//! counted ([`Fold`]), and the count becomes one event when the window is over,
//! or when the process stops. So nobody can fill the journal with refusals, and
//! none is without a trace. A crash loses the counts of windows that are open:
//! at most a minute's.
//!
//! Memory is bounded: so many windows for callers, and so many for addresses
//! (IPv6: networks of 64 bits, which one host may have as a whole). Whoever
//! comes when all are taken shares the last one, as `others`.

mod fold;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub(super) use fold::{Fold, Source};

use super::facts::Facts;

/// How long a window is.
const WINDOW: Duration = Duration::from_mins(1);

/// How often somebody looks for windows that are over.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// Most windows of callers, and most of addresses.
const MOST_WINDOWS: usize = 4096;

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
    /// Counts that could not be written.
    waiting: Vec<Fold>,
}

/// Whose window it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A user of an issuer.
    Caller(Arc<str>, Arc<str>),
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
    /// Reasons that have an event already.
    told: Vec<&'static str>,
    fold: Option<Fold>,
}

impl Floods {
    /// With so many events of their own for each source in a minute.
    pub(super) fn new(most: u32) -> Self {
        Self { most, tables: Mutex::default(), folded: AtomicU64::new(0) }
    }

    /// What becomes of an attempt that was refused for `reason`, and the count
    /// of the window before, where that has ended.
    pub(super) fn judge(
        &self,
        facts: &Facts,
        reason: &'static str,
        now: DateTime<Utc>,
        mono: Duration,
    ) -> (Verdict, Option<Fold>) {
        if self.most == 0 {
            return (Verdict::Written, None);
        }
        let (key, source) = source(facts);
        let mut tables = self.tables();
        let table = match key {
            Key::Caller(..) => &mut tables.callers,
            Key::Address(_) | Key::Others => &mut tables.addresses,
        };
        let crowded = table.len() >= MOST_WINDOWS && !table.contains_key(&key);
        let (key, source) =
            if crowded { (Key::Others, Source::of_others()) } else { (key, source) };
        let window = table.entry(key).or_insert_with(|| Window::begin(mono));
        let closed = if window.is_over(mono) {
            std::mem::replace(window, Window::begin(mono)).fold
        } else {
            None
        };
        let is_news = !window.told.contains(&reason);
        if window.written < self.most || is_news {
            window.written = window.written.saturating_add(1);
            if is_news {
                window.told.push(reason);
            }
            return (Verdict::Written, closed);
        }
        let fold = window.fold.get_or_insert_with(|| Fold::begin(source, now));
        fold.add(reason, facts.tool(), now);
        self.folded.fetch_add(1, Ordering::Relaxed);
        (Verdict::Counted, closed)
    }

    /// The counts of windows that are over, which are forgotten.
    pub(super) fn take_closed(&self, mono: Duration) -> Vec<Fold> {
        let mut tables = self.tables();
        let mut closed = std::mem::take(&mut tables.waiting);
        let Tables { callers, addresses, .. } = &mut *tables;
        for table in [callers, addresses] {
            table.retain(|_, window| {
                let over = window.is_over(mono);
                if over {
                    closed.extend(window.fold.take());
                }
                !over
            });
        }
        closed
    }

    /// All counts. Windows go on.
    pub(super) fn take_all(&self) -> Vec<Fold> {
        let mut tables = self.tables();
        let mut all = std::mem::take(&mut tables.waiting);
        let Tables { callers, addresses, .. } = &mut *tables;
        let windows = callers.values_mut().chain(addresses.values_mut());
        all.extend(windows.filter_map(|window| window.fold.take()));
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
        Self { began: mono, written: 0, told: Vec::new(), fold: None }
    }

    fn is_over(&self, mono: Duration) -> bool {
        mono.saturating_sub(self.began) >= WINDOW
    }
}

/// Whose attempt it is.
fn source(facts: &Facts) -> (Key, Source) {
    let address = facts.opening.client_addr.map(network);
    match &facts.caller {
        Some(caller) => {
            let issuer = caller.issuer.clone().unwrap_or_else(|| "".into());
            let key = Key::Caller(issuer, Arc::clone(&caller.user_id));
            (key, Source { caller: Some(caller.clone()), address, others: false })
        }
        None => (Key::Address(address), Source { caller: None, address, others: false }),
    }
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
