//! Subjects: everything a client can reach by name.

use std::sync::Arc;
use std::time::Duration;

use super::model::{Backend, Tool};
use super::scope::{Namespace, Scope};
use crate::protocol::call::SubjectKind;

/// Longest name of a tool or prompt that is looked for, in bytes.
const MAX_NAME: usize = 256;
/// Longest URI that is looked for, in bytes.
const MAX_URI: usize = 8 * 1024;

/// A tool, prompt or resource of one scope, and who has it.
#[derive(Clone)]
pub(crate) struct Subject {
    /// What it is.
    pub(crate) kind: SubjectKind,
    /// As clients call it, with the prefix of a namespaced scope.
    pub(crate) name: Arc<str>,
    /// As its backend calls it.
    pub(crate) inner: Arc<str>,
    /// The scope it was asked for in.
    pub(crate) scope: Arc<str>,
    /// Who has it.
    pub(crate) backend: Arc<Backend>,
    /// The backend's place in the scope.
    pub(crate) backend_index: usize,
    /// What the registry says of it; nothing for what only a backend lists.
    pub(crate) tool: Option<Arc<Tool>>,
    /// Longest time for an answer.
    pub(crate) timeout: Duration,
    /// `scope/name` of an undeclared tool.
    key: Option<Box<str>>,
}

impl Subject {
    /// The subject of that name. `offered` says which backend of the scope, by
    /// place, offers a name; it is asked where nothing else says so.
    pub(super) fn find(
        scope: &Scope,
        kind: SubjectKind,
        name: &str,
        offered: impl FnOnce(&str) -> Option<usize>,
    ) -> Option<Self> {
        if kind == SubjectKind::Tool
            && let Some(tool) = scope.tool(name)
        {
            return Some(Self::declared(tool));
        }
        if !scope.is_open() || scope.withholds(kind, name) || !bearable(kind, name) {
            return None;
        }
        let (index, inner) =
            if kind != SubjectKind::Resource && scope.namespace == Namespace::Connection {
                let (index, inner) = scope.split(name)?;
                (index, Some(inner))
            } else if scope.backends.len() == 1 {
                (0, None)
            } else {
                (offered(name)?, None)
            };
        let backend = Arc::clone(scope.backends.get(index)?);
        let name: Arc<str> = Arc::from(name);
        let key = format!("{}/{name}", scope.name);
        Some(Self {
            kind,
            inner: inner.map_or_else(|| Arc::clone(&name), Arc::from),
            name,
            scope: Arc::clone(&scope.name),
            backend_index: index,
            timeout: backend.timeout,
            backend,
            tool: None,
            key: (kind == SubjectKind::Tool).then(|| key.into()),
        })
    }

    fn declared(tool: &Arc<Tool>) -> Self {
        Self {
            kind: SubjectKind::Tool,
            name: Arc::clone(&tool.name),
            inner: Arc::clone(&tool.inner),
            scope: Arc::clone(&tool.scope),
            backend: Arc::clone(&tool.backend),
            backend_index: tool.backend_index,
            timeout: tool.timeout,
            tool: Some(Arc::clone(tool)),
            key: None,
        }
    }

    /// The name under which calls of a tool are counted, unique in the
    /// registry. Prompts and resources are counted for their caller only.
    pub(crate) fn quota_key(&self) -> Option<&str> {
        match &self.tool {
            Some(tool) => Some(&tool.key),
            None => self.key.as_deref(),
        }
    }

    /// Roles of which the registry asks for one, next to what the policy
    /// asks.
    pub(crate) fn required_roles(&self) -> &[Box<str>] {
        self.tool.as_ref().map_or(&[], |tool| &tool.required_roles)
    }
}

/// Whether a name can be one at all.
fn bearable(kind: SubjectKind, name: &str) -> bool {
    let most = match kind {
        SubjectKind::Tool | SubjectKind::Prompt => MAX_NAME,
        SubjectKind::Resource => MAX_URI,
    };
    !name.is_empty() && name.len() <= most
}
