//! What the gateway itself tells on open streams: that a reload has changed what
//! a scope has.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::generation::{Generation, InForce};
use crate::registry::Scope;
use crate::translate::news::{Lists, list_changed};

/// The changes of one scope, for one stream.
pub(crate) struct Changes {
    in_force: Arc<InForce>,
    signal: watch::Receiver<u64>,
    /// As it was when the stream began.
    scope: Arc<Scope>,
    seen: Arc<Generation>,
    /// Which lists the client is told of.
    lists: Lists,
    /// The subscription they belong to; none on the stream of a session.
    subscription: Option<Box<RawValue>>,
}

impl Changes {
    /// Those of a legacy session's stream.
    pub(super) fn of_session(gw: &Gateway, scope: &Arc<Scope>) -> Self {
        let open = scope.is_open();
        Self::new(gw, scope, Lists { tools: true, prompts: open, resources: open }, None)
    }

    /// Those of a subscription.
    pub(super) fn of_subscription(
        gw: &Gateway,
        scope: &Arc<Scope>,
        lists: Lists,
        id: &RawValue,
    ) -> Self {
        Self::new(gw, scope, lists, Some(id.to_owned()))
    }

    fn new(
        gw: &Gateway,
        scope: &Arc<Scope>,
        lists: Lists,
        subscription: Option<Box<RawValue>>,
    ) -> Self {
        let in_force = Arc::clone(&gw.in_force);
        let signal = in_force.subscribe();
        let seen = in_force.now();
        Self { in_force, signal, scope: Arc::clone(scope), seen, lists, subscription }
    }

    /// The next messages. `None`: the scope is gone, or has other backends, so
    /// that the stream must end and the client begin anew.
    pub(crate) async fn next(&mut self) -> Option<Vec<Bytes>> {
        loop {
            self.signal.changed().await.ok()?;
            let now = self.in_force.now();
            let scope = now.registry.scope(&self.scope.name).ok()?;
            if scope.label() != self.scope.label() {
                return None;
            }
            let before = std::mem::replace(&mut self.seen, Arc::clone(&now));
            let same = before.registry.digest() == now.registry.digest()
                && before.policy.active().digest() == now.policy.active().digest();
            if !same {
                return Some(list_changed(self.lists, self.subscription.as_deref()));
            }
        }
    }
}
