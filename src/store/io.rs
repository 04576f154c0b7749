//! The runtime of the database's futures.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, JoinHandle};

use super::StoreError;

/// Threads: one may wait on a file while the other serves the sockets.
const THREADS: usize = 2;

/// A small multi-thread runtime that may be dropped anywhere.
#[derive(Debug)]
pub(super) struct Io(Option<Runtime>);

impl Io {
    pub(super) fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("io")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Unavailable(format!("no threads: {error}")))?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `work` there and waits for it, at most `limit`. Dropping the
    /// returned future stops the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let task = self.handle().spawn(async move {
            tokio::time::timeout(limit, work).await.unwrap_or(Err(StoreError::Timeout))
        });
        let _stop = AbortOnDrop(task.abort_handle());
        task.await.unwrap_or_else(|error| {
            Err(StoreError::Unavailable(if error.is_panic() {
                "the database task panicked".to_owned()
            } else {
                "the gateway is shutting down".to_owned()
            }))
        })
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle().spawn(work)
    }

    fn handle(&self) -> &tokio::runtime::Handle {
        // `None` only while being dropped, when nobody can hold `&self`.
        self.0.as_ref().expect("a runtime that lives as long as its owner").handle()
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // A runtime waits for its threads when dropped, which is forbidden on
        // a thread that runs futures; this way it does not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
