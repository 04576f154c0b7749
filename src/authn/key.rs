//! Verification keys, each bound when it is loaded to the algorithms it may
//! verify, so that a token's `alg` can never choose how a key is read.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Smallest and largest RSA modulus accepted, in bits; the cryptography
/// library verifies nothing outside of them.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why something is not a usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFault {
    /// Neither a public key nor a certificate.
    #[error("holds no public key or certificate in PEM form")]
    NotPem,
    /// A private key, which the gateway has no business to hold.
    #[error("holds a private key; only the public key belongs here")]
    Private,
    /// The structure inside cannot be read.
    #[error("holds a key that cannot be read")]
    Malformed,
    /// Not RSA, P-256, P-384 or Ed25519.
    #[error("holds a key of an unsupported type (use RSA, P-256, P-384 or Ed25519)")]
    Unsupported,
    /// An RSA key outside of 2048 to 8192 bits.
    #[error("holds an RSA key outside of 2048 to 8192 bits")]
    RsaSize,
}

/// A public key in the form the algorithms want it.
#[derive(Debug)]
pub(super) enum Material {
    /// Big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// Uncompressed point: 4, x, y.
    P256(Vec<u8>),
    /// Uncompressed point: 4, x, y.
    P384(Vec<u8>),
    /// The 32 bytes of the point.
    Ed25519(Vec<u8>),
}

impl Material {
    /// An RSA key of an acceptable size.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyFault> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = match modulus.first() {
            Some(first) => modulus.len() * 8 - first.leading_zeros() as usize,
            None => 0,
        };
        if !RSA_BITS.contains(&bits) {
            return Err(KeyFault::RsaSize);
        }
        let odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !odd || exponent == [1] || exponent.len() > 8 {
            return Err(KeyFault::Malformed);
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// A point on P-256 or P-384, told apart by its length.
    pub(super) fn point(bytes: &[u8]) -> Result<Self, KeyFault> {
        let point = bytes.to_vec();
        let (valid, key) = match point.len() {
            65 => (ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point), Self::P256(point)),
            97 => (ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &point), Self::P384(point)),
            _ => return Err(KeyFault::Malformed),
        };
        valid.map(|_| key).map_err(|_| KeyFault::Malformed)
    }

    /// An Ed25519 key.
    pub(super) fn ed25519(bytes: &[u8]) -> Result<Self, KeyFault> {
        if bytes.len() == 32 { Ok(Self::Ed25519(bytes.to_vec())) } else { Err(KeyFault::Malformed) }
    }

    /// Every algorithm this kind of key can verify.
    pub(super) fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Rsa { .. } => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            Self::P256(_) => &[Algorithm::ES256],
            Self::P384(_) => &[Algorithm::ES384],
            Self::Ed25519(_) => &[Algorithm::EdDSA],
        }
    }

    fn into_key(self) -> DecodingKey {
        match self {
            Self::Rsa { modulus, exponent } => {
                DecodingKey::from_rsa_raw_components(&modulus, &exponent)
            }
            Self::P256(point) | Self::P384(point) => DecodingKey::from_ec_der(&point),
            Self::Ed25519(point) => DecodingKey::from_ed_der(&point),
        }
    }
}

/// A key and what it may be used for.
#[derive(Debug)]
pub(super) struct VerifyingKey {
    /// `kid`: an opaque name, only ever compared with those of loaded keys.
    id: Option<Box<str>>,
    /// Never empty.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl VerifyingKey {
    /// A public key, for those of its algorithms that are allowed; nothing
    /// when none is.
    pub(super) fn public(
        id: Option<Box<str>>,
        material: Material,
        allowed: &[Algorithm],
    ) -> Option<Self> {
        let algorithms = fitting(material.algorithms(), allowed);
        (!algorithms.is_empty()).then(|| Self { id, algorithms, key: material.into_key() })
    }

    /// A shared secret, for those HMAC algorithms that are allowed; nothing
    /// when none is.
    pub(super) fn secret(secret: &[u8], allowed: &[Algorithm]) -> Option<Self> {
        let algorithms = fitting(&[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512], allowed);
        let key = DecodingKey::from_secret(secret);
        (!algorithms.is_empty()).then_some(Self { id: None, algorithms, key })
    }

    /// Whether an algorithm needs a shared secret.
    pub(super) fn is_secret(algorithm: Algorithm) -> bool {
        algorithm.family() == jsonwebtoken::AlgorithmFamily::Hmac
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `signature` (base64url) is this key's over `message`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        self.fits(algorithm)
            && jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm)
                .unwrap_or(false)
    }
}

/// The keys of one issuer at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<VerifyingKey>);

/// What a [`KeySet`] says about the key that a token names.
#[derive(Debug)]
pub(super) enum Lookup<'a> {
    /// The one key to try.
    Key(&'a VerifyingKey),
    /// The key exists, but is not for this algorithm.
    WrongAlgorithm,
    /// The token names no key and several would fit; trying them all would
    /// multiply the cost of a forged token.
    Ambiguous,
    /// No such key here.
    Unknown,
}

impl KeySet {
    pub(super) fn new(keys: Vec<VerifyingKey>) -> Self {
        Self(keys)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Finds the key for a token. A named key is found by its exact name (the
    /// first of several equal ones that fits the algorithm); a key without a
    /// name serves any token as long as it is the only one that fits.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Lookup<'_> {
        let Some(id) = id else {
            return only(self.0.iter().filter(|key| key.fits(algorithm)));
        };
        let mut named = self.0.iter().filter(|key| key.id.as_deref() == Some(id)).peekable();
        if named.peek().is_some() {
            return named
                .find(|key| key.fits(algorithm))
                .map_or(Lookup::WrongAlgorithm, Lookup::Key);
        }
        only(self.0.iter().filter(|key| key.id.is_none() && key.fits(algorithm)))
    }
}

fn only<'a>(mut candidates: impl Iterator<Item = &'a VerifyingKey>) -> Lookup<'a> {
    match (candidates.next(), candidates.next()) {
        (Some(key), None) => Lookup::Key(key),
        (Some(_), Some(_)) => Lookup::Ambiguous,
        (None, _) => Lookup::Unknown,
    }
}

fn fitting(able: &[Algorithm], allowed: &[Algorithm]) -> Vec<Algorithm> {
    able.iter().copied().filter(|algorithm| allowed.contains(algorithm)).collect()
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}
