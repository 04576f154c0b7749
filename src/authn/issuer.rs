//! One configured issuer: its rules, its keys, and what may be wrong with
//! its settings.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use tokio::sync::mpsc;
use url::Url;

use super::fetch::check_url;
use super::health::KeyHealth;
use super::key::{KeySet, VerifyingKey};
use super::local;
use super::problem::{Place, Problem};
use super::remote::{Location, RemoteKeys, Timing};
use crate::clock::Clock;
use crate::error::Refusal;
use crate::settings::{ClaimNames, IssuerSettings};

/// Longest `iss`, in bytes.
const MAX_ISSUER_BYTES: usize = 512;

/// What an issuer's claims have to say. Times are in seconds.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) issuer: Arc<str>,
    pub(super) audience: Vec<String>,
    pub(super) claims: ClaimNames,
    pub(super) api_versions: Vec<String>,
    /// 0 switches the check off.
    pub(super) max_age: i64,
    pub(super) skew: i64,
}

/// An issuer that may vouch for callers.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) rules: Rules,
    /// Never empty.
    pub(super) allowed: Vec<Algorithm>,
    pub(super) keys: Keys,
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    /// Of this machine: read at start, and when the configuration is reloaded.
    Local(ArcSwap<Ring>),
    /// Fetched, and fetched again.
    Remote(Arc<RemoteKeys>),
}

/// Keys of this machine.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    keys: Arc<KeySet>,
    /// SHA-256 of what they were read from.
    mark: [u8; 32],
    /// Counts the keys that were others than before.
    generation: u64,
}

impl Keys {
    /// The keys and their generation, freshly fetched if the wanted key is
    /// unknown.
    pub(super) async fn holding(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(Arc<KeySet>, u64), Refusal> {
        match self {
            Self::Local(ring) => {
                let ring = ring.load();
                Ok((Arc::clone(&ring.keys), ring.generation))
            }
            Self::Remote(remote) => {
                let ring = remote.holding(id, algorithm).await?;
                Ok((Arc::clone(&ring.keys), ring.generation))
            }
        }
    }

    /// Whether what was verified with keys of this generation still holds.
    pub(super) fn is_current(&self, generation: u64, now: Duration) -> bool {
        match self {
            Self::Local(ring) => ring.load().generation == generation,
            Self::Remote(remote) => remote.is_current(generation, now),
        }
    }
}

impl Issuer {
    /// Keys of this machine, read anew; `None` where they are the same, or come
    /// from elsewhere.
    pub(super) fn read_again(
        &self,
        settings: &IssuerSettings,
        place: &Place,
    ) -> Result<Option<Ring>, Problem> {
        let Keys::Local(known) = &self.keys else { return Ok(None) };
        let read = match source(settings) {
            Ok(Source::Local(source)) => source.load(&self.allowed),
            Ok(Source::Jwks(_) | Source::Discovery) => return Ok(None),
            Err(fault) => Err(fault),
        };
        let (keys, mark) = read.map_err(|(field, message)| place.problem(field, message))?;
        let known = known.load();
        let generation = known.generation + 1;
        Ok((mark != known.mark).then(|| Ring { keys: Arc::new(keys), mark, generation }))
    }

    /// Verifies by these keys from now on; tokens that were verified by others
    /// are verified again.
    pub(super) fn adopt(&self, ring: Ring) {
        if let Keys::Local(known) = &self.keys {
            known.store(Arc::new(ring));
        }
    }

    pub(super) fn health(&self) -> KeyHealth {
        match &self.keys {
            Keys::Local(ring) => {
                let ring = ring.load();
                KeyHealth {
                    issuer: self.rules.issuer.to_string(),
                    ready: true,
                    why: None,
                    keys: ring.keys.len(),
                    generation: ring.generation,
                    age: None,
                }
            }
            Keys::Remote(remote) => remote.health(),
        }
    }
}

/// Builds an issuer; on `None` at least one problem was added.
pub(super) fn build(
    settings: &IssuerSettings,
    place: &Place,
    clock: &Clock,
    requests: &mpsc::Sender<Arc<RemoteKeys>>,
    problems: &mut Vec<Problem>,
) -> Option<Issuer> {
    let before = problems.len();
    let mut complain = |field: &str, message: String| problems.push(place.problem(field, message));

    if settings.issuer.len() > MAX_ISSUER_BYTES {
        complain("issuer", format!("is longer than {MAX_ISSUER_BYTES} bytes"));
    }
    if settings.audience.is_empty() {
        complain("audience", "is missing; a token must name whom it is for".to_owned());
    } else if settings.audience.iter().any(|audience| audience.trim().is_empty()) {
        complain("audience", "holds an empty value".to_owned());
    }
    let names = &settings.claims;
    for (field, name) in
        [("claims.user_id", &names.user_id), ("claims.exp", &names.exp), ("claims.iat", &names.iat)]
    {
        if name.trim().is_empty() {
            complain(field, "is empty".to_owned());
        }
    }
    let allowed = algorithms(settings, &mut complain);
    let issuer: Arc<str> = Arc::from(settings.issuer.as_str());
    let keys = match source(settings) {
        Err((field, message)) => {
            complain(field, message);
            None
        }
        Ok(source) => keys(source, settings, &allowed, &issuer, clock, requests, &mut complain),
    };
    if problems.len() > before {
        return None;
    }
    let rules = Rules {
        issuer,
        audience: settings.audience.clone(),
        claims: settings.claims.clone(),
        api_versions: settings.allowed_api_versions.clone(),
        max_age: seconds(settings.max_token_age_minutes.saturating_mul(60)),
        skew: seconds(settings.clock_skew_seconds),
    };
    Some(Issuer { rules, allowed, keys: keys? })
}

fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// C-20. What is left may be empty; then there was a complaint.
fn algorithms(
    settings: &IssuerSettings,
    complain: &mut impl FnMut(&str, String),
) -> Vec<Algorithm> {
    const FIELD: &str = "allowed_algorithms";
    let misconfigured = |why: &str| format!("JWT allowed algorithms misconfigured: {why}");
    let mut allowed = Vec::new();
    let names = settings.allowed_algorithms.iter().map(|name| name.trim());
    for name in names.filter(|name| !name.is_empty()) {
        if name.eq_ignore_ascii_case("none") {
            complain(FIELD, misconfigured("'none' would accept unsigned tokens"));
        } else if let Ok(algorithm) = name.parse::<Algorithm>() {
            if !allowed.contains(&algorithm) {
                allowed.push(algorithm);
            }
        } else {
            complain(FIELD, misconfigured(&format!("'{name}' is not supported")));
        }
    }
    if settings.allowed_algorithms.iter().all(|name| name.trim().is_empty()) {
        complain(FIELD, misconfigured("the list is empty"));
    }
    match settings.algorithm.trim().parse::<Algorithm>() {
        Ok(algorithm) if allowed.contains(&algorithm) => {}
        Ok(_) => complain("algorithm", "is not among the allowed algorithms".to_owned()),
        Err(_) => complain("algorithm", "is not a supported algorithm".to_owned()),
    }
    allowed
}

/// The one key source of an issuer.
#[derive(Clone, Copy)]
enum Source<'a> {
    Local(local::Source<'a>),
    Jwks(&'a Url),
    Discovery,
}

fn source(settings: &IssuerSettings) -> Result<Source<'_>, (&'static str, String)> {
    use local::Source as Local;
    let s = settings;
    let mut set: Vec<(&'static str, Source<'_>)> = Vec::new();
    set.extend(s.secret_key.iter().map(|secret| {
        let file = s.secret_read_from.as_deref();
        ("secret_key", Source::Local(file.map_or(Local::Secret(secret), Local::SecretFile)))
    }));
    let files = [
        ("secret_key_file", s.secret_key_file.as_deref().map(Local::SecretFile)),
        ("public_key_file", s.public_key_file.as_deref().map(Local::PublicKeyFile)),
        ("jwks_file", s.jwks_file.as_deref().map(Local::JwksFile)),
    ];
    set.extend(files.into_iter().filter_map(|(name, v)| Some((name, Source::Local(v?)))));
    set.extend(s.jwks_url.iter().map(|v| ("jwks_url", Source::Jwks(v))));
    set.extend(s.oidc_discovery.then_some(("oidc_discovery", Source::Discovery)));

    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    match (set.pop(), names.as_slice()) {
        (Some((_, source)), [_]) => Ok(source),
        (Some((name, _)), _) => {
            Err((name, format!("several key sources are set: {}", names.join(", "))))
        }
        (None, _) => {
            let message = "no key source is set: set one of secret_key, secret_key_file, \
                           public_key_file, jwks_file, jwks_url, oidc_discovery";
            Err(("secret_key", message.to_owned()))
        }
    }
}

fn keys(
    source: Source<'_>,
    settings: &IssuerSettings,
    allowed: &[Algorithm],
    issuer: &Arc<str>,
    clock: &Clock,
    requests: &mpsc::Sender<Arc<RemoteKeys>>,
    complain: &mut impl FnMut(&str, String),
) -> Option<Keys> {
    let location = match source {
        Source::Local(source) => {
            return match source.load(allowed) {
                Ok((keys, mark)) => {
                    let ring = Ring { keys: Arc::new(keys), mark, generation: 0 };
                    Some(Keys::Local(ArcSwap::from_pointee(ring)))
                }
                Err((field, message)) => {
                    complain(field, message);
                    None
                }
            };
        }
        Source::Jwks(url) => check_url(url)
            .map(|()| Location::Jwks(url.clone()))
            .map_err(|why| ("jwks_url", why.to_owned())),
        Source::Discovery => discovery(issuer),
    };
    if !allowed.is_empty() && allowed.iter().all(|&algorithm| VerifyingKey::is_secret(algorithm)) {
        let message = "a published key set never holds HS* keys; allow RS*, PS*, ES* or EdDSA";
        complain("allowed_algorithms", message.to_owned());
    }
    for (field, value) in [
        ("jwks_refresh_seconds", settings.jwks_refresh_seconds),
        ("jwks_cooldown_seconds", settings.jwks_cooldown_seconds),
    ] {
        if value == 0 {
            complain(field, "must be at least 1, or the issuer would be flooded".to_owned());
        }
    }
    let timing = Timing {
        refresh: Duration::from_secs(settings.jwks_refresh_seconds),
        cooldown: Duration::from_secs(settings.jwks_cooldown_seconds),
        stale: Duration::from_secs(settings.jwks_stale_seconds),
    };
    match location {
        Err((field, message)) => {
            complain(field, message);
            None
        }
        Ok(location) => Some(Keys::Remote(Arc::new(RemoteKeys::new(
            Arc::clone(issuer),
            location,
            allowed.to_vec(),
            timing,
            clock.clone(),
            requests.clone(),
        )))),
    }
}

/// OpenID Connect Discovery 1.0 §4: the issuer, without a trailing slash,
/// and the well-known path behind it.
fn discovery(issuer: &Arc<str>) -> Result<Location, (&'static str, String)> {
    let base = issuer.trim_end_matches('/');
    let url = Url::parse(&format!("{base}/.well-known/openid-configuration"))
        .map_err(|_| ("issuer", "must be a URL for oidc_discovery".to_owned()))?;
    if url.query().is_some() || url.fragment().is_some() {
        let message = "must have no query and no fragment for oidc_discovery";
        return Err(("issuer", message.to_owned()));
    }
    check_url(&url).map_err(|why| ("issuer", format!("{why}, for oidc_discovery")))?;
    Ok(Location::Discovery { document: url, issuer: Arc::clone(issuer) })
}
