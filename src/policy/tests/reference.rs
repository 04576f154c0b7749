//! The compiled evaluator against a naive one, on random policies and requests.
//!
//! The naive one walks lists from the front, knows no tables and no library for
//! patterns, and is written from the documents, not from the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::policy::{Active, Beside, How, Question, What, Who};
use crate::registry::SubjectKind;

const POLICIES: u64 = 4_000;
const REQUESTS: u64 = 25;

/// A source of numbers that is the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % bound
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn some(&mut self, choices: &[&str], most: usize) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for _ in 0..self.below(most + 1) {
            let choice = (*self.of(choices)).to_owned();
            if !found.contains(&choice) {
                found.push(choice);
            }
        }
        found
    }
}

const ROLES: [&str; 3] = ["r0", "r1", "r2"];
const TENANTS: [&str; 3] = ["w0", "w1", "w2"];
const SERVERS: [&str; 2] = ["s0", "s1"];
const AGENTS: [&str; 3] = ["g0", "g1", "default"];
const NAMES: [&str; 6] = ["a", "b", "ab", "ba", "aab", "x.b"];
const ENTRIES: [&str; 10] = ["a", "b", "ab", "x.b", "a*", "*b", "?", "[ab]?", "{a,x.}b", "s0__a"];
const SIMPLE: [&str; 7] = ["a", "b", "ab", "x.b", "a*", "*b", "*"];
const CONDITIONS: [&str; 6] = [
    "args.p == 1",
    "args.q > 1",
    "has(args.p)",
    "'r0' in caller.roles",
    "tool.server == 's0' || args.q == 2",
    "args.list.exists(x, x == 2)",
];

struct Rule {
    tool: String,
    server: Option<&'static str>,
    action: &'static str,
    when: When,
}

enum When {
    Always,
    Equal(BTreeMap<&'static str, Value>),
    Cel(&'static str),
}

struct Side {
    servers: Vec<String>,
    tools: BTreeMap<&'static str, Vec<String>>,
}

struct Agents {
    by_id: BTreeMap<&'static str, (Side, Side)>,
    deny_on_missing: bool,
    deny_first: bool,
}

struct Policy {
    roles: BTreeMap<&'static str, Vec<String>>,
    workspaces: BTreeMap<&'static str, (Vec<String>, Vec<String>)>,
    required: BTreeMap<&'static str, Vec<String>>,
    agents: Option<Agents>,
    rules: Vec<Rule>,
    by_default: Option<&'static str>,
}

struct Request {
    roles: Vec<String>,
    tenant: Option<&'static str>,
    agents: Vec<String>,
    server: &'static str,
    name: String,
    inner: &'static str,
    arguments: Value,
}

fn list(dice: &mut Dice) -> Vec<String> {
    if dice.once_in(3) { vec!["*".to_owned()] } else { dice.some(&ENTRIES, 4) }
}

fn side(dice: &mut Dice) -> Side {
    let servers = if dice.once_in(2) { vec!["*".into()] } else { dice.some(&SERVERS, 2) };
    let mut side = Side { servers, tools: BTreeMap::new() };
    for server in ["s0", "s1", "*"] {
        if dice.once_in(3) {
            side.tools.insert(server, dice.some(&SIMPLE, 3));
        }
    }
    side
}

fn value(dice: &mut Dice) -> Value {
    [json!(1), json!(2), json!(1.0), json!(true), json!("x"), Value::Null][dice.below(6)].clone()
}

fn rule(dice: &mut Dice) -> Rule {
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
    Rule {
        tool: if dice.once_in(6) { "*".to_owned() } else { (*dice.of(&ENTRIES)).to_owned() },
        server: dice.once_in(4).then(|| *dice.of(&SERVERS)),
        action: dice.of::<&str>(&["allow", "allow", "deny", "approval"]),
        when,
    }
}

impl Policy {
    fn random(dice: &mut Dice) -> Self {
        let mut roles = BTreeMap::new();
        for role in ROLES {
            if !dice.once_in(4) {
                roles.insert(role, list(dice));
            }
        }
        let mut workspaces = BTreeMap::new();
        for workspace in ["w0", "w1"] {
            if dice.once_in(2) {
                let allowed = if dice.once_in(2) { Vec::new() } else { list(dice) };
                workspaces.insert(workspace, (allowed, dice.some(&ENTRIES, 2)));
            }
        }
        let mut required = BTreeMap::new();
        if dice.once_in(3) {
            required.insert("ab", dice.some(&ROLES, 2));
        }
        let agents = dice.once_in(2).then(|| Agents {
            by_id: AGENTS[..=dice.below(3)]
                .iter()
                .map(|id| (*id, (side(dice), denial(dice))))
                .collect(),
            deny_on_missing: dice.once_in(2),
            deny_first: dice.once_in(2),
        });
        let actions: Vec<Rule> = if dice.once_in(3) {
            Vec::new()
        } else {
            (0..dice.below(7)).map(|_| rule(dice)).collect()
        };
        let by_default = match dice.below(3) {
            0 => None,
            1 => Some("allow"),
            _ => Some("deny"),
        };
        Self { roles, workspaces, required, agents, rules: actions, by_default }
    }

    fn yaml(&self) -> String {
        let mut text = String::new();
        let put = |text: &mut String, key: &str, value: Value| {
            let _ = writeln!(text, "{key}: {value}");
        };
        let roles: Map<String, Value> = self
            .roles
            .iter()
            .map(|(role, list)| ((*role).to_owned(), json!({"allowed_tools": list})))
            .collect();
        put(&mut text, "roles", roles.into());
        let workspaces: Map<String, Value> = self
            .workspaces
            .iter()
            .map(|(name, (allowed, denied))| {
                ((*name).to_owned(), json!({"allowed_tools": allowed, "denied_tools": denied}))
            })
            .collect();
        put(&mut text, "workspaces", workspaces.into());
        let required: Map<String, Value> = self
            .required
            .iter()
            .map(|(tool, roles)| ((*tool).to_owned(), json!({"required_roles": roles})))
            .collect();
        put(&mut text, "tools", required.into());
        if let Some(agents) = &self.agents {
            let by_id: Map<String, Value> = agents
                .by_id
                .iter()
                .map(|(id, (allow, deny))| {
                    let side = |side: &Side| json!({"servers": side.servers, "tools": side.tools});
                    ((*id).to_owned(), json!({"allow": side(allow), "deny": side(deny)}))
                })
                .collect();
            put(&mut text, "agents", by_id.into());
            put(&mut text, "defaults", json!({"deny_on_missing_agent": agents.deny_on_missing}));
            let precedence = if agents.deny_first { "deny_first" } else { "documented" };
            put(&mut text, "precedence", precedence.into());
        }
        let actions: Vec<Value> = self.rules.iter().map(Rule::json).collect();
        put(&mut text, "rules", actions.into());
        if let Some(action) = self.by_default {
            put(&mut text, "rules_default", action.into());
        }
        text
    }
}

fn denial(dice: &mut Dice) -> Side {
    let mut side = side(dice);
    side.servers = if dice.once_in(5) { dice.some(&SERVERS, 1) } else { Vec::new() };
    side
}

impl Rule {
    fn json(&self) -> Value {
        let mut rule = json!({"tool": self.tool, "action": self.action});
        if let Some(server) = self.server {
            rule["server"] = server.into();
        }
        match &self.when {
            When::Always => {}
            When::Equal(wanted) => rule["when"] = json!(wanted),
            When::Cel(condition) => rule["when"] = (*condition).into(),
        }
        rule
    }
}

impl Request {
    fn random(dice: &mut Dice) -> Self {
        let (server, inner) = (*dice.of(&SERVERS), *dice.of(&NAMES));
        let spelled = dice.once_in(3);
        let mut arguments = Map::new();
        for name in ["p", "q"] {
            if !dice.once_in(3) {
                arguments.insert(name.to_owned(), value(dice));
            }
        }
        if dice.once_in(2) {
            let items: Vec<Value> = (0..dice.below(3)).map(|_| value(dice)).collect();
            arguments.insert("list".to_owned(), items.into());
        }
        Self {
            roles: dice.some(&["r0", "r1", "r2", "stranger"], 3),
            tenant: dice.once_in(2).then(|| *dice.of(&TENANTS)),
            agents: dice.some(&["g0", "g1", "default", "stranger"], 2),
            server,
            name: if spelled { format!("{server}__{inner}") } else { inner.to_owned() },
            inner,
            arguments: arguments.into(),
        }
    }
}

/// Whether a pattern fits, letter by letter.
fn fits(pattern: &str, name: &str) -> bool {
    if let Some((head, rest)) = pattern.split_once('{') {
        let (choices, tail) = rest.split_once('}').unwrap();
        return choices.split(',').any(|choice| fits(&format!("{head}{choice}{tail}"), name));
    }
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern.as_str();
            (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(rest, &name[at..]))
        }
        Some('[') => {
            let (set, rest) = pattern.as_str().split_once(']').unwrap();
            let mut name = name.chars();
            name.next().is_some_and(|letter| set.contains(letter)) && fits(rest, name.as_str())
        }
        Some(letter) => {
            let mut name = name.chars();
            name.next().is_some_and(|found| letter == '?' || letter == found)
                && fits(pattern.as_str(), name.as_str())
        }
    }
}

fn any_fits(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| fits(entry, name))
}

/// `deny` and the layer, `approval` or `allow`, and the rule of the last layer.
type Outcome = (&'static str, Option<String>);

fn naive(policy: &Policy, request: &Request) -> Outcome {
    if !naive_roles(policy, request) {
        return ("deny", Some("roles".to_owned()));
    }
    if let Some(agents) = &policy.agents
        && !naive_agents(agents, request)
    {
        return ("deny", Some("agents".to_owned()));
    }
    if policy.rules.is_empty() && policy.by_default.is_none() {
        return ("allow", None);
    }
    for (number, rule) in policy.rules.iter().enumerate() {
        if rule.server.is_some_and(|server| server != request.server) {
            continue;
        }
        let restricts = rule.action != "allow" && !rule.tool.contains("__");
        let by_inner = rule.server.is_some() || restricts;
        let named =
            fits(&rule.tool, &request.name) || (by_inner && fits(&rule.tool, request.inner));
        if !named {
            continue;
        }
        match naive_when(&rule.when, request) {
            Some(true) => return (rule.action, Some(format!("rules[{number}]"))),
            Some(false) => {}
            None => return ("deny", Some(format!("rules[{number}]"))),
        }
    }
    (policy.by_default.unwrap_or("deny"), Some("rules_default".to_owned()))
}

fn naive_roles(policy: &Policy, request: &Request) -> bool {
    let known: Vec<&Vec<String>> =
        request.roles.iter().filter_map(|role| policy.roles.get(role.as_str())).collect();
    let mut granted = known.iter().any(|list| any_fits(list, &request.name));
    if let Some((allowed, denied)) = request.tenant.and_then(|it| policy.workspaces.get(it)) {
        if any_fits(denied, &request.name) || any_fits(denied, request.inner) {
            return false;
        }
        if *allowed == ["*"] {
            granted = true;
        } else if !allowed.is_empty() {
            granted = any_fits(allowed, &request.name);
        }
    }
    let holds = [request.name.as_str(), request.inner].iter().all(|name| {
        policy.required.get(*name).is_none_or(|roles| {
            roles.is_empty() || roles.iter().any(|role| request.roles.contains(role))
        })
    });
    !known.is_empty() && granted && holds
}

fn naive_agents(agents: &Agents, request: &Request) -> bool {
    if request.agents.is_empty() {
        return !agents.deny_on_missing
            && agents.by_id.get("default").is_some_and(|it| naive_agent(agents, it, request));
    }
    request.agents.iter().all(|id| {
        agents.by_id.get(id.as_str()).is_some_and(|agent| naive_agent(agents, agent, request))
    })
}

fn naive_agent(agents: &Agents, (allow, deny): &(Side, Side), request: &Request) -> bool {
    let lists = |side: &Side| -> Vec<String> {
        side.tools
            .iter()
            .filter(|(server, _)| **server == "*" || **server == request.server)
            .flat_map(|(_, list)| list.clone())
            .collect()
    };
    let server = |side: &Side| any_fits(&side.servers, request.server);
    if server(deny) || !server(allow) {
        return false;
    }
    let (allowed, denied) = (lists(allow), lists(deny));
    let explicit =
        |list: &[String]| list.iter().any(|entry| !entry.contains('*') && *entry == *request.inner);
    let wildcard = |list: &[String]| {
        list.iter().any(|entry| entry.contains('*') && fits(entry, request.inner))
    };
    if explicit(&denied) || (agents.deny_first && wildcard(&denied)) {
        return false;
    }
    if explicit(&allowed) {
        return true;
    }
    if wildcard(&denied) {
        return false;
    }
    wildcard(&allowed) || allowed.is_empty()
}

/// Whether a condition holds; nothing where it comes to nothing.
fn naive_when(when: &When, request: &Request) -> Option<bool> {
    let get = |name: &str| request.arguments.get(name);
    let number = |value: &Value| value.as_f64();
    match when {
        When::Always => Some(true),
        When::Equal(wanted) => Some(wanted.iter().all(|(name, wanted)| {
            get(name).is_some_and(|value| match (number(value), number(wanted)) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                _ => value == wanted,
            })
        })),
        When::Cel("args.p == 1") => get("p").map(|it| number(it) == Some(1.0)),
        When::Cel("args.q > 1") => get("q").and_then(number).map(|it| it > 1.0),
        When::Cel("has(args.p)") => Some(get("p").is_some()),
        When::Cel("'r0' in caller.roles") => Some(request.roles.iter().any(|role| role == "r0")),
        When::Cel("tool.server == 's0' || args.q == 2") => {
            if request.server == "s0" {
                Some(true)
            } else {
                get("q").map(|it| number(it) == Some(2.0))
            }
        }
        When::Cel("args.list.exists(x, x == 2)") => {
            let items = get("list")?.as_array()?;
            Some(items.iter().any(|item| number(item) == Some(2.0)))
        }
        When::Cel(other) => panic!("{other}"),
    }
}

fn compiled(active: &Active, request: &Request) -> Outcome {
    let who = Who {
        user_id: "u",
        roles: &request.roles,
        tenant: request.tenant,
        agents: &request.agents,
        ..Who::default()
    };
    let what = What {
        kind: SubjectKind::Tool,
        name: &request.name,
        inner: request.inner,
        server: Some(request.server),
        scope: "s",
        registry_roles: &[],
    };
    let now = chrono::DateTime::UNIX_EPOCH;
    let (arguments, method) = (&request.arguments, "tools/call");
    let call = How { method, arguments, now, client: None, session: None, past: false };
    let question = Question { who, what, call: Some(call) };
    let decision = active.decide(&question);
    let explained = active.explain(&question);
    assert_eq!(explained.decision, decision.verdict.word());
    assert_eq!(explained.rule, decision.rule);
    let shown = active.decide(&Question { call: None, ..question }).visible();
    assert!(shown || decision.verdict.word() == "deny", "hidden, and callable");
    let layer = decision.layer.word();
    let rule = match (layer, decision.verdict.word()) {
        ("rules", _) => Some(decision.rule.to_string()),
        (layer, "deny") => Some(layer.to_owned()),
        _ => None,
    };
    (decision.verdict.word(), rule)
}

#[test]
fn the_compiled_evaluator_is_the_naive_one() {
    let mut met: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..POLICIES {
        let mut dice = Dice::new(seed);
        let policy = Policy::random(&mut dice);
        let text = policy.yaml();
        let active = Active::read(&text, Beside::default())
            .unwrap_or_else(|complaints| panic!("{seed}: {complaints:?}\n{text}"));
        for number in 0..REQUESTS {
            let request = Request::random(&mut dice);
            let (expected, found) = (naive(&policy, &request), compiled(&active, &request));
            assert_eq!(
                expected,
                found,
                "seed {seed}, request {number}: {} of {} as {:?} in {:?} as {:?}: {}\n{text}",
                request.name,
                request.server,
                request.roles,
                request.tenant,
                request.agents,
                request.arguments
            );
            let place = found.1.map(|it| it.replace(char::is_numeric, "")).unwrap_or_default();
            *met.entry(format!("{} {place}", found.0)).or_default() += 1;
        }
    }
    // A test that meets one outcome only would prove little.
    for outcome in [
        "allow ",
        "allow rules[]",
        "allow rules_default",
        "approval rules[]",
        "deny agents",
        "deny roles",
        "deny rules[]",
        "deny rules_default",
    ] {
        assert!(met.get(outcome).is_some_and(|count| *count > 500), "{outcome}: {met:?}");
    }
}

/// A denial, put anywhere, allows nothing that was denied before.
#[test]
fn another_denial_never_allows() {
    for seed in 0..POLICIES / 4 {
        let mut dice = Dice::new(seed ^ 0xD3);
        let mut policy = Policy::random(&mut dice);
        let before = Active::read(&policy.yaml(), Beside::default()).unwrap();
        match dice.below(3) {
            0 => {
                let workspace = policy.workspaces.entry("w0").or_default();
                workspace.1.push("ba".to_owned());
            }
            1 if policy.agents.is_some() => {
                let agents = policy.agents.as_mut().unwrap();
                for (_, deny) in agents.by_id.values_mut() {
                    deny.tools.entry("*").or_default().push("ba".to_owned());
                }
            }
            _ if !policy.rules.is_empty() => {
                let place = dice.below(policy.rules.len() + 1);
                let denial = Rule { action: "deny", ..rule(&mut dice) };
                policy.rules.insert(place, denial);
            }
            _ => {}
        }
        let text = policy.yaml();
        let after = Active::read(&text, Beside::default()).unwrap();
        for _ in 0..REQUESTS {
            let request = Request::random(&mut dice);
            let (before, after) = (compiled(&before, &request).0, compiled(&after, &request).0);
            assert!(after == "deny" || before == after, "seed {seed}: {before} {after}\n{text}");
        }
    }
}
