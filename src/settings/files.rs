//! Files made for users, such as documents.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::validate::Findings;

/// The `files` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSettings {
    /// The folder that `tool-documents` writes to (its `--folder`). Without it,
    /// nothing is found at `/files/…`.
    pub folder: Option<PathBuf>,
}

impl FilesSettings {
    pub(super) fn check(&self, findings: &mut Findings) {
        if let Some(folder) = &self.folder {
            findings.filled("files.folder", &folder.to_string_lossy());
        }
    }
}
