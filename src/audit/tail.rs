//! Reading a chain in batches.

use std::io;
use std::os::unix::fs::FileExt;

use serde::Deserialize;

use super::segment::Segment;

/// Most bytes of a batch, unless a single line is longer: about what so many
/// lines have that arrive together.
const BATCH_BYTES: usize = 192 * 1024;

/// A place in a chain, before some line.
#[derive(Debug)]
pub(super) struct Tail {
    /// Number of the next line.
    seq: i64,
    /// First number of the segment it is in, and the place there. `None`: not
    /// looked for yet.
    place: Option<(i64, u64)>,
    buffer: Vec<u8>,
}

/// Why a chain cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    /// The file system refused.
    #[error("the audit journal cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The place that was asked for lies behind the end.
    #[error(
        "the database says that it has everything before {wanted}, but the journal ends with {last}"
    )]
    Ahead {
        /// The number that was asked for.
        wanted: i64,
        /// The last one there is.
        last: i64,
    },
    /// A line has another number than its place.
    #[error("the journal has line {found} where {wanted} should be")]
    Misplaced {
        /// The number of its place.
        wanted: i64,
        /// What it says.
        found: i64,
    },
}

/// Consecutive lines.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Number of the first.
    pub(super) first_seq: i64,
    /// How many.
    pub(super) count: usize,
    /// The lines, a newline between each two.
    pub(super) text: String,
    /// Bytes of the chain up to their end.
    pub(super) end: u64,
    place: (i64, u64),
}

impl Chunk {
    /// The number after the last.
    pub(super) fn next_seq(&self) -> i64 {
        self.first_seq.saturating_add(i64::try_from(self.count).unwrap_or(i64::MAX))
    }
}

impl Tail {
    /// Before line `seq`.
    pub(super) fn at(seq: i64) -> Self {
        Self { seq, place: None, buffer: Vec::new() }
    }

    /// The next lines, at most `most`; `None` when there are no more. The same
    /// again, until [`advance`](Self::advance) is called.
    ///
    /// # Errors
    /// When the place is none of this chain's, or its first line is another: what
    /// would be carried on from there was never meant.
    pub(super) fn read(
        &mut self,
        segments: &[Segment],
        most: usize,
    ) -> Result<Option<Chunk>, TailError> {
        loop {
            let Some((segment, offset)) = self.find(segments)? else { return Ok(None) };
            if offset < segment.len {
                return self.cut(segment, offset, most).map(Some);
            }
            // This one is read; the next one begins with the line we want, or
            // is not there yet.
            let Some(next) = segments.iter().find(|next| next.first_seq > segment.first_seq) else {
                return Ok(None);
            };
            self.seq = self.seq.max(next.first_seq);
            self.place = Some((next.first_seq, 0));
        }
    }

    /// Goes on behind a chunk.
    pub(super) fn advance(&mut self, chunk: &Chunk) {
        self.seq = chunk.next_seq();
        self.place = Some(chunk.place);
    }

    fn find<'a>(
        &mut self,
        segments: &'a [Segment],
    ) -> Result<Option<(&'a Segment, u64)>, TailError> {
        if let Some((first_seq, offset)) = self.place
            && let Some(segment) = segments.iter().find(|segment| segment.first_seq == first_seq)
        {
            return Ok(Some((segment, offset)));
        }
        // Where nothing as old is left, with the oldest there is.
        let holder = segments.iter().rev().find(|segment| segment.first_seq <= self.seq);
        let Some(segment) = holder.or(segments.first()) else { return Ok(None) };
        self.seq = self.seq.max(segment.first_seq);
        let mut offset = 0;
        let mut skip = usize::try_from(self.seq - segment.first_seq).unwrap_or(usize::MAX);
        while skip > 0 && offset < segment.len {
            let (lines, bytes) = self.fill(segment, offset, skip)?;
            skip -= lines;
            offset += bytes as u64;
        }
        if skip > 0 {
            let missing = i64::try_from(skip).unwrap_or(i64::MAX);
            return Err(TailError::Ahead { wanted: self.seq, last: self.seq - 1 - missing });
        }
        self.place = Some((segment.first_seq, offset));
        Ok(Some((segment, offset)))
    }

    fn cut(&mut self, segment: &Segment, offset: u64, most: usize) -> Result<Chunk, TailError> {
        let (count, bytes) = self.fill(segment, offset, most.max(1))?;
        let end = offset + bytes as u64;
        let lines = self.buffer.get(..bytes.saturating_sub(1)).unwrap_or_default();
        // What is no event is for the shipper to judge.
        if let Some(found) = number_of(lines)
            && found != self.seq
        {
            return Err(TailError::Misplaced { wanted: self.seq, found });
        }
        Ok(Chunk {
            first_seq: self.seq,
            count,
            // What is no text (a damaged disk) must not stop the rest.
            text: match str::from_utf8(lines) {
                Ok(lines) => lines.to_owned(),
                Err(_) => String::from_utf8_lossy(lines).into_owned(),
            },
            end: segment.start + end,
            place: (segment.first_seq, end),
        })
    }

    /// Reads complete lines into the buffer: at least one, at most `most`.
    /// Returns how many, and their bytes.
    fn fill(&mut self, segment: &Segment, offset: u64, most: usize) -> io::Result<(usize, usize)> {
        let available = usize::try_from(segment.len - offset).unwrap_or(usize::MAX);
        let mut size = BATCH_BYTES.min(available);
        loop {
            if self.buffer.len() < size {
                self.buffer.resize(size, 0);
            }
            let read = &mut self.buffer[..size];
            segment.file.read_exact_at(read, offset)?;
            let (mut count, mut bytes) = (0, 0);
            while count < most
                && let Some(length) = memchr::memchr(b'\n', &read[bytes..])
            {
                (count, bytes) = (count + 1, bytes + length + 1);
            }
            if count > 0 {
                return Ok((count, bytes));
            }
            if size == available {
                // Segments end with a newline; one that was tampered with
                // may not.
                return Ok((1, size));
            }
            size = size.saturating_mul(2).min(available);
        }
    }
}

/// The number that the first of these lines says it has.
fn number_of(lines: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: i64,
    }
    let first = memchr::memchr(b'\n', lines).map_or(lines, |end| &lines[..end]);
    serde_json::from_slice::<Numbered>(first).ok().map(|line| line.seq)
}
