//! Scopes: what belongs to one, and under which names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};

use super::model::{Backend, Tool};
use crate::protocol::call::SubjectKind;
use crate::secret::hex;

/// Stands between a backend's name and the name of what it offers.
pub(crate) const SEPARATOR: &str = "__";

/// How an open scope spells the names of what its backends offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Namespace {
    /// As the backends do.
    #[default]
    None,
    /// Tools and prompts with the backend's name before them:
    /// `backend__tool`. URIs of resources stay as they are.
    Connection,
}

/// A declared tool that is not active: nobody can call it.
pub(crate) struct Dormant {
    /// As its backend calls it.
    pub(crate) inner: Arc<str>,
    /// Who would execute it.
    pub(crate) backend: Arc<Backend>,
    /// Roles of which a caller would need one.
    pub(crate) required_roles: Vec<Box<str>>,
}

/// A named group of tools with an endpoint of its own.
///
/// A *declared* scope has what `tools.yaml` declares and nothing else. An
/// *open* scope names backends: all that these offer is in it. A scope may be
/// both; what is declared then stands in front of what a backend offers under
/// that name.
pub(crate) struct Scope {
    /// First segment of the endpoint's path.
    pub(crate) name: Arc<str>,
    /// Told to clients when they connect.
    pub(crate) instructions: Option<Box<str>>,
    /// Declared tools, in the order of the file.
    pub(crate) tools: Vec<Arc<Tool>>,
    /// The backends whose whole offer is in the scope, in the order of the
    /// file. Empty for a declared scope.
    pub(crate) backends: Vec<Arc<Backend>>,
    /// How it spells names.
    pub(crate) namespace: Namespace,
    by_name: HashMap<Arc<str>, Arc<Tool>>,
    /// Declared tools that are not active, by name.
    withheld: HashMap<Box<str>, Dormant>,
    /// `backends`, and after them further ones that declared tools use. A
    /// backend's place in the scope is its place here.
    reachable: Vec<Arc<Backend>>,
    label: OnceLock<Box<str>>,
}

impl Scope {
    pub(super) fn new(
        name: &str,
        instructions: Option<Box<str>>,
        backends: Vec<Arc<Backend>>,
        namespace: Namespace,
    ) -> Self {
        Self {
            name: Arc::from(name),
            instructions,
            tools: Vec::new(),
            reachable: backends.clone(),
            backends,
            namespace,
            by_name: HashMap::new(),
            withheld: HashMap::new(),
            label: OnceLock::new(),
        }
    }

    /// Its name, its backends' in their places, and a digest of where those are:
    /// what sessions are bound to. When another backend takes a place, or the
    /// same name stands for another, sessions begun before must not go on there.
    pub(crate) fn label(&self) -> &str {
        self.label.get_or_init(|| {
            let backends = self.reachable.iter().map(|backend| &*backend.name);
            let all: Vec<&str> = self.reachable.iter().map(|it| &*it.identity).collect();
            let mark = hex(&digest(&SHA256, all.join("\n").as_bytes()).as_ref()[..8]);
            let named = std::iter::once(&*self.name).chain(backends);
            let parts: Vec<&str> = named.chain([&*mark]).collect();
            // No name has a line break in it.
            parts.join("\n").into()
        })
    }

    /// The name of the scope in its label.
    pub(crate) fn of_label(label: &str) -> &str {
        label.split('\n').next().unwrap_or_default()
    }

    /// The place of a declared tool's backend, made where it has none.
    pub(super) fn place(&mut self, backend: &Arc<Backend>) -> usize {
        push_new(&mut self.reachable, backend)
    }

    pub(super) fn declare(&mut self, tool: Arc<Tool>) {
        self.by_name.insert(Arc::clone(&tool.name), Arc::clone(&tool));
        self.tools.push(tool);
    }

    pub(super) fn withhold(&mut self, tool: &str, dormant: Dormant) {
        self.withheld.insert(tool.into(), dormant);
    }

    /// Whether all that some backends offer is in it.
    pub(crate) fn is_open(&self) -> bool {
        !self.backends.is_empty()
    }

    /// Whether it has a list of tools of its own, which the registry and the policy
    /// change: declared tools, or nothing else that could be in it.
    pub(crate) fn declares(&self) -> bool {
        !self.tools.is_empty() || !self.is_open()
    }

    /// The declared, active tool of that name.
    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.by_name.get(name)
    }

    /// The declared tool of that name that is not active.
    pub(crate) fn dormant(&self, name: &str) -> Option<&Dormant> {
        self.withheld.get(name)
    }

    /// The declared tools that are not active.
    pub(crate) fn inactive(&self) -> impl Iterator<Item = &Dormant> {
        self.withheld.values()
    }

    /// Whether the file takes this name out of what the backends offer: the
    /// tool is declared and not active, or the name is another spelling of a
    /// declared tool, which would escape what the file asks for that.
    pub(crate) fn withholds(&self, kind: SubjectKind, name: &str) -> bool {
        if kind != SubjectKind::Tool {
            return false;
        }
        let is_respelled = |(index, inner): (usize, &str)| {
            self.withheld.contains_key(inner)
                || self.tools.iter().any(|it| it.backend_index == index && *it.inner == *inner)
        };
        self.withheld.contains_key(name) || self.split(name).is_some_and(is_respelled)
    }

    /// Whether it declares a tool of that name, or a backend of it could
    /// offer one.
    pub(crate) fn may_offer(&self, tool: &str) -> bool {
        let open = self.is_open() && !self.withholds(SubjectKind::Tool, tool);
        let spelled = self.namespace == Namespace::None || self.split(tool).is_some();
        self.tool(tool).is_some() || (open && spelled)
    }

    /// The backend at a place in the scope.
    pub(crate) fn backend_at(&self, index: usize) -> Option<&Arc<Backend>> {
        self.reachable.get(index)
    }

    /// In a namespaced scope, the place of the backend that a name of a tool
    /// or prompt belongs to, and the name as that backend has it.
    pub(crate) fn split<'n>(&self, name: &'n str) -> Option<(usize, &'n str)> {
        if self.namespace != Namespace::Connection {
            return None;
        }
        let (prefix, inner) = name.split_once(SEPARATOR).filter(|(_, inner)| !inner.is_empty())?;
        let index = self.backends.iter().position(|backend| *backend.name == *prefix)?;
        Some((index, inner))
    }
}

impl Scope {
    /// All backends that calls in this scope can reach, by place.
    pub(crate) fn reachable(&self) -> &[Arc<Backend>] {
        &self.reachable
    }

    /// How clients of this scope call what the backend at that place offers
    /// under the name `inner`.
    pub(crate) fn outer_name<'n>(
        &self,
        kind: SubjectKind,
        index: usize,
        inner: &'n str,
    ) -> Cow<'n, str> {
        match (kind, self.namespace, self.backends.get(index)) {
            (SubjectKind::Tool | SubjectKind::Prompt, Namespace::Connection, Some(backend)) => {
                Cow::Owned(format!("{}{SEPARATOR}{inner}", backend.name))
            }
            (SubjectKind::Tool | SubjectKind::Prompt | SubjectKind::Resource, _, _) => {
                Cow::Borrowed(inner)
            }
        }
    }

    /// Whether an undeclared name of this kind does not say by itself which
    /// backend has it, so that [`Registry::resolve`](super::Registry::resolve)
    /// will ask for it.
    pub(crate) fn needs_catalog(&self, kind: SubjectKind) -> bool {
        let spelled = self.namespace == Namespace::Connection && kind != SubjectKind::Resource;
        self.backends.len() > 1 && !spelled
    }
}

/// Where the backend stands, at the end if it is new.
fn push_new(list: &mut Vec<Arc<Backend>>, backend: &Arc<Backend>) -> usize {
    list.iter().position(|known| known.id == backend.id).unwrap_or_else(|| {
        list.push(Arc::clone(backend));
        list.len() - 1
    })
}
