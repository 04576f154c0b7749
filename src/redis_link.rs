//! The one place that opens connections to Redis: to one server, to the master
//! that sentinels name, or to a cluster.

mod address;
mod open;
mod trust;

use std::path::Path;
use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::PubSub;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates, TlsMode,
};

use address::Kind;
use open::{ANSWER, OPENING, STEP, kept};
pub(crate) use open::{Held, Opener, Unopened, Wire};

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
