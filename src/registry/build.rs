//! From the entries of `tools.yaml` to a [`Snapshot`], collecting every
//! complaint on the way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::file::{BackendEntry, Bounds, Entries, ScopeEntry, ToolEntry};
use super::hidden::Hidden;
use super::model::{Backend, Record, Snapshot};
use super::scope::{Namespace, Scope};

/// First path segments that are not scopes.
const RESERVED: [&str; 4] = ["mcp", "admin", "files", "console"];
const MAX_TOOLS: usize = 10_000;

/// A snapshot in the making. Its stages lie in `build_backends.rs` and
/// `build_tools.rs`.
pub(super) struct Builder {
    pub(super) bounds: Bounds,
    complaints: Vec<String>,
    pub(super) backends: Vec<Arc<Backend>>,
    /// Those of the registry before: what is the same keeps its id.
    pub(super) before: Vec<Arc<Backend>>,
    /// The next new id.
    pub(super) next_id: usize,
    /// Those under `backends`; nothing where the entry is at fault.
    pub(super) by_name: HashMap<String, Option<Arc<Backend>>>,
    /// Those that tools give by `backend_url`.
    pub(super) by_url: HashMap<String, Arc<Backend>>,
    /// In the order of the file.
    pub(super) scopes: Vec<Scope>,
    /// Scope and name of each tool.
    pub(super) seen: HashSet<(String, String)>,
    pub(super) records: Vec<Record>,
    pub(super) hidden: Hidden,
}

impl Builder {
    pub(super) fn new(bounds: Bounds, before: Option<&Snapshot>) -> Self {
        Self {
            before: before.map(|before| before.backends.clone()).unwrap_or_default(),
            next_id: before.map_or(0, |before| before.next_id),
            bounds,
            complaints: Vec::new(),
            backends: Vec::new(),
            by_name: HashMap::new(),
            by_url: HashMap::new(),
            scopes: Vec::new(),
            seen: HashSet::new(),
            records: Vec::new(),
            hidden: Hidden::default(),
        }
    }

    pub(super) fn complain(&mut self, path: &str, what: impl std::fmt::Display) {
        self.complaints.push(format!("{path}: {what}"));
    }

    /// How many complaints there are so far.
    pub(super) fn faults(&self) -> usize {
        self.complaints.len()
    }

    /// Builds everything.
    ///
    /// # Errors
    /// Every complaint, each with its path.
    pub(super) fn build(mut self, file: Entries) -> Result<Snapshot, Vec<String>> {
        for (name, entry) in file.backends {
            let path = format!("backends.{name}");
            let entry = self.typed::<BackendEntry>(&path, entry);
            let backend = entry.and_then(|entry| self.named_backend(&path, &name, &entry));
            self.by_name.insert(name, backend);
        }
        for (name, entry) in file.scopes {
            let path = format!("scopes.{name}");
            let fits = self.check_scope(&path, &name);
            let Some(entry) = self.typed::<ScopeEntry>(&path, entry) else { continue };
            let backends = self.open_to(&path, &entry);
            if fits {
                let ScopeEntry { instructions, namespace, .. } = entry;
                self.scopes.push(Scope::new(&name, instructions, backends, namespace));
            }
        }
        if file.tools.len() > MAX_TOOLS {
            self.complain("tools", format_args!("more than {MAX_TOOLS} entries"));
        }
        for (index, entry) in file.tools.into_iter().take(MAX_TOOLS).enumerate() {
            if let Some(entry) = self.typed::<ToolEntry>(&format!("tools[{index}]"), entry) {
                self.tool(index, entry);
            }
        }
        if !self.complaints.is_empty() {
            return Err(self.complaints);
        }
        let order = self.scopes.iter().map(|scope| Box::from(&*scope.name)).collect();
        let scopes = self
            .scopes
            .into_iter()
            .map(|scope| (Box::from(&*scope.name), Arc::new(scope)))
            .collect();
        Ok(Snapshot {
            next_id: self.next_id,
            scopes,
            order,
            backends: self.backends,
            records: self.records,
            hidden: self.hidden,
        })
    }

    /// The scope of that name; one that only tools name begins here.
    pub(super) fn scope(&mut self, name: &str) -> &mut Scope {
        let known = self.scopes.iter().position(|scope| *scope.name == *name);
        let index = known.unwrap_or_else(|| {
            self.scopes.push(Scope::new(name, None, Vec::new(), Namespace::None));
            self.scopes.len() - 1
        });
        &mut self.scopes[index]
    }

    pub(super) fn check_scope(&mut self, path: &str, name: &str) -> bool {
        let fits = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            self.complain(path, format_args!("scope `{name}`: use a-z, 0-9 and `-`, at most 63"));
        } else if RESERVED.contains(&name) {
            self.complain(path, format_args!("scope `{name}`: this path has another use"));
        } else {
            return true;
        }
        false
    }

    /// A `timeout_ms`, or `default` where there is none.
    pub(super) fn timeout(
        &mut self,
        path: &str,
        timeout_ms: Option<u64>,
        default: Duration,
    ) -> Duration {
        match timeout_ms.map(Duration::from_millis) {
            None => default,
            Some(timeout) if !timeout.is_zero() && timeout <= self.bounds.max_timeout => timeout,
            Some(_) => {
                let most = self.bounds.max_timeout.as_millis();
                self.complain(path, format_args!("from 1 to {most}"));
                default
            }
        }
    }

    fn typed<T: DeserializeOwned>(&mut self, path: &str, entry: serde_yaml::Value) -> Option<T> {
        match serde_yaml::from_value(entry) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.complain(path, error);
                None
            }
        }
    }
}
