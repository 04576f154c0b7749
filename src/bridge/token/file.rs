//! A token in a file.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{MAX_TOKEN, trimmed};
use crate::secret::Secret;

/// Longest time to read it; it may be a pipe.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the file.
pub(super) async fn read(path: PathBuf) -> Result<Secret, String> {
    let shown = path.display().to_string();
    let reading = on_a_thread(move || File::open(path).and_then(capped));
    let read = tokio::time::timeout(PATIENCE, reading).await;
    let text = match read {
        Ok(Some(Ok(text))) => text,
        Ok(Some(Err(error))) => return Err(format!("the token file {shown}: {error}")),
        Ok(None) | Err(_) => {
            return Err(format!("the token file {shown}: it cannot be read in time"));
        }
    };
    trimmed(&text).map_err(|why| format!("the token file {shown}: {why}"))
}

/// As much as a token can be, and a little more, so that it shows.
pub(super) fn capped(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(2 * MAX_TOKEN as u64).read_to_end(&mut text)?;
    Ok(text)
}

/// Runs something that may block for good. The runtime's own threads would
/// be waited for when the bridge ends.
pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = oneshot::channel();
    thread::Builder::new()
        .name("token".to_owned())
        .spawn(move || {
            let _ = tell.send(work());
        })
        .ok()?;
    told.await.ok()
}
