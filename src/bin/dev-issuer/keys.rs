//! The signing key: a shared secret, or an ES256 key that is made when there
//! is none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use scopegate::secret::Secret;
use serde_json::{Map, Value};

use crate::options::SigningOptions;

/// Longest key file read, in bytes.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// Signs claims.
pub(crate) struct Signer {
    key: EncodingKey,
    header: Header,
    /// The public half; empty for a shared secret, which has none.
    public: JwkSet,
}

impl Signer {
    /// Loads, or makes, the key that the options ask for.
    ///
    /// # Errors
    /// An algorithm this issuer does not have, a missing or weak secret, a
    /// key file that cannot be read, written or used.
    pub(crate) fn load(options: &SigningOptions) -> anyhow::Result<Self> {
        let algorithm = match options.algorithm.as_str() {
            "HS256" => Algorithm::HS256,
            "HS384" => Algorithm::HS384,
            "HS512" => Algorithm::HS512,
            "ES256" => Algorithm::ES256,
            other => bail!(
                "cannot sign with {other:?}: JWT_ALGORITHM must be HS256, HS384, HS512 or ES256"
            ),
        };
        if algorithm == Algorithm::ES256 {
            Self::with_key_file(&options.key_file)
        } else {
            Self::with_secret(algorithm, &shared_secret(options)?)
        }
    }

    fn with_secret(algorithm: Algorithm, secret: &Secret) -> anyhow::Result<Self> {
        secret.check_strength().map_err(|weakness| {
            anyhow::anyhow!(
                "the signing secret {weakness}: set JWT_SECRET_KEY or JWT_SECRET_KEY_FILE to at \
                 least 32 random bytes, e.g. from `openssl rand -hex 32`"
            )
        })?;
        Ok(Self {
            key: EncodingKey::from_secret(secret.expose().as_bytes()),
            header: Header::new(algorithm),
            public: JwkSet { keys: Vec::new() },
        })
    }

    fn with_key_file(path: &Path) -> anyhow::Result<Self> {
        let pem = read_or_make(path)?;
        let unusable = || {
            format!("the key file {} is not a P-256 private key in PKCS#8 PEM form", path.display())
        };
        let key = EncodingKey::from_ec_pem(pem.expose().as_bytes()).with_context(unusable)?;
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).with_context(unusable)?;
        let key_id = jwk.thumbprint(ThumbprintHash::SHA256).with_context(unusable)?;
        jwk.common.key_id = Some(key_id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key_id);
        Ok(Self { key, header, public: JwkSet { keys: vec![jwk] } })
    }

    /// A compact JWS of the claims.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> anyhow::Result<String> {
        jsonwebtoken::encode(&self.header, claims, &self.key).context("cannot sign")
    }

    /// What verifiers need; no keys for a shared secret.
    pub(crate) fn public(&self) -> &JwkSet {
        &self.public
    }

    /// The algorithm's name in a token's header.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.header.alg
    }
}

fn shared_secret(options: &SigningOptions) -> anyhow::Result<Secret> {
    let Some(path) = options.secret_key_file.as_deref() else {
        return Ok(options.secret_key.clone());
    };
    if !options.secret_key.expose().is_empty() {
        bail!("JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are both set: leave one out");
    }
    let text = read(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Editors and `echo` end files with a line break that is not of the key.
    Ok(Secret::new(text.expose().trim_end_matches(['\r', '\n'])))
}

fn read(path: &Path) -> std::io::Result<Secret> {
    let mut text = String::new();
    File::open(path)?.take(MAX_KEY_FILE).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

/// The text of the key file, which is made first when it does not exist.
fn read_or_make(path: &Path) -> anyhow::Result<Secret> {
    match read(path) {
        Err(problem) if problem.kind() == ErrorKind::NotFound => {
            make(path).with_context(|| format!("cannot make the key file {}", path.display()))?;
            read(path)
        }
        outcome => outcome,
    }
    .with_context(|| format!("cannot read the key file {}", path.display()))
}

/// Makes a key file that appears whole or not at all: of two processes that
/// start at once, the later one uses the key of the earlier.
fn make(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .context("the operating system gave no randomness")?;
    let draft = path.with_extension(format!("draft-{}", uuid::Uuid::new_v4()));
    let linked =
        write_private(&draft, &pem(document.as_ref()))
            .and_then(|()| fs::hard_link(&draft, path))
            .or_else(|problem| {
                if problem.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(problem) }
            });
    // A draft left behind does no harm, and there may be none.
    let _ = fs::remove_file(&draft);
    Ok(linked?)
}

fn write_private(path: &Path, text: &Secret) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()
}

fn pem(der: &[u8]) -> Secret {
    let body = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for (index, letter) in body.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_makers_the_first_one_wins() {
        let folder = std::env::temp_dir().join(format!("sg-keys-{}", uuid::Uuid::new_v4()));
        let path = folder.join("deep/key.pem");
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || read_or_make(&path).unwrap().expose().to_owned())
            })
            .collect();
        let keys: Vec<_> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "all use the same key");
        assert!(keys[0].starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no drafts are left");
        fs::remove_dir_all(folder).unwrap();
    }
}
