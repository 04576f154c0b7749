//! A naive interpreter of policies. It walks lists from the front, knows no
//! tables and no library for patterns, and is written from the documents, not
//! from the code.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::policies::{Agents, Policy, Rule, Side, When, at};
use super::requests::{Request, Uri};
use crate::registry::SubjectKind;

/// What comes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    /// `allow`, `redact`, `approval` or `deny`.
    pub(super) word: &'static str,
    /// The layer that denies, or the rule that decides; nothing where there are
    /// no rules.
    pub(super) place: Option<String>,
    /// Whether a call is told that there is such a thing.
    pub(super) told: bool,
    /// Whether a list shows it.
    pub(super) shown: bool,
    /// The arguments as the audit trail and the backend see them, and a result
    /// as the caller does; of what is allowed.
    pub(super) seen: Option<[Value; 3]>,
}

/// A result in which something may be hidden.
pub(super) fn result() -> Value {
    json!({"secret": "s", "name": "n", "p": 1})
}

pub(super) fn interpret(policy: &Policy, request: &Request) -> Outcome {
    let denied = |place: &str, told, shown| Outcome {
        word: "deny",
        place: Some(place.to_owned()),
        told,
        shown,
        seen: None,
    };
    if !roles_allow(policy, request) {
        return denied("roles", false, false);
    }
    if policy.agents.as_ref().is_some_and(|it| !agents_allow(policy, it, request)) {
        return denied("agents", false, false);
    }
    if !policy.has_rules() {
        let word = "allow";
        return Outcome {
            word,
            place: None,
            told: true,
            shown: true,
            seen: Some(seen(&[], request)),
        };
    }
    let shown = !policy.hide_denied || may_go_on(policy, request);
    let mut hides: Vec<&Rule> = Vec::new();
    for (number, rule) in policy.rules.iter().enumerate() {
        let fit = fit(rule, request);
        let place = format!("rules[{number}]");
        match (&fit, holds(&rule.when, request)) {
            (Fit::Not, _) | (_, Some(false)) => {}
            (_, None) => return denied(&place, shown, shown),
            (Fit::OnlyHides, Some(true)) => hides.push(rule),
            (Fit::Fits, Some(true)) => {
                hides.push(rule);
                return ended(rule.action, place, shown, &hides, request);
            }
        }
    }
    let by_default = policy.by_default.unwrap_or("deny");
    ended(by_default, "rules_default".to_owned(), shown, &hides, request)
}

fn ended(
    action: &'static str,
    place: String,
    shown: bool,
    hides: &[&Rule],
    request: &Request,
) -> Outcome {
    let hides_something =
        hides.iter().any(|rule| !rule.fields.is_empty() || !rule.of_result.is_empty());
    let word = match action {
        "allow" | "redact" if hides_something => "redact",
        action => action,
    };
    let place = Some(place);
    match word {
        "deny" => Outcome { word, place, told: shown, shown, seen: None },
        "approval" => Outcome { word, place, told: true, shown, seen: None },
        _ => Outcome { word, place, told: true, shown, seen: Some(seen(hides, request)) },
    }
}

/// What is left of arguments and result.
fn seen(hides: &[&Rule], request: &Request) -> [Value; 3] {
    let (mut kept, mut sent, mut of_result) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for rule in hides {
        kept.extend(&rule.fields);
        if !rule.audit_only {
            sent.extend(&rule.fields);
        }
        of_result.extend(&rule.of_result);
    }
    [
        masked(&request.arguments, &kept),
        masked(&request.arguments, &sent),
        masked(&result(), &of_result),
    ]
}

fn masked(object: &Value, fields: &BTreeSet<&&str>) -> Value {
    let names: Vec<&str> = fields.iter().map(|it| it.strip_prefix("$.").unwrap_or(it)).collect();
    let members = object.as_object().unwrap().iter().map(|(name, value)| {
        let hidden = names.iter().any(|it| it.to_lowercase() == name.to_lowercase());
        (name.clone(), if hidden { "***REDACTED***".into() } else { value.clone() })
    });
    Value::Object(members.collect::<Map<_, _>>())
}

/// Whether some call of it could go on, at least with approval.
fn may_go_on(policy: &Policy, request: &Request) -> bool {
    for rule in &policy.rules {
        if !matches!(fit(rule, request), Fit::Fits) {
            continue;
        }
        let goes_on = rule.action != "deny";
        if goes_on || matches!(rule.when, When::Always) {
            return goes_on;
        }
    }
    policy.by_default == Some("allow")
}

enum Fit {
    Not,
    OnlyHides,
    Fits,
}

fn fit(rule: &Rule, request: &Request) -> Fit {
    let here = rule.server.is_none_or(|server| server == request.server);
    if !here || rule.kind != request.kind {
        return Fit::Not;
    }
    if rule.kind == SubjectKind::Resource {
        let denies = rule.action != "allow";
        return if uri_fits(rule.name, &request.uri, denies) { Fit::Fits } else { Fit::Not };
    }
    if fits(rule.name, &request.name) {
        return Fit::Fits;
    }
    if !fits(rule.name, &request.inner) {
        return Fit::Not;
    }
    let restricts = rule.action == "deny" || rule.action == "approval";
    let hides = !rule.fields.is_empty() || !rule.of_result.is_empty();
    match rule.server {
        Some(_) => Fit::Fits,
        None if rule.name.contains("__") => Fit::Not,
        None if restricts => Fit::Fits,
        None if hides => Fit::OnlyHides,
        None => Fit::Not,
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

/// Whether an entry fits a URI: what denies in one of its readings, what allows in
/// both.
fn uri_fits(entry: &str, uri: &Uri, denies: bool) -> bool {
    if entry == "*" {
        return true;
    }
    let reads = |reading: &str, loosely: bool| match entry.strip_suffix('*') {
        Some(beginning) => reading.starts_with(beginning),
        None => match reading.strip_prefix(entry) {
            Some("") => true,
            // A backend may take no notice of what follows.
            Some(rest) => denies && loosely && (rest == "/" || rest.starts_with(['?', '#'])),
            None => false,
        },
    };
    let (strictly, loosely) = (reads(&uri.strict, false), reads(&uri.loose, true));
    if denies { strictly || loosely } else { strictly && loosely }
}

/// Whether some entry of a list fits what is wanted.
fn lists(list: &[&str], request: &Request, name: &str, denies: bool) -> bool {
    match request.kind {
        SubjectKind::Tool | SubjectKind::Prompt => list.iter().any(|entry| fits(entry, name)),
        SubjectKind::Resource => list.iter().any(|entry| uri_fits(entry, &request.uri, denies)),
    }
}

fn roles_allow(policy: &Policy, request: &Request) -> bool {
    let (kind, is_tool) = (at(request.kind), request.kind == SubjectKind::Tool);
    if request.kind == SubjectKind::Resource && request.uri.climbs {
        return false;
    }
    let known: Vec<_> =
        request.roles.iter().filter_map(|role| policy.roles.get(role.as_str())).collect();
    let allows = |list: &[&str]| lists(list, request, &request.name, false);
    let denies = |list: &[&str]| {
        lists(list, request, &request.name, true) || lists(list, request, &request.inner, true)
    };
    let mut granted = known.iter().any(|lists| allows(&lists[kind]));
    if let Some((allowed, denied)) = request.tenant.and_then(|it| policy.workspaces.get(it)) {
        if denies(&denied[kind]) {
            return false;
        }
        if allowed[kind] == ["*"] {
            granted = true;
        } else if !allowed[kind].is_empty() {
            granted = allows(&allowed[kind]);
        }
    }
    let has = |role: &str| request.roles.iter().any(|held| held == role);
    let required = |name: &str| {
        let asked = policy.required.get(name).filter(|_| is_tool);
        asked.is_none_or(|roles| roles.is_empty() || roles.iter().any(|role| has(role)))
    };
    let registry = &request.registry_roles;
    !known.is_empty()
        && granted
        && required(&request.name)
        && required(&request.inner)
        && (registry.is_empty() || registry.iter().any(|role| has(role)))
}

fn agents_allow(policy: &Policy, agents: &Agents, request: &Request) -> bool {
    let allows = |id: &str| {
        agents.by_id.get(id).is_some_and(|profile| agent_allows(agents, profile, request))
    };
    if let Some(chosen) = request.chosen {
        return request.agents.iter().any(|held| held == chosen) && allows(chosen);
    }
    if request.agents.is_empty() {
        return !agents.deny_on_missing && allows(policy.default_agent.unwrap_or("default"));
    }
    request.agents.iter().all(|id| allows(id))
}

fn agent_allows(agents: &Agents, (allow, deny): &(Side, Side), request: &Request) -> bool {
    let rules = |side: &Side| -> Vec<&'static str> {
        let by_server = &side.lists[at(request.kind)];
        let here =
            by_server.iter().filter(|(server, _)| **server == "*" || **server == request.server);
        here.flat_map(|(_, list)| list.clone()).collect()
    };
    let server = |side: &Side| side.servers.iter().any(|it| fits(it, request.server));
    if server(deny) || !server(allow) {
        return false;
    }
    let (allowed, denied) = (rules(allow), rules(deny));
    let some = |list: &[&'static str], wildcards: bool, denies: bool| {
        let right = |entry: &&&'static str| entry.contains('*') == wildcards;
        let list: Vec<_> = list.iter().filter(right).copied().collect();
        lists(&list, request, &request.inner, denies)
    };
    if some(&denied, false, true) || (agents.deny_first && some(&denied, true, true)) {
        return false;
    }
    if some(&allowed, false, false) {
        return true;
    }
    if some(&denied, true, true) {
        return false;
    }
    some(&allowed, true, false) || allowed.is_empty()
}

/// Whether a condition holds; nothing where it comes to nothing.
fn holds(when: &When, request: &Request) -> Option<bool> {
    let arguments = request.arguments.as_object().unwrap();
    let get = |name: &str| arguments.get(name);
    let number = |value: &Value| value.as_f64();
    let varied = |name: &str| {
        arguments.keys().any(|it| *it != *name && it.to_lowercase() == name.to_lowercase())
    };
    match when {
        When::Cel(text) if text.contains("args.") => {
            let twins = arguments.keys().any(|name| varied(name));
            if twins
                || ["p", "q", "list"]
                    .iter()
                    .any(|it| text.contains(&format!("args.{it}")) && varied(it))
            {
                return None;
            }
        }
        When::Equal(wanted) if wanted.keys().any(|name| varied(name)) => return None,
        When::Always | When::Equal(_) | When::Cel(_) => {}
    }
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
        When::Cel("tool.kind == 'prompt' || tool.inner.startsWith('a')") => {
            Some(request.kind == SubjectKind::Prompt || request.inner.starts_with('a'))
        }
        When::Cel("tool.method == 'completion/complete'") => {
            Some(request.method == "completion/complete")
        }
        When::Cel("client.name == 'c0' && client.version != '2'") => {
            Some(request.client == Some(("c0", "1")))
        }
        When::Cel("session.id != ''") => Some(request.session.is_some()),
        When::Cel("agent == 'g0' || tenant == 'w0'") => {
            let only = match (request.chosen, request.agents.as_slice()) {
                (None, [only]) => Some(only.as_str()),
                (chosen, _) => chosen,
            };
            Some(only == Some("g0") || request.tenant == Some("w0"))
        }
        When::Cel("'h0' in caller.groups") => Some(request.groups.iter().any(|it| it == "h0")),
        When::Cel("caller.email.endsWith('@x') || caller.issuer == 'i0'") => {
            Some(request.email == Some("u@x") || request.issuer == "i0")
        }
        When::Cel(other) => panic!("{other}"),
    }
}
