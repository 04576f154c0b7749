//! Who may reach what: tools, prompts and resources by one evaluator; and the
//! limits that bear on a call. Pure once loaded: no I/O, no clock.

mod decide;
mod file;
mod limits;
mod lists;
mod model;
#[cfg(test)]
mod tests;
mod uri;

use std::path::Path;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

pub(crate) use limits::{Asked, Defaults, Limit, Limits, Measure, Per, Rate};
pub(crate) use model::RulePath;

use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::registry::{Scope, SubjectKind, Target, Tool};
use decide::{BuiltIn, Decision, Facts, decide};
use model::{Rules, Wanted};
use uri::Reading;

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
    limits: Arc<Limits>,
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
    /// `defaults` are the limits where the file states none.
    ///
    /// # Errors
    /// Every complaint, as `path: what is wrong`.
    pub(crate) fn load(path: &Path, defaults: Defaults) -> Result<Self, Vec<String>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), "no policy file: every call is denied");
                String::new()
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let rules = file::read_over(&text, Some(defaults))?;
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
    /// [`Reason::ToolNotAllowed`], [`Reason::PromptNotAllowed`],
    /// [`Reason::ResourceNotAllowed`]. The ruling comes either way.
    pub(crate) fn authorize<'a>(
        &self,
        target: Target<'a>,
    ) -> (Ruling, Result<Permit<'a>, Refusal>) {
        let active = self.current.load();
        let subject = target.subject();
        let decision = active.judge_subject(
            target.caller(),
            subject.kind,
            &subject.name,
            subject.required_roles(),
        );
        let ruling = Ruling {
            rule: decision.rule,
            digest: Arc::clone(&active.rules.digest),
            generation: active.generation,
        };
        let reason = match subject.kind {
            SubjectKind::Tool => Reason::ToolNotAllowed,
            SubjectKind::Prompt => Reason::PromptNotAllowed,
            SubjectKind::Resource => Reason::ResourceNotAllowed,
        };
        let outcome = if decision.allowed {
            Ok(Permit { target, limits: Arc::clone(&active.rules.limits) })
        } else {
            Err(Refusal::new(reason, format!("denied by {}", ruling.rule)))
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
    /// Whether the caller may see and call the tool: one evaluator for both.
    pub(crate) fn allows(&self, caller: &Caller, tool: &Tool) -> bool {
        let kind = SubjectKind::Tool;
        self.judge_subject(caller, kind, &tool.name, &tool.required_roles).allowed
    }

    /// Decides about any subject, by the name that clients of its scope use.
    /// Of `registry_roles` the caller needs one, unless there are none.
    pub(crate) fn judge_subject(
        &self,
        caller: &Caller,
        kind: SubjectKind,
        name: &str,
        registry_roles: &[Box<str>],
    ) -> Decision {
        let reading;
        let wanted = match kind {
            SubjectKind::Tool => Wanted::Tool(name),
            SubjectKind::Prompt => Wanted::Prompt(name),
            SubjectKind::Resource => {
                let Ok(found) = Reading::of(name) else {
                    let rule = Arc::clone(&self.built_in.unreadable);
                    return Decision { allowed: false, rule };
                };
                reading = found;
                Wanted::Resource(&reading)
            }
        };
        let facts =
            Facts { roles: caller.roles(), tenant: caller.tenant(), wanted, registry_roles };
        decide(&self.rules, &self.built_in, facts)
    }
}

impl Active {
    /// The limits in force.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.rules.limits
    }

    /// Whether the caller may see and call what only a backend offers, by the
    /// name that clients of the scope use.
    pub(crate) fn allows_named(&self, caller: &Caller, kind: SubjectKind, name: &str) -> bool {
        self.judge_subject(caller, kind, name, &[]).allowed
    }

    /// Whether the caller may see and call what a scope has under that name,
    /// declared or not. What this says of an entry of a list,
    /// [`Policy::authorize`] says of its call.
    pub(crate) fn allows_in(
        &self,
        caller: &Caller,
        scope: &Scope,
        kind: SubjectKind,
        name: &str,
    ) -> bool {
        match scope.tool(name).filter(|_| kind == SubjectKind::Tool) {
            Some(tool) => self.allows(caller, tool),
            None => !scope.withholds(kind, name) && self.allows_named(caller, kind, name),
        }
    }
}

impl<'a> Permit<'a> {
    /// What is permitted.
    pub(crate) fn target(&self) -> &Target<'a> {
        &self.target
    }

    /// The limits of the policy that permits it.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }
}

#[cfg(test)]
impl Limits {
    /// The limits of a policy file, for the tests of other rooms.
    pub(crate) fn for_test(text: &str, defaults: Option<Defaults>) -> Arc<Self> {
        file::read_over(text, defaults).unwrap().limits
    }
}
