//! What several tools are asked, and answer, in the same way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gix_hash::ObjectId;
use scopegate::toolkit::{Deadline, ToolError};
use serde::{Deserialize, Serialize};

use crate::limits::Bounds;
use crate::names::path::TreePath;
use crate::page::{Page, Query};
use crate::reader::Reader;
use crate::repositories::Repositories;
use crate::text::hex;

/// What all tools share.
pub(crate) struct Shelf {
    pub(crate) repositories: Repositories,
    pub(crate) bounds: Bounds,
}

/// One call of a tool, beside its arguments.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) shelf: &'a Shelf,
    pub(crate) query: &'a Query,
    pub(crate) deadline: &'a Deadline,
}

impl<'a> Call<'a> {
    /// Begins to read the repository of this name.
    pub(crate) fn reader(&self, name: Option<&str>) -> Result<Reader<'a>, ToolError> {
        Reader::new(self.shelf.repositories.find(name)?, &self.shelf.bounds, self.deadline)
    }

    /// Begins to read the repository of a place, and finds its commit.
    pub(crate) fn open(&self, place: &Place) -> Result<(Reader<'a>, ObjectId), ToolError> {
        let reader = self.reader(place.repo.as_deref())?;
        let commit = self.query.commit(&reader, 0, place.revision())?;
        Ok((reader, commit))
    }

    /// A page of as many items as were asked for, or of `default`.
    pub(crate) fn page(&self, limit: Option<usize>, default: usize) -> Page {
        Page::new(&self.shelf.bounds, limit, default)
    }

    /// A page of as many items as were asked for, or of as many as may be.
    pub(crate) fn full_page(&self, limit: Option<usize>) -> Page {
        self.page(limit, self.shelf.bounds.page_items)
    }
}

/// What results begin with: what was read, as it was asked for and as it is.
#[derive(Debug, Serialize)]
pub(crate) struct Source {
    repo: String,
    #[serde(rename = "ref")]
    revision: String,
    commit: String,
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

    /// What a result of this commit begins with.
    pub(crate) fn source(&self, reader: &Reader<'_>, commit: ObjectId) -> Source {
        Source {
            repo: reader.repository.name.clone(),
            revision: self.revision().to_owned(),
            commit: hex(&commit),
        }
    }

    /// The path of a file, which has to be there.
    pub(crate) fn file(&self) -> Result<TreePath, ToolError> {
        let path = self.path()?;
        if path.is_root() { Err(ToolError::refused("path is required")) } else { Ok(path) }
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
