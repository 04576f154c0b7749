//! From a bearer token to a [`Caller`].
//!
//! The gateway only validates: tokens come from the organisation's own
//! identity provider. A token names its issuer; that alone decides whose
//! keys, audience, claim names and limits apply, so two issuers never mix,
//! not even when both name a key alike. Each key is bound to its algorithms
//! when it is loaded.
//!
//! [`Authenticator::authenticate`] looks at headers only and does not wait,
//! except when a key has to be fetched first.

mod cache;
mod challenge;
mod claims;
mod credentials;
mod fetch;
mod health;
mod identity;
mod issuer;
mod jwks;
mod key;
mod local;
mod pem;
mod problem;
mod remote;
mod token;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

pub(crate) use challenge::{challenge, metadata_url, resource_metadata};
pub(crate) use credentials::Credentials;
pub(crate) use fetch::Fetcher;
pub(crate) use health::KeyHealth;
pub(crate) use identity::Caller;
pub(crate) use problem::Problem;

use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::settings::{AuthSettings, IssuerSettings};
use cache::{Fingerprint, TokenCache, Verified};
use issuer::{Issuer, Keys, Ring};
use key::Lookup;
use problem::Place;
use token::{Token, invalid};

/// Keys that were read anew, of the issuers whose keys are others than before.
#[derive(Debug)]
pub(crate) struct FreshKeys(Vec<(usize, Ring)>);

impl FreshKeys {
    /// Whether any are others than before.
    pub(crate) fn differ(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Turns credentials into callers. Shared by all workers behind an `Arc`.
#[derive(Debug)]
pub(crate) struct Authenticator {
    issuers: Vec<Issuer>,
    cache: TokenCache,
    max_token_bytes: usize,
    clock: Clock,
    fetcher: Mutex<Option<Fetcher>>,
}

impl Authenticator {
    /// Builds all issuers: `auth.default`, unless its issuer is empty, and
    /// `auth.issuers`. Reads key files, but calls nobody: keys from the
    /// network come with the [`Fetcher`].
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn new(settings: &AuthSettings, clock: Clock) -> Result<Self, Vec<Problem>> {
        let (places, mut problems) = places(settings);
        // One place for each remote issuer is enough: each has at most one
        // fetch running.
        let (sender, requests) = mpsc::channel(places.len().max(1));
        let issuers: Vec<Issuer> = places
            .iter()
            .filter_map(|(place, issuer)| {
                issuer::build(issuer, place, &clock, &sender, &mut problems)
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let remotes: Vec<_> = issuers
            .iter()
            .filter_map(|issuer| match &issuer.keys {
                Keys::Local(_) => None,
                Keys::Remote(remote) => Some(Arc::downgrade(remote)),
            })
            .collect();
        let fetcher = (!remotes.is_empty()).then_some(Fetcher { remotes, requests });
        Ok(Self {
            issuers,
            cache: TokenCache::new(settings.token_cache_entries, settings.token_cache_seconds),
            max_token_bytes: settings.max_token_bytes,
            clock,
            fetcher: Mutex::new(fetcher),
        })
    }

    /// Says who is calling.
    ///
    /// A token seen before costs its digest, one look-up and the checks of
    /// its times and of its issuer's keys: 1.0 µs for an ES256 token of 320
    /// bytes among 1000, measured on one core with this crate optimised and
    /// its dependencies not; verifying the same token takes 70 µs.
    ///
    /// # Errors
    /// One of the reasons of [`Reason::is_authentication`].
    pub(crate) async fn authenticate(
        &self,
        credentials: Credentials<'_>,
    ) -> Result<Caller, Refusal> {
        let token = credentials.bearer(self.max_token_bytes)?;
        let fingerprint = Fingerprint::of(token.as_bytes());
        if let Some(caller) = self.recall(&fingerprint)? {
            return Ok(caller);
        }
        // On the heap, so that the common path does not carry its size.
        Box::pin(self.verify(token, fingerprint)).await
    }

    /// The tolerance for clocks that tokens of the caller's issuer have.
    pub(crate) fn clock_skew(&self, caller: &Caller) -> Duration {
        let mut issuers = self.issuers.iter();
        let issuer = issuers.find(|issuer| *issuer.rules.issuer == *caller.issuer());
        let skew = issuer.map_or(0, |issuer| issuer.rules.skew);
        Duration::from_secs(u64::try_from(skew).unwrap_or_default())
    }

    /// The names of all issuers, in the order of the settings.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|issuer| &*issuer.rules.issuer)
    }

    /// The state of each issuer's keys, in the order of the settings.
    #[must_use]
    pub(crate) fn key_health(&self) -> Vec<KeyHealth> {
        self.issuers.iter().map(Issuer::health).collect()
    }

    /// The task that fetches keys: once, and only if an issuer publishes its
    /// keys over the network.
    #[must_use]
    pub(crate) fn take_fetcher(&self) -> Option<Fetcher> {
        self.fetcher.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reads the keys of this machine anew, for [`adopt`](Self::adopt). Nothing
    /// else of the settings is looked at, and nobody is called: keys from the
    /// network are fetched when it is their time.
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn read_again(&self, settings: &AuthSettings) -> Result<FreshKeys, Vec<Problem>> {
        let (places, mut problems) = places(settings);
        let mut rings = Vec::new();
        for (place, settings) in &places {
            let mut all = self.issuers.iter();
            let Some(index) = all.position(|known| *known.rules.issuer == *settings.issuer) else {
                continue;
            };
            match self.issuers[index].read_again(settings, place) {
                Ok(ring) => rings.extend(ring.map(|ring| (index, ring))),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(FreshKeys(rings)) } else { Err(problems) }
    }

    /// Verifies by these keys from now on.
    pub(crate) fn adopt(&self, fresh: FreshKeys) {
        for (index, ring) in fresh.0 {
            self.issuers[index].adopt(ring);
        }
    }

    /// A token that was verified before, if it still holds.
    fn recall(&self, fingerprint: &Fingerprint) -> Result<Option<Caller>, Refusal> {
        let now = self.clock.monotonic();
        let Some(known) = self.cache.get(fingerprint, now) else { return Ok(None) };
        let Some(issuer) = self.issuers.get(known.issuer) else { return Ok(None) };
        if !issuer.keys.is_current(known.generation, now) {
            self.cache.remove(fingerprint);
            return Ok(None);
        }
        match issuer.rules.check_times(&known.identity.times, self.clock.unix_seconds()) {
            Ok(()) => Ok(Some(Caller::new(known.identity))),
            Err(refusal) => {
                self.cache.remove(fingerprint);
                Err(refusal)
            }
        }
    }

    async fn verify(&self, text: &str, fingerprint: Fingerprint) -> Result<Caller, Refusal> {
        let token = Token::read(text)?;
        let name = claims::issuer(&token.claims)?;
        let (index, issuer) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| *issuer.rules.issuer == *name)
            .ok_or_else(|| {
                Refusal::telling(Reason::UnknownIssuer, "Invalid JWT token: unknown issuer")
            })?;
        if !issuer.allowed.contains(&token.algorithm) {
            return Err(invalid("the signing algorithm is not allowed"));
        }
        let id = token.key_id.as_deref();
        let (keys, generation) = issuer.keys.holding(id, token.algorithm).await?;
        let key = match keys.find(id, token.algorithm) {
            Lookup::Key(key) => key,
            Lookup::WrongAlgorithm => return Err(invalid("the key is for another algorithm")),
            Lookup::Ambiguous => return Err(invalid("it names none of several keys")),
            Lookup::Unknown => return Err(invalid("no such key")),
        };
        if !key.verifies(token.algorithm, token.signed, token.signature) {
            return Err(invalid("the signature does not match"));
        }
        let identity = issuer.rules.identify(&token.claims, self.clock.unix_seconds())?;
        let identity = Arc::new(identity);
        let at = self.clock.monotonic();
        let verified = Verified { identity: Arc::clone(&identity), issuer: index, generation, at };
        self.cache.insert(fingerprint, verified);
        Ok(Caller::new(identity))
    }
}

/// The issuers to build, and what is wrong with the list as such.
fn places(settings: &AuthSettings) -> (Vec<(Place, &IssuerSettings)>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut places: Vec<(Place, &IssuerSettings)> = Vec::new();
    let default = &settings.default;
    if !default.issuer.trim().is_empty() {
        places.push((Place::Default, default));
    } else if settings.issuers.is_empty() {
        problems.push(Place::Default.problem("issuer", "no issuer is configured"));
    } else if default.secret_key.is_some() || !default.audience.is_empty() {
        let message = "is empty, although other settings of the default issuer are set";
        problems.push(Place::Default.problem("issuer", message));
    }
    for (index, issuer) in settings.issuers.iter().enumerate() {
        let place = Place::Further(index);
        if issuer.issuer.trim().is_empty() {
            problems.push(place.problem("issuer", "is empty"));
        } else if places.iter().any(|(_, known)| known.issuer == issuer.issuer) {
            problems.push(place.problem("issuer", "is configured twice"));
        } else {
            places.push((place, issuer));
        }
    }
    (places, problems)
}
