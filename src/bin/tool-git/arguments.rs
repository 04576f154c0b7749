//! What several tools are asked in the same way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scopegate::toolkit::{Deadline, ToolError};
use serde::Deserialize;

use crate::limits::Bounds;
use crate::names::path::TreePath;
use crate::reader::Reader;
use crate::repositories::Repositories;

/// What all tools share.
pub(crate) struct Shelf {
    pub(crate) repositories: Repositories,
    pub(crate) bounds: Bounds,
}

impl Shelf {
    /// Begins to read the repository of this name.
    pub(crate) fn reader<'a>(
        &'a self,
        name: Option<&str>,
        deadline: &'a Deadline,
    ) -> Result<Reader<'a>, ToolError> {
        Reader::new(self.repositories.find(name)?, &self.bounds, deadline)
    }
}

/// Which repository, which commit, and which path in it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Place {
    pub(crate) repo: Option<String>,
    #[serde(rename = "ref")]
    pub(crate) revision: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) path_base64: Option<String>,
}

impl Place {
    /// The revision, `HEAD` without one.
    pub(crate) fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("HEAD")
    }

    /// The path, the root without one.
    pub(crate) fn path(&self) -> Result<TreePath, ToolError> {
        let path = match (&self.path, &self.path_base64) {
            (Some(_), Some(_)) => {
                return Err(ToolError::refused("give path or path_base64, not both"));
            }
            (Some(path), None) => TreePath::parse(path.as_bytes())?,
            (None, Some(encoded)) => TreePath::parse(
                &STANDARD
                    .decode(encoded)
                    .map_err(|_| ToolError::refused("path_base64 is not base64"))?,
            )?,
            (None, None) => TreePath::default(),
        };
        Ok(path)
    }
}
