//! Questions that a call's answer asks (MCP 2026-07-28, `input_required`): the
//! call that answers them is the same call, and was charged.

use std::sync::Arc;

use super::check::{Key, Undo};
use super::remote::Link;
use super::{Charge, Inner, Quota, QuotaIo, Store, charge};

/// What a call needs to remember that its answer asks something.
pub(crate) struct Credit {
    inner: Arc<Inner>,
    link: Option<Arc<Link>>,
    limits: Arc<crate::policy::Limits>,
    scope: Box<str>,
    caller: Box<str>,
    form: &'static str,
    subject: Box<str>,
    arguments: Box<str>,
}

impl Quota {
    /// For a call that may be answered by a question.
    pub(crate) fn credit(&self, io: &QuotaIo, charge: &Charge<'_>) -> Credit {
        Credit {
            inner: Arc::clone(&self.inner),
            link: io.0.clone(),
            limits: Arc::clone(charge.limits),
            scope: charge.asked.scope.into(),
            caller: charge.caller.into(),
            form: charge.occasion.form,
            subject: charge.subject.into(),
            arguments: charge.occasion.arguments.into(),
        }
    }
}

impl Credit {
    /// The answer asks something; `state` is what is to come back with it, as
    /// it was written. Its answer is free, once. When that cannot be noted,
    /// the answer is charged.
    pub(crate) async fn grant(&self, state: Option<&str>) {
        let Self { inner, scope, caller, form, subject, arguments, .. } = self;
        let name = charge::question(scope, caller, (*form, subject), state, arguments);
        let key: Key = inner.place(&self.limits, caller).key(&name);
        let undo = Undo::Credit { keep: charge::QUESTION };
        match &inner.store {
            Store::Memory(memory) => memory.settle([(&key, undo)].into_iter(), inner.now()),
            Store::Redis(remote) => {
                let given = inner.given_time();
                let (link, limit) = (self.link.as_deref(), remote.timeout);
                let noted = remote.settle(link, &[(&key, undo)], "-", given, limit).await;
                if let Err(error) = noted {
                    tracing::debug!(%error, "a question could not be noted");
                }
            }
        }
    }
}
