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

use arc_swap::{ArcSwap, Guard};

pub(crate) use file::Bounds;
pub(crate) use model::{Backend, EraSetting, Record, Snapshot, Tool};
pub(crate) use offers::{Offered, Offers};
pub(crate) use scope::Scope;
pub(crate) use target::Target;

pub(crate) use crate::protocol::call::SubjectKind;

use crate::error::{Reason, Refusal};

/// The registry, read without a lock while a reload swaps it.
pub(crate) struct Registry {
    current: ArcSwap<Snapshot>,
}

impl Registry {
    /// Reads a registry file.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(path: &Path, bounds: Bounds) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(path).map_err(|error| vec![error.to_string()])?;
        Self::read(&text, bounds)
    }

    /// Reads the text of a registry file.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn read(text: &str, bounds: Bounds) -> Result<Self, Vec<String>> {
        let snapshot = file::read(text, bounds)?;
        Ok(Self { current: ArcSwap::from_pointee(snapshot) })
    }

    /// The state of this moment.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The scope an endpoint names.
    ///
    /// # Errors
    /// [`Reason::UnknownScope`].
    pub(crate) fn scope(&self, name: &str) -> Result<Arc<Scope>, Refusal> {
        self.current.load().scope(name).cloned().ok_or_else(|| {
            Refusal::new(Reason::UnknownScope, "the path names no scope of the registry")
        })
    }
}
