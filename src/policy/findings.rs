//! What is odd about a policy: it can be loaded, but probably does not say what
//! its author means.

use std::collections::HashMap;

use super::Active;
use super::agents::{differences, unknown};
use super::rules::Shadow;
use crate::registry::{Namespace, Snapshot};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Weight {
    /// Probably a slip of the pen.
    Warning,
    /// Good to know.
    Note,
}

impl Weight {
    /// Its word in reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something odd.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    /// How much it weighs.
    pub(crate) weight: Weight,
    /// What it is about: a rule, a tool.
    pub(crate) path: String,
    /// What is odd.
    pub(crate) message: String,
}

/// What else there is, to hold a policy against.
pub(crate) struct World<'a> {
    snapshot: &'a Snapshot,
    /// Every declared tool, by the name that clients use.
    pub(crate) tools: Vec<String>,
    /// Whether backends may offer tools that nothing declares.
    open: bool,
    /// By server, and by `*` for all: its declared tools by the names it has for
    /// them, sorted; `None` where it may offer others.
    by_server: HashMap<&'a str, Option<Vec<String>>>,
    /// Some tools have another name at their backend than for clients.
    respelled: bool,
}

impl<'a> World<'a> {
    /// What the registry has.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        let mut tools: Vec<String> = snapshot
            .scopes()
            .flat_map(|scope| &scope.tools)
            .map(|tool| tool.name.to_string())
            .collect();
        tools.sort_unstable();
        tools.dedup();
        let open = snapshot.scopes().any(|scope| scope.is_open());
        let mut by_server: HashMap<&str, Option<Vec<String>>> =
            snapshot.backends().iter().map(|it| (&*it.name, Some(Vec::new()))).collect();
        by_server.insert("*", Some(Vec::new()));
        let mut respelled = false;
        for scope in snapshot.scopes() {
            respelled |= scope.namespace == Namespace::Connection;
            for tool in &scope.tools {
                for server in ["*", &*tool.backend.name] {
                    if let Some(Some(tools)) = by_server.get_mut(server) {
                        tools.push(tool.inner.to_string());
                    }
                }
            }
            // Inactive ones, too: a rule for them is no mistake.
            for tool in scope.inactive() {
                for server in ["*", &*tool.backend.name] {
                    if let Some(Some(tools)) = by_server.get_mut(server) {
                        tools.push(tool.inner.to_string());
                    }
                }
            }
            let offering = scope.backends.iter().map(|backend| &*backend.name);
            for server in offering.chain(scope.is_open().then_some("*")) {
                by_server.insert(server, None);
            }
        }
        by_server.values_mut().flatten().for_each(|tools| tools.sort_unstable());
        Self { snapshot, tools, open, by_server, respelled }
    }

    /// What a server has, where the registry says all of it.
    fn tools_of(&self, server: &str) -> Option<&[String]> {
        self.by_server.get(server)?.as_deref()
    }
}

impl Active {
    /// Everything odd about the policy, in this world.
    pub(crate) fn findings(&self, world: &World<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut warn = |path: String, message: String| {
            found.push(Finding { weight: Weight::Warning, path, message });
        };
        for tool in self.rules.named_tools().filter(|name| !world.snapshot.may_offer(name)) {
            warn(format!("tool {tool}"), "is named here, but the registry does not have it".into());
        }
        for (path, server) in self.named_servers() {
            if !world.snapshot.backends().iter().any(|known| *known.name == *server) {
                warn(path, format!("references undefined server {server}"));
            }
        }
        for (rule, tool) in self.idle_patterns(world) {
            warn(rule, format!("`{tool}` fits no tool of the registry"));
        }
        if let Some(agents) = &self.rules.agents {
            for (rule, odd) in unknown(agents, |server| world.tools_of(server)) {
                warn(rule, odd);
            }
            for (allow, deny) in differences(agents) {
                warn(
                    allow.to_string(),
                    format!(
                        "allows what {deny} denies by a wildcard; with `precedence: deny_first` \
                         it would be denied"
                    ),
                );
            }
        }
        if let Some(actions) = &self.rules.actions {
            for Shadow { rule, earlier, but_odd } in actions.shadowed(world.respelled) {
                let never = if but_odd {
                    "decides only about what can be read in two ways"
                } else {
                    "never decides"
                };
                warn(
                    rule.to_string(),
                    format!("{never}: {earlier} comes first, fits as much and has no condition"),
                );
            }
        }
        for (path, message) in self.unknown_roles(world) {
            warn(path, message);
        }
        for role in self.rules.idle_roles() {
            found.push(Finding {
                weight: Weight::Note,
                path: format!("roles.{role}"),
                message: "allows nothing".to_owned(),
            });
        }
        for tool in &world.tools {
            if !self.rules.reaches(tool) {
                found.push(Finding {
                    weight: Weight::Note,
                    path: format!("tool {tool}"),
                    message: "no role and no workspace allows it".to_owned(),
                });
            }
        }
        found
    }

    fn named_servers(&self) -> Vec<(String, &str)> {
        let agents = self.rules.agents.iter().flat_map(super::agents::Agents::named_servers);
        let actions = self.rules.actions.iter().flat_map(super::rules::Actions::named_servers);
        agents.chain(actions.map(|(path, server)| (format!("{path}.server"), server))).collect()
    }

    /// Roles that a tool asks for, and that nobody can use anything with.
    fn unknown_roles(&self, world: &World<'_>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (path, roles) in self.rules.required.values() {
            for role in roles.iter().filter(|role| !self.rules.roles.contains_key(*role)) {
                found.push((path.to_string(), format!("`roles` does not have `{role}`")));
            }
        }
        for tool in world.snapshot.scopes().flat_map(|scope| &scope.tools) {
            let asked = tool.required_roles.iter().map(|role| &**role);
            for role in asked.filter(|role| !self.rules.roles.contains_key(*role)) {
                let odd = format!("`roles` does not have `{role}`, which the registry asks for");
                found.push((format!("tool {}", tool.name), odd));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn idle_patterns(&self, world: &World<'_>) -> Vec<(String, String)> {
        if world.open {
            return Vec::new();
        }
        self.rules.idle_patterns(&world.tools)
    }
}
