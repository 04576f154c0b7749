//! Compiled rules.

use std::collections::HashMap;
use std::sync::Arc;

/// The place of a rule in its file, such as `roles.viewer.allowed_tools[2]`.
pub(crate) type RulePath = Arc<str>;

/// Some tools, or all of them; each with the rule that says so.
#[derive(Debug)]
pub(super) enum Grant {
    Everything(RulePath),
    Named(HashMap<String, RulePath>),
}

impl Grant {
    /// The rule that reaches the tool.
    pub(super) fn reaches(&self, tool: &str) -> Option<&RulePath> {
        match self {
            Self::Everything(rule) => Some(rule),
            Self::Named(rules) => rules.get(tool),
        }
    }
}

/// What a workspace changes for the callers in it.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Everything: added to what the roles grant. Named: takes its place.
    pub(super) allowed: Option<Grant>,
    /// Taken away from everybody.
    pub(super) denied: Grant,
}

/// One policy file, compiled.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) roles: HashMap<String, Grant>,
    pub(super) workspaces: HashMap<String, Workspace>,
    /// By tool: the caller needs one of these roles.
    pub(super) required: HashMap<String, (RulePath, Vec<String>)>,
    /// SHA-256 of the file, hexadecimal.
    pub(super) digest: Arc<str>,
}
