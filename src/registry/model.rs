//! Backends and tools as the walk sees them: checked, compiled, and ready to be
//! listed and called without further work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::hidden::Hidden;
use super::scope::Scope;
use crate::protocol::json_path::JsonPaths;

/// How much harm a call can do; for people, not for the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RiskLevel {
    /// Reads, or computes.
    Low,
    /// Writes something that can be undone.
    Medium,
    /// Writes something that cannot.
    High,
}

impl RiskLevel {
    /// The word used in files, tables and lists.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Which era a backend is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EraSetting {
    /// The gateway finds out.
    #[default]
    Auto,
    /// Revisions up to 2025-11-25.
    Legacy,
    /// Revision 2026-07-28 and later.
    Modern,
}

/// An MCP server the gateway forwards to.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Its number in this process: counts from 0, and no other backend gets it,
    /// in no registry that is loaded later either.
    pub(crate) id: usize,
    /// Name in the registry; for backends given by URL, the URL.
    pub(crate) name: Arc<str>,
    /// Where calls are posted.
    pub(crate) url: awc::http::Uri,
    /// Which era it speaks.
    pub(crate) era: EraSetting,
    /// Whether nothing is lost with a session: only then may a legacy session
    /// that the backend has forgotten be opened anew.
    pub(crate) stateless: bool,
    /// Longest time for an answer, where no declared tool says otherwise.
    pub(crate) timeout: Duration,
}

/// A tool of one scope.
pub(crate) struct Tool {
    /// Unique within its scope: as clients call it.
    pub(crate) name: Arc<str>,
    /// As its backend calls it. Differs in a namespaced scope.
    pub(crate) inner: Arc<str>,
    /// The scope whose endpoint offers it.
    pub(crate) scope: Arc<str>,
    /// `scope/name`: unique in the registry.
    pub(crate) key: Box<str>,
    /// Who executes it.
    pub(crate) backend: Arc<Backend>,
    /// The backend's place in the scope.
    pub(crate) backend_index: usize,
    /// For people and models.
    pub(crate) description: Box<str>,
    /// How much harm it can do.
    pub(crate) risk_level: RiskLevel,
    /// A caller needs one of these, next to what the policy asks. Empty:
    /// nothing further is needed.
    pub(crate) required_roles: Vec<Box<str>>,
    /// JSON text of the input schema.
    pub(crate) input_schema: Box<RawValue>,
    /// The compiled input schema, where the registry has one.
    pub(crate) arguments: Option<jsonschema::Validator>,
    /// Whether lists carry an output schema. Clients hold every
    /// `structuredContent` against it, so a refusal then sends none.
    pub(crate) has_output_schema: bool,
    /// The entry of `tools/list`, serialized once.
    pub(crate) listing: Box<RawValue>,
    /// Longest time for an answer.
    pub(crate) timeout: Duration,
}

/// One consistent state of the registry.
pub(crate) struct Snapshot {
    pub(super) scopes: HashMap<Box<str>, Arc<Scope>>,
    /// Scope names in the order of the file.
    pub(super) order: Vec<Box<str>>,
    pub(super) backends: Vec<Arc<Backend>>,
    /// The id of the next backend that is new.
    pub(super) next_id: usize,
    /// Every entry of the file, active or not, for the database.
    pub(super) records: Vec<Record>,
    /// What the audit trail must not keep of arguments.
    pub(super) hidden: Hidden,
}

/// A tool as the file states it, for the table `tools`.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) scope: String,
    pub(crate) description: String,
    pub(crate) backend_url: String,
    pub(crate) risk_level: &'static str,
    pub(crate) required_roles: Vec<String>,
    pub(crate) is_active: bool,
    pub(crate) input_schema: String,
}

impl Snapshot {
    /// The scope of that name.
    pub(crate) fn scope(&self, name: &str) -> Option<&Arc<Scope>> {
        self.scopes.get(name)
    }

    /// All scopes, in the order of the file.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Arc<Scope>> {
        self.order.iter().filter_map(|name| self.scopes.get(name))
    }

    /// The scopes that declare a tool of that name.
    pub(crate) fn offered_by<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a Arc<Scope>> {
        self.scopes().filter(move |scope| scope.tool(tool).is_some())
    }

    /// Whether a tool of that name is declared, or could be offered by a
    /// backend of an open scope.
    pub(crate) fn may_offer(&self, tool: &str) -> bool {
        self.scopes().any(|scope| scope.may_offer(tool))
    }

    /// What the audit trail must not keep of the arguments of this call: what
    /// any entry of the registry hides of the tool, however the scope spells its
    /// name.
    pub(crate) fn redactions(&self, scope: &Scope, name: &str) -> Option<Arc<JsonPaths>> {
        self.hidden.of(scope, name)
    }

    /// The same of a call whose scope is not known: what any entry hides of a tool
    /// that goes by this name.
    pub(crate) fn redactions_of(&self, name: &str) -> Option<Arc<JsonPaths>> {
        self.hidden.of_name(name)
    }

    /// All backends.
    pub(crate) fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Every entry of the file.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }
}
