//! Where the gateway listens and what it reads.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

/// The `server` section.
#[derive(Clone, Debug, Deserialize)]
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
