//! The one place that opens connections to Redis: to one server, to the master
//! that sentinels name, or to a cluster.

mod trust;

use std::path::Path;
use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline,
    RedisError, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};

/// Most hosts of a URL.
const MOST_HOSTS: usize = 64;

/// How long opening a kept connection may take: some of the hosts may hang,
/// each of which is given up after [`STEP`].
const OPENING: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_secs(1);

/// After so long an answer is taken for lost; a cluster's client then asks
/// again. Much longer than anybody waits for a decision: asked twice, it would
/// be charged twice, and what it charged too late is to be taken back.
const ANSWER: Duration = Duration::from_secs(5);

/// Read from one URL, in which `rediss` asks for TLS:
///
/// - `redis[s]://[USER:PASSWORD@]HOST:PORT[/DB]`
/// - `redis[s]+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT…/MASTER[/DB]`:
///   the hosts are sentinels, user and password those of the master
/// - `redis[s]+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT…`: some nodes
///
/// With TLS every server shows a certificate of a public authority, or of those
/// that are `trusted` in their place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    kind: Kind,
    trusted: Option<TlsCertificates>,
}

#[derive(Clone, Debug)]
enum Kind {
    One(ConnectionInfo),
    Sentinels { hosts: Vec<ConnectionInfo>, master: Box<str>, tls: bool },
    Cluster(Vec<ConnectionInfo>),
}

/// What of the settings cannot be read. Its text never holds the URL, which may
/// hold a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// With the kind of fault.
    #[error("redis.url: is no redis[s]://…, redis[s]+sentinel://… or redis[s]+cluster://… ({0})")]
    Url(String),
    /// With a sentence that says why.
    #[error("redis.ca_file: {0}")]
    Authorities(String),
}

/// What opens connections to a place; belongs to one worker.
pub(crate) enum Opener {
    One(Pool),
    Sentinels(tokio::sync::Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

/// An open connection, kept.
pub(crate) enum Held {
    Pooled(deadpool_redis::Connection),
    Own(Wire),
}

/// An open connection, to be used by many at once.
#[derive(Clone)]
pub(crate) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Place {
    /// Reads a URL, and the file of certificates of the authorities that are
    /// trusted in place of the public ones. Nothing is connected.
    ///
    /// # Errors
    /// When either cannot be read.
    pub(crate) fn read(url: &str, authorities: Option<&Path>) -> Result<Self, Unreadable> {
        let kind = Kind::read(url);
        let mut kind = kind.map_err(|error| Unreadable::Url(error.category().to_owned()))?;
        let Some(file) = authorities.filter(|file| !file.as_os_str().is_empty()) else {
            return Ok(Self { kind, trusted: None });
        };
        let trusted = trust::read(file).map_err(Unreadable::Authorities)?;
        for host in kind.hosts() {
            // Whoever names authorities believes that there is TLS.
            let client = Client::build_with_tls(host.clone(), trusted.clone())
                .map_err(|error| Unreadable::Authorities(error.to_string()))?;
            *host = client.get_connection_info().clone();
        }
        Ok(Self { kind, trusted: Some(trusted) })
    }

    /// Makes what opens connections that are kept. Whoever needs one waits as
    /// long as it likes; opening it goes on for seconds.
    ///
    /// # Errors
    /// When the settings make no client.
    pub(crate) fn opener(&self, connections: usize) -> RedisResult<Opener> {
        Ok(match &self.kind {
            Kind::One(info) => {
                let pool = Pool::builder(Manager::new_with_config(info.clone(), kept())?)
                    .max_size(connections)
                    .runtime(Runtime::Tokio1)
                    .wait_timeout(Some(OPENING))
                    .create_timeout(Some(OPENING))
                    .recycle_timeout(Some(STEP))
                    .build();
                Opener::One(pool.map_err(|_| {
                    RedisError::from((ErrorKind::InvalidClientConfig, "no pool of connections"))
                })?)
            }
            Kind::Sentinels { hosts, master, tls } => {
                Opener::Sentinels(tokio::sync::Mutex::new(self.sentinels(hosts, master, *tls)?))
            }
            Kind::Cluster(nodes) => Opener::Cluster(self.cluster(nodes, STEP, ANSWER)?),
        })
    }

    /// Opens a connection, of which each step may take so long.
    ///
    /// # Errors
    /// What Redis, or the network, says.
    pub(crate) async fn connect(&self, timeout: Duration) -> RedisResult<Wire> {
        Ok(match &self.kind {
            Kind::One(info) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(timeout))
                    .set_response_timeout(Some(timeout));
                let client = Client::open(info.clone())?;
                Wire::One(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Kind::Sentinels { hosts, master, tls } => {
                let mut sentinels = self.sentinels(hosts, master, *tls)?;
                Wire::One(sentinels.get_async_connection().await?)
            }
            Kind::Cluster(nodes) => {
                let client = self.cluster(nodes, timeout, timeout)?;
                Wire::Cluster(client.get_async_connection().await?)
            }
        })
    }

    /// Opens a connection to hear channels by. In a cluster every node has
    /// them all.
    ///
    /// # Errors
    /// What Redis, or the network, says; of a cluster, what the last node says.
    pub(crate) async fn listen(&self) -> RedisResult<PubSub> {
        match &self.kind {
            Kind::One(info) => Client::open(info.clone())?.get_async_pubsub().await,
            Kind::Sentinels { hosts, master, tls } => {
                let mut sentinels = self.sentinels(hosts, master, *tls)?;
                sentinels.async_get_client().await?.get_async_pubsub().await
            }
            Kind::Cluster(nodes) => {
                let mut heard = Err(RedisError::from((ErrorKind::Io, "no node")));
                for node in nodes {
                    heard = Client::open(node.clone())?.get_async_pubsub().await;
                    if heard.is_ok() {
                        break;
                    }
                }
                heard
            }
        }
    }

    fn sentinels(
        &self,
        hosts: &[ConnectionInfo],
        master: &str,
        tls: bool,
    ) -> RedisResult<SentinelClient> {
        let addresses = hosts.iter().map(|host| host.addr().clone());
        let mut builder =
            SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
                .set_client_to_redis_tcp_settings(TcpSettings::default().set_nodelay(true));
        if tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(trusted) = &self.trusted {
            builder = builder.set_client_to_redis_certificates(trusted.clone());
        }
        if let Some(settings) = hosts.first().map(ConnectionInfo::redis_settings) {
            builder = builder.set_client_to_redis_db(settings.db());
            if let Some(user) = settings.username() {
                builder = builder.set_client_to_redis_username(user);
            }
            if let Some(password) = settings.password() {
                builder = builder.set_client_to_redis_password(password);
            }
        }
        builder.build()
    }

    fn cluster(
        &self,
        nodes: &[ConnectionInfo],
        step: Duration,
        answer: Duration,
    ) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClient::builder(nodes.to_vec())
            .tcp_settings(TcpSettings::default().set_nodelay(true))
            .connection_timeout(step)
            .response_timeout(answer)
            // Whoever asks has no time for more.
            .retries(2)
            .min_retry_wait(1)
            .max_retry_wait(10);
        if let Some(trusted) = &self.trusted {
            builder = builder.certs(trusted.clone());
        }
        builder.build()
    }
}

impl Kind {
    fn read(url: &str) -> RedisResult<Self> {
        let wrong = |what| RedisError::from((ErrorKind::InvalidClientConfig, what));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let (plain, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let info = |authority: &str, path: &str| {
            let info = format!("{plain}://{authority}{path}").into_connection_info()?;
            // Without this a small request may wait for the answer to another.
            RedisResult::Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
        };
        if kind.is_empty() {
            let info = url.into_connection_info()?;
            return Ok(Self::One(info.set_tcp_settings(TcpSettings::default().set_nodelay(true))));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.len() > MOST_HOSTS || hosts.iter().any(|host| host.is_empty()) {
            return Err(wrong("the list of hosts cannot be read"));
        }
        match kind {
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, "0"));
                if master.is_empty() {
                    return Err(wrong("no name of a master after the hosts"));
                }
                let path = format!("/{database}");
                let hosts = hosts.iter().map(|host| info(&format!("{user}{host}"), &path));
                let hosts = hosts.collect::<RedisResult<_>>()?;
                Ok(Self::Sentinels { hosts, master: master.into(), tls: plain == "rediss" })
            }
            "cluster" if path.is_empty() => {
                let nodes = hosts.iter().map(|host| info(&format!("{user}{host}"), ""));
                Ok(Self::Cluster(nodes.collect::<RedisResult<_>>()?))
            }
            "cluster" => Err(wrong("a cluster has one database only")),
            _ => Err(wrong("only +sentinel and +cluster are known")),
        }
    }

    fn hosts(&mut self) -> &mut [ConnectionInfo] {
        match self {
            Self::One(info) => std::slice::from_mut(info),
            Self::Sentinels { hosts, .. } | Self::Cluster(hosts) => hosts,
        }
    }
}

/// For a connection that is kept.
fn kept() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(STEP))
        .set_response_timeout(Some(ANSWER))
}

/// Why there is no connection. Its text never holds the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    /// From a pool.
    #[error("{0}")]
    Pool(#[from] deadpool_redis::PoolError),
    /// From Redis, or the network.
    #[error("{0}")]
    Redis(#[from] RedisError),
    /// It took too long.
    #[error("not opened within {0:?}")]
    Slow(Duration),
    /// Whoever opened it has ended.
    #[error("this worker is leaving")]
    Ended,
}

impl Opener {
    /// Opens a connection.
    pub(crate) async fn open(&self) -> Result<(Held, Wire), Unopened> {
        let opened = tokio::time::timeout(OPENING, self.opened()).await;
        opened.unwrap_or(Err(Unopened::Slow(OPENING)))
    }

    async fn opened(&self) -> Result<(Held, Wire), Unopened> {
        Ok(match self {
            Self::One(pool) => {
                let connection = pool.get().await?;
                let wire = Wire::One(MultiplexedConnection::clone(&connection));
                (Held::Pooled(connection), wire)
            }
            Self::Sentinels(client) => {
                let wire =
                    Wire::One(client.lock().await.get_async_connection_with_config(&kept()).await?);
                (Held::Own(wire.clone()), wire)
            }
            Self::Cluster(client) => {
                let wire = Wire::Cluster(client.get_async_connection().await?);
                (Held::Own(wire.clone()), wire)
            }
        })
    }
}

impl Held {
    /// The connection is of no use: it is not to be lent again.
    pub(crate) fn abandon(self) {
        match self {
            Self::Pooled(connection) => drop(deadpool_redis::Connection::take(connection)),
            Self::Own(wire) => drop(wire),
        }
    }

    pub(crate) fn share(&self) -> Wire {
        match self {
            Self::Pooled(connection) => Wire::One(MultiplexedConnection::clone(connection)),
            Self::Own(wire) => wire.clone(),
        }
    }
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_place_is_read() {
        let one = Kind::read("rediss://:pass@redis.example:6380/2").unwrap();
        assert!(matches!(one, Kind::One(info) if info.redis_settings().db() == 2));
        let url = "rediss+sentinel://u:p%40ss@a:26379,b:26380,c/main/3";
        let Kind::Sentinels { hosts, master, tls } = Kind::read(url).unwrap() else { panic!() };
        assert_eq!((hosts.len(), &*master, tls), (3, "main", true));
        let settings = hosts[0].redis_settings();
        assert_eq!((settings.db(), settings.password()), (3, Some("p@ss")));
        assert!(matches!(hosts[1].addr(), redis::ConnectionAddr::TcpTls { port: 26380, .. }));
        let nodes = Kind::read("redis+cluster://a:1,b:2,[::1]:3").unwrap();
        assert!(matches!(nodes, Kind::Cluster(nodes) if nodes.len() == 3));
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_not_told() {
        for url in [
            "hunter2",
            "http://hunter2@host",
            "redis+sentinel://hunter2@a",
            "redis+sentinel://hunter2@a/",
            "redis+cluster://hunter2@a,/",
            "redis+cluster://hunter2@a/1",
            "redis+magic://hunter2@a",
            "http+cluster://hunter2@a",
            "redis+cluster://",
        ] {
            let fault = Place::read(url, None).unwrap_err().to_string();
            assert!(!fault.contains("hunter2"), "{url}: {fault}");
        }
    }
}
