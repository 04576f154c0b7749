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
    launch_with(port, &[])
}

fn launch_with(port: u16, further: &[&str]) -> Server {
    let scratch = Scratch::new("sg-redis");
    let account = Account::unprivileged(&scratch);
    let port = port.to_string();
    let plain =
        ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "."];
    let arguments = plain.iter().chain(further);
    Server::start(scratch, account, "TERM", &find("redis-server", &[], "redis-server"), arguments)
}

/// A Redis Cluster: masters without replicas, which share the slots.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<(Server, u16)>,
}

/// The number of slots of every cluster.
const SLOTS: usize = 16_384;

impl Cluster {
    /// Starts that many masters and waits until all know of all.
    ///
    /// # Panics
    /// When Redis is not installed, or the cluster does not come about.
    #[must_use]
    pub fn start(masters: usize) -> Self {
        let start = || {
            on_free_port(|port| {
                let bus = crate::ports::free().to_string();
                launch_with(port, &["--cluster-enabled", "yes", "--cluster-port", &bus])
            })
        };
        let nodes: Vec<_> = (0..masters).map(|_| start()).collect();
        let cluster = Self { nodes };
        let share = SLOTS.div_ceil(masters);
        for (number, (_, port)) in cluster.nodes.iter().enumerate() {
            let (first, last) = (number * share, ((number + 1) * share).min(SLOTS) - 1);
            let mut slots = ::redis::cmd("CLUSTER");
            slots.arg("ADDSLOTSRANGE").arg(first).arg(last);
            ask::<()>(*port, &slots);
            for (server, other) in cluster.nodes.iter().filter(|(_, other)| other != port) {
                let mut meet = ::redis::cmd("CLUSTER");
                meet.arg("MEET").arg("127.0.0.1").arg(*other).arg(bus_of(server, *other));
                ask::<()>(*port, &meet);
            }
        }
        crate::eventually::wait_until(crate::process::PATIENCE, "the cluster to agree", || {
            cluster.nodes.iter().all(|(_, port)| {
                let info: String = ask(*port, ::redis::cmd("CLUSTER").arg("INFO"));
                info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_known_nodes:{masters}"))
            })
        });
        cluster
    }

    /// `redis+cluster://127.0.0.1:PORT,…`.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes = self.nodes.iter().map(|(_, port)| format!("127.0.0.1:{port}"));
        format!("redis+cluster://{}", nodes.collect::<Vec<_>>().join(","))
    }

    /// How many keys each master holds.
    #[must_use]
    pub fn keys(&self) -> Vec<usize> {
        self.nodes.iter().map(|(_, port)| ask(*port, &::redis::cmd("DBSIZE"))).collect()
    }
}

/// The port of a node's cluster bus, as it says itself.
fn bus_of(_: &Server, port: u16) -> u16 {
    let port_is: Vec<String> = ask(port, ::redis::cmd("CONFIG").arg("GET").arg("cluster-port"));
    port_is.get(1).and_then(|port| port.parse().ok()).expect("a cluster bus")
}

/// A master, its replica, and a sentinel that watches over both.
#[derive(Debug)]
pub struct Watched {
    master: Server,
    replica: (Server, u16),
    _sentinel: Server,
    sentinel_port: u16,
}

impl Watched {
    /// Starts all three and waits until the replica follows.
    ///
    /// # Panics
    /// When Redis is not installed, or one of them does not start.
    #[must_use]
    pub fn start() -> Self {
        let (master, port) = on_free_port(launch);
        let of = port.to_string();
        let replica = on_free_port(|own| launch_with(own, &["--replicaof", "127.0.0.1", &of]));
        crate::eventually::wait_until(crate::process::PATIENCE, "the replica to follow", || {
            let info: String = ask(replica.1, ::redis::cmd("INFO").arg("replication"));
            info.contains("master_link_status:up")
        });
        let (sentinel, sentinel_port) = on_free_port(|own| sentinel(own, port));
        let knows = || {
            let mut asked = ::redis::cmd("SENTINEL");
            let found: Vec<::redis::Value> = ask(sentinel_port, asked.arg("REPLICAS").arg("main"));
            !found.is_empty()
        };
        let patience = crate::process::PATIENCE;
        crate::eventually::wait_until(patience, "the sentinel to know the replica", knows);
        Self { master, replica, _sentinel: sentinel, sentinel_port }
    }

    /// `redis+sentinel://127.0.0.1:PORT/main`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.sentinel_port)
    }

    /// Kills the master; the sentinel makes the replica one, in a while.
    pub fn fail_over(&self) {
        self.master.kill();
    }

    /// Whether the replica has become the master.
    #[must_use]
    pub fn has_failed_over(&self) -> bool {
        // While it changes its part it hangs up on whoever asks.
        let info = try_ask::<String>(self.replica.1, ::redis::cmd("INFO").arg("replication"));
        info.is_ok_and(|info| info.contains("role:master"))
    }
}

fn sentinel(port: u16, master: u16) -> Server {
    let scratch = Scratch::new("sg-sentinel");
    let account = Account::unprivileged(&scratch);
    let file = scratch.path().join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir .\nsentinel monitor main 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
    );
    std::fs::write(&file, text).expect("a file of settings");
    if let Some(account) = account {
        account.give(&file);
    }
    let program = find("redis-server", &[], "redis-server");
    Server::start(scratch, account, "TERM", &program, ["sentinel.conf", "--sentinel"])
}

/// One command to the server on that port.
fn ask<T: ::redis::FromRedisValue>(port: u16, command: &::redis::Cmd) -> T {
    try_ask(port, command).expect("an answer")
}

fn try_ask<T: ::redis::FromRedisValue>(
    port: u16,
    command: &::redis::Cmd,
) -> ::redis::RedisResult<T> {
    let client = ::redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    command.query(&mut client.get_connection()?)
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
