//! The one place where a test may wait by looking again and again.

use std::future::Future;
use std::time::{Duration, Instant};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Blocks until `condition` holds.
///
/// # Panics
/// When it does not hold within `patience`, naming `what` was waited for.
#[expect(clippy::disallowed_methods, reason = "the one allowed place to poll")]
pub fn wait_until(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < patience, "waited {patience:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// What `look` finds, as soon as it finds something; nothing when it has not
/// within `patience`.
#[expect(clippy::disallowed_methods, reason = "the one allowed place to poll")]
pub fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if start.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until the future that `condition` makes yields `true`.
///
/// # Panics
/// When it does not within `patience`, naming `what` was waited for. A look
/// that never ends is given up at the same moment.
pub async fn wait_until_async<F: Future<Output = bool>>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> F,
) {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    assert!(
        tokio::time::timeout(patience, looking).await.is_ok(),
        "waited {patience:?} in vain for {what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_the_condition_holds() {
        let mut looks = 0;
        wait_until(Duration::from_secs(5), "the third look", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for the impossible")]
    fn it_gives_up_with_a_sentence() {
        wait_until(Duration::from_millis(20), "the impossible", || false);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for an answer")]
    async fn a_look_that_hangs_is_given_up_too() {
        wait_until_async(Duration::from_millis(20), "an answer", std::future::pending).await;
    }
}
