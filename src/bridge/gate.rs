//! Gates that hold back what came later, where the protocol has an order.

use tokio::sync::watch;

/// What must be passed before a message may leave. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Gate(watch::Receiver<()>);

/// Keeps a gate closed until it is dropped.
#[derive(Debug)]
pub(super) struct Key {
    _closed: watch::Sender<()>,
}

/// A closed gate, and what keeps it closed.
pub(super) fn closed() -> (Key, Gate) {
    let (sender, receiver) = watch::channel(());
    (Key { _closed: sender }, Gate(receiver))
}

impl Gate {
    /// One that was never closed.
    pub(super) fn open() -> Self {
        closed().1
    }

    /// Waits until it is open.
    pub(super) async fn passed(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_opens_when_its_key_is_dropped() {
        Gate::open().passed().await;
        let (key, gate) = closed();
        let waiting = tokio::spawn(gate.clone().passed());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(key);
        waiting.await.unwrap();
        gate.passed().await;
    }
}
