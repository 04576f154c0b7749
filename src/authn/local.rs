//! Keys that lie on this machine: in a secret or a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::Algorithm;

use super::jwks;
use super::key::{KeySet, VerifyingKey};
use super::pem;
use crate::secret::Secret;

/// Largest key file, in bytes.
const MAX_FILE_BYTES: u64 = jwks::MAX_BYTES as u64;

/// A field of the settings and what is wrong with it.
type Fault = (&'static str, String);

/// A key source on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Secret(&'a Secret),
    SecretFile(&'a Path),
    PublicKeyFile(&'a Path),
    JwksFile(&'a Path),
}

impl Source<'_> {
    /// Loads the keys for those of the allowed algorithms that fit them, with the
    /// SHA-256 of what they were read from.
    pub(super) fn load(self, allowed: &[Algorithm]) -> Result<(KeySet, [u8; 32]), Fault> {
        let text = match self {
            Self::Secret(_) => String::new(),
            Self::SecretFile(path) => read_text("secret_key_file", path)?,
            Self::PublicKeyFile(path) => read_text("public_key_file", path)?,
            Self::JwksFile(path) => read_text("jwks_file", path)?,
        };
        let mut mark = [0; 32];
        mark.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Ok((self.keys(&text, allowed)?, mark))
    }

    fn keys(self, text: &str, allowed: &[Algorithm]) -> Result<KeySet, Fault> {
        match self {
            Self::Secret(secret) => from_secret("secret_key", secret, allowed),
            Self::SecretFile(_) => {
                let text = text.strip_suffix('\n').unwrap_or(text);
                let secret = Secret::new(text.strip_suffix('\r').unwrap_or(text));
                from_secret("secret_key_file", &secret, allowed)
            }
            Self::PublicKeyFile(_) => {
                let material =
                    pem::read(text).map_err(|fault| ("public_key_file", fault.to_string()))?;
                let kind = names(material.algorithms());
                let key = VerifyingKey::public(None, material, allowed);
                key.map(|key| KeySet::new(vec![key])).ok_or_else(|| unfit(allowed, &kind))
            }
            Self::JwksFile(_) => {
                let keys = jwks::read(text.as_bytes(), allowed)
                    .map_err(|fault| ("jwks_file", fault.to_string()))?;
                if keys.len() == 0 {
                    let message = "holds no key for any of the allowed algorithms (HS* keys \
                                   are never taken from a key set)";
                    return Err(("jwks_file", message.to_owned()));
                }
                Ok(keys)
            }
        }
    }
}

fn from_secret(
    field: &'static str,
    secret: &Secret,
    allowed: &[Algorithm],
) -> Result<KeySet, Fault> {
    secret.check_strength().map_err(|weakness| (field, weakness.to_string()))?;
    // RFC 7518 §3.2: a key at least as long as the hash.
    for (algorithm, bytes) in [(Algorithm::HS512, 64), (Algorithm::HS384, 48)] {
        if allowed.contains(&algorithm) && secret.expose().len() < bytes {
            return Err((field, format!("is shorter than the {bytes} bytes {algorithm:?} needs")));
        }
    }
    VerifyingKey::secret(secret.expose().as_bytes(), allowed)
        .map(|key| KeySet::new(vec![key]))
        .ok_or_else(|| unfit(allowed, "HS256, HS384, HS512"))
}

/// A key that no allowed algorithm can use. With an empty list there was a
/// complaint already, and this one says the same thing again.
fn unfit(allowed: &[Algorithm], able: &str) -> Fault {
    let message = format!("the key is for {able}, but allowed is: {}", names(allowed));
    ("allowed_algorithms", message)
}

fn names(algorithms: &[Algorithm]) -> String {
    let names: Vec<String> = algorithms.iter().map(|name| format!("{name:?}")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn read_text(field: &'static str, path: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| (field, format!("{} cannot be read: {error}", path.display())))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let message = format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display());
        return Err((field, message));
    }
    Ok(text)
}
