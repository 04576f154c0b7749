//! Questions that a call's answer asks (MCP 2026-07-28, `input_required`): the
//! call that answers them is the same call, and was charged.

use std::sync::Arc;

use super::charge::Known;
use super::check::{Key, Undo};
use super::name::shortened;
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
    /// Their digest: they may be large, and the call may be long.
    arguments: String,
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
            arguments: shortened(charge.occasion.arguments),
        }
    }
}

impl Credit {
    /// The answer asks something; `state` is what is to come back with it, as
    /// it was written. Its answer is free, once. When that cannot be noted,
    /// the answer is charged.
    pub(crate) async fn grant(&self, state: Option<&str>) {
        let Self { inner, scope, caller, form, subject, arguments, .. } = self;
        let known = state.map_or(Known::Arguments(arguments), Known::State);
        let name = charge::question(scope, caller, (*form, subject), known);
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
