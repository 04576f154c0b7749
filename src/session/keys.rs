//! The keys that seal sessions, prove who speaks on the bus, and whose a task
//! is.
//!
//! From each secret, HKDF-SHA256 (RFC 5869) derives a key for each use and an
//! id that says which secret it was. The first secret seals and signs; all
//! open and verify, so that a secret can be changed while replicas run.

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac;

use super::error::SessionsError;
use crate::secret::Secret;
use crate::settings::{SessionSettings, UpstreamSettings};

/// Keeps these keys apart from any others derived of the same secret.
const SALT: &[u8] = b"scopegate sessions v1";

/// Bytes of a key's id.
pub(super) const ID: usize = 4;

/// The keys of one secret.
pub(super) struct Key {
    pub(super) id: [u8; ID],
    pub(super) seal: RandomizedNonceKey,
    pub(super) sign: hmac::Key,
    pub(super) task: hmac::Key,
}

/// All keys; the first is the one in use.
pub(super) struct KeyRing {
    current: Key,
    accepted: Vec<Key>,
}

impl KeyRing {
    /// The keys that the settings name.
    ///
    /// # Errors
    /// When they name none, or none can be derived.
    pub(super) fn new(
        settings: &SessionSettings,
        upstream: &UpstreamSettings,
    ) -> Result<Self, SessionsError> {
        let secret = settings.key.as_ref().or(upstream.shared_secret.as_ref());
        let current = Key::derive(secret.ok_or(SessionsError::NoKey)?);
        let accepted: Result<_, _> = settings.previous_keys.iter().map(Key::derive).collect();
        let unusable = |_: Unspecified| SessionsError::Keys;
        Ok(Self { current: current.map_err(unusable)?, accepted: accepted.map_err(unusable)? })
    }

    /// The key that seals and signs.
    pub(super) fn current(&self) -> &Key {
        &self.current
    }

    /// The keys of an id; hardly ever more than one.
    pub(super) fn with_id(&self, id: [u8; ID]) -> impl Iterator<Item = &Key> {
        self.all().filter(move |key| key.id == id)
    }

    /// All keys, the one in use first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.accepted)
    }
}

impl Key {
    fn derive(secret: &Secret) -> Result<Self, Unspecified> {
        let root = Salt::new(HKDF_SHA256, SALT).extract(secret.expose().as_bytes());
        let [a, b, c, d, ..] = expand(&root, b"id")?;
        Ok(Self {
            id: [a, b, c, d],
            seal: RandomizedNonceKey::new(&AES_256_GCM, &expand(&root, b"session id")?)?,
            sign: hmac::Key::new(hmac::HMAC_SHA256, &expand(&root, b"bus")?),
            task: hmac::Key::new(hmac::HMAC_SHA256, &expand(&root, b"task id")?),
        })
    }
}

fn expand(root: &Prk, usage: &[u8]) -> Result<[u8; 32], Unspecified> {
    let mut key = [0; 32];
    root.expand(&[usage], HKDF_SHA256)?.fill(&mut key)?;
    Ok(key)
}
