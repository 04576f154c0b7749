//! Work that is done once, however many wait for it.

use std::cell::{Cell, RefCell};
use std::future::Future;

use tokio::sync::Mutex;

/// Lets one caller do the work; whoever comes meanwhile gets its outcome.
#[derive(Debug)]
pub(super) struct Single<T> {
    turn: Mutex<()>,
    rounds: Cell<u64>,
    outcome: RefCell<Option<T>>,
}

impl<T: Clone> Single<T> {
    pub(super) fn new() -> Self {
        Self { turn: Mutex::new(()), rounds: Cell::new(0), outcome: RefCell::new(None) }
    }

    /// Does the work, or waits for the one who does.
    pub(super) async fn run(&self, work: impl Future<Output = T>) -> T {
        let before = self.rounds.get();
        let _turn = self.turn.lock().await;
        if self.rounds.get() != before
            && let Some(outcome) = self.outcome.borrow().clone()
        {
            return outcome;
        }
        let outcome = work.await;
        self.outcome.replace(Some(outcome.clone()));
        self.rounds.set(self.rounds.get() + 1);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_one_outcome() {
        let (single, runs) = (Single::new(), Cell::new(0));
        let work = || async {
            tokio::task::yield_now().await;
            runs.set(runs.get() + 1);
            runs.get()
        };
        let both = tokio::join!(single.run(work()), single.run(work()));
        assert_eq!((both, single.run(work()).await), ((1, 1), 2));
    }
}
