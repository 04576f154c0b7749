//! SHA-256, of arguments and results.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::taken(digest(&SHA256, bytes).as_ref())
    }

    /// The digest's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn taken(bytes: &[u8]) -> Self {
        let mut taken = [0; 32];
        taken.copy_from_slice(bytes);
        Self(taken)
    }
}

/// The digest of something that comes in pieces, such as a stream.
pub(crate) struct Digester {
    context: Context,
    bytes: u64,
}

impl Digester {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { context: Context::new(&SHA256), bytes: 0 }
    }

    /// The next piece.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.context.update(piece);
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
    }

    /// The digest, and how many bytes it covers.
    pub(crate) fn finish(self) -> (Digest, u64) {
        (Digest::taken(self.context.finish().as_ref()), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_digest_of_the_whole() {
        let mut digester = Digester::new();
        digester.add(b"a");
        digester.add(b"bc");
        assert_eq!(digester.finish(), (Digest::of(b"abc"), 3));
        // FIPS 180-4, the sample of SHA-256.
        let sample = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(crate::secret::hex(Digest::of(b"abc").as_bytes()), sample);
    }
}
