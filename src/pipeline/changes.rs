//! What the gateway itself tells on open streams: that a reload has changed what
//! a scope has.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::Visitor;
use crate::authn::{Authenticator, Caller};
use crate::gateway::Gateway;
use crate::generation::{Generation, InForce};
use crate::registry::Scope;
use crate::translate::news::{Lists, list_changed};

/// The changes of one scope, for one stream.
pub(crate) struct Changes {
    in_force: Arc<InForce>,
    authn: Arc<Authenticator>,
    signal: watch::Receiver<u64>,
    /// Who listens.
    caller: Caller,
    /// As it was when the stream began.
    scope: Arc<Scope>,
    seen: Arc<Generation>,
    /// Which lists the client is told of.
    lists: Lists,
    /// The subscription they belong to; none on the stream of a session.
    subscription: Option<Box<RawValue>>,
}

impl Changes {
    /// Those of a legacy session's stream, which began under a generation.
    pub(super) fn of_session(
        gw: &Gateway,
        seen: &Arc<Generation>,
        scope: &Arc<Scope>,
        caller: &Caller,
    ) -> Self {
        let open = scope.is_open();
        let lists = Lists { tools: true, prompts: open, resources: open };
        Self::new(gw, (seen, scope, caller), lists, None)
    }

    /// Those of a subscription.
    pub(super) fn of_subscription(
        gw: &Gateway,
        visitor: &Visitor<'_>,
        lists: Lists,
        id: &RawValue,
    ) -> Self {
        let Visitor { now, scope, caller, .. } = visitor;
        Self::new(gw, (now, scope, caller), lists, Some(id.to_owned()))
    }

    fn new(
        gw: &Gateway,
        (seen, scope, caller): (&Arc<Generation>, &Arc<Scope>, &Caller),
        lists: Lists,
        subscription: Option<Box<RawValue>>,
    ) -> Self {
        let in_force = Arc::clone(&gw.in_force);
        let mut signal = in_force.subscribe();
        if in_force.now().number != seen.number {
            signal.mark_changed();
        }
        Self {
            in_force,
            authn: Arc::clone(&gw.authn),
            signal,
            caller: caller.clone(),
            scope: Arc::clone(scope),
            seen: Arc::clone(seen),
            lists,
            subscription,
        }
    }

    /// The next messages. `None`: the scope is gone, or has other backends, or the
    /// caller's token is of a key that is gone, so that the stream must end and the
    /// client begin anew.
    pub(crate) async fn next(&mut self) -> Option<Vec<Bytes>> {
        loop {
            self.signal.changed().await.ok()?;
            let now = self.in_force.now();
            let scope = now.registry.scope(&self.scope.name).ok()?;
            if scope.label() != self.scope.label() || !self.authn.vouches(&self.caller) {
                return None;
            }
            let before = std::mem::replace(&mut self.seen, Arc::clone(&now));
            let same = before.registry.digest() == now.registry.digest()
                && before.policy.active().digest() == now.policy.active().digest();
            if !same && self.lists.any() {
                return Some(list_changed(self.lists, self.subscription.as_deref()));
            }
        }
    }
}
