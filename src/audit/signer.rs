//! The private key of the audit trail, and where it comes from.
//!
//! `audit.signing_key`, or else a file in the state folder that the first start
//! makes. Every public key that was ever used here is kept next to it, with the
//! word of the key before it, so that old checkpoints stay verifiable and a new
//! key need not be believed blindly.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::keys::{Endorsement, KeyRing, KnownKey, PublicKey, RingError};
use super::segment::make_folder;
use crate::clock::rfc3339;
use crate::secret::{Secret, hex};
use crate::settings::AuditSettings;

/// Files in the state folder.
const PRIVATE: &str = "audit_signing_key.pem";
const PUBLIC: &str = "audit_public_keys.json";
const LOCK: &str = "audit_keys.lock";

/// Largest file of either kind, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// `audit.signing_key` is none.
    #[error("audit.signing_key: {0}")]
    Setting(NotAKey),
    /// The file in the state folder is none.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: NotAKey,
    },
    /// The public keys in the state folder cannot be read.
    #[error("{}: {error}", path.display())]
    Ring {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: RingError,
    },
    /// The state folder cannot be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Public keys are known, but the private one is not there.
    #[error(
        "{} is not there, though this gateway has signed before. Put it back; or set \
         audit.signing_key; or begin with a new key, which nobody has endorsed, by \
         `scopegate audit keys rotate`, and hand out its public half",
        path.display()
    )]
    Gone {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key is not ours to change.
    #[error("the key is set by audit.signing_key; put a new one there instead")]
    Configured,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// What is wrong with a key. Never shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAKey {
    /// Something else.
    #[error(
        "is not an Ed25519 private key in PKCS#8 PEM; make one with: openssl genpkey -algorithm ed25519"
    )]
    Form,
    /// Others than its owner may read the file.
    #[error("others than its owner may read it; if they have not: chmod 600")]
    Open,
}

/// Signs checkpoints. Shows nothing but the key's name.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
    key_id: String,
    endorsement: Option<Endorsement>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Signer {
    /// The key the settings name, or that of the state folder, which is made
    /// when there is none yet.
    ///
    /// # Errors
    /// When a key is damaged, or the folder cannot be used.
    pub(super) fn open(
        settings: &AuditSettings,
        state_dir: &Path,
        now: DateTime<Utc>,
    ) -> Result<Self, KeyError> {
        make_folder(state_dir).map_err(at(state_dir))?;
        let _gate = lock(state_dir)?;
        let kept = read_private(state_dir)?;
        let pair = match (configured(settings)?, kept) {
            (Some(pair), _) => pair,
            (None, Some(kept)) => kept,
            // A new one would be endorsed by nobody, and nobody would have asked
            // for it.
            (None, None) if !read_ring(state_dir)?.keys().is_empty() => {
                return Err(KeyError::Gone { path: state_dir.join(PRIVATE) });
            }
            (None, None) => {
                let (pair, pem) = generate()?;
                write_whole(&state_dir.join(PRIVATE), pem.expose().as_bytes())?;
                pair
            }
        };
        Self::enter(pair, state_dir, now)
    }

    /// Has the key known in the state folder.
    fn enter(pair: Ed25519KeyPair, state_dir: &Path, now: DateTime<Utc>) -> Result<Self, KeyError> {
        let public = public_key(&pair)?;
        let mut ring = read_ring(state_dir)?;
        if ring.find(public).is_none() {
            // The one that was used before, if we have it, can say so.
            let before = read_private(state_dir)?;
            let endorsement = match before {
                Some(before) if public_key(&before)? != public => {
                    let known = ring.find(public_key(&before)?).is_some();
                    known.then(|| endorse(&before, public)).transpose()?
                }
                Some(_) | None => None,
            };
            ring.add(KnownKey::new(public, rfc3339(now).as_str(), endorsement));
            write_whole(&state_dir.join(PUBLIC), ring.to_text().as_bytes())?;
        }
        let endorsement = ring.find(public).and_then(|known| known.endorsement.clone());
        Ok(Self { pair, public, key_id: public.id(), endorsement })
    }

    /// The key's name.
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The key that verifies what this one signs.
    pub(super) fn public(&self) -> PublicKey {
        self.public
    }

    /// The word of the key before.
    pub(super) fn endorsement(&self) -> Option<&Endorsement> {
        self.endorsement.as_ref()
    }

    /// Signs, in hexadecimal. `None`: the library failed.
    pub(super) fn sign(&self, message: &[u8]) -> Option<String> {
        self.pair.try_sign(message).ok().map(|signature| hex(signature.as_ref()))
    }
}

/// Whether `audit.signing_key` can sign, without touching anything.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_key(settings: &AuditSettings) -> Result<(), KeyError> {
    configured(settings).map(drop)
}

/// All public keys of a state folder, and the configured one.
///
/// # Errors
/// When one of them cannot be read.
pub(crate) fn public_keys(
    settings: &AuditSettings,
    state_dir: &Path,
    now: DateTime<Utc>,
) -> Result<KeyRing, KeyError> {
    let mut ring = read_ring(state_dir)?;
    if let Some(pair) = configured(settings)? {
        let public = public_key(&pair)?;
        if ring.find(public).is_none() {
            ring.add(KnownKey::new(public, rfc3339(now).as_str(), None));
        }
    }
    Ok(ring)
}

/// Makes a new key in the state folder, endorsed by the one before. Gateways
/// sign with it from their next start on. Returns its name.
///
/// # Errors
/// [`KeyError::Configured`] where settings name the key; or the folder's failure.
pub(crate) fn rotate(
    settings: &AuditSettings,
    state_dir: &Path,
    now: DateTime<Utc>,
) -> Result<String, KeyError> {
    if settings.signing_key.is_some() {
        return Err(KeyError::Configured);
    }
    make_folder(state_dir).map_err(at(state_dir))?;
    let _gate = lock(state_dir)?;
    let (pair, pem) = generate()?;
    // First the public half, with the word of the old key; a key that is known
    // and never used does no harm.
    let signer = Signer::enter(pair, state_dir, now)?;
    write_whole(&state_dir.join(PRIVATE), pem.expose().as_bytes())?;
    Ok(signer.key_id)
}

fn configured(settings: &AuditSettings) -> Result<Option<Ed25519KeyPair>, KeyError> {
    let parsed = settings.signing_key.as_ref().map(parse).transpose();
    parsed.map_err(KeyError::Setting)
}

fn parse(pem: &Secret) -> Result<Ed25519KeyPair, NotAKey> {
    let der =
        PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| NotAKey::Form)?;
    // OpenSSL writes keys without their public half.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| NotAKey::Form)
}

fn generate() -> Result<(Ed25519KeyPair, Secret), KeyError> {
    let document =
        Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.as_ref())
        .map_err(|_| KeyError::Random)?;
    let text = STANDARD.encode(document.as_ref());
    let pem =
        Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"));
    Ok((pair, pem))
}

fn public_key(pair: &Ed25519KeyPair) -> Result<PublicKey, KeyError> {
    let bytes = pair.public_key().as_ref().try_into();
    bytes.map(PublicKey::new).map_err(|_| KeyError::Setting(NotAKey::Form))
}

fn endorse(old: &Ed25519KeyPair, new: PublicKey) -> Result<Endorsement, KeyError> {
    let signature = old.try_sign(&new.endorsed()).map_err(|_| KeyError::Random)?;
    let endorsed_by = public_key(old)?.id();
    Ok(Endorsement { endorsed_by, endorsement: hex(signature.as_ref()) })
}

fn read_private(state_dir: &Path) -> Result<Option<Ed25519KeyPair>, KeyError> {
    let path = state_dir.join(PRIVATE);
    let Some((text, mode)) = read(&path)? else { return Ok(None) };
    let wrong = |why| KeyError::File { path, why };
    if mode & 0o077 != 0 {
        return Err(wrong(NotAKey::Open));
    }
    parse(&Secret::new(text)).map(Some).map_err(wrong)
}

fn read_ring(state_dir: &Path) -> Result<KeyRing, KeyError> {
    let path = state_dir.join(PUBLIC);
    match read(&path)? {
        None => Ok(KeyRing::default()),
        Some((text, _)) => KeyRing::parse(&text).map_err(|error| KeyError::Ring { path, error }),
    }
}

/// A file's text and mode; `None` when there is none.
fn read(path: &Path) -> Result<Option<(String, u32)>, KeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let mode = file.metadata().map_err(at(path))?.permissions().mode();
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(at(path))?;
    Ok(Some((text, mode)))
}

/// Writes a file for its owner only, whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let draft = path.with_extension("draft");
    let write = || {
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(at(path))
}

/// Keeps others out while keys are made: gateways may share a state folder.
fn lock(state_dir: &Path) -> Result<File, KeyError> {
    let path = state_dir.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyError + use<> {
    let path = path.to_owned();
    move |error| KeyError::Io { path, error }
}
