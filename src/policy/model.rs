//! Compiled rules.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::agents::Agents;
use super::limits::Limits;
use super::names::Names;
use super::question::What;
use super::rules::Actions;
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

impl<'a> Wanted<'a> {
    /// The same kind of thing by another name; a URI has no other.
    pub(super) fn called(self, name: &'a str) -> Option<Self> {
        match self {
            Self::Tool(_) => Some(Self::Tool(name)),
            Self::Prompt(_) => Some(Self::Prompt(name)),
            Self::Resource(_) => None,
        }
    }

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
        self.of_kind(wanted.kind())
    }

    /// What bears on a kind of things.
    pub(super) fn of_kind(&self, kind: SubjectKind) -> &T {
        match kind {
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
    /// Tools or prompts, by name or pattern.
    Named(Names<RulePath>),
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

impl Pattern {
    /// Whether it fits a URI: in any reading for a rule that denies, in every
    /// reading for one that allows.
    pub(super) fn fits(&self, asked: &Reading, denies: bool) -> bool {
        match (denies, self.prefix) {
            (true, true) => asked.maybe_begins(&self.uri),
            (true, false) => asked.maybe_is(&self.uri),
            (false, true) => asked.surely_begins(&self.uri),
            (false, false) => *asked == self.uri,
        }
    }
}

impl Grant {
    /// The paths of its rules.
    fn paths(&self) -> Vec<RulePath> {
        match self {
            Self::Everything(rule) => vec![rule.clone()],
            Self::Named(names) => names.all().cloned().collect(),
            Self::Resources(patterns) => patterns.iter().map(|it| it.rule.clone()).collect(),
        }
    }

    /// Whether it is of nothing.
    fn is_empty(&self) -> bool {
        match self {
            Self::Everything(_) => false,
            Self::Named(names) => names.is_empty(),
            Self::Resources(patterns) => patterns.is_empty(),
        }
    }

    /// The rule that allows what is wanted: however it is read.
    pub(super) fn allows(&self, wanted: Wanted<'_>) -> Option<&RulePath> {
        self.rule(wanted, false)
    }

    /// The rule that denies what is wanted: in any reading.
    pub(super) fn denies(&self, wanted: Wanted<'_>) -> Option<&RulePath> {
        self.rule(wanted, true)
    }

    fn rule(&self, wanted: Wanted<'_>, denies: bool) -> Option<&RulePath> {
        match (self, wanted) {
            (Self::Everything(rule), _) => Some(rule),
            (Self::Named(rules), Wanted::Tool(name) | Wanted::Prompt(name)) => {
                rules.exactly(name).first().or_else(|| rules.fitting(name).next())
            }
            (Self::Resources(patterns), Wanted::Resource(uri)) => {
                let found = patterns.iter().find(|pattern| pattern.fits(uri, denies));
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
    /// The profiles of agents. `None`: nobody is held to one.
    pub(super) agents: Option<Agents>,
    /// Actions by tool and arguments. `None`: nobody is held to any.
    pub(super) actions: Option<Actions>,
    /// How much may be called; shared with the calls that are counted.
    pub(super) limits: Arc<Limits>,
    /// SHA-256 of the file, hexadecimal; of both files, where there are two.
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
                Grant::Named(names) => names.named().collect(),
            })
            .chain(self.required.keys().map(String::as_str))
            .chain(self.actions.iter().flat_map(Actions::named_tools))
            .chain(self.limits.named_tools())
            .collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter()
    }

    /// What a tool asks for: the path of the rule, and roles of which a caller
    /// needs one.
    pub(super) fn required_for(
        &self,
        what: &What<'_>,
    ) -> impl Iterator<Item = &(RulePath, Vec<String>)> {
        let inner = Some(what.inner).filter(|inner| *inner != what.name);
        let names = std::iter::once(what.name).chain(inner);
        let is_tool = what.kind == SubjectKind::Tool;
        names.filter(move |_| is_tool).filter_map(|name| self.required.get(name))
    }

    /// The lists of tools of all roles and workspaces.
    fn tool_lists(&self) -> impl Iterator<Item = &Names<RulePath>> {
        let roles = self.roles.values().map(|it| &it.tools);
        let workspaces = self
            .workspaces
            .values()
            .flat_map(|it| it.allowed.tools.iter().chain(std::iter::once(&it.denied.tools)));
        roles.chain(workspaces).filter_map(|grant| match grant {
            Grant::Named(names) => Some(names),
            Grant::Everything(_) | Grant::Resources(_) => None,
        })
    }

    /// Every tool that decisions are told apart by in full.
    pub(super) fn exact_tools(&self) -> HashSet<&str> {
        let lists = self.tool_lists().flat_map(Names::named);
        let required = self.required.keys().map(String::as_str);
        let actions = self.actions.iter().flat_map(Actions::named_tools);
        let agents = self.agents.iter().flat_map(Agents::tool_lists).flat_map(Names::named);
        lists.chain(required).chain(actions).chain(agents).collect()
    }

    /// Every pattern that decisions about tools are told apart by.
    pub(super) fn tool_patterns(&self) -> HashSet<&str> {
        let lists = self.tool_lists().flat_map(Names::patterns);
        let actions = self.actions.iter().flat_map(Actions::tool_patterns);
        let agents = self.agents.iter().flat_map(Agents::tool_lists).flat_map(Names::patterns);
        lists.chain(actions).chain(agents).collect()
    }

    /// Whether no rule cares which backend has something.
    pub(super) fn knows_no_server(&self) -> bool {
        let by_server = |actions: &Actions| actions.named_servers().next().is_some();
        self.agents.is_none() && !self.actions.as_ref().is_some_and(by_server)
    }

    /// Roles that allow nothing, sorted.
    pub(super) fn idle_roles(&self) -> Vec<&str> {
        let idle = |grants: &ByKind<Grant>| {
            grants.tools.is_empty() && grants.prompts.is_empty() && grants.resources.is_empty()
        };
        let mut found: Vec<&str> =
            self.roles.iter().filter(|(_, it)| idle(it)).map(|(role, _)| role.as_str()).collect();
        found.sort_unstable();
        found
    }

    /// Whether some role or workspace allows a tool.
    pub(super) fn reaches(&self, tool: &str) -> bool {
        let wanted = Wanted::Tool(tool);
        let allowed = self.workspaces.values().filter_map(|it| it.allowed.tools.as_ref());
        let grants = self.roles.values().map(|it| &it.tools).chain(allowed);
        grants.into_iter().any(|grant| grant.allows(wanted).is_some())
    }

    /// Patterns that fit none of the tools, each with its rule.
    pub(super) fn idle_patterns(&self, tools: &[String]) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = self
            .tool_lists()
            .flat_map(|names| names.idle(tools))
            .map(|(rule, pattern)| (rule.to_string(), pattern.to_owned()))
            .chain(self.actions.iter().flat_map(|actions| actions.idle_patterns(tools)))
            .chain(self.limits.idle_patterns(tools))
            .collect();
        found.sort_unstable();
        found
    }

    /// The paths of all rules that can decide, sorted by layer.
    pub(super) fn paths(&self) -> Vec<RulePath> {
        let grants = self.roles.values().flat_map(|it| [&it.tools, &it.prompts, &it.resources]);
        let workspaces = self.workspaces.values().flat_map(|it| {
            let allowed = [&it.allowed.tools, &it.allowed.prompts, &it.allowed.resources];
            let denied = [&it.denied.tools, &it.denied.prompts, &it.denied.resources];
            allowed.into_iter().flatten().chain(denied)
        });
        let mut found: Vec<RulePath> = grants.chain(workspaces).flat_map(Grant::paths).collect();
        found.extend(self.required.values().map(|(path, _)| path.clone()));
        found.sort_unstable();
        found.extend(self.actions.iter().flat_map(Actions::paths).cloned());
        found
    }
}
