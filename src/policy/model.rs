//! Compiled rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits::Limits;
use super::uri::Reading;
use crate::registry::SubjectKind;

/// The place of a rule in its file, such as `roles.viewer.allowed_tools[2]`.
pub(crate) type RulePath = Arc<str>;

/// What somebody wants to reach.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    Tool(&'a str),
    Prompt(&'a str),
    Resource(&'a Reading),
}

impl Wanted<'_> {
    fn kind(self) -> SubjectKind {
        match self {
            Self::Tool(_) => SubjectKind::Tool,
            Self::Prompt(_) => SubjectKind::Prompt,
            Self::Resource(_) => SubjectKind::Resource,
        }
    }
}

/// One thing for each kind of subject.
#[derive(Debug, Default)]
pub(super) struct ByKind<T> {
    pub(super) tools: T,
    pub(super) prompts: T,
    pub(super) resources: T,
}

impl<T> ByKind<T> {
    /// What bears on the kind of thing that is wanted.
    pub(super) fn of(&self, wanted: Wanted<'_>) -> &T {
        match wanted.kind() {
            SubjectKind::Tool => &self.tools,
            SubjectKind::Prompt => &self.prompts,
            SubjectKind::Resource => &self.resources,
        }
    }
}

/// Some things of one kind, or all of them; each with the rule that says so.
#[derive(Debug)]
pub(super) enum Grant {
    Everything(RulePath),
    /// Tools or prompts, by name.
    Named(HashMap<String, RulePath>),
    /// Resources, in the order of the file.
    Resources(Vec<Pattern>),
}

/// The URI of a resource, or the beginning of many.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) uri: Reading,
    pub(super) prefix: bool,
    pub(super) rule: RulePath,
}

impl Grant {
    /// The rule that allows what is wanted: however it is read.
    pub(super) fn allows(&self, wanted: Wanted<'_>) -> Option<&RulePath> {
        self.rule(
            wanted,
            |Pattern { uri, prefix, .. }, asked| {
                if *prefix { asked.surely_begins(uri) } else { asked == uri }
            },
        )
    }

    /// The rule that denies what is wanted: in any reading.
    pub(super) fn denies(&self, wanted: Wanted<'_>) -> Option<&RulePath> {
        self.rule(
            wanted,
            |Pattern { uri, prefix, .. }, asked| {
                if *prefix { asked.maybe_begins(uri) } else { asked.maybe_is(uri) }
            },
        )
    }

    fn rule(
        &self,
        wanted: Wanted<'_>,
        fits: impl Fn(&Pattern, &Reading) -> bool,
    ) -> Option<&RulePath> {
        match (self, wanted) {
            (Self::Everything(rule), _) => Some(rule),
            (Self::Named(rules), Wanted::Tool(name) | Wanted::Prompt(name)) => rules.get(name),
            (Self::Resources(patterns), Wanted::Resource(uri)) => {
                let found = patterns.iter().find(|pattern| fits(pattern, uri));
                found.map(|pattern| &pattern.rule)
            }
            (Self::Named(_), Wanted::Resource(_))
            | (Self::Resources(_), Wanted::Tool(_) | Wanted::Prompt(_)) => None,
        }
    }
}

/// What a workspace changes for the callers in it.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Everything: added to what the roles grant. Named: takes its place.
    pub(super) allowed: ByKind<Option<Grant>>,
    /// Taken away from everybody.
    pub(super) denied: ByKind<Grant>,
}

/// One policy file, compiled.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) roles: HashMap<String, ByKind<Grant>>,
    pub(super) workspaces: HashMap<String, Workspace>,
    /// By tool: the caller needs one of these roles.
    pub(super) required: HashMap<String, (RulePath, Vec<String>)>,
    /// How much may be called; shared with the calls that are counted.
    pub(super) limits: Arc<Limits>,
    /// SHA-256 of the file, hexadecimal.
    pub(super) digest: Arc<str>,
}

impl Rules {
    /// Every tool named in any rule, sorted, each once.
    pub(super) fn named_tools(&self) -> impl Iterator<Item = &str> {
        let roles = self.roles.values().map(|grants| &grants.tools);
        let workspaces = self.workspaces.values().flat_map(|workspace| {
            workspace.allowed.tools.iter().chain(std::iter::once(&workspace.denied.tools))
        });
        let mut found: Vec<&str> = roles
            .chain(workspaces)
            .flat_map(|grant| match grant {
                Grant::Everything(_) | Grant::Resources(_) => Vec::new(),
                Grant::Named(names) => names.keys().map(String::as_str).collect(),
            })
            .chain(self.required.keys().map(String::as_str))
            .chain(self.limits.named_tools())
            .collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter()
    }
}
