//! Where the gateway listens and what it reads.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

use super::validate::Findings;

/// The `server` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address of the listener that nginx forwards to.
    pub listen: SocketAddr,
    /// Address of the internal listener with `/metrics`; never published.
    pub metrics_listen: SocketAddr,
    /// Worker threads; 0 means one a core.
    pub workers: usize,
    /// How clients reach the gateway, without a trailing slash. Builds
    /// metadata documents and challenges; never taken from a request.
    pub public_url: Url,
    /// Host names (without port) a request may name, next to the host of
    /// `public_url` and the loopback names. `*` switches the check off.
    pub allowed_hosts: Vec<String>,
    /// Origins of browser clients that may call, next to that of `public_url`.
    pub allowed_origins: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed. Empty: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Longest time for a request body to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// Longest time for calls in flight to finish at shutdown, in seconds.
    pub shutdown_timeout_seconds: u64,
    /// Where the gateway keeps files of its own, such as the audit journal.
    pub state_dir: PathBuf,
}

impl ServerSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        self.check_listeners(findings);
        self.check_public_url(findings);
        self.check_peers(findings);
        findings.range("server.workers", &self.workers, &(0..=1024));
        findings.range("server.max_body_bytes", &self.max_body_bytes, &(1024..=64 * 1024 * 1024));
        findings.range("server.body_timeout_ms", &self.body_timeout_ms, &(1..=600_000));
        let shutdown = self.shutdown_timeout_seconds;
        findings.range("server.shutdown_timeout_seconds", &shutdown, &(1..=3600));
        if self.state_dir.as_os_str().is_empty() {
            findings.problem("server.state_dir", "must not be empty");
        }
    }

    fn check_listeners(&self, findings: &mut Findings) {
        let (public, internal) = (self.listen, self.metrics_listen);
        let overlap = public.ip() == internal.ip()
            || public.ip().is_unspecified()
            || internal.ip().is_unspecified();
        // Port 0 means any free one.
        if public.port() == internal.port() && public.port() != 0 && overlap {
            findings.problem("server.metrics_listen", "must not be the address of server.listen");
        }
        if !is_internal(internal.ip()) {
            findings.warning(
                "server.metrics_listen",
                "is neither a loopback nor a private address; metrics must not be published",
            );
        }
    }

    fn check_public_url(&self, findings: &mut Findings) {
        let (path, url) = ("server.public_url", &self.public_url);
        findings.plain_url(path, url);
        if url.host_str().is_none_or(str::is_empty) {
            findings.problem(path, "must name a host");
        }
        if url.query().is_some() {
            findings.problem(path, "must not contain a query (?…)");
        }
        if url.path().len() > 1 && url.path().ends_with('/') {
            findings.problem(path, "must not end with a slash");
        }
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() == "http" && !local {
            findings.warning(path, "is not https: tokens would travel in the clear");
        }
    }

    fn check_peers(&self, findings: &mut Findings) {
        for (index, host) in self.allowed_hosts.iter().enumerate() {
            let path = format!("server.allowed_hosts[{index}]");
            let bracketed = host.starts_with('[') && host.ends_with(']');
            if host == "*" {
                findings.warning(path, "switches the check of the Host header off");
            } else if host.is_empty() || host.contains(['/', ' ', '*', '@']) {
                findings.problem(path, "must be a host name, or *");
            } else if host.contains(':') && !bracketed {
                findings.problem(path, "must be a host name without port or scheme");
            }
        }
        for (index, origin) in self.allowed_origins.iter().enumerate() {
            let is_origin = Url::parse(origin).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.origin().ascii_serialization() == *origin
            });
            if !is_origin {
                let path = format!("server.allowed_origins[{index}]");
                findings.problem(path, "must be an origin such as https://app.company.org");
            }
        }
        for (index, network) in self.trusted_proxies.iter().enumerate() {
            if network.prefix_len() == 0 {
                let path = format!("server.trusted_proxies[{index}]");
                findings.warning(path, "trusts everybody to name the address of a client");
            }
        }
    }
}

/// Whether an address cannot be reached from the internet.
fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}
