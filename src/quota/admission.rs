//! From a permit to an admission: the call is counted.

use super::{Charge, Quota, QuotaIo, Standing};
use crate::error::Refusal;
use crate::policy::Permit;

/// A permitted call that has been charged. Made only by [`Quota::admit`].
pub(crate) struct Admission<'a> {
    permit: Permit<'a>,
}

impl Quota {
    /// Charges a permitted call. `standing` learns where the caller stands,
    /// also when the call is refused.
    ///
    /// # Errors
    /// [`RateLimited`](crate::error::Reason::RateLimited),
    /// [`QuotaUnavailable`](crate::error::Reason::QuotaUnavailable).
    pub(crate) async fn admit<'a>(
        &self,
        io: &QuotaIo,
        permit: Permit<'a>,
        standing: &mut Option<Standing>,
    ) -> Result<Admission<'a>, Refusal> {
        let target = permit.target();
        let charge = Charge { user: target.caller().key(), tool: target.subject().quota_key() };
        match self.decide(io, charge).await {
            Ok(found) => {
                *standing = found;
                Ok(Admission { permit })
            }
            Err(denied) => {
                *standing = denied.standing.map(|standing| *standing);
                Err(denied.refusal)
            }
        }
    }
}

impl<'a> Admission<'a> {
    /// What was admitted.
    pub(crate) fn permit(&self) -> &Permit<'a> {
        &self.permit
    }
}
