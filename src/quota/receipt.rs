//! What was charged for a call, to be taken back when the call is over, or
//! was not made.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::check::{Check, Key, Outcome, Rule, Undo};
use super::gcra::Charged;
use super::remote::{Link, Remote};
use super::{Inner, Store};

/// Leases renewed at the same time.
const RENEWED_AT_ONCE: usize = 64;

/// Why a charge is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refund {
    /// It is not: the call was made.
    Nothing,
    /// The backend was not reached. Budgets are of attempts, and stay charged:
    /// they are what ends a storm of retries.
    Rates,
    /// The gateway refused the call after all.
    Everything,
}

/// The charges of one admitted call. Dropped, it returns the call's leases,
/// and what is to be refunded: when the call is over, however that came.
pub(crate) struct Receipt {
    inner: Arc<Inner>,
    link: Option<Arc<Link>>,
    checks: Vec<Check>,
    outcome: Outcome,
    lease: Option<u64>,
    /// It was counted here while Redis was away.
    local: bool,
    refund: Refund,
}

impl Receipt {
    pub(super) fn new(
        inner: &Arc<Inner>,
        link: Option<&Arc<Link>>,
        (checks, outcome): (Vec<Check>, Outcome),
        lease: Option<u64>,
        local: bool,
    ) -> Self {
        let (inner, link) = (Arc::clone(inner), link.map(Arc::clone));
        // Here, places end with their calls; there, they have to be renewed.
        if let (Some(lease), Store::Redis(_), false) = (lease, &inner.store, local) {
            inner.leases.take(lease, &checks);
        }
        Self { inner, link, checks, outcome, lease, local, refund: Refund::Nothing }
    }

    /// The call was refused after it was charged.
    pub(crate) fn refuse(&mut self) {
        self.refund = Refund::Everything;
    }

    /// The call did not reach its backend.
    pub(crate) fn unreached(&mut self) {
        if self.inner.refund_unreached && self.refund == Refund::Nothing {
            self.refund = Refund::Rates;
        }
    }

    fn undo(&self) -> Vec<(&Key, Undo)> {
        let Outcome { freed_by, now, ref seen, .. } = self.outcome;
        let (free, refunds) = (freed_by.is_some(), self.refund != Refund::Nothing);
        // A credit is spent if it made the call free, and not where a retry
        // that brings an answer along did: that one spends nothing.
        let by_credit = freed_by.is_some_and(|at| {
            self.checks.get(at).is_some_and(|check| matches!(check.rule, Rule::Credit { .. }))
        });
        let mut undo = Vec::new();
        for (check, seen) in self.checks.iter().zip(seen) {
            let back = match check.rule {
                Rule::Lease { .. } => Undo::Lease,
                Rule::Rate(gcra) if refunds && !free => Undo::Rate(Charged {
                    cost: gcra.cost,
                    at: now,
                    rest: now.saturating_add(seen.value),
                    back: seen.back,
                }),
                Rule::Budget { .. } if self.refund == Refund::Everything && !free => {
                    Undo::Budget { until: seen.until }
                }
                Rule::Once { .. } if refunds && (!free || by_credit) => Undo::Once,
                Rule::Credit { keep } if refunds && by_credit => Undo::Credit { keep },
                Rule::Rate(_) | Rule::Budget { .. } | Rule::Once { .. } | Rule::Credit { .. } => {
                    continue;
                }
            };
            undo.push((&check.key, back));
        }
        undo
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let undo = self.undo();
        if let Some(lease) = self.lease {
            self.inner.leases.give_up(lease);
        }
        if undo.is_empty() {
            return;
        }
        let now = self.inner.now();
        match &self.inner.store {
            Store::Memory(memory) => memory.settle(undo.into_iter(), now),
            Store::Redis(_) if self.local => self.inner.local.settle(undo.into_iter(), now),
            Store::Redis(_) => {
                let undo: Vec<(Key, Undo)> =
                    undo.into_iter().map(|(key, undo)| (key.clone(), undo)).collect();
                let (inner, link, lease) = (Arc::clone(&self.inner), self.link.clone(), self.lease);
                let settling = async move { inner.settle(link.as_deref(), &undo, lease).await };
                // On this worker, whose connections they are. Without one the
                // process is leaving, and leases end by themselves.
                if let Ok(worker) = tokio::runtime::Handle::try_current() {
                    worker.spawn(settling);
                }
            }
        }
    }
}

impl Inner {
    async fn settle(&self, link: Option<&Link>, undo: &[(Key, Undo)], lease: Option<u64>) {
        let Store::Redis(remote) = &self.store else { return };
        let undo: Vec<_> = undo.iter().map(|(key, undo)| (key, *undo)).collect();
        let name = self.leases.name(lease.unwrap_or_default());
        if let Err(error) = remote.settle(link, &undo, &name, self.given_time()).await {
            // A lease ends by itself, and a rate works itself off.
            tracing::debug!(%error, "what a call had charged could not be taken back");
        }
    }

    /// Says of all calls in progress that they still are.
    pub(super) async fn renew(&self, remote: &Remote, link: Option<&Link>) {
        let held = self.leases.all();
        for some in held.chunks(RENEWED_AT_ONCE) {
            let renewing = some.iter().map(|(lease, keys)| async move {
                let name = self.leases.name(*lease);
                let renewed = remote.renew(link, keys, &name).await;
                if renewed.is_ok() && !self.leases.holds(*lease) {
                    // It ended meanwhile, and was brought back.
                    let undo: Vec<_> = keys.iter().map(|key| (key, Undo::Lease)).collect();
                    return remote.settle(link, &undo, &name, None).await;
                }
                renewed
            });
            let fault = join_all(renewing).await.into_iter().find_map(Result::err);
            if let Some(error) = fault {
                tracing::debug!(%error, "calls in progress could not be renewed");
            }
        }
    }
}

/// The calls in progress that have leases in Redis.
#[derive(Debug)]
pub(super) struct Leases {
    /// This process, of all that there are and were.
    process: u64,
    next: AtomicU64,
    held: Mutex<HashMap<u64, Arc<[Key]>>>,
}

impl Leases {
    pub(super) fn new(process: u64) -> Self {
        Self { process, next: AtomicU64::new(1), held: Mutex::default() }
    }

    /// One that no other call has.
    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// What Redis knows it by.
    pub(super) fn name(&self, lease: u64) -> String {
        format!("{:016x}-{lease}", self.process)
    }

    /// How many calls hold one.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn take(&self, lease: u64, checks: &[Check]) {
        let leased = checks.iter().filter(|check| matches!(check.rule, Rule::Lease { .. }));
        let keys = leased.map(|check| check.key.clone()).collect();
        self.lock().insert(lease, keys);
    }

    fn give_up(&self, lease: u64) {
        self.lock().remove(&lease);
    }

    fn holds(&self, lease: u64) -> bool {
        self.lock().contains_key(&lease)
    }

    fn all(&self) -> Vec<(u64, Arc<[Key]>)> {
        self.lock().iter().map(|(lease, keys)| (*lease, Arc::clone(keys))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<[Key]>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
