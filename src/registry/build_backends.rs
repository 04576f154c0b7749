//! Backends, and the scopes that are open to them.

use std::sync::Arc;
use std::time::Duration;

use super::build::Builder;
use super::file::{BackendEntry, ScopeEntry};
use super::model::{Backend, EraSetting};
use super::scope::{Namespace, SEPARATOR};

/// Most backends of one scope. Each list call asks all of them.
const MAX_BACKENDS: usize = 32;
/// Longest name of a backend that is put before the names it offers.
const MAX_PREFIX: usize = 63;

impl Builder {
    /// An entry of `backends`.
    pub(super) fn named_backend(
        &mut self,
        path: &str,
        name: &str,
        entry: &BackendEntry,
    ) -> Option<Arc<Backend>> {
        let default = self.bounds.default_timeout;
        let timeout = self.timeout(&format!("{path}.timeout_ms"), entry.timeout_ms, default);
        let url = self.url(&format!("{path}.url"), &entry.url)?;
        Some(self.enlist(name, url, timeout, entry.era, entry.stateless))
    }

    /// The backend that a tool gives by its URL: one for all tools that give
    /// the same.
    pub(super) fn backend_of_url(&mut self, path: &str, url: &str) -> Option<Arc<Backend>> {
        if let Some(known) = self.by_url.get(url) {
            return Some(Arc::clone(known));
        }
        let parsed = self.url(path, url)?;
        let timeout = self.bounds.default_timeout;
        let backend = self.enlist(url, parsed, timeout, EraSetting::Auto, false);
        self.by_url.insert(url.to_owned(), Arc::clone(&backend));
        Some(backend)
    }

    /// The backend of that name under `backends`. About one that stands there
    /// with faults has been complained already.
    pub(super) fn backend_of_name(&mut self, path: &str, name: &str) -> Option<Arc<Backend>> {
        let known = self.by_name.get(name).cloned();
        if known.is_none() {
            self.complain(path, format_args!("no backend `{name}` under `backends`"));
        }
        known.flatten()
    }

    /// The backends whose whole offer is in a scope.
    pub(super) fn open_to(&mut self, path: &str, entry: &ScopeEntry) -> Vec<Arc<Backend>> {
        if entry.backends.len() > MAX_BACKENDS {
            self.complain(
                &format!("{path}.backends"),
                format_args!("more than {MAX_BACKENDS} backends in one scope"),
            );
        }
        if entry.namespace == Namespace::Connection && entry.backends.is_empty() {
            self.complain(&format!("{path}.namespace"), "means nothing without `backends`");
        }
        let mut found = Vec::new();
        for (index, name) in entry.backends.iter().enumerate() {
            let at = format!("{path}.backends[{index}]");
            if entry.backends[..index].contains(name) {
                self.complain(&at, format_args!("backend `{name}` appears twice"));
                continue;
            }
            if entry.namespace == Namespace::Connection && !is_prefix(name) {
                self.complain(
                    &at,
                    format_args!(
                        "backend `{name}` cannot stand before names: use A-Z, a-z, 0-9, `-`, `.` \
                         and `_`, no `{SEPARATOR}` and no `_` at the end, at most {MAX_PREFIX}"
                    ),
                );
            }
            found.extend(self.backend_of_name(&at, name));
        }
        found
    }

    fn enlist(
        &mut self,
        name: &str,
        url: awc::http::Uri,
        timeout: Duration,
        era: EraSetting,
        stateless: bool,
    ) -> Arc<Backend> {
        let same = |known: &&Arc<Backend>| {
            (&*known.name, &known.url, known.era, known.stateless) == (name, &url, era, stateless)
        };
        let id = self.before.iter().find(same).map_or_else(
            || {
                self.next_id += 1;
                self.next_id - 1
            },
            |known| known.id,
        );
        let backend = Arc::new(Backend { id, name: Arc::from(name), url, era, stateless, timeout });
        self.backends.push(Arc::clone(&backend));
        backend
    }

    fn url(&mut self, path: &str, url: &str) -> Option<awc::http::Uri> {
        let parsed = match url.parse::<awc::http::Uri>() {
            Ok(uri)
                if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() =>
            {
                uri
            }
            Ok(_) | Err(_) => {
                self.complain(path, format_args!("`{url}` is not an http or https URL"));
                return None;
            }
        };
        if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            self.complain(path, "a backend URL must not hold credentials");
            return None;
        }
        Some(parsed)
    }
}

/// Whether a name can be cut off again where the first separator stands.
fn is_prefix(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_PREFIX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && !name.contains(SEPARATOR)
        && !name.ends_with('_')
}
