//! Where Redis is, as a URL says it.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult};

/// Most hosts of a URL.
const MOST_HOSTS: usize = 64;

/// The kinds of places.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    One(ConnectionInfo),
    Sentinels { hosts: Vec<ConnectionInfo>, master: Box<str>, tls: bool },
    Cluster(Vec<ConnectionInfo>),
}

impl Kind {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it cannot be read. The error never holds the URL.
    pub(super) fn read(url: &str) -> RedisResult<Self> {
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

    /// All hosts it names.
    pub(super) fn hosts(&mut self) -> &mut [ConnectionInfo] {
        match self {
            Self::One(info) => std::slice::from_mut(info),
            Self::Sentinels { hosts, .. } | Self::Cluster(hosts) => hosts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Place;
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
            let fault = Kind::read(url).unwrap_err().to_string();
            assert!(!fault.contains("hunter2"), "{url}: {fault}");
            let fault = Place::read(url, None).unwrap_err().to_string();
            assert!(fault.starts_with("redis.url: ") && !fault.contains("hunter2"), "{fault}");
        }
    }
}
