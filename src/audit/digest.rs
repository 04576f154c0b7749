//! SHA-256, of arguments and results, and of lines of the journal.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut taken = [0; 32];
        taken.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(taken)
    }

    /// The digest of what is one after the other in these.
    pub(super) fn of_all<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = Context::new(&SHA256);
        parts.into_iter().for_each(|part| context.update(part));
        context.into()
    }

    /// From 64 digits of lower-case hexadecimal, the only form that is written.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// In hexadecimal, without the way over a `String`.
    pub(super) fn to_hex(self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// The digest's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<Context> for Digest {
    /// Of a context for SHA-256.
    fn from(context: Context) -> Self {
        let mut taken = [0; 32];
        taken.copy_from_slice(context.finish().as_ref());
        Self(taken)
    }
}

impl fmt::Display for Digest {
    /// In hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::secret::hex(&self.0))
    }
}

/// Bytes from lower-case hexadecimal; `None` for any other text.
pub(super) fn unhex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != BYTES * 2 {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_back_in_one_form_only() {
        let digest = Digest::of(b"abc");
        let text = digest.to_string();
        assert_eq!(digest.to_hex(), text.as_bytes());
        assert_eq!(Digest::from_hex(&text), Some(digest));
        assert_eq!(Digest::of_all([&b"a"[..], b"", b"bc"]), digest);
        for wrong in
            [text.to_uppercase(), text[1..].to_owned(), format!("{text}00"), "é".repeat(32)]
        {
            assert_eq!(Digest::from_hex(&wrong), None);
        }
    }

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, the sample of one block.
        let sample = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), sample);
    }
}
