//! Redis: one server for all tests of a process, or one of a test's own.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::{Account, Server, find, on_free_port};
use crate::scratch::Scratch;

static SHARED: OnceLock<Redis> = OnceLock::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A server of the test's own, on 127.0.0.1, without persistence. It may be
/// killed, paused and flushed as the test likes.
#[derive(Debug)]
pub struct Redis {
    server: Option<Server>,
    port: u16,
}

/// The URL of a server that all tests share: `TEST_REDIS_URL`, or one started
/// by the first that asks and stopped with this process. Keep apart by
/// [`unique_prefix`], and never flush it.
///
/// # Panics
/// When Redis is not installed or does not start.
#[must_use]
pub fn shared_url() -> String {
    std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| SHARED.get_or_init(Redis::start).url())
}

/// A prefix for keys that no other test uses.
#[must_use]
pub fn unique_prefix() -> String {
    format!("test-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Redis {
    /// Starts a server.
    ///
    /// # Panics
    /// When Redis is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let (server, port) = on_free_port(launch);
        Self { server: Some(server), port }
    }

    /// `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it without a word of farewell: connections break, new ones are
    /// refused, and what it held is gone.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&mut self) {
        self.running().kill();
        self.server = None;
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Panics
    /// When it is running, or does not start.
    pub fn restart(&mut self) {
        assert!(self.server.is_none(), "{self:?} is running");
        let server = launch(self.port);
        assert!(server.accepts_on(self.port), "redis does not start again: {}", server.log());
        self.server = Some(server);
    }

    /// Lets it hang: connections stay and are even accepted, nothing answers.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pause(&self) {
        self.running().signal("STOP");
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Panics
    /// When it is not running.
    pub fn resume(&self) {
        self.running().signal("CONT");
    }

    fn running(&self) -> &Server {
        self.server.as_ref().expect("a Redis that runs")
    }
}

fn launch(port: u16) -> Server {
    let scratch = Scratch::new("sg-redis");
    let account = Account::unprivileged(&scratch);
    let port = port.to_string();
    let arguments =
        ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "."];
    Server::start(scratch, account, "TERM", &find("redis-server", &[], "redis-server"), arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually::wait_until_async;
    use crate::process::PATIENCE;

    async fn ping(url: &str) -> bool {
        let client = ::redis::Client::open(url).unwrap();
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
            return false;
        };
        ::redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
    }

    async fn answers(url: &str) {
        let asked = || async { ping(url).await };
        wait_until_async(PATIENCE, "an answer from Redis", asked).await;
    }

    #[tokio::test]
    async fn the_shared_server_answers_and_prefixes_differ() {
        assert_eq!(shared_url(), shared_url());
        answers(&shared_url()).await;
        assert_ne!(unique_prefix(), unique_prefix());
    }

    #[tokio::test]
    async fn an_own_server_can_be_killed_paused_and_started_again() {
        let mut own = Redis::start();
        answers(&own.url()).await;
        own.pause();
        assert!(!ping(&own.url()).await, "a paused server gives no answer");
        own.resume();
        answers(&own.url()).await;
        own.kill();
        assert!(!ping(&own.url()).await);
        own.restart();
        answers(&own.url()).await;
    }
}
