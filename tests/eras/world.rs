//! The backends behind the stack that all tests share, a scope for each.

use std::sync::{LazyLock, Mutex};

use support::backend::{Backend, Sdk};

use crate::moody::Moody;
use crate::product::SECRET;
use crate::stack::Stack;

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::start);

/// Scopes whose backends know 2026-07-28 alone.
pub(crate) const MODERN: [&str; 2] = ["typescript", "rust"];

/// Scopes whose backends know no revision after 2025-11-25.
pub(crate) const LEGACY: [&str; 2] = ["typescript1", "rust-legacy"];

/// A stack with its backends.
pub(crate) struct World {
    pub(crate) stack: Stack,
    backends: Vec<(&'static str, Backend)>,
    /// Scope `frail`; for one test, which starts it again.
    pub(crate) frail: Mutex<Backend>,
    /// Scope `changing`; the same.
    pub(crate) changing: Mutex<Backend>,
    /// Scopes `restless` and `forgetful`, modern and legacy; for one test each.
    pub(crate) restless: Mutex<Backend>,
    pub(crate) forgetful: Mutex<Backend>,
    /// Scope `moody`.
    pub(crate) moody: Moody,
}

impl World {
    fn start() -> Self {
        let started = |sdk, arguments: &[&str]| Backend::start(sdk, arguments, Some(SECRET));
        let backends = vec![
            ("typescript", started(Sdk::TypeScript, &["--legacy", "reject"])),
            ("rust", started(Sdk::Rust, &["--era", "modern"])),
            ("typescript1", started(Sdk::TypeScript1, &[])),
            ("rust-legacy", started(Sdk::Rust, &["--era", "legacy"])),
            // Of lists it tells nothing, but of resources.
            ("terse", started(Sdk::TypeScript, &["--legacy", "reject", "--lists", "silent"])),
        ];
        let [frail, changing] = [(); 2].map(|()| started(Sdk::TypeScript1, &[]));
        let restless = started(Sdk::TypeScript, &["--legacy", "reject"]);
        let forgetful = started(Sdk::TypeScript1, &[]);
        let moody = Moody::start();
        let mut all: Vec<(&str, String)> =
            backends.iter().map(|(scope, backend)| (*scope, backend.url())).collect();
        all.extend([("frail", frail.url()), ("changing", changing.url()), ("moody", moody.url())]);
        all.extend([("restless", restless.url()), ("forgetful", forgetful.url())]);
        let line = |(scope, url): &(&str, String)| format!("  {scope}: {{ url: '{url}' }}\n");
        let addresses: String = all.iter().map(line).collect();
        let line = |(scope, _): &(&str, String)| format!("  {scope}: {{ backends: [{scope}] }}\n");
        let mut scopes: String = all.iter().map(line).collect();
        scopes.push_str("  mixed: { backends: [typescript, typescript1] }\n");
        scopes.push_str("  fragile: { backends: [typescript, forgetful] }\n");
        let stack = Stack::start(&format!("backends:\n{addresses}scopes:\n{scopes}"), &[]);
        let [frail, changing, restless, forgetful] =
            [frail, changing, restless, forgetful].map(Mutex::new);
        Self { stack, backends, frail, changing, restless, forgetful, moody }
    }

    /// The backend of a scope.
    pub(crate) fn backend(&self, scope: &str) -> &Backend {
        let mut named = self.backends.iter().filter(|(name, _)| *name == scope);
        &named.next().unwrap_or_else(|| panic!("no such backend: {scope}")).1
    }
}
