//! What can be called: scopes, what they offer, and the backends behind them.

mod build;
mod build_backends;
mod build_tools;
pub(crate) mod catalog;
mod file;
mod hidden;
mod model;
mod offers;
mod resolve;
mod scope;
mod strict;
mod subject;
mod target;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

pub(crate) use file::Bounds;
pub(crate) use model::{Backend, EraSetting, Record, Snapshot, Tool};
pub(crate) use offers::{Offered, Offers};
pub(crate) use scope::{Dormant, Namespace, Scope};
pub(crate) use subject::Subject;
pub(crate) use target::Target;

pub(crate) use crate::protocol::call::SubjectKind;

use crate::error::{Reason, Refusal};
use crate::secret::hex;

/// What one `tools.yaml` says.
pub(crate) struct Registry {
    snapshot: Snapshot,
    /// SHA-256 of the file, hexadecimal.
    digest: Box<str>,
}

impl Registry {
    /// Reads a registry file.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(path: &Path, bounds: Bounds) -> Result<Self, Vec<String>> {
        Self::load_after(path, bounds, None)
    }

    /// Reads a registry file that takes the place of another. A backend that is
    /// the same in both keeps its id, and with it what is known of it and its
    /// sessions.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn load_after(
        path: &Path,
        bounds: Bounds,
        before: Option<&Self>,
    ) -> Result<Self, Vec<String>> {
        let text = file::text(path).map_err(|error| vec![error.to_string()])?;
        Self::read_after(&text, bounds, before)
    }

    fn read_after(text: &str, bounds: Bounds, before: Option<&Self>) -> Result<Self, Vec<String>> {
        let snapshot = file::read(text, bounds, before.map(Self::snapshot))?;
        let digest = hex(digest(&SHA256, text.as_bytes()).as_ref()).into();
        Ok(Self { snapshot, digest })
    }

    /// Reads the text of a registry file.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    #[cfg(test)]
    pub(crate) fn read(text: &str, bounds: Bounds) -> Result<Self, Vec<String>> {
        Self::read_after(text, bounds, None)
    }

    /// Everything in it.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// SHA-256 of the file, hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// The scope an endpoint names.
    ///
    /// # Errors
    /// [`Reason::UnknownScope`].
    pub(crate) fn scope(&self, name: &str) -> Result<Arc<Scope>, Refusal> {
        self.snapshot.scope(name).cloned().ok_or_else(|| {
            Refusal::new(Reason::UnknownScope, "the path names no scope of the registry")
        })
    }
}
