//! Secrets that cannot be printed, compared byte by byte, or serialized.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// A configured secret. `Debug` shows `[REDACTED]`; there is no `Display` and
/// no `Serialize`, so a secret can reach neither a log line nor a page.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Secret(SecretString);

/// Shortest secret that may key a MAC or authenticate the gateway, in bytes
/// (RFC 7518 §3.2: at least the size of the hash output).
pub const MINIMUM_BYTES: usize = 32;

/// Why a secret is refused at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// Fewer than [`MINIMUM_BYTES`] bytes.
    #[error("is shorter than {MINIMUM_BYTES} bytes")]
    Short,
    /// A sample value from a document, or close to one.
    #[error("looks like a sample value")]
    Sample,
    /// Long, but made of very few different bytes.
    #[error("repeats too few different characters")]
    Repetitive,
}

/// Pieces that betray a sample value; compared without regard to case.
const SAMPLES: [&str; 10] = [
    "changeme",
    "change-me",
    "change_me",
    "your-secret",
    "your_secret",
    "secret-api-key",
    "example",
    "placeholder",
    "default",
    "insecure",
];

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// 256 random bits from the operating system, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the operating system's random source fails.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0_u8; 32];
        SystemRandom::new().fill(&mut bytes)?;
        Ok(Self::new(hex(&bytes)))
    }

    /// The value itself. Every use is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares in time that depends only on the lengths.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        verify_slices_are_equal(self.expose().as_bytes(), presented).is_ok()
    }

    /// Whether the secret is good enough to start with.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn check_strength(&self) -> Result<(), Weakness> {
        let value = self.expose();
        if value.trim().is_empty() {
            return Err(Weakness::Empty);
        }
        let lower = value.to_ascii_lowercase();
        if SAMPLES.iter().any(|sample| lower.contains(sample)) {
            return Err(Weakness::Sample);
        }
        if value.len() < MINIMUM_BYTES {
            return Err(Weakness::Short);
        }
        let mut seen = [false; 256];
        value.bytes().for_each(|byte| seen[usize::from(byte)] = true);
        if seen.iter().filter(|&&present| present).count() < 8 {
            return Err(Weakness::Repetitive);
        }
        Ok(())
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_its_value() {
        let secret = Secret::new("tell-no-one-0123456789-abcdefghij");
        assert!(!format!("{secret:?}").contains("tell"));
    }

    #[test]
    fn weak_secrets_are_named_as_such() {
        let weakness = |value: &str| Secret::new(value).check_strength();
        assert_eq!(weakness("  "), Err(Weakness::Empty));
        assert_eq!(weakness("short"), Err(Weakness::Short));
        assert_eq!(weakness(&"ab".repeat(32)), Err(Weakness::Repetitive));
        assert_eq!(weakness("ChangeMe-0123456789-0123456789-xyz"), Err(Weakness::Sample));
        assert_eq!(Secret::generate().unwrap().check_strength(), Ok(()));
    }

    #[test]
    fn comparison_accepts_only_the_same_bytes() {
        let secret = Secret::new("a-secret");
        assert!(secret.matches(b"a-secret"));
        assert!(!secret.matches(b"a-secreT"));
        assert!(!secret.matches(b"a-secret "));
        assert!(!secret.matches(b""));
    }
}
