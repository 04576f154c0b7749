//! Files that change: when to look again.
//!
//! The folders of all files are watched, not the files: editors and Kubernetes
//! put another file, or another symbolic link, in the place of the old one.
//! What the kernel says is only a nudge. Whether something has changed is seen
//! from the files themselves, and they are looked at every few seconds even
//! where nobody nudges.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask};

use super::files;
use crate::settings::Settings;

/// How often files are looked at without a nudge.
const LOOK: Duration = Duration::from_secs(2);

/// How long files must rest before they are read: whoever writes two of them
/// writes them one after the other.
const REST: Duration = Duration::from_millis(100);

/// Longest wait for rest.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two nudges: other files of the folders may come and go.
const PAUSE: Duration = Duration::from_millis(50);

/// What of a folder is a nudge: a file that was written to its end, or came, went, or
/// may be read by others now. Not every write: a database may lie in the same folder.
const NUDGES: WatchMask = WatchMask::CLOSE_WRITE
    .union(WatchMask::CREATE)
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVE)
    .union(WatchMask::ATTRIB)
    .union(WatchMask::ONLYDIR);

/// Room for the events of one reading, in bytes.
const EVENTS: usize = 4096;

/// What is seen of a file without reading it: device, inode, size, times of
/// change of what it holds and of what it is. `None`: it is not there.
pub(crate) type Look = Option<[i128; 7]>;

/// The files, and how they looked when they were read last.
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Look>,
    /// None where the kernel has no room for it.
    nudges: Option<EventStream<[u8; EVENTS]>>,
    folders: BTreeMap<PathBuf, WatchDescriptor>,
}

impl Watch {
    /// Begins to watch files that looked like this when they were read.
    pub(crate) fn new(files: Vec<PathBuf>, seen: Vec<Look>) -> Self {
        let nudges = Inotify::init()
            .and_then(|inotify| inotify.into_event_stream([0; EVENTS]))
            .inspect_err(|error| {
                let seconds = LOOK.as_secs();
                tracing::warn!(%error, "files cannot be watched; looking every {seconds} s");
            })
            .ok();
        let mut watch = Self { files, seen, nudges, folders: BTreeMap::new() };
        watch.follow();
        watch
    }

    /// Waits until files look otherwise than when they were read last, and are at
    /// rest.
    pub(crate) async fn changed(&mut self) {
        loop {
            // Elapsed is as good as a nudge.
            let _ = tokio::time::timeout(LOOK, self.nudged()).await;
            if self.look() == self.seen {
                continue;
            }
            let resting = async {
                let mut before = self.look();
                loop {
                    tokio::time::sleep(REST).await;
                    let now = self.look();
                    if now == before {
                        return;
                    }
                    before = now;
                }
            };
            // Files that never rest are read all the same.
            let _ = tokio::time::timeout(PATIENCE, resting).await;
            return;
        }
    }

    /// Waits until something has happened in a folder, and takes all that has.
    async fn nudged(&mut self) {
        let Some(nudges) = &mut self.nudges else { return std::future::pending().await };
        let mut told = nudges.next().await;
        tokio::time::sleep(PAUSE).await;
        while let Some(Ok(_)) = told {
            let Some(more) = nudges.next().now_or_never() else { return };
            told = more;
        }
        // It would end at once for ever.
        self.nudges = None;
    }

    /// The files are about to be read: what changes from here on is news.
    pub(crate) fn note(&mut self) {
        self.seen = self.look();
        self.follow();
    }

    /// What was read is to be read again, although nothing has changed.
    pub(crate) fn retry(&mut self) {
        self.seen.clear();
    }

    fn look(&self) -> Vec<Look> {
        self.files.iter().map(|file| look(file)).collect()
    }

    /// Watches the folders of the files, and of what they are links to. One that was
    /// replaced is another folder under the same name, so all are watched anew.
    fn follow(&mut self) {
        let Some(nudges) = &self.nudges else { return };
        let mut watches = nudges.watches();
        let links = self.files.iter().filter_map(|file| file.canonicalize().ok());
        let mut folders = BTreeMap::new();
        for folder in self.files.iter().cloned().chain(links).map(|file| folder(&file)) {
            match watches.add(&folder, NUDGES) {
                Ok(descriptor) => _ = folders.insert(folder, descriptor),
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "a folder is not watched");
                }
            }
        }
        for (_, gone) in std::mem::replace(&mut self.folders, folders) {
            if !self.folders.values().any(|kept| *kept == gone) {
                // The kernel may have dropped it with its folder.
                let _ = watches.remove(gone);
            }
        }
    }
}

/// How every file of the settings looks now.
pub(crate) fn looks(settings: &Settings) -> Vec<Look> {
    files::all(settings).iter().map(|file| look(file)).collect()
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn look(file: &Path) -> Look {
    let about = std::fs::metadata(file).ok()?;
    Some([
        about.dev().into(),
        about.ino().into(),
        about.size().into(),
        about.mtime().into(),
        about.mtime_nsec().into(),
        about.ctime().into(),
        about.ctime_nsec().into(),
    ])
}
