//! Asking Redis to the end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::{RedisError, RedisResult};

/// How long an answer is awaited that nobody waits for any more, where the
/// connection itself does not give up before.
const LONGEST: Duration = Duration::from_secs(5);

type Working<T> = Pin<Box<dyn Future<Output = RedisResult<T>> + Send>>;

/// What has been sent to Redis, and will be done there. When whoever waits for
/// the answer gives up, a task waits on, and says what came of it.
pub(super) struct Brought<T: 'static, L: FnOnce(RedisResult<T>) + Send + 'static> {
    working: Option<(Working<T>, L)>,
}

impl<T, L: FnOnce(RedisResult<T>) + Send> Brought<T, L> {
    /// `late` is told the answer that came too late; not called otherwise.
    pub(super) fn new(
        working: impl Future<Output = RedisResult<T>> + Send + 'static,
        late: L,
    ) -> Self {
        Self { working: Some((Box::pin(working), late)) }
    }
}

impl<T, L: FnOnce(RedisResult<T>) + Send + Unpin> Future for Brought<T, L> {
    type Output = RedisResult<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((working, _)) = &mut self.working else { return Poll::Pending };
        let answer = std::task::ready!(working.as_mut().poll(context));
        if let Some((_, late)) = self.working.take()
            && answer.as_ref().is_err_and(RedisError::is_io_error)
        {
            // It may have been done all the same.
            late(Err(RedisError::from((redis::ErrorKind::Io, "the connection broke"))));
        }
        Poll::Ready(answer)
    }
}

impl<T: 'static, L: FnOnce(RedisResult<T>) + Send + 'static> Drop for Brought<T, L> {
    fn drop(&mut self) {
        // Without a worker the process is leaving.
        if let Some((working, late)) = self.working.take()
            && let Ok(worker) = tokio::runtime::Handle::try_current()
        {
            let slow = RedisError::from((redis::ErrorKind::Io, "no answer"));
            worker.spawn(async move {
                late(tokio::time::timeout(LONGEST, working).await.unwrap_or(Err(slow)));
            });
        }
    }
}
