//! What was charged for a call, to be taken back when the call is over, or
//! was not made.

use std::sync::Arc;

use futures_util::future::join_all;

use super::check::{Check, Free, Key, Outcome, Rule, Undo};
use super::gcra::Charged;
use super::remote::{self, BACKGROUND, Link};
use super::{Inner, Store};

/// Leases renewed at the same time.
const RENEWED_AT_ONCE: usize = 64;

/// Why a charge is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refund {
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
    checks: Arc<Vec<Check>>,
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
        (checks, outcome): (Arc<Vec<Check>>, Outcome),
        lease: Option<u64>,
        local: bool,
    ) -> Self {
        let (inner, link) = (Arc::clone(inner), link.map(Arc::clone));
        // Here, places end with their calls; there, they have to be renewed.
        if let (Some(lease), Store::Redis(_), false) = (lease, &inner.store, local) {
            inner.leases.take(lease, leased(&checks));
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
}

/// What is taken back, `Once` first.
pub(super) fn undo<'c>(
    checks: &'c [Check],
    outcome: &Outcome,
    refund: Refund,
) -> Vec<(&'c Key, Undo)> {
    let Outcome { now, ref seen, .. } = *outcome;
    let free = outcome.free(checks);
    let refunds = refund != Refund::Nothing;
    let mut undo = Vec::new();
    for (check, seen) in checks.iter().zip(seen) {
        let back = match check.rule {
            Rule::Lease { .. } => Undo::Lease,
            Rule::Rate(gcra) if refunds && free == Free::No => Undo::Rate(Charged {
                cost: gcra.cost,
                at: now,
                rest: now.saturating_add(seen.value),
                back: seen.back,
            }),
            Rule::Budget { .. } if refund == Refund::Everything && free != Free::Answer => {
                Undo::Budget { until: seen.until }
            }
            // What was free as a retry had cost nothing, and spent no credit.
            Rule::Once { keep, .. } if refunds && free != Free::Retry => {
                Undo::Once { until: now.saturating_add(keep) }
            }
            Rule::Credit { keep } if refunds && free == Free::Answer => Undo::Credit { keep },
            Rule::Rate(_) | Rule::Budget { .. } | Rule::Once { .. } | Rule::Credit { .. } => {
                continue;
            }
        };
        undo.push((&check.key, back));
    }
    undo.sort_by_key(|(_, undo)| !matches!(undo, Undo::Once { .. }));
    undo
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let undo = undo(&self.checks, &self.outcome, self.refund);
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
        if let Err(error) = remote.settle(link, &undo, &name, self.given_time(), BACKGROUND).await {
            // A rate works itself off.
            if let Some(lease) = lease {
                let leased = undo.iter().filter(|(_, undo)| *undo == Undo::Lease);
                self.leases.lose(lease, leased.map(|(key, _)| (*key).clone()).collect());
            }
            tracing::debug!(%error, "what a call had charged could not be taken back");
        }
    }

    /// Says of all calls in progress that they still are, and of those that
    /// are over and may still have a lease that they have none.
    pub(super) async fn renew(self: &Arc<Self>, link: Option<&Link>) {
        let Store::Redis(remote) = &self.store else { return };
        let lost = std::mem::take(&mut *self.leases.lost());
        for some in lost.chunks(RENEWED_AT_ONCE) {
            join_all(some.iter().map(|(lease, keys)| self.return_lease(link, *lease, keys))).await;
        }
        let held = self.leases.all();
        for some in held.chunks(RENEWED_AT_ONCE) {
            let renewing = some.iter().map(|(lease, keys)| async move {
                let name = self.leases.name(*lease);
                let late = Late::of(self, *lease, keys);
                let renewed = remote.renew(link, keys, &name, move |_| late.over()).await;
                if renewed.is_ok() && !self.leases.holds(*lease) {
                    // It ended meanwhile, and was brought back.
                    self.return_lease(link, *lease, keys).await;
                }
                renewed
            });
            let fault = join_all(renewing).await.into_iter().find_map(Result::err);
            if let Some(error) = fault {
                tracing::debug!(%error, "calls in progress could not be renewed");
            }
        }
    }

    async fn return_lease(&self, link: Option<&Link>, lease: u64, keys: &Arc<[Key]>) {
        let undo: Vec<_> = keys.iter().map(|key| (key.clone(), Undo::Lease)).collect();
        self.settle(link, &undo, Some(lease)).await;
    }
}

/// A lease of which something is said to Redis that may come too late.
struct Late {
    inner: Arc<Inner>,
    lease: u64,
    keys: Arc<[Key]>,
}

impl Late {
    fn of(inner: &Arc<Inner>, lease: u64, keys: &Arc<[Key]>) -> Self {
        Self { inner: Arc::clone(inner), lease, keys: Arc::clone(keys) }
    }

    /// It was renewed, or may have been, at any time before.
    fn over(self) {
        if !self.inner.leases.holds(self.lease) {
            self.inner.leases.lose(self.lease, self.keys);
        }
    }
}

/// A decision that nobody may wait for: whatever it charges is taken back,
/// since its call was not made.
pub(super) struct Unheard {
    pub(super) inner: Arc<Inner>,
    pub(super) link: Option<Arc<Link>>,
    pub(super) checks: Arc<Vec<Check>>,
    pub(super) lease: Option<u64>,
}

impl Unheard {
    /// What it was, if that is known.
    pub(super) fn decided(self, answer: Option<&[u64]>) {
        let Self { inner, link, checks, lease } = self;
        match answer.and_then(|answer| remote::read(answer, &checks)) {
            Some(outcome) if outcome.admitted => {
                Receipt::new(&inner, link.as_ref(), (checks, outcome), lease, false).refuse();
            }
            Some(_) => {}
            None => {
                if let Some(lease) = lease {
                    inner.leases.lose(lease, leased(&checks));
                }
            }
        }
    }
}

fn leased(checks: &[Check]) -> Arc<[Key]> {
    let leased = checks.iter().filter(|check| matches!(check.rule, Rule::Lease { .. }));
    leased.map(|check| check.key.clone()).collect()
}
