//! What the audit trail must not keep of a tool's arguments, by every name the
//! tool goes by.
//!
//! A tool is called by one name in the scope that declares it, and by others
//! where a backend's whole offer is open: bare, or with a backend's name before
//! it. Its arguments are as secret under each of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::Backend;
use super::scope::{SEPARATOR, Scope};
use crate::protocol::json_path::JsonPaths;

/// Longest name a declared tool can have, in bytes.
pub(super) const MOST_NAME: usize = 128;

/// The paths of all entries of the registry, active or not. Names are held
/// without regard to ASCII case.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// By the name clients use, and by the backend's own.
    by_name: HashMap<Box<str>, Arc<JsonPaths>>,
    /// By the backend's own name; one for each backend.
    by_inner: HashMap<Box<str>, Vec<(awc::http::Uri, Arc<JsonPaths>)>>,
}

impl Hidden {
    /// Adds an entry's: `name` as clients call it, `inner` as its backend does.
    pub(super) fn add(
        &mut self,
        backend: &Backend,
        (name, inner): (&str, &str),
        paths: &JsonPaths,
    ) {
        for spelled in [name, inner] {
            let known = self.by_name.entry(lower(spelled)).or_default();
            *known = together(known, paths);
        }
        let of_name = self.by_inner.entry(lower(inner)).or_default();
        match of_name.iter_mut().find(|(url, _)| *url == backend.url) {
            Some((_, known)) => *known = together(known, paths),
            None => of_name.push((backend.url.clone(), Arc::new(paths.clone()))),
        }
    }

    /// What is hidden of a call in this scope. Of a tool that the scope declares,
    /// what any entry says of that tool of that backend. Of any other name, what
    /// any entry says of a tool so called: nobody knows yet whose it is, and a
    /// call that is refused may be a namesake's that went astray.
    pub(super) fn of(&self, scope: &Scope, name: &str) -> Option<Arc<JsonPaths>> {
        if self.by_name.is_empty() {
            return None;
        }
        if let Some(tool) = scope.tool(name) {
            let of_name = self.by_inner.get(&lower(&tool.inner))?;
            let (_, paths) = of_name.iter().find(|(url, _)| *url == tool.backend.url)?;
            return Some(Arc::clone(paths));
        }
        self.of_name(name)
    }

    /// What any entry says of a tool that may be called so, in whatever scope.
    pub(super) fn of_name(&self, name: &str) -> Option<Arc<JsonPaths>> {
        if self.by_name.is_empty() {
            return None;
        }
        let name = lower(name);
        // Whatever stands before the last separators is no part of a tool's name.
        let mut from = name.ceil_char_boundary(name.len().saturating_sub(MOST_NAME));
        let mut found = (from == 0).then(|| self.by_name.get(&name).cloned()).flatten();
        while let Some(at) = name[from..].find(SEPARATOR) {
            // Separators may overlap: `a___b` is `_b` or `b` of somebody's.
            from += at + 1;
            if let Some(paths) = self.by_name.get(&name[from + 1..]) {
                found =
                    Some(found.map_or_else(|| Arc::clone(paths), |known| together(&known, paths)));
            }
        }
        found
    }
}

fn together(known: &Arc<JsonPaths>, further: &JsonPaths) -> Arc<JsonPaths> {
    Arc::new(JsonPaths::clone(known).and(further))
}

fn lower(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}
