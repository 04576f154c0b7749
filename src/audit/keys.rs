//! Public keys of the audit trail: what a verifier needs, and all it needs.
//!
//! The same file is kept next to the journal (every key that ever signed here)
//! and printed by `scopegate audit keys`: JSON, with each key in hexadecimal for
//! us and as PEM for everybody else's tools.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::digest::{Digest, unhex};
use crate::secret::hex;

/// Before a public key, in what the key before it signs.
const ENDORSING: &[u8] = b"scopegate audit key v1\n";

/// An Ed25519 key's `SubjectPublicKeyInfo` (RFC 8410 §4), up to the key.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PublicKey([u8; 32]);

impl PublicKey {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// Its name: the first 128 bits of the SHA-256 of its
    /// `SubjectPublicKeyInfo`, in hexadecimal. Not a proof of anything: what is
    /// trusted is the key in the file of keys.
    pub(crate) fn id(&self) -> String {
        hex(&Digest::of(&self.spki()).as_bytes()[..16])
    }

    /// As PEM (RFC 8410), which OpenSSL reads.
    pub(crate) fn pem(&self) -> String {
        let text = STANDARD.encode(self.spki());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    fn spki(&self) -> Vec<u8> {
        [&SPKI[..], &self.0].concat()
    }

    /// What the key before this one signs, to hand over to it.
    pub(super) fn endorsed(&self) -> Vec<u8> {
        [ENDORSING, &self.0].concat()
    }

    /// Whether this key signed `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        ParsedPublicKey::new(&ED25519, self.0)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    /// In hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The word of a key for the one that follows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Endorsement {
    /// Id of the key that signed.
    pub(super) endorsed_by: String,
    /// Its signature, in hexadecimal.
    pub(super) endorsement: String,
}

/// A key as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct KnownKey {
    /// [`PublicKey::id`].
    key_id: String,
    /// `Ed25519`.
    algorithm: String,
    /// The key's 32 bytes, in hexadecimal.
    public_key: String,
    /// The same for other programs.
    pem: String,
    /// When it was made or first used: RFC 3339.
    since: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) endorsement: Option<Endorsement>,
}

impl KnownKey {
    pub(super) fn new(key: PublicKey, since: &str, endorsement: Option<Endorsement>) -> Self {
        Self {
            key_id: key.id(),
            algorithm: "Ed25519".to_owned(),
            public_key: key.to_string(),
            pem: key.pem(),
            since: since.to_owned(),
            endorsement,
        }
    }

    /// The key as PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}

/// The file of public keys, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct KeyRing {
    keys: Vec<KnownKey>,
}

/// Why a file of keys is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RingError {
    /// Not the JSON that `scopegate audit keys` prints.
    #[error("it is not what `scopegate audit keys` prints: {0}")]
    Json(String),
    /// A key whose name, algorithm or text do not belong together.
    #[error("key {0} is damaged")]
    Damaged(String),
}

impl KeyRing {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is none of ours, or a key in it is damaged.
    pub(crate) fn parse(text: &str) -> Result<Self, RingError> {
        if text.trim_start().starts_with("-----BEGIN") {
            return Self::of_pem(text);
        }
        let ring: Self =
            serde_json::from_str(text).map_err(|error| RingError::Json(error.to_string()))?;
        for known in &ring.keys {
            let key = PublicKey::from_hex(&known.public_key);
            // What other programs are given must be the key that we believe.
            let is_whole = |key: PublicKey| key.id() == known.key_id && key.pem() == known.pem;
            if known.algorithm != "Ed25519" || !key.is_some_and(is_whole) {
                return Err(RingError::Damaged(known.key_id.chars().take(64).collect()));
            }
        }
        Ok(ring)
    }

    fn of_pem(text: &str) -> Result<Self, RingError> {
        let mut ring = Self::default();
        for key in SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes()) {
            let key = key.map_err(|_| RingError::Damaged("of this PEM".to_owned()))?;
            let bytes = key.strip_prefix(&SPKI[..]).and_then(|bytes| bytes.try_into().ok());
            let key = bytes.ok_or_else(|| RingError::Damaged("of this PEM".to_owned()))?;
            ring.add(KnownKey::new(PublicKey(key), "", None));
        }
        Ok(ring)
    }

    /// As text, for people too.
    pub(crate) fn to_text(&self) -> String {
        // Plain strings in plain structs.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The keys, oldest first.
    pub(crate) fn keys(&self) -> &[KnownKey] {
        &self.keys
    }

    pub(super) fn find(&self, key: PublicKey) -> Option<&KnownKey> {
        self.keys.iter().find(|known| known.public_key == key.to_string())
    }

    pub(super) fn add(&mut self, key: KnownKey) {
        self.keys.push(key);
    }
}

/// Keys a verifier believes.
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted(BTreeMap<String, PublicKey>);

impl Trusted {
    pub(super) fn of(ring: &KeyRing) -> Self {
        let key = |known: &KnownKey| {
            PublicKey::from_hex(&known.public_key).map(|key| (known.key_id.clone(), key))
        };
        Self(ring.keys.iter().filter_map(key).collect())
    }

    pub(super) fn get(&self, id: &str) -> Option<PublicKey> {
        self.0.get(id).copied()
    }

    /// Believes a key that a believed one has endorsed. `false`: it has not.
    pub(super) fn admit(&mut self, key: &str, by: &Endorsement) -> bool {
        let Some(key) = PublicKey::from_hex(key) else { return false };
        if self.get(&key.id()).is_some() {
            return true;
        }
        let Some(endorser) = self.get(&by.endorsed_by) else { return false };
        let Some(signature) = unhex::<64>(&by.endorsement) else { return false };
        let admitted = endorser.signed(&key.endorsed(), &signature);
        if admitted {
            self.0.insert(key.id(), key);
        }
        admitted
    }
}
