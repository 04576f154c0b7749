//! Where lines lie: journal, exported file, database.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{MOST_LINE, Verifier};
use crate::audit::segment;
use crate::store::{Store, StoreError};

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// Why a trail cannot be read, which says nothing of its being whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// A file or folder.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Told now and then how far reading is, in bytes of files or in events of the
/// database, and how many there are.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Reads the folder of a journal, which may be in use.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn read_journal(
    folder: &Path,
    verifier: &mut Verifier,
    progress: Progress<'_>,
) -> Result<(), ReadError> {
    let mut chains = Vec::new();
    for entry in folder.read_dir().map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && Uuid::try_parse(&name).is_ok() {
            chains.push((name, path));
        }
    }
    chains.sort_unstable();
    let mut files = Vec::new();
    let mut total = 0;
    for (chain_id, path) in chains {
        for (_, file) in segment::find(&path).map_err(at(&path))? {
            total += file.metadata().map_err(at(&file))?.len();
            files.push((chain_id.clone(), file));
        }
    }
    let mut done = 0;
    for (chain_id, file) in files {
        read_lines(&file, Some(&chain_id), verifier, &mut |bytes| {
            done += bytes;
            progress(done, total);
        })?;
    }
    Ok(())
}

/// Reads a file of lines as the journal has them, of one chain or several.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_file(
    path: &Path,
    verifier: &mut Verifier,
    progress: Progress<'_>,
) -> Result<(), ReadError> {
    let total = path.metadata().map_err(at(path))?.len();
    let mut done = 0;
    read_lines(path, None, verifier, &mut |bytes| {
        done += bytes;
        progress(done, total);
    })
}

fn read_lines(
    path: &Path,
    of: Option<&str>,
    verifier: &mut Verifier,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ReadError> {
    let mut reader = BufReader::with_capacity(BUFFER, File::open(path).map_err(at(path))?);
    let (mut line, mut told) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = (&mut reader).take(MOST_LINE as u64).read_until(b'\n', &mut line);
        if read.map_err(at(path))? == 0 {
            break;
        }
        told += line.len();
        if line.last() == Some(&b'\n') {
            line.pop();
            verifier.line(of, &line);
        } else if line.len() == MOST_LINE {
            verifier.line(of, b"");
            reader.skip_until(b'\n').map_err(at(path))?;
        } else if let Some(chain_id) = of {
            verifier.torn(chain_id, line.len());
        } else {
            // A file somebody has cut, or one without a newline at its end.
            verifier.line(None, &line);
        }
        if told >= BUFFER {
            progress(told as u64);
            told = 0;
        }
    }
    progress(told as u64);
    Ok(())
}

/// Reads all chains of a database.
///
/// # Errors
/// When it does not answer, or holds another schema.
pub(crate) async fn read_database(
    store: &Store,
    verifier: &mut Verifier,
    progress: Progress<'_>,
) -> Result<(), ReadError> {
    let mut done = 0;
    let chains = store.audit_chains().await?;
    let total = chains.iter().map(|chain| chain.next_seq.unwrap_or(1).unsigned_abs() - 1).sum();
    for chain in chains {
        // Where it is being cut, as the database says; a signed event has to say
        // the same.
        if let Some(cut) = store.audit_cut(&chain.chain_id).await? {
            verifier.watch(&chain.chain_id, cut.seq);
        }
        let mut from = i64::MIN;
        loop {
            let lines = store.stored_lines(&chain.chain_id, from).await?;
            let Some(last) = lines.last() else { break };
            from = last.seq.saturating_add(1);
            for line in &lines {
                verifier.line(Some(&chain.chain_id), line.line.as_bytes());
                // A row with another's number shows as a line out of order.
                let (last, gaps) = verifier.progress_of(&chain.chain_id);
                if !line.fits || last != line.seq && gaps == 0 {
                    let detail = "its columns are not what its line says";
                    verifier.misplaced(&chain.chain_id, line.seq, detail);
                }
            }
            done += lines.len() as u64;
            progress(done, total);
            if from == i64::MAX {
                break;
            }
        }
        // What is shipped meanwhile is neither missing nor too much.
        let after = store.audit_next_seq(&chain.chain_id).await?;
        verifier.cursor(chain.chain_id, chain.next_seq.unwrap_or(1), after.unwrap_or(1));
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ReadError + use<> {
    let path = path.to_owned();
    move |error| ReadError::Io { path, error }
}
