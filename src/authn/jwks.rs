//! JSON Web Key Sets, RFC 7517.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::key::{KeySet, Material, VerifyingKey};

/// Largest key set read, in bytes, whether from a file or over the network.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Most keys of a set, usable or not.
const MAX_KEYS: usize = 100;

/// Longest key name, in bytes; longer ones are in no token that is accepted.
pub(super) const MAX_KEY_ID_BYTES: usize = 256;

/// Why a document is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwksFault {
    /// Not JSON, or without a `keys` array.
    #[error("is not a JSON Web Key Set")]
    NotASet,
    /// More keys than any issuer needs.
    #[error("holds more than {MAX_KEYS} keys")]
    TooManyKeys,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members that matter; all others, private ones included, are left.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// The usable keys of a set. A key that cannot be used (unknown type or
/// curve, for encryption, too small, a shared secret, an algorithm that is
/// not allowed) is skipped: issuers publish keys for other purposes too.
pub(super) fn read(document: &[u8], allowed: &[Algorithm]) -> Result<KeySet, JwksFault> {
    let document: Document<'_> =
        serde_json::from_slice(document).map_err(|_| JwksFault::NotASet)?;
    if document.keys.len() > MAX_KEYS {
        return Err(JwksFault::TooManyKeys);
    }
    Ok(KeySet::new(document.keys.iter().filter_map(|raw| usable(raw.get(), allowed)).collect()))
}

fn usable(raw: &str, allowed: &[Algorithm]) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_str(raw).ok()?;
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    if jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
        return None;
    }
    if jwk.kid.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
        return None;
    }
    let material = material(&jwk)?;
    let id = jwk.kid.map(String::into_boxed_str);
    match jwk.alg {
        None => VerifyingKey::public(id, material, allowed),
        Some(name) => {
            let algorithm: Algorithm = name.parse().ok()?;
            let bound = allowed.contains(&algorithm).then_some([algorithm])?;
            VerifyingKey::public(id, material, &bound)
        }
    }
}

/// The public part. A shared secret (`kty: oct`) is never taken from a set.
fn material(jwk: &Jwk) -> Option<Material> {
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Material::rsa(&bytes(jwk.n.as_ref())?, &bytes(jwk.e.as_ref())?).ok(),
        ("EC", Some("P-256")) => point(jwk, 32),
        ("EC", Some("P-384")) => point(jwk, 48),
        ("OKP", Some("Ed25519")) => Material::ed25519(&bytes(jwk.x.as_ref())?).ok(),
        _ => None,
    }
}

fn point(jwk: &Jwk, size: usize) -> Option<Material> {
    let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
    if x.len() != size || y.len() != size {
        return None;
    }
    Material::point(&[&[4], x.as_slice(), y.as_slice()].concat()).ok()
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}
