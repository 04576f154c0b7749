//! Random policies, and the files that say the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::dice::Dice;
use crate::registry::SubjectKind;

pub(super) const ROLES: [&str; 3] = ["r0", "r1", "r2"];
pub(super) const SERVERS: [&str; 2] = ["s0", "s1"];
const AGENTS: [&str; 3] = ["g0", "g1", "default"];
/// As lists of roles and rules write names.
const ENTRIES: [&str; 10] = ["a", "b", "ab", "x.b", "a*", "*b", "?", "[ab]?", "{a,x.}b", "s0__a"];
/// As agent profiles do.
const SIMPLE: [&str; 7] = ["a", "b", "ab", "x.b", "a*", "*b", "*"];
/// As both write resources; all are their own strict and loose reading.
const URIS: [&str; 9] =
    ["r:a", "r:b", "r:ab", "r:a/b", "r:b/a", "r:a*", "r:a/*", "r:b/*", "r:ab?*"];
const CONDITIONS: [&str; 13] = [
    "args.p == 1",
    "args.q > 1",
    "has(args.p)",
    "'r0' in caller.roles",
    "tool.server == 's0' || args.q == 2",
    "args.list.exists(x, x == 2)",
    "tool.kind == 'prompt' || tool.inner.startsWith('a')",
    "tool.method == 'completion/complete'",
    "client.name == 'c0' && client.version != '2'",
    "session.id != ''",
    "agent == 'g0' || tenant == 'w0'",
    "'h0' in caller.groups",
    "caller.email.endsWith('@x') || caller.issuer == 'i0'",
];

/// A list for each kind of subject.
pub(super) type Lists = [Vec<&'static str>; 3];

pub(super) fn at(kind: SubjectKind) -> usize {
    match kind {
        SubjectKind::Tool => 0,
        SubjectKind::Prompt => 1,
        SubjectKind::Resource => 2,
    }
}

pub(super) struct Rule {
    pub(super) kind: SubjectKind,
    pub(super) name: &'static str,
    pub(super) server: Option<&'static str>,
    pub(super) action: &'static str,
    pub(super) when: When,
    /// Members of the arguments.
    pub(super) fields: Vec<&'static str>,
    pub(super) audit_only: bool,
    /// Members of the result.
    pub(super) of_result: Vec<&'static str>,
}

pub(super) enum When {
    Always,
    Equal(BTreeMap<&'static str, Value>),
    Cel(&'static str),
}

pub(super) struct Side {
    pub(super) servers: Vec<&'static str>,
    /// By kind, then by server.
    pub(super) lists: [BTreeMap<&'static str, Vec<&'static str>>; 3],
}

pub(super) struct Agents {
    /// What each allows and denies.
    pub(super) by_id: BTreeMap<&'static str, (Side, Side)>,
    pub(super) deny_on_missing: bool,
    pub(super) deny_first: bool,
    /// They stand in a `.mcp-gateway-rules.json`.
    pub(super) beside: bool,
}

pub(super) struct Policy {
    pub(super) roles: BTreeMap<&'static str, Lists>,
    /// What each allows and denies.
    pub(super) workspaces: BTreeMap<&'static str, (Lists, Lists)>,
    pub(super) required: BTreeMap<&'static str, Vec<&'static str>>,
    pub(super) agents: Option<Agents>,
    /// The profile of callers without one, by the settings.
    pub(super) default_agent: Option<&'static str>,
    pub(super) rules: Vec<Rule>,
    pub(super) by_default: Option<&'static str>,
    pub(super) hide_denied: bool,
}

pub(super) fn kind(dice: &mut Dice) -> SubjectKind {
    *dice.of(&[SubjectKind::Tool, SubjectKind::Tool, SubjectKind::Prompt, SubjectKind::Resource])
}

fn entries(kind: SubjectKind) -> &'static [&'static str] {
    if kind == SubjectKind::Resource { &URIS } else { &ENTRIES }
}

fn lists(dice: &mut Dice) -> Lists {
    SubjectKind::ALL.map(
        |kind| {
            if dice.once_in(2) { vec!["*"] } else { dice.some(entries(kind), 4) }
        },
    )
}

fn denials(dice: &mut Dice) -> Lists {
    SubjectKind::ALL.map(|kind| dice.some(entries(kind), 2))
}

fn side(dice: &mut Dice) -> Side {
    let servers = if dice.once_in(2) { vec!["*"] } else { dice.some(&SERVERS, 2) };
    let lists = SubjectKind::ALL.map(|kind| {
        let mut by_server = BTreeMap::new();
        for server in ["s0", "s1", "*"] {
            if dice.once_in(3) {
                let mut list =
                    dice.some(if kind == SubjectKind::Resource { &URIS } else { &SIMPLE }, 3);
                if kind == SubjectKind::Resource && dice.once_in(4) {
                    list.push("*");
                }
                by_server.insert(server, list);
            }
        }
        by_server
    });
    Side { servers, lists }
}

fn denial(dice: &mut Dice) -> Side {
    let mut side = side(dice);
    side.servers = if dice.once_in(5) { dice.some(&SERVERS, 1) } else { Vec::new() };
    side
}

pub(super) fn value(dice: &mut Dice) -> Value {
    [json!(1), json!(2), json!(1.0), json!(true), json!("x"), Value::Null][dice.below(6)].clone()
}

pub(super) fn rule(dice: &mut Dice) -> Rule {
    let kind = kind(dice);
    let when = match dice.below(4) {
        0 | 1 => When::Always,
        2 => {
            let mut wanted = BTreeMap::from([("p", value(dice))]);
            if dice.once_in(3) {
                wanted.insert("q", value(dice));
            }
            When::Equal(wanted)
        }
        _ => When::Cel(dice.of::<&str>(&CONDITIONS)),
    };
    let name = if dice.once_in(6) { "*" } else { *dice.of(entries(kind)) };
    let server = dice.once_in(4).then(|| *dice.of(&SERVERS));
    let actions: &[&str] = match kind {
        SubjectKind::Tool | SubjectKind::Prompt => {
            &["allow", "redact", "redact", "deny", "approval"]
        }
        SubjectKind::Resource => &["allow", "allow", "deny", "approval"],
    };
    let action = *dice.of(actions);
    let (mut fields, mut of_result) = (Vec::new(), Vec::new());
    if action == "redact" {
        fields = dice.some(&["p", "q", "$.list"], 2);
    }
    if kind == SubjectKind::Tool && (action == "redact" || action == "allow" && dice.once_in(6)) {
        of_result = dice.some(&["secret", "$.name"], 2);
    }
    if action == "redact" && fields.is_empty() && of_result.is_empty() {
        fields.push("p");
    }
    let audit_only = !fields.is_empty() && dice.once_in(3);
    Rule { kind, name, server, action, when, fields, audit_only, of_result }
}

impl Policy {
    pub(super) fn random(dice: &mut Dice) -> Self {
        let mut roles = BTreeMap::new();
        for role in ROLES {
            if !dice.once_in(8) {
                roles.insert(role, lists(dice));
            }
        }
        let mut workspaces = BTreeMap::new();
        for workspace in ["w0", "w1"] {
            if dice.once_in(2) {
                let allowed = if dice.once_in(2) { Lists::default() } else { lists(dice) };
                workspaces.insert(workspace, (allowed, denials(dice)));
            }
        }
        let mut required = BTreeMap::new();
        if dice.once_in(3) {
            required.insert("ab", dice.some(&ROLES, 2));
        }
        let agents = dice.once_in(3).then(|| Agents {
            by_id: AGENTS[..=dice.below(3)]
                .iter()
                .map(|id| (*id, (side(dice), denial(dice))))
                .collect(),
            deny_on_missing: dice.once_in(3),
            deny_first: dice.once_in(2),
            beside: dice.once_in(3),
        });
        let default_agent = dice.once_in(3).then(|| *dice.of(&["g0", "g1", "stranger"]));
        let listed = if dice.once_in(3) {
            Vec::new()
        } else {
            (0..dice.below(14)).map(|_| rule(dice)).collect()
        };
        let by_default = *dice.of(&[None, Some("allow"), Some("deny")]);
        let hide_denied = dice.once_in(2);
        Self {
            roles,
            workspaces,
            required,
            agents,
            default_agent,
            rules: listed,
            by_default,
            hide_denied,
        }
    }

    /// Whether the layer of rules has anything to say.
    pub(super) fn has_rules(&self) -> bool {
        !self.rules.is_empty() || self.by_default.is_some()
    }

    /// The text of `policy.yaml`.
    pub(super) fn yaml(&self) -> String {
        let mut text = String::new();
        let put = |text: &mut String, key: &str, value: Value| {
            let _ = writeln!(text, "{key}: {value}");
        };
        let named = |word: &str, lists: &Lists| -> Map<String, Value> {
            let list = |kind: SubjectKind| json!(lists[at(kind)]);
            let kinds = SubjectKind::ALL.into_iter();
            kinds.map(|kind| (format!("{word}_{}s", kind.word()), list(kind))).collect()
        };
        let roles = self.roles.iter().map(|(role, allowed)| (*role, named("allowed", allowed)));
        put(&mut text, "roles", json!(roles.collect::<BTreeMap<_, _>>()));
        let workspaces = self.workspaces.iter().map(|(name, (allowed, denied))| {
            let mut members = named("allowed", allowed);
            members.extend(named("denied", denied));
            (*name, members)
        });
        put(&mut text, "workspaces", json!(workspaces.collect::<BTreeMap<_, _>>()));
        let required =
            self.required.iter().map(|(tool, roles)| (*tool, json!({"required_roles": roles})));
        put(&mut text, "tools", json!(required.collect::<BTreeMap<_, _>>()));
        if let Some(agents) = &self.agents {
            if !agents.beside {
                put(&mut text, "agents", agents.profiles());
                put(&mut text, "defaults", agents.defaults());
            }
            let precedence = if agents.deny_first { "deny_first" } else { "documented" };
            put(&mut text, "precedence", precedence.into());
        }
        put(&mut text, "rules", self.rules.iter().map(Rule::json).collect());
        if let Some(action) = self.by_default {
            put(&mut text, "rules_default", action.into());
        }
        if self.has_rules() {
            put(&mut text, "hide_denied", self.hide_denied.into());
        }
        text
    }

    /// The text of `.mcp-gateway-rules.json`, where the profiles stand there.
    pub(super) fn agent_rules(&self) -> Option<String> {
        let agents = self.agents.as_ref().filter(|agents| agents.beside)?;
        Some(json!({"agents": agents.profiles(), "defaults": agents.defaults()}).to_string())
    }
}

impl Agents {
    fn profiles(&self) -> Value {
        let side = |side: &Side| {
            let [tools, prompts, resources] = &side.lists;
            json!({
                "servers": side.servers, "tools": tools, "prompts": prompts,
                "resources": resources,
            })
        };
        let profile = |(allow, deny)| json!({"allow": side(allow), "deny": side(deny)});
        let by_id = self.by_id.iter();
        json!(
            by_id
                .map(|(id, (allow, deny))| (*id, profile((allow, deny))))
                .collect::<BTreeMap<_, _>>()
        )
    }

    fn defaults(&self) -> Value {
        json!({"deny_on_missing_agent": self.deny_on_missing})
    }
}

impl Rule {
    fn json(&self) -> Value {
        let mut rule = json!({"action": self.action});
        rule[self.kind.word()] = self.name.into();
        if let Some(server) = self.server {
            rule["server"] = server.into();
        }
        match &self.when {
            When::Always => {}
            When::Equal(wanted) => rule["when"] = json!(wanted),
            When::Cel(condition) => rule["when"] = (*condition).into(),
        }
        if !self.fields.is_empty() {
            rule["redact_fields"] = json!(self.fields);
            rule["redact_audit_only"] = self.audit_only.into();
        }
        if !self.of_result.is_empty() {
            rule["redact_result"] = json!(self.of_result);
        }
        rule
    }
}
