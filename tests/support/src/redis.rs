//! Redis: one server for all tests of a process, or one of a test's own.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::authority::Authority;
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

/// A server that speaks TLS only, with a certificate of that authority.
///
/// # Panics
/// When Redis is not installed, was built without TLS, or does not start.
#[must_use]
pub fn with_tls(authority: &Authority) -> (Server, u16) {
    on_free_port(|port| {
        let own = port.to_string();
        launch_in(secured(authority), 0, &[&["--tls-port", &own], SECURED].concat())
    })
}

/// A sentinel that watches over a master, where all speak TLS only.
#[derive(Debug)]
pub struct WatchedWithTls {
    _master: Server,
    _sentinel: Server,
    port: u16,
}

impl WatchedWithTls {
    /// Starts both, with certificates of that authority.
    ///
    /// # Panics
    /// When Redis is not installed, or one of them does not start.
    #[must_use]
    pub fn start(authority: &Authority) -> Self {
        let (master, watched) = with_tls(authority);
        let (sentinel, port) = on_free_port(|port| {
            let scratch = secured(authority);
            let settings = SECURED.chunks(2).map(|pair| pair.join(" "));
            let settings = settings.collect::<Vec<_>>().join("\n").replace("--", "");
            let text = format!("port 0\ntls-port {port}\ntls-replication yes\n{settings}\n");
            watch(scratch, &text, watched)
        });
        Self { _master: master, _sentinel: sentinel, port }
    }

    /// `rediss+sentinel://127.0.0.1:PORT/main`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("rediss+sentinel://127.0.0.1:{}/main", self.port)
    }
}

/// With the files of [`secured`]; no certificates are wanted of clients.
const SECURED: &[&str] = &[
    "--tls-cert-file",
    "server.pem",
    "--tls-key-file",
    "server.key",
    "--tls-ca-cert-file",
    "authority.pem",
    "--tls-auth-clients",
    "no",
];

/// A folder with what a server needs to speak TLS.
fn secured(authority: &Authority) -> Scratch {
    let scratch = Scratch::new("sg-redis");
    let account = Account::unprivileged(&scratch);
    let own = authority.credentials();
    for (name, text) in [
        ("server.pem", own.certificate.as_str()),
        ("server.key", &own.key),
        ("authority.pem", authority.certificate()),
    ] {
        let file = scratch.path().join(name);
        std::fs::write(&file, text).expect("a file of certificates");
        if let Some(account) = account {
            account.give(&file);
        }
    }
    scratch
}

fn launch(port: u16) -> Server {
    launch_with(port, &[])
}

fn launch_with(port: u16, further: &[&str]) -> Server {
    launch_in(Scratch::new("sg-redis"), port, further)
}

fn launch_in(scratch: Scratch, port: u16, further: &[&str]) -> Server {
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
        Self::of((0..masters).map(|_| start()).collect())
    }

    /// As [`start`](Self::start), of nodes that speak TLS on a second port, with
    /// certificates of that authority. Returned with the URL by those ports.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with_tls(masters: usize, authority: &Authority) -> (Self, String) {
        let mut addresses = Vec::new();
        let mut start = || {
            let mut port = 0;
            let node = on_free_port(|plain| {
                let bus = crate::ports::free().to_string();
                port = crate::ports::free();
                let own = port.to_string();
                let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus];
                // Or it tells of none but the plain ports.
                let secure = ["--tls-cluster", "yes", "--tls-port", &own];
                let further = [&cluster, &secure[..], SECURED].concat();
                launch_in(secured(authority), plain, &further)
            });
            addresses.push(format!("127.0.0.1:{port}"));
            node
        };
        let nodes = (0..masters).map(|_| start()).collect();
        (Self::of(nodes), format!("rediss+cluster://{}", addresses.join(",")))
    }

    fn of(nodes: Vec<(Server, u16)>) -> Self {
        let masters = nodes.len();
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
    watch(Scratch::new("sg-sentinel"), &format!("port {port}\n"), master)
}

fn watch(scratch: Scratch, settings: &str, master: u16) -> Server {
    let account = Account::unprivileged(&scratch);
    let file = scratch.path().join("sentinel.conf");
    let text = format!(
        "{settings}bind 127.0.0.1\ndir .\nsentinel monitor main 127.0.0.1 {master} 1\n\
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
