//! What must hold for everybody: checked for every role and every two roles
//! together, every workspace, every agent profile and every tool. The sets are
//! finite, so nothing has to be proven by other means.

use serde::Deserialize;

use crate::policy::{Active, Reach, What, Who, glob};
use crate::registry::Snapshot;

/// Most combinations that are looked at.
const MOST: usize = 20_000_000;

/// Most that do not hold of one invariant.
const MOST_TOLD: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    invariants: Vec<Invariant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invariant {
    name: String,
    /// Only for callers with one of these roles.
    roles: Option<Vec<String>>,
    /// Only for callers with none of these roles.
    #[serde(default)]
    except_roles: Vec<String>,
    /// Names and patterns of tools.
    tools: Vec<String>,
    /// How far their calls get.
    may: May,
}

/// How far calls may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum May {
    /// No call goes on, not even with approval.
    Never,
    /// No call goes on without approval.
    NeverUnapproved,
    /// Every call goes on.
    Always,
}

impl May {
    fn holds(self, reach: Reach) -> bool {
        match self {
            Self::Never => reach == Reach::Never,
            Self::NeverUnapproved => reach <= Reach::Approval,
            Self::Always => reach == Reach::Always,
        }
    }
}

/// What came of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) name: String,
    /// How many combinations were looked at.
    pub(super) looked_at: usize,
    /// The first that do not hold.
    pub(super) against: Vec<String>,
}

/// A tool that exists, or that the policy names.
struct Tool<'a> {
    what: What<'a>,
    name: &'a str,
}

/// Checks the invariants of a file's text.
///
/// # Errors
/// What is wrong with the text, or that there is too much to look at.
pub(super) fn check(
    text: &str,
    policy: &Active,
    registry: &Snapshot,
) -> Result<Vec<Checked>, String> {
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
    let file: File = serde_yaml::from_value(value).map_err(|e| e.to_string())?;
    let named = policy.named_tools();
    let mut tools: Vec<Tool<'_>> = registry
        .scopes()
        .flat_map(|scope| &scope.tools)
        .map(|tool| Tool { what: What::of_tool(tool), name: &tool.name })
        .collect();
    let open = registry.scopes().filter(|scope| scope.is_open());
    for scope in open {
        for name in &named {
            for place in 0..scope.backends.len() {
                if scope.tool(name).is_none() {
                    let kind = crate::registry::SubjectKind::Tool;
                    let what = What::undeclared(scope, Some(place), kind, name);
                    tools.push(Tool { what, name });
                }
            }
        }
    }
    file.invariants.iter().map(|invariant| one(invariant, policy, &tools)).collect()
}

fn one(invariant: &Invariant, policy: &Active, tools: &[Tool<'_>]) -> Result<Checked, String> {
    let mut meant = Vec::new();
    for tool in tools {
        for pattern in &invariant.tools {
            let fits = glob(pattern, tool.name)
                .map_err(|fault| format!("{}: `{pattern}` {fault}", invariant.name))?;
            if fits {
                meant.push(tool);
                break;
            }
        }
    }
    if meant.is_empty() {
        // An invariant about nothing holds, and proves nothing.
        return Err(format!("{}: no tool fits {}", invariant.name, invariant.tools.join(", ")));
    }
    let excepted = |role: &str| invariant.except_roles.iter().any(|other| other == role);
    let roles: Vec<&str> = policy.roles().into_iter().filter(|role| !excepted(role)).collect();
    let wanted = |held: &[String]| {
        invariant.roles.as_ref().is_none_or(|wanted| held.iter().any(|it| wanted.contains(it)))
    };
    let mut held: Vec<Vec<String>> = vec![Vec::new()];
    for (place, role) in roles.iter().enumerate() {
        held.push(vec![(*role).to_owned()]);
        held.extend(roles[..place].iter().map(|it| vec![(*it).to_owned(), (*role).to_owned()]));
    }
    held.retain(|held| wanted(held));
    if held.is_empty() {
        return Err(format!("{}: the policy has none of these roles", invariant.name));
    }
    let tenants: Vec<Option<&str>> =
        std::iter::once(None).chain(policy.workspaces().into_iter().map(Some)).collect();
    let agents: Vec<Vec<String>> = std::iter::once(Vec::new())
        .chain(policy.agents().into_iter().flatten().map(|agent| vec![agent.to_owned()]))
        .collect();
    let all = [held.len(), tenants.len(), agents.len(), meant.len()];
    let looked_at = all.into_iter().try_fold(1_usize, usize::checked_mul).filter(|it| *it <= MOST);
    let Some(looked_at) = looked_at else {
        return Err(format!("{}: more than {MOST} combinations", invariant.name));
    };
    let mut against = Vec::new();
    for tool in meant {
        for roles in &held {
            for tenant in &tenants {
                for agents in &agents {
                    let who = Who { user_id: "", roles, tenant: *tenant, agents, ..Who::default() };
                    let reach = policy.reach(who, tool.what);
                    if !invariant.may.holds(reach) && against.len() < MOST_TOLD {
                        against.push(told(tool, roles, *tenant, agents, reach));
                    }
                }
            }
        }
    }
    Ok(Checked { name: invariant.name.clone(), looked_at, against })
}

fn told(
    tool: &Tool<'_>,
    roles: &[String],
    tenant: Option<&str>,
    agents: &[String],
    reach: Reach,
) -> String {
    let how = match reach {
        Reach::Never => "never",
        Reach::Approval => "with approval",
        Reach::Sometimes => "sometimes",
        Reach::Always => "always",
    };
    let tenant = tenant.map(|it| format!(" in {it}")).unwrap_or_default();
    let agent = agents.first().map(|it| format!(" as agent {it}")).unwrap_or_default();
    let (name, scope) = (tool.name, tool.what.scope);
    format!("roles [{}]{tenant}{agent} reach {scope}/{name}: {how}", roles.join(", "))
}
