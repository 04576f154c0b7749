//! Who may call what. Pure once loaded: no I/O, no clock.

mod decide;
mod file;
mod model;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

pub(crate) use model::RulePath;

use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::registry::{Subject, SubjectKind, Target, Tool};
use decide::{BuiltIn, Decision, Facts, decide};
use model::Rules;

/// The rules in force.
pub(crate) struct Policy {
    current: ArcSwap<Active>,
}

/// One generation of rules.
pub(crate) struct Active {
    rules: Rules,
    built_in: BuiltIn,
    generation: u64,
}

/// A call that the policy allows. Made only by [`Policy::authorize`].
pub(crate) struct Permit<'a> {
    target: Target<'a>,
}

/// What the audit trail keeps of a decision, allowed or not.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    /// The rule that decided.
    pub(crate) rule: RulePath,
    /// SHA-256 of the policy file, hexadecimal.
    pub(crate) digest: Arc<str>,
    /// Counts the policies this process has had in force, from 1.
    pub(crate) generation: u64,
}

impl Policy {
    /// Reads a policy file. A file that does not exist denies everything.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<String>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), "no policy file: every call is denied");
                String::new()
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let rules = file::read(&text)?;
        Ok(Self::from_rules(rules))
    }

    fn from_rules(rules: Rules) -> Self {
        let active = Active { rules, built_in: BuiltIn::default(), generation: 1 };
        Self { current: ArcSwap::from_pointee(active) }
    }

    /// The rules of this moment, for judging many tools by one generation.
    pub(crate) fn active(&self) -> Guard<Arc<Active>> {
        self.current.load()
    }

    /// Decides about a call.
    ///
    /// # Errors
    /// [`Reason::ToolNotAllowed`]. The ruling comes either way.
    pub(crate) fn authorize<'a>(
        &self,
        target: Target<'a>,
    ) -> (Ruling, Result<Permit<'a>, Refusal>) {
        let active = self.current.load();
        let decision = active.judge_subject(target.caller(), target.subject());
        let ruling = Ruling {
            rule: decision.rule,
            digest: Arc::clone(&active.rules.digest),
            generation: active.generation,
        };
        let outcome = if decision.allowed {
            Ok(Permit { target })
        } else {
            Err(Refusal::new(Reason::ToolNotAllowed, format!("denied by {}", ruling.rule)))
        };
        (ruling, outcome)
    }

    /// Tools the policy names that the registry does not have: allowed, since
    /// a tool may come later, but often a slip of the pen.
    pub(crate) fn unknown_tools<'a>(&self, known: impl Fn(&str) -> bool + 'a) -> Vec<String> {
        let active = self.current.load();
        active.rules.named_tools().filter(|name| !known(name)).map(str::to_owned).collect()
    }
}

impl Active {
    pub(crate) fn allows_named(&self, caller: &Caller, _kind: crate::registry::SubjectKind, name: &str) -> bool {
        let facts = Facts { roles: caller.roles(), tenant: caller.tenant(), tool: name, registry_roles: &[] };
        decide(&self.rules, &self.built_in, facts).allowed
    }

    /// Whether the caller may see and call the tool: one evaluator for both.
    pub(crate) fn allows(&self, caller: &Caller, tool: &Tool) -> bool {
        self.judge(caller, tool).allowed
    }

    /// Only tools have rules so far; everything else is denied.
    fn judge_subject(&self, caller: &Caller, subject: &Subject) -> Decision {
        let facts = Facts {
            roles: caller.roles(),
            tenant: caller.tenant(),
            tool: &subject.name,
            registry_roles: subject.required_roles(),
        };
        match subject.kind {
            SubjectKind::Tool => decide(&self.rules, &self.built_in, facts),
            SubjectKind::Prompt | SubjectKind::Resource => {
                decide(&Rules::default(), &self.built_in, facts)
            }
        }
    }

    fn judge(&self, caller: &Caller, tool: &Tool) -> Decision {
        let facts = Facts {
            roles: caller.roles(),
            tenant: caller.tenant(),
            tool: &tool.name,
            registry_roles: &tool.required_roles,
        };
        decide(&self.rules, &self.built_in, facts)
    }
}

impl Rules {
    /// Every tool named in any rule, sorted, each once.
    fn named_tools(&self) -> impl Iterator<Item = &str> {
        use model::Grant;
        let grants = self.roles.values().chain(
            self.workspaces
                .values()
                .flat_map(|w| w.allowed.iter().chain(std::iter::once(&w.denied))),
        );
        let mut names: Vec<&str> = grants
            .flat_map(|grant| match grant {
                Grant::Everything(_) => Vec::new(),
                Grant::Named(rules) => rules.keys().map(String::as_str).collect(),
            })
            .chain(self.required.keys().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }
}

impl<'a> Permit<'a> {
    /// What is permitted.
    pub(crate) fn target(&self) -> &Target<'a> {
        &self.target
    }
}
