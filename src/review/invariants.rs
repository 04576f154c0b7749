//! What must hold for everybody who calls a tool: checked for every role that the
//! policy or the registry names, every two roles together, and as many as a tool
//! asks for at once; every workspace, every agent profile and every tool. Of tools
//! that only backends know there is one for each way in which the policy can tell
//! names apart. The sets are finite, so nothing has to be proven by other means.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::policy::{Active, Globs, Reach, What, Who};
use crate::registry::{Scope, Snapshot, SubjectKind};

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
    let further: Vec<String> =
        file.invariants.iter().flat_map(|invariant| invariant.tools.clone()).collect();
    let undeclared = undeclared(policy, registry, &further)?;
    let tools: Vec<Tool<'_>> = registry
        .scopes()
        .flat_map(|scope| &scope.tools)
        .map(|tool| Tool { what: What::of_tool(tool), name: &tool.name })
        .chain(undeclared.iter().map(|(scope, place, name)| Tool {
            what: What::undeclared(scope, Some(*place), SubjectKind::Tool, name),
            name,
        }))
        .collect();
    let registry_roles = registry.scopes().flat_map(|scope| &scope.tools);
    let roles: BTreeSet<&str> = policy
        .roles()
        .into_iter()
        .chain(policy.required_roles())
        .chain(registry_roles.flat_map(|tool| tool.required_roles.iter().map(|role| &**role)))
        .collect();
    file.invariants.iter().map(|invariant| one(invariant, policy, &roles, &tools)).collect()
}

/// Names of tools that only backends know, as clients would call them, with the
/// scope and the backend's place in it: those that somebody writes in full, and
/// one for each way in which the others can be told apart.
fn undeclared<'r>(
    policy: &Active,
    registry: &'r Snapshot,
    further: &[String],
) -> Result<Vec<(&'r Scope, usize, String)>, String> {
    let mut found = Vec::new();
    if !registry.scopes().any(|scope| scope.is_open()) {
        return Ok(found);
    }
    let (witnesses, names) = policy.witnesses(further)?;
    for scope in registry.scopes().filter(|scope| scope.is_open()) {
        for place in 0..scope.backends.len() {
            let prefix = scope.outer_name(SubjectKind::Tool, place, "").into_owned();
            let spelled = |inner: &String| format!("{prefix}{inner}");
            let mut outer: BTreeSet<String> = witnesses.of(&prefix)?.iter().map(spelled).collect();
            outer.extend(names.iter().map(spelled));
            outer.extend(names.iter().cloned());
            outer.retain(|name| {
                let here =
                    prefix.is_empty() || scope.split(name).is_some_and(|(at, _)| at == place);
                here && scope.tool(name).is_none() && scope.may_offer(name)
            });
            found.extend(outer.into_iter().map(|name| (&**scope, place, name)));
        }
    }
    Ok(found)
}

/// The sets of roles that are tried: each role, every two, and for a tool that
/// asks for several at once, one that allows it with one of each it asks for.
fn held(
    invariant: &Invariant,
    roles: &[&str],
    requirements: &[Vec<&str>],
) -> Result<Vec<Vec<String>>, String> {
    let mut held: Vec<Vec<&str>> = vec![Vec::new()];
    for (place, role) in roles.iter().enumerate() {
        held.push(vec![role]);
        held.extend(roles[..place].iter().map(|other| vec![*other, *role]));
    }
    if requirements.len() > 1 {
        let mut sets: Vec<Vec<&str>> = roles.iter().map(|role| vec![*role]).collect();
        for wanted in requirements {
            let known: Vec<&str> =
                wanted.iter().copied().filter(|role| roles.contains(role)).collect();
            if sets.len().saturating_mul(known.len()) > MOST {
                return Err(format!("{}: more than {MOST} combinations", invariant.name));
            }
            sets = sets
                .iter()
                .flat_map(|set| known.iter().map(|role| [&set[..], &[*role]].concat()))
                .collect();
        }
        held.extend(sets);
    }
    let wanted = |held: &Vec<&str>| {
        let among = |wanted: &Vec<String>| held.iter().any(|it| wanted.iter().any(|w| w == it));
        invariant.roles.as_ref().is_none_or(among)
    };
    held.retain(wanted);
    Ok(held.iter().map(|set| set.iter().map(|role| (*role).to_owned()).collect()).collect())
}

fn one(
    invariant: &Invariant,
    policy: &Active,
    roles: &BTreeSet<&str>,
    tools: &[Tool<'_>],
) -> Result<Checked, String> {
    let name = &invariant.name;
    let globs = Globs::read(&invariant.tools).map_err(|fault| format!("{name}: {fault}"))?;
    // As with rules: what does not spell a backend's name is about every backend's.
    let bare: Vec<String> =
        invariant.tools.iter().filter(|text| !text.contains("__")).cloned().collect();
    let bare = Globs::read(&bare).map_err(|fault| format!("{name}: {fault}"))?;
    let meant: Vec<&Tool<'_>> =
        tools.iter().filter(|tool| globs.fit(tool.name) || bare.fit(tool.what.inner)).collect();
    if meant.is_empty() {
        // An invariant about nothing holds, and proves nothing.
        return Err(format!("{name}: no tool fits {}", invariant.tools.join(", ")));
    }
    let excepted = |role: &str| invariant.except_roles.iter().any(|other| other == role);
    let roles: Vec<&str> = roles.iter().copied().filter(|role| !excepted(role)).collect();
    let usual = held(invariant, &roles, &[])?;
    if usual.is_empty() {
        return Err(format!("{name}: the policy has none of these roles"));
    }
    let tenants: Vec<Option<&str>> =
        std::iter::once(None).chain(policy.workspaces().into_iter().map(Some)).collect();
    let agents: Vec<Vec<String>> = std::iter::once(Vec::new())
        .chain(policy.agents().into_iter().flatten().map(|agent| vec![agent.to_owned()]))
        .collect();
    let mut against = Vec::new();
    let mut looked_at = 0_usize;
    for tool in meant {
        let requirements = policy.requirements(&tool.what);
        let more;
        let sets = if requirements.len() > 1 {
            more = held(invariant, &roles, &requirements)?;
            &more
        } else {
            &usual
        };
        let each = sets.len().saturating_mul(tenants.len()).saturating_mul(agents.len());
        looked_at = looked_at.saturating_add(each);
        if looked_at > MOST {
            return Err(format!("{name}: more than {MOST} combinations"));
        }
        for roles in sets {
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
    Ok(Checked { name: name.clone(), looked_at, against })
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
