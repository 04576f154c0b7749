//! The background task that fetches key sets.

use std::sync::{Arc, Weak};
use std::time::Duration;

use awc::http::StatusCode;
use awc::http::header::{ACCEPT, USER_AGENT};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use tokio::sync::mpsc;
use url::{Host, Url};

use super::jwks::MAX_BYTES;
use super::remote::{Location, RemoteKeys};
use crate::outbound::{Limits, client};

/// Longest time of a whole fetch: connecting, discovery and key set.
pub(super) const FETCH_LIMIT: Duration = Duration::from_secs(5);

/// Longest time between two looks at the clock, which may be a manual one.
const TICK: Duration = Duration::from_secs(1);

/// Fetches the keys of all remote issuers: at once, then when they grow old,
/// and whenever a request needs it. Exactly one should run for each
/// [`Authenticator`](super::Authenticator).
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// Weak, so that the task ends with the authenticator it works for.
    pub(super) remotes: Vec<Weak<RemoteKeys>>,
    pub(super) requests: mpsc::Receiver<Arc<RemoteKeys>>,
}

/// Why a fetch failed, for the operator.
#[derive(Debug, thiserror::Error)]
enum FetchFault {
    #[error("{0} did not answer: {1}")]
    Send(String, String),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    #[error("the answer of {0} broke off or is larger than {MAX_BYTES} bytes: {1}")]
    Body(String, String),
    #[error("no answer within {} seconds", FETCH_LIMIT.as_secs())]
    TimeLimit,
    #[error("{0} is no discovery document")]
    Document(String),
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
    #[error("the discovery document's jwks_uri is refused: {0}")]
    KeySetUrl(&'static str),
}

impl Fetcher {
    /// Runs until the authenticator is dropped. The HTTP client belongs to the
    /// thread, so this must stay on the one it starts on: spawn it with
    /// `actix_web::rt::spawn`, on the main arbiter.
    pub(crate) async fn run(mut self) {
        let client = client(Limits {
            connect: FETCH_LIMIT,
            connections: 8,
            keep_alive: Duration::from_secs(15),
        });
        let mut flights = FuturesUnordered::new();
        loop {
            let mut idle = TICK;
            for remote in self.remotes.iter().filter_map(Weak::upgrade) {
                if remote.start_if_due() {
                    flights.push(fetch(&client, Landing::new(&remote)));
                }
                idle = idle.min(remote.idle_for());
            }
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(remote) => flights.push(fetch(&client, Landing::new(&remote))),
                    None => return,
                },
                Some(()) = flights.next() => {}
                // A fetch that runs is due as well, hence the lower bound.
                () = tokio::time::sleep(idle.max(TICK / 10)) => {}
            }
        }
    }
}

/// Ends a fetch in every case, also when it is dropped halfway.
struct Landing(Option<Arc<RemoteKeys>>);

impl Landing {
    fn new(remote: &Arc<RemoteKeys>) -> Self {
        Self(Some(Arc::clone(remote)))
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(remote) = self.0.take() {
            remote.finish(Err("the fetch was given up".to_owned()));
        }
    }
}

async fn fetch(client: &awc::Client, mut landing: Landing) {
    let Some(remote) = landing.0.clone() else { return };
    let document = tokio::time::timeout(FETCH_LIMIT, load(client, &remote.location)).await;
    landing.0 = None;
    match document {
        Ok(Ok(document)) => remote.finish(Ok(&document)),
        Ok(Err(fault)) => remote.finish(Err(fault.to_string())),
        Err(_) => remote.finish(Err(FetchFault::TimeLimit.to_string())),
    }
}

async fn load(client: &awc::Client, location: &Location) -> Result<Bytes, FetchFault> {
    let (document, issuer) = match location {
        Location::Jwks(url) => return get(client, url).await,
        Location::Discovery { document, issuer } => (document, issuer),
    };
    let body = get(client, document).await?;
    let metadata: Metadata =
        serde_json::from_slice(&body).map_err(|_| FetchFault::Document(name_of(document)))?;
    if metadata.issuer != **issuer {
        return Err(FetchFault::OtherIssuer);
    }
    check_url(&metadata.jwks_uri).map_err(FetchFault::KeySetUrl)?;
    if is_loopback(&metadata.jwks_uri) && !is_loopback(document) {
        return Err(FetchFault::KeySetUrl("a remote issuer may not name a loopback host"));
    }
    get(client, &metadata.jwks_uri).await
}

/// The members of OpenID Connect Discovery 1.0 §3 that matter.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Url,
}

async fn get(client: &awc::Client, url: &Url) -> Result<Bytes, FetchFault> {
    let mut response = client
        .get(url.as_str())
        .insert_header((ACCEPT, "application/json"))
        .insert_header((USER_AGENT, "scopegate"))
        .send()
        .await
        .map_err(|error| FetchFault::Send(name_of(url), error.to_string()))?;
    if response.status() != StatusCode::OK {
        return Err(FetchFault::Status(name_of(url), response.status()));
    }
    let body = response.body().limit(MAX_BYTES).await;
    body.map_err(|error| FetchFault::Body(name_of(url), error.to_string()))
}

/// A URL without its query, for log lines.
fn name_of(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// Keys decide who is let in, so they come over TLS, or from this machine.
pub(super) fn check_url(url: &Url) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user name or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err("must be an https URL (http only to a loopback host)"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
