//! Files of the journal: segments of consecutive lines, named after the number
//! of their first.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::digest::Digest;

/// Size and digest of what was behind the last complete line.
pub(super) type Torn = (u64, Digest);

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
    /// How many of them the disk has for certain.
    pub(super) synced: u64,
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
        Ok(Self { first_seq, start, len: 0, synced: 0, file: Arc::new(file), path })
    }

    /// The segments in a folder, in order. Of the last, only complete lines
    /// are kept: what a crash cut off never took effect. Its size and digest
    /// are returned, if there was such.
    pub(super) fn read_all(folder: &Path) -> io::Result<(Vec<Self>, Option<Torn>)> {
        let mut segments: Vec<Self> = Vec::new();
        for (first_seq, path) in find(folder)? {
            let file = OpenOptions::new().read(true).append(true).open(&path)?;
            let (len, start) = (file.metadata()?.len(), segments.last().map_or(0, Self::end));
            let file = Arc::new(file);
            segments.push(Self { first_seq, start, len, synced: len, file, path });
        }
        let mut torn = None;
        if let Some(last) = segments.last_mut() {
            let complete = complete_bytes(&last.file, last.len)?;
            if complete < last.len {
                torn = Some((last.len - complete, digest_of(&last.file, complete, last.len)?));
                last.file.set_len(complete)?;
            }
            // Whatever the process before had no time for.
            last.file.sync_data()?;
            (last.len, last.synced) = (complete, complete);
        }
        Ok((segments, torn))
    }

    /// Its first line, without the newline.
    pub(super) fn first_line(&self) -> io::Result<Option<Vec<u8>>> {
        const STEP: u64 = 64 * 1024;
        let mut line = Vec::new();
        while (line.len() as u64) < self.len {
            let (start, size) = (line.len(), STEP.min(self.len - line.len() as u64));
            line.resize(start + usize::try_from(size).map_err(io::Error::other)?, 0);
            self.file.read_exact_at(&mut line[start..], start as u64)?;
            if let Some(end) = memchr::memchr(b'\n', &line[start..]) {
                line.truncate(start + end);
                break;
            }
        }
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    /// Its last complete line, without the newline.
    pub(super) fn last_line(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(end) = self.len.checked_sub(1) else { return Ok(None) };
        let start = complete_bytes(&self.file, end)?;
        let mut line = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut line, start)?;
        Ok(Some(line))
    }

    /// As the disk has it for certain.
    pub(super) fn on_disk(&self) -> Self {
        Self { len: self.synced, ..self.clone() }
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

/// The files of segments in a folder, with the numbers of their first lines.
pub(super) fn find(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(first_seq) = name.strip_suffix(ENDING).and_then(|name| name.parse().ok()) {
            found.push((first_seq, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Has the disk know a folder's names.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder for its owner only, with those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn digest_of(file: &File, start: u64, end: u64) -> io::Result<Digest> {
    const STEP: u64 = 64 * 1024;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; usize::try_from(STEP).unwrap_or_default()];
    let mut at = start;
    while at < end {
        let part = &mut buffer[..usize::try_from((end - at).min(STEP)).unwrap_or_default()];
        file.read_exact_at(part, at)?;
        context.update(part);
        at += part.len() as u64;
    }
    Ok(context.into())
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
