//! What backends say of their tools at the moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Mutex;

use super::definition::{Definition, Digest};

/// How long a backend's list is believed.
const KEEP: Duration = Duration::from_mins(1);

/// A backend's tools, as it listed them.
#[derive(Debug, Default)]
pub(crate) struct Found {
    at: Duration,
    tools: HashMap<Box<str>, Definition>,
    digests: HashMap<Box<str>, Digest>,
}

impl Found {
    /// From a whole list. Where a name stands twice, nothing says which of the two
    /// is called, so it has no definition.
    pub(crate) fn new(at: Duration, listed: Vec<Definition>) -> Self {
        let mut found = Self { at, ..Self::default() };
        let mut twice = Vec::new();
        for definition in listed {
            let name: Box<str> = definition.name().into();
            found.digests.insert(name.clone(), definition.digest());
            if found.tools.insert(name.clone(), definition).is_some() {
                twice.push(name);
            }
        }
        for name in twice {
            found.tools.remove(&name);
            found.digests.remove(&name);
        }
        found
    }

    /// A tool's digest.
    pub(crate) fn digest(&self, tool: &str) -> Option<Digest> {
        self.digests.get(tool).copied()
    }

    /// A tool's definition.
    pub(crate) fn definition(&self, tool: &str) -> Option<&Definition> {
        self.tools.get(tool)
    }
}

/// What is known of one backend.
#[derive(Debug, Default)]
pub(crate) struct Known {
    found: arc_swap::ArcSwapOption<Found>,
    /// Held by whoever asks; the others wait for the answer.
    pub(crate) asking: Mutex<()>,
}

impl Known {
    /// What it said, where that is still good.
    pub(crate) fn fresh(&self, now: Duration) -> Option<Arc<Found>> {
        let found = self.found.load_full()?;
        (now.saturating_sub(found.at) < KEEP).then_some(found)
    }

    /// Keeps what it said.
    pub(crate) fn keep(&self, found: Arc<Found>) {
        self.found.store(Some(found));
    }

    /// It has shown otherwise: it is to be asked again.
    pub(crate) fn doubt(&self) {
        self.found.store(None);
    }
}

/// By the ids of backends.
#[derive(Debug, Default)]
pub(crate) struct Seen(DashMap<usize, Arc<Known>>);

impl Seen {
    /// What is known of a backend.
    pub(crate) fn of(&self, id: usize) -> Arc<Known> {
        if let Some(known) = self.0.get(&id) {
            return Arc::clone(&known);
        }
        Arc::clone(&self.0.entry(id).or_default())
    }

    /// Forgets a backend that no registry has any more.
    pub(crate) fn forget(&self, id: usize) {
        self.0.remove(&id);
    }
}
