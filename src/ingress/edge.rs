//! What is known of a request before anybody reads it: where it comes from, and
//! whether its `Host` and `Origin` may be served.

use std::collections::HashSet;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, ORIGIN};
use ipnet::IpNet;
use url::Url;

use crate::error::{Reason, Refusal};
use crate::settings::ServerSettings;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The rules of the edge.
pub(crate) struct Edge {
    public_url: Url,
    /// `None`: any.
    hosts: Option<HashSet<Box<str>>>,
    origins: HashSet<Box<str>>,
    trusted_proxies: Vec<IpNet>,
}

impl Edge {
    /// Builds the rules from the settings. Loopback names are always served:
    /// they cannot be reached by rebinding a foreign name.
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        let public = &settings.public_url;
        let any = settings.allowed_hosts.iter().any(|host| host == "*");
        let mut hosts: HashSet<Box<str>> =
            ["localhost", "127.0.0.1", "[::1]"].into_iter().map(Into::into).collect();
        hosts.extend(public.host_str().map(str::to_ascii_lowercase).map(Into::into));
        hosts.extend(settings.allowed_hosts.iter().map(|host| host.to_ascii_lowercase().into()));
        let mut origins: HashSet<Box<str>> =
            settings.allowed_origins.iter().map(|o| o.to_ascii_lowercase().into()).collect();
        origins.insert(public.origin().ascii_serialization().into());
        Self {
            public_url: public.clone(),
            hosts: (!any).then_some(hosts),
            origins,
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }

    /// How clients reach the gateway.
    pub(crate) fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Refuses requests that a browser was tricked into sending (DNS
    /// rebinding, foreign origins).
    ///
    /// # Errors
    /// [`Reason::ForbiddenHost`], [`Reason::ForbiddenOrigin`].
    pub(crate) fn admit(&self, request: &HttpRequest) -> Result<(), Refusal> {
        if let Some(allowed) = &self.hosts {
            let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
            let known = host.map(without_port).is_some_and(|host| {
                allowed.contains(host) || allowed.contains(&*host.to_ascii_lowercase())
            });
            if !known {
                return Err(Refusal::new(
                    Reason::ForbiddenHost,
                    "the host is not in allowed_hosts",
                ));
            }
        }
        let mut origins = request.headers().get_all(ORIGIN);
        let Some(origin) = origins.next() else { return Ok(()) };
        if self.knows_origin(origin.as_bytes()) && origins.next().is_none() {
            Ok(())
        } else {
            Err(Refusal::new(Reason::ForbiddenOrigin, "the origin is not in allowed_origins"))
        }
    }

    /// Whether pages of this origin may call.
    pub(crate) fn knows_origin(&self, origin: &[u8]) -> bool {
        std::str::from_utf8(origin).is_ok_and(|origin| {
            self.origins.contains(&*origin.to_ascii_lowercase()) || is_loopback(origin)
        })
    }

    /// Where the request comes from: the connection's peer, or, where that is
    /// a trusted proxy, the last address before the trusted ones. An IPv4 address
    /// that is written as one of IPv6 is one of IPv4.
    pub(crate) fn client_addr(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let mut client = peer;
        let forwarded = request.headers().get_all(FORWARDED_FOR).collect::<Vec<_>>();
        for hop in forwarded
            .iter()
            .rev()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.rsplit(',').map(str::trim))
        {
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Pages served from this very machine, whatever their port.
fn is_loopback(origin: &str) -> bool {
    Url::parse(origin)
        .is_ok_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn edge(allowed_hosts: &[&str], trusted: &[&str]) -> Edge {
        Edge::new(&ServerSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            metrics_listen: "127.0.0.1:0".parse().unwrap(),
            workers: 1,
            public_url: Url::parse("https://gw.example.com/").unwrap(),
            allowed_hosts: allowed_hosts.iter().map(|h| (*h).to_owned()).collect(),
            allowed_origins: vec!["https://app.example.com".to_owned()],
            trusted_proxies: trusted.iter().map(|n| n.parse().unwrap()).collect(),
            max_body_bytes: 1,
            body_timeout_ms: 1,
            shutdown_timeout_seconds: 1,
            state_dir: std::path::PathBuf::new(),
        })
    }

    fn admits(edge: &Edge, host: &str, origin: Option<&str>) -> Result<(), Reason> {
        let mut request = TestRequest::post().insert_header((HOST, host));
        if let Some(origin) = origin {
            request = request.insert_header((ORIGIN, origin));
        }
        edge.admit(&request.to_http_request()).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn only_known_hosts_are_served() {
        let edge = edge(&[], &[]);
        assert_eq!(admits(&edge, "gw.example.com", None), Ok(()));
        assert_eq!(admits(&edge, "GW.example.com:8443", None), Ok(()));
        assert_eq!(admits(&edge, "localhost:8000", None), Ok(()));
        assert_eq!(admits(&edge, "[::1]:8000", None), Ok(()));
        assert_eq!(admits(&edge, "evil.example.com", None), Err(Reason::ForbiddenHost));
        assert_eq!(admits(&edge, "", None), Err(Reason::ForbiddenHost));
        assert_eq!(admits(&super::tests::edge(&["*"], &[]), "evil.example.com", None), Ok(()));
    }

    #[test]
    fn only_known_origins_may_call() {
        let edge = edge(&[], &[]);
        let host = "gw.example.com";
        assert_eq!(admits(&edge, host, Some("https://gw.example.com")), Ok(()));
        assert_eq!(admits(&edge, host, Some("https://app.example.com")), Ok(()));
        assert_eq!(admits(&edge, host, Some("http://localhost:6274")), Ok(()));
        for foreign in ["https://evil.example.com", "null", "http://localhost.evil.example.com"] {
            assert_eq!(
                admits(&edge, host, Some(foreign)),
                Err(Reason::ForbiddenOrigin),
                "{foreign}"
            );
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies() {
        let request = |peer: &str, forwarded: &str| {
            TestRequest::get()
                .peer_addr(peer.parse().unwrap())
                .insert_header((FORWARDED_FOR, forwarded))
                .to_http_request()
        };
        let addr = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let trusting = edge(&[], &["10.0.0.0/8"]);
        let cases = [
            ("192.0.2.1:9", "203.0.113.7", "192.0.2.1"),
            ("10.0.0.1:9", "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1:9", "1.1.1.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("10.0.0.1:9", "203.0.113.7, nonsense", "10.0.0.1"),
            ("[::ffff:10.0.0.1]:9", "::ffff:203.0.113.7, ::ffff:10.0.0.2", "203.0.113.7"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(trusting.client_addr(&request(peer, forwarded)), addr(expected));
        }
        let suspicious = edge(&[], &[]);
        assert_eq!(suspicious.client_addr(&request("10.0.0.1:9", "1.1.1.1")), addr("10.0.0.1"));
    }
}
