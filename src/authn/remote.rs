//! The keys of an issuer that publishes them over HTTP: when they are
//! fetched, by whom, and how long they are believed.
//!
//! * Fresh keys are served without a thought; the fetcher renews them every
//!   `jwks_refresh_seconds`.
//! * While the issuer is down they still serve for `jwks_stale_seconds`; after
//!   that, and before the first success, its tokens are refused with
//!   [`Reason::KeysUnavailable`], and the fetcher keeps trying.
//! * A key nobody knows may be a new one, so it causes a fetch, but not more
//!   often than every `jwks_cooldown_seconds`: a stranger who makes up key
//!   names must not be able to use the gateway against the issuer.
//! * At most one fetch runs at a time; whoever needs its result waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use tokio::sync::{mpsc, watch};
use url::Url;

use super::cache::Fingerprint;
use super::fetch::FETCH_LIMIT;
use super::health::KeyHealth;
use super::jwks;
use super::key::{KeySet, Lookup};
use crate::clock::Clock;
use crate::error::{Reason, Refusal};

/// Most requests that may wait for one fetch; more are refused at once.
const MAX_WAITING: usize = 256;

/// Longest pause between two attempts of the fetcher after failures.
const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// Where the key set is.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// At this URL.
    Jwks(Url),
    /// Where the issuer's discovery document says.
    Discovery { document: Url, issuer: Arc<str> },
}

/// Durations of the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) refresh: Duration,
    pub(super) cooldown: Duration,
    pub(super) stale: Duration,
}

/// What is known of the issuer's keys; replaced as a whole.
#[derive(Debug)]
pub(super) struct KeyRing {
    pub(super) keys: Arc<KeySet>,
    /// 0 before the first fetch; grows whenever the document changes.
    pub(super) generation: u64,
    document: Option<Fingerprint>,
    /// When the document was last confirmed, on the monotonic clock.
    fetched: Duration,
}

/// The state of fetching.
#[derive(Debug, Default)]
struct Flight {
    running: bool,
    waiting: usize,
    /// No fetch on demand before this time.
    demand_from: Duration,
    /// The next fetch by the fetcher itself.
    due: Duration,
    /// Failures since the last success.
    failures: u32,
    error: Option<String>,
}

/// The keys of one remote issuer.
#[derive(Debug)]
pub(super) struct RemoteKeys {
    pub(super) issuer: Arc<str>,
    pub(super) location: Location,
    allowed: Vec<Algorithm>,
    timing: Timing,
    clock: Clock,
    ring: ArcSwap<KeyRing>,
    flight: Mutex<Flight>,
    /// Counts finished fetches, to wait for.
    finished: watch::Sender<u64>,
    requests: mpsc::Sender<Arc<RemoteKeys>>,
}

impl RemoteKeys {
    pub(super) fn new(
        issuer: Arc<str>,
        location: Location,
        allowed: Vec<Algorithm>,
        timing: Timing,
        clock: Clock,
        requests: mpsc::Sender<Arc<Self>>,
    ) -> Self {
        let ring = KeyRing {
            keys: Arc::default(),
            generation: 0,
            document: None,
            fetched: Duration::ZERO,
        };
        Self {
            issuer,
            location,
            allowed,
            timing,
            clock,
            ring: ArcSwap::from_pointee(ring),
            flight: Mutex::default(),
            finished: watch::Sender::new(0),
            requests,
        }
    }

    /// Whether keys of this generation may still be used.
    pub(super) fn is_current(&self, generation: u64, now: Duration) -> bool {
        let ring = self.ring.load();
        ring.generation == generation && self.serves(&ring, now)
    }

    /// The keys, after making sure that the wanted one is among them if the
    /// issuer has it.
    ///
    /// # Errors
    /// [`Reason::KeysUnavailable`].
    pub(super) async fn holding(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeyRing>, Refusal> {
        let unknown = |ring: &KeyRing| matches!(ring.keys.find(id, algorithm), Lookup::Unknown);
        let ring = self.ring.load_full();
        if self.serves(&ring, self.clock.monotonic()) && !unknown(&ring) {
            return Ok(ring);
        }
        self.fetch_on_demand().await;
        let ring = self.ring.load_full();
        if !self.serves(&ring, self.clock.monotonic()) {
            return Err(self.unavailable("no keys that are fresh enough"));
        }
        // The issuer may have this key by now, but cannot be asked.
        if unknown(&ring) && self.flight().failures > 0 {
            return Err(self.unavailable("an unknown key, and the issuer cannot be asked"));
        }
        Ok(ring)
    }

    fn serves(&self, ring: &KeyRing, now: Duration) -> bool {
        let believed = self.timing.refresh.saturating_add(self.timing.stale);
        ring.generation > 0 && now.saturating_sub(ring.fetched) <= believed
    }

    fn unavailable(&self, why: &'static str) -> Refusal {
        let wait = self.flight().due.saturating_sub(self.clock.monotonic());
        Refusal {
            reason: Reason::KeysUnavailable,
            detail: format!("issuer {}: {why}", self.issuer).into(),
            public: Some("The keys of the token's issuer are not available".into()),
            retry_after: Some(wait.max(Duration::from_secs(1))),
        }
    }

    /// Waits for a fetch that runs, or causes one if that is allowed.
    async fn fetch_on_demand(self: &Arc<Self>) {
        // Before looking at the flight, so that its end cannot be missed.
        let mut finished = self.finished.subscribe();
        let Some(_waiting) = self.join_or_start() else { return };
        // The fetch has its own deadline; this one is for a fetcher that is
        // gone.
        let _ =
            tokio::time::timeout(FETCH_LIMIT + Duration::from_secs(1), finished.changed()).await;
    }

    fn join_or_start(self: &Arc<Self>) -> Option<Waiting<'_>> {
        let now = self.clock.monotonic();
        let mut flight = self.flight();
        if flight.waiting >= MAX_WAITING {
            return None;
        }
        if !flight.running {
            if now < flight.demand_from || self.requests.try_send(Arc::clone(self)).is_err() {
                return None;
            }
            flight.running = true;
            flight.demand_from = now.saturating_add(self.timing.cooldown);
        }
        flight.waiting += 1;
        Some(Waiting(self))
    }

    /// For the fetcher: marks a fetch as running if one is due.
    pub(super) fn start_if_due(&self) -> bool {
        let mut flight = self.flight();
        let start = !flight.running && self.clock.monotonic() >= flight.due;
        flight.running |= start;
        start
    }

    /// For the fetcher: how long until a fetch is due.
    pub(super) fn idle_for(&self) -> Duration {
        self.flight().due.saturating_sub(self.clock.monotonic())
    }

    /// For the fetcher: the end of a fetch, with the document.
    pub(super) fn finish(&self, result: Result<&[u8], String>) {
        let result = result.and_then(|document| {
            let keys = jwks::read(document, &self.allowed);
            keys.map(|keys| (document, keys)).map_err(|fault| format!("the key set {fault}"))
        });
        let now = self.clock.monotonic();
        let mut flight = self.flight();
        flight.running = false;
        match result {
            Ok((document, keys)) => {
                // The first keys are no answer to an unknown one.
                if self.ring.load().generation == 0 {
                    flight.demand_from = now;
                }
                self.replace(document, keys, now);
                if flight.failures > 0 {
                    tracing::info!(issuer = %self.issuer, "the issuer's keys are available again");
                }
                flight.failures = 0;
                flight.error = None;
                flight.due = now.saturating_add(self.timing.refresh);
            }
            Err(error) => {
                tracing::warn!(issuer = %self.issuer, %error, "the issuer's keys could not be fetched");
                let pause = Duration::from_secs(1_u64 << flight.failures.min(6));
                flight.failures = flight.failures.saturating_add(1);
                flight.error = Some(error);
                flight.due = now + pause.min(MAX_BACKOFF).min(self.timing.refresh);
            }
        }
        drop(flight);
        self.finished.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn replace(&self, document: &[u8], keys: KeySet, now: Duration) {
        let old = self.ring.load();
        let document = Some(Fingerprint::of(document));
        let ring = if old.document == document {
            KeyRing {
                keys: Arc::clone(&old.keys),
                generation: old.generation,
                document,
                fetched: now,
            }
        } else {
            let generation = old.generation + 1;
            tracing::info!(issuer = %self.issuer, generation, keys = keys.len(), "new keys of an issuer");
            KeyRing { keys: Arc::new(keys), generation, document, fetched: now }
        };
        self.ring.store(Arc::new(ring));
    }

    pub(super) fn health(&self) -> KeyHealth {
        let now = self.clock.monotonic();
        let ring = self.ring.load_full();
        let serves = self.serves(&ring, now);
        let flight = self.flight();
        let why = match (&flight.error, serves, ring.keys.len()) {
            (Some(error), ..) => Some(error.clone()),
            (None, true, 0) => Some("the key set holds no usable key".to_owned()),
            (None, true, _) => None,
            (None, false, _) => Some("the keys were not fetched yet".to_owned()),
        };
        KeyHealth {
            issuer: self.issuer.to_string(),
            ready: serves && ring.keys.len() > 0,
            why,
            keys: ring.keys.len(),
            generation: ring.generation,
            age: (ring.generation > 0).then(|| now.saturating_sub(ring.fetched)),
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that waits for a fetch; leaving early gives the place back.
struct Waiting<'a>(&'a RemoteKeys);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.flight().waiting -= 1;
    }
}
