//! What sessions and those who own them are called.

use std::fmt::{self, Display, Formatter};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::secret::hex;

/// Which session: 128 random bits. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Uid([u8; 16]);

impl Uid {
    /// Size in bytes.
    pub(super) const SIZE: usize = 16;

    /// One that nobody can guess.
    ///
    /// # Errors
    /// When the operating system's random source fails.
    pub(crate) fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0; Self::SIZE];
        SystemRandom::new().fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

impl Display for Uid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Whose session: SHA-256 of issuer and subject. Not of the token, so a
/// caller whose token was renewed keeps its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallerKey([u8; 32]);

impl CallerKey {
    /// Of a caller's name that is unique over all issuers (`Caller::key`).
    #[must_use]
    pub(crate) fn of(caller_key: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, caller_key.as_bytes()).as_ref());
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_differ_and_are_shown_as_hexadecimal_digits() {
        let uid = Uid::random().unwrap();
        assert_ne!(uid, Uid::random().unwrap());
        let shown = uid.to_string();
        assert!(shown.len() == 32 && shown.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn callers_differ_by_issuer_and_by_subject() {
        let ada = CallerKey::of("https://a\nada");
        assert_eq!(ada, CallerKey::of("https://a\nada"));
        assert_ne!(ada, CallerKey::of("https://b\nada"));
        assert_ne!(ada, CallerKey::of("https://a\nbob"));
    }
}
