//! Files that hold a secret, or the configuration itself: bounded reading
//! and a look at who else may read them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::secret::Secret;

/// Largest file with one secret, in bytes.
const LARGEST_SECRET: u64 = 64 * 1024;

/// A text file's content and whether everybody on the machine may read it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) world_readable: bool,
}

/// Reads a whole regular file.
///
/// # Errors
/// A sentence that says why not; never the content.
pub(super) fn read(path: &Path, largest: u64) -> Result<Content, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut text = String::new();
    file.take(largest + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > largest {
        return Err(format!("{} is larger than {largest} bytes", path.display()));
    }
    Ok(Content { text, world_readable: metadata.permissions().mode() & 0o004 != 0 })
}

/// Reads a file that holds one secret. One line end at the end of the file
/// does not belong to it.
///
/// # Errors
/// As [`read`].
pub(super) fn read_secret(path: &Path) -> Result<(Secret, bool), String> {
    let content = read(path, LARGEST_SECRET)?;
    let text = content.text.strip_suffix('\n').unwrap_or(&content.text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok((Secret::new(text), content.world_readable))
}
