//! How alike two files are, by the measure git uses to find renames.
//!
//! A file is cut into lines, long ones into pieces of 64 bytes. How many bytes
//! lie in pieces that both files have, in relation to the larger file, is the
//! score. The arithmetic follows git's, so that the same files are renames.

use std::collections::HashMap;

use crate::text::is_binary;

/// The score of equal files.
pub(crate) const EQUAL: u64 = 60_000;
/// The least score of a rename: half.
pub(crate) const LEAST: u64 = 30_000;

/// Longest piece, in bytes.
const PIECE: u32 = 64;
/// Size of the space pieces are hashed into.
const HASH_SPACE: u32 = 107_927;

/// A file as its pieces: how many bytes lie in those of each hash, in the
/// order of the hashes. At most some 900 KB, however large the file is.
pub(crate) struct Pieces {
    size: u64,
    bytes: Vec<(u32, u32)>,
}

impl Pieces {
    pub(crate) fn of(file: &[u8]) -> Self {
        let is_text = !is_binary(file);
        let mut bytes: HashMap<u32, u32> = HashMap::new();
        let (mut first, mut second, mut length) = (0_u32, 0_u32, 0_u32);
        let mut rest = file.iter().peekable();
        while let Some(&byte) = rest.next() {
            // The CR of a line's end does not count.
            if is_text && byte == b'\r' && rest.peek() == Some(&&b'\n') {
                continue;
            }
            let before = first;
            first = (first << 7) ^ (second >> 25);
            second = (second << 7) ^ (before >> 25);
            first = first.wrapping_add(u32::from(byte));
            length += 1;
            if length < PIECE && byte != b'\n' {
                continue;
            }
            *bytes.entry(hash(first, second)).or_insert(0) += length;
            (first, second, length) = (0, 0, 0);
        }
        if length > 0 {
            *bytes.entry(hash(first, second)).or_insert(0) += length;
        }
        let mut bytes: Vec<(u32, u32)> = bytes.into_iter().collect();
        bytes.sort_unstable();
        Self { size: file.len() as u64, bytes }
    }

    /// From 0 to [`EQUAL`].
    pub(crate) fn score(&self, other: &Self) -> u64 {
        let larger = self.size.max(other.size);
        if larger == 0 || !may_be_alike(self.size, other.size) {
            return 0;
        }
        let mut common = 0;
        let mut others = other.bytes.iter().peekable();
        for (hash, bytes) in &self.bytes {
            while others.next_if(|(known, _)| known < hash).is_some() {}
            if let Some((_, theirs)) = others.next_if(|(known, _)| known == hash) {
                common += u64::from(*bytes.min(theirs));
            }
        }
        common * EQUAL / larger
    }
}

/// Whether files of these sizes can be alike enough at all.
pub(crate) fn may_be_alike(one: u64, other: u64) -> bool {
    let larger = one.max(other);
    larger * (EQUAL - LEAST) >= (larger - one.min(other)) * EQUAL
}

fn hash(first: u32, second: u32) -> u32 {
    first.wrapping_add(second.wrapping_mul(0x61)) % HASH_SPACE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(one: &str, other: &str) -> u64 {
        Pieces::of(one.as_bytes()).score(&Pieces::of(other.as_bytes()))
    }

    #[test]
    fn the_score_is_the_common_part() {
        assert_eq!(score("a\nb\nc\nd\n", "a\nb\nc\nd\n"), EQUAL);
        assert_eq!(score("a\nb\nc\nd\n", "a\nb\nx\ny\n"), LEAST);
        assert_eq!(score("a\r\nb\r\n", "a\r\nb\r\n"), EQUAL * 4 / 6);
        assert_eq!(score("", "x"), 0);
        assert_eq!(score("", ""), 0);
        assert_eq!(score("a\n", &"a\n".repeat(10)), 0);
    }
}
