//! Files of the journal: segments of consecutive lines, named after the number
//! of their first.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ending of a segment's name.
const ENDING: &str = ".jsonl";

/// A file of lines.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Number of its first line.
    pub(super) first_seq: i64,
    /// Bytes of the chain before it, since this process knows the chain.
    pub(super) start: u64,
    /// Bytes of its complete lines.
    pub(super) len: u64,
    /// Kept open: what is written must be found again, even when somebody
    /// renames or removes the file.
    pub(super) file: Arc<File>,
    path: PathBuf,
}

impl Segment {
    /// A new, empty segment, for its owner only.
    pub(super) fn create(folder: &Path, first_seq: i64, start: u64) -> io::Result<Self> {
        let path = folder.join(format!("{first_seq:020}{ENDING}"));
        let file =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { first_seq, start, len: 0, file: Arc::new(file), path })
    }

    /// The segments in a folder, in order. Of the last, only complete lines
    /// are kept: what a crash cut off never took effect.
    pub(super) fn read_all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(first_seq) = name.strip_suffix(ENDING).and_then(|name| name.parse().ok()) {
                found.push((first_seq, path));
            }
        }
        found.sort_unstable();
        let mut segments: Vec<Self> = Vec::with_capacity(found.len());
        for (first_seq, path) in found {
            let file = OpenOptions::new().read(true).append(true).open(&path)?;
            let (len, start) = (file.metadata()?.len(), segments.last().map_or(0, Self::end));
            segments.push(Self { first_seq, start, len, file: Arc::new(file), path });
        }
        if let Some(last) = segments.last_mut() {
            let complete = complete_bytes(&last.file, last.len)?;
            if complete < last.len {
                last.file.set_len(complete)?;
                last.len = complete;
            }
        }
        Ok(segments)
    }

    /// Bytes of the chain up to its end.
    pub(super) fn end(&self) -> u64 {
        self.start + self.len
    }

    /// Takes the file away. One that is gone already is as good.
    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(
                path = %self.path.display(),
                error = %error,
                "cannot remove a segment of the audit journal that is no longer needed"
            );
        }
    }
}

/// Makes a folder for its owner only, with those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How many bytes the lines have that end with a newline.
fn complete_bytes(file: &File, len: u64) -> io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    let mut buffer = vec![0; usize::try_from(STEP).unwrap_or_default()];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let part = &mut buffer[..usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(part, start)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
