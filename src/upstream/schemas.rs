//! What the input schemas of backends' tools say of headers, as far as lists
//! that went by have told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;

use crate::protocol::mirror::{Annotated, plan};
use crate::protocol::raw::{self, Object};
use crate::registry::Backend;

/// How long what a list told is believed.
const KEEP: Duration = Duration::from_mins(5);

/// How long it is believed even if a call says otherwise.
const BELIEF: Duration = Duration::from_secs(5);

/// Most tools of a backend that are remembered.
const MOST: usize = 10_000;

/// The annotated arguments of a tool; most have none.
pub(super) type Plan = Arc<[Annotated]>;

/// What is known of a tool.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) plan: Plan,
    /// A list has told it only just now.
    pub(super) fresh: bool,
}

/// The tools of one backend, and when each was listed last.
type Tools = HashMap<Box<str>, (Duration, Plan)>;

/// By the backends' places in the registry.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    backends: DashMap<usize, Tools>,
}

impl Schemas {
    /// What is known of a tool.
    pub(super) fn known(&self, backend: &Backend, tool: &str, now: Duration) -> Option<Known> {
        let tools = self.backends.get(&backend.id)?;
        let (at, plan) = tools.get(tool)?;
        let age = now.saturating_sub(*at);
        (age < KEEP).then(|| Known { plan: Arc::clone(plan), fresh: age < BELIEF })
    }

    /// Learns from the result of `tools/list`. A tool whose annotations are
    /// not legal counts as one without: clients do not show it.
    pub(super) fn learn(&self, backend: &Backend, page: &Object<'_>, now: Duration) {
        let tools = page.get("tools").ok().flatten().and_then(|tools| raw::elements(tools).ok());
        let mut known = self.backends.entry(backend.id).or_default();
        for tool in tools.unwrap_or_default() {
            let Ok(tool) = Object::read(tool) else { continue };
            let Ok(name) = tool.text("name") else { continue };
            let schema = tool.get("inputSchema").ok().flatten();
            let plan = schema.and_then(|schema| plan(schema).ok()).unwrap_or_default();
            if known.len() < MOST || known.contains_key(&*name) {
                known.insert((&*name).into(), (now, plan.into()));
            }
        }
    }

    /// Forgets what is known of a backend's tools.
    pub(super) fn forget(&self, backend: &Backend) {
        self.backends.remove(&backend.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"tools":[
        {"name":"plain","inputSchema":{"type":"object"}},
        {"name":"told","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region"}}}},
        {"name":"illegal","inputSchema":{"type":"object","properties":{"r":{"type":"array","x-mcp-header":"R"}}}},
        {"name":"bare"}, 7]}"#;

    fn backend(id: usize) -> Backend {
        Backend {
            id,
            name: Arc::from("b"),
            identity: "b".into(),
            url: "http://127.0.0.1/".parse().unwrap(),
            era: crate::registry::EraSetting::Auto,
            stateless: false,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn lists_that_go_by_are_learned_from() {
        let schemas = Schemas::default();
        let page = Object::read(raw::value(PAGE.as_bytes()).unwrap()).unwrap();
        let at = Duration::from_secs(100);
        schemas.learn(&backend(1), &page, at);
        let count = |tool: &str| schemas.known(&backend(1), tool, at).map(|it| it.plan.len());
        let counts = ["plain", "told", "illegal", "bare", "other"].map(count);
        assert_eq!(counts, [Some(0), Some(1), Some(0), Some(0), None]);
        assert!(schemas.known(&backend(2), "told", at).is_none());
        let fresh = |later| schemas.known(&backend(1), "told", at + later).map(|it| it.fresh);
        assert_eq!(fresh(Duration::ZERO), Some(true));
        assert_eq!(fresh(BELIEF), Some(false));
        assert_eq!(fresh(KEEP), None);
        schemas.forget(&backend(1));
        assert_eq!(fresh(Duration::ZERO), None);
    }
}
