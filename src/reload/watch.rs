//! Files that change: when to look again.
//!
//! The folders of all files are watched, not the files: editors and Kubernetes
//! put another file, or another symbolic link, in the place of the old one.
//! What the kernel says is only a nudge. Whether something has changed is seen
//! from the files themselves, and they are looked at every few seconds even
//! where nobody nudges.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::files;
use crate::settings::Settings;

/// How often files are looked at without a nudge.
const LOOK: Duration = Duration::from_secs(2);

/// How long files must rest before they are read: whoever writes two of them
/// writes them one after the other.
const REST: Duration = Duration::from_millis(100);

/// Longest wait for rest.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is seen of a file without reading it: device, inode, size, time of
/// change. `None`: it is not there.
pub(crate) type Look = Option<(u64, u64, u64, i64, i64)>;

/// The files, and how they looked when they were read last.
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Look>,
    nudge: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let nudge = Arc::new(Notify::new());
        let told = Arc::clone(&nudge);
        let watcher = notify::recommended_watcher(move |_| told.notify_one())
            .inspect_err(|error| {
                let seconds = LOOK.as_secs();
                tracing::warn!(%error, "files cannot be watched; looking every {seconds} s");
            })
            .ok();
        let seen = files.iter().map(|file| look(file)).collect();
        let mut watch = Self { files, seen, nudge, watcher, folders: BTreeSet::new() };
        watch.follow();
        watch
    }

    /// Waits until files look otherwise than when they were read last, and are at
    /// rest.
    pub(crate) async fn changed(&mut self) {
        loop {
            // Elapsed is as good as a nudge.
            let _ = tokio::time::timeout(LOOK, self.nudge.notified()).await;
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

    /// The files are about to be read: what changes from here on is news.
    pub(crate) fn note(&mut self) {
        self.seen = self.look();
        self.follow();
    }

    fn look(&self) -> Vec<Look> {
        self.files.iter().map(|file| look(file)).collect()
    }

    /// Watches the folders of the files, and of what they are links to.
    fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let links = self.files.iter().filter_map(|file| file.canonicalize().ok());
        let folders: BTreeSet<PathBuf> =
            self.files.iter().cloned().chain(links).map(|file| folder(&file)).collect();
        for gone in self.folders.difference(&folders) {
            // One that is gone is watched no more by itself.
            let _ = watcher.unwatch(gone);
        }
        let watch = |folder: &&PathBuf| {
            let is_seen = self.folders.contains(*folder)
                || watcher.watch(folder, RecursiveMode::NonRecursive).is_ok();
            if !is_seen {
                tracing::debug!(folder = %folder.display(), "a folder cannot be watched");
            }
            is_seen
        };
        self.folders = folders.iter().filter(watch).cloned().collect();
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
    Some((about.dev(), about.ino(), about.size(), about.mtime(), about.mtime_nsec()))
}
