//! What is reloaded together: one consistent state of registry and policy.
//!
//! A request takes the generation in force once, and is judged by it to its
//! end, so that no call ever sees a mixture.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::pins::Lock;
use crate::policy::Policy;
use crate::registry::Registry;

/// One state of registry and policy.
pub(crate) struct Generation {
    /// Counts those that this process has had in force, from 1.
    pub(crate) number: u64,
    pub(crate) registry: Registry,
    pub(crate) policy: Policy,
    /// The approved tools. `None`: tools are not pinned.
    pub(crate) lock: Option<Lock>,
}

/// The generation in force.
pub(crate) struct InForce {
    current: ArcSwap<Generation>,
    /// The number of the generation, for those who wait for the next.
    signal: watch::Sender<u64>,
}

impl InForce {
    /// The first one.
    pub(crate) fn new(registry: Registry, policy: Policy, lock: Option<Lock>) -> Self {
        let number = 1;
        let policy = policy.numbered(number);
        let current = ArcSwap::from_pointee(Generation { number, registry, policy, lock });
        Self { current, signal: watch::Sender::new(number) }
    }

    /// The state of this moment, for as long as a request takes.
    pub(crate) fn now(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Says when another is in force.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }

    /// Puts another in its place; requests in progress go on with theirs.
    /// Answers with the new generation. Only one task may do it at a time.
    pub(crate) fn replace(
        &self,
        registry: Registry,
        policy: Policy,
        lock: Option<Lock>,
    ) -> Arc<Generation> {
        let number = self.current.load().number + 1;
        let policy = policy.numbered(number);
        let next = Arc::new(Generation { number, registry, policy, lock });
        self.current.store(Arc::clone(&next));
        self.signal.send_replace(number);
        next
    }
}
