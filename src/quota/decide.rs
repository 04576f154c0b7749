//! The decision about one call, wherever it is counted.

use std::sync::Arc;

use super::charge::Charge;
use super::check::Rule;
use super::error::Denied;
use super::receipt::{Receipt, Unheard};
use super::standing::Standing;
use super::tally::Other;
use super::{Quota, QuotaIo, Store};

/// The name of no lease: the call takes none.
pub(super) const NO_LEASE: &str = "-";

/// A call that may pass.
#[derive(Default)]
pub(crate) struct Counted {
    /// How the caller stands; nothing where no rate bears on the call, or it
    /// was let pass uncounted.
    pub(crate) standing: Option<Standing>,
    /// To be kept as long as the call goes on.
    pub(crate) receipt: Option<Box<Receipt>>,
}

impl Quota {
    /// Charges one call to all its limits, or, when one refuses, to none.
    /// Takes at most `redis.timeout_ms`.
    ///
    /// A decision that is given up on (no answer in time, caller gone) may be
    /// made nevertheless. Whatever it charges is then taken back as soon as
    /// that is known; what is not known in seconds ends by itself.
    ///
    /// # Errors
    /// [`Denied`] with [`RateLimited`](crate::error::Reason::RateLimited),
    /// [`BudgetExceeded`](crate::error::Reason::BudgetExceeded) or
    /// [`QuotaUnavailable`](crate::error::Reason::QuotaUnavailable).
    pub(crate) async fn decide(
        &self,
        io: &QuotaIo,
        charge: &Charge<'_>,
    ) -> Result<Counted, Denied> {
        let inner = &self.inner;
        let mut checks = Arc::new(inner.checks(charge));
        if checks.is_empty() {
            return Ok(Counted::default());
        }
        let leased = checks.iter().any(|check| matches!(check.rule, Rule::Lease { .. }));
        let lease = leased.then(|| inner.leases.next());
        let decided = match &inner.store {
            Store::Memory(memory) => {
                memory.decide(&checks, inner.now()).map_err(|error| error.to_string())
            }
            // On the heap: the state of a round trip is several kilobytes, and
            // every future around this one would carry and move it.
            Store::Redis(remote) => {
                Box::pin(async {
                    let name = lease.map(|lease| inner.leases.name(lease));
                    let name = name.as_deref().unwrap_or(NO_LEASE);
                    let given = inner.given_time();
                    let (inner, link) = (Arc::clone(inner), io.0.clone());
                    let unheard = Unheard { inner, link, checks: Arc::clone(&checks), lease };
                    let late = move |answer: redis::RedisResult<Vec<u64>>| {
                        unheard.decided(answer.ok().as_deref());
                    };
                    let decided =
                        remote.decide(io.0.as_deref(), &checks, Some(name), given, late).await;
                    decided.map_err(|error| error.to_string())
                })
                .await
            }
        };
        let (outcome, local) = match decided {
            Ok(outcome) => {
                inner.counts_again();
                (outcome, false)
            }
            Err(problem) => match inner.without_store(&checks, problem)? {
                Some((shares, outcome)) => {
                    checks = Arc::new(shares);
                    (outcome, true)
                }
                None => return Ok(Counted::default()),
            },
        };
        let standing = Standing::new(&checks, &outcome);
        if outcome.admitted {
            if outcome.is_free() {
                inner.tally.other(Other::Free);
            } else {
                inner.tally.admitted(&checks);
            }
            let receipt = Receipt::new(inner, io.0.as_ref(), (checks, outcome), lease, local);
            Ok(Counted { standing, receipt: Some(Box::new(receipt)) })
        } else {
            Err(inner.refusal(&checks, &outcome, standing))
        }
    }
}
