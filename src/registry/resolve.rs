//! From the name a call gives to what it stands for.

use std::sync::OnceLock;

use super::Registry;
use super::scope::Scope;
use super::subject::Subject;
use super::target::Target;
use crate::authn::Caller;
use crate::error::{Reason, Refusal};
use crate::protocol::call::{Call, SubjectKind};

/// Meta-tools of the first generation; calling them says that they are gone.
pub(super) const REMOVED: [&str; 2] = ["find_tools", "call_tool"];

impl Registry {
    /// Finds what a call names in a scope.
    ///
    /// `offered` says which backend of the scope, by its place, offers a name
    /// of the call's kind. It is asked only in an open scope of several
    /// backends whose names do not tell them apart
    /// ([`Scope::needs_catalog`]).
    ///
    /// # Errors
    /// [`Reason::RemovedTool`], [`Reason::UnknownTool`],
    /// [`Reason::ToolNotInScope`], [`Reason::UnknownPrompt`],
    /// [`Reason::UnknownResource`].
    pub(crate) fn resolve<'a>(
        &self,
        caller: Caller,
        scope: &Scope,
        call: Call<'a>,
        offered: impl FnOnce(&str) -> Option<usize>,
    ) -> Result<Target<'a>, Refusal> {
        if call.kind == SubjectKind::Tool && REMOVED.contains(&&*call.name) {
            return Err(Refusal::new(Reason::RemovedTool, "a meta-tool of the first generation"));
        }
        if let Some(subject) = Subject::find(scope, call.kind, &call.name, offered) {
            return Ok(Target { caller, subject, call, arguments: OnceLock::new() });
        }
        Err(match call.kind {
            SubjectKind::Tool if self.snapshot().offered_by(&call.name).next().is_some() => {
                Refusal::new(Reason::ToolNotInScope, "the tool belongs to another scope")
            }
            SubjectKind::Tool => {
                Refusal::new(Reason::UnknownTool, "no scope has a tool of this name")
            }
            SubjectKind::Prompt => {
                Refusal::new(Reason::UnknownPrompt, "the scope has no prompt of this name")
            }
            SubjectKind::Resource => {
                Refusal::new(Reason::UnknownResource, "the scope has no resource of this URI")
            }
        })
    }
}
