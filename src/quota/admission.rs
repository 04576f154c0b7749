//! From a permit to an admission: the call is counted.

use std::fmt::Display;

use serde_json::value::RawValue;

use super::charge::Answered;
use super::{Charge, Counted, Credit, Occasion, Quota, QuotaIo, Receipt, Standing};
use crate::error::Refusal;
use crate::policy::{Asked, Permit};

/// A permitted call that has been charged. Made only by [`Quota::admit`].
pub(crate) struct Admission<'a> {
    permit: Permit<'a>,
}

/// What counting a call has left: kept as long as the call goes on, and its
/// answer with it.
#[derive(Default)]
pub(crate) struct Account {
    /// Where the caller stands, also when the call was refused.
    pub(crate) standing: Option<Standing>,
    /// Remembers what the answer asks; for calls that can be answered so.
    pub(crate) credit: Option<Box<Credit>>,
    receipt: Option<Box<Receipt>>,
}

impl Account {
    /// The call was refused by a later stage: nothing of it counts.
    pub(crate) fn refuse(&mut self) {
        if let Some(mut receipt) = self.receipt.take() {
            receipt.refuse();
        }
    }

    /// The call did not reach its backend.
    pub(crate) fn unreached(&mut self) {
        if let Some(mut receipt) = self.receipt.take() {
            receipt.unreached();
        }
    }
}

impl<'a> Admission<'a> {
    /// What was admitted.
    pub(crate) fn permit(&self) -> &Permit<'a> {
        &self.permit
    }
}

impl Quota {
    /// Charges a permitted call, in the client's session where it has one.
    ///
    /// # Errors
    /// [`RateLimited`](crate::error::Reason::RateLimited),
    /// [`BudgetExceeded`](crate::error::Reason::BudgetExceeded),
    /// [`QuotaUnavailable`](crate::error::Reason::QuotaUnavailable).
    pub(crate) async fn admit<'a>(
        &self,
        io: &QuotaIo,
        permit: Permit<'a>,
        session: Option<&(dyn Display + Sync)>,
        account: &mut Account,
    ) -> Result<Admission<'a>, Refusal> {
        let target = permit.target();
        let (caller, subject, call) = (target.caller(), target.subject(), target.call());
        let agent = match caller.agents() {
            [agent] => Some(agent.as_str()),
            _ => None,
        };
        let charge = Charge {
            limits: permit.limits(),
            caller: caller.key(),
            asked: Asked {
                roles: caller.roles(),
                tenant: caller.tenant(),
                agent,
                scope: &subject.scope,
                tool: subject.quota_key().map(|_| &*subject.name),
            },
            subject: &subject.name,
            tool: subject.quota_key(),
            occasion: Occasion {
                form: call.form(),
                session,
                turn: call.turn_id.as_deref(),
                job: call.job_id.as_deref(),
                request_id: call.request_id.as_deref(),
                arguments: call.arguments.map_or("", RawValue::get),
                answers: call
                    .answers
                    .as_ref()
                    .map(|answers| Answered { state: answers.state.as_deref() }),
            },
        };
        match self.decide(io, &charge).await {
            Ok(Counted { standing, receipt }) => {
                account.standing = standing;
                account.receipt = receipt;
                if call.may_be_asked() {
                    account.credit = Some(Box::new(self.credit(io, &charge)));
                }
                Ok(Admission { permit })
            }
            Err(denied) => {
                account.standing = denied.standing.map(|standing| *standing);
                Err(denied.refusal)
            }
        }
    }
}
