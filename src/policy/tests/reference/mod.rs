//! The compiled evaluator against a naive one, on random policies and requests:
//! tools, prompts, resources and completions, in all layers.

mod dice;
mod naive;
mod policies;
mod requests;

use std::collections::BTreeMap;

use dice::Dice;
use naive::{Outcome, interpret, result};
use policies::{Policy, at, rule};
use requests::Request;
use serde_json::Value;

use crate::policy::{Active, Beside, How, Question, Reach, Verdict, What, Who};
use crate::protocol::json_path::JsonPaths;
use crate::protocol::mask::masked;
use crate::registry::SubjectKind;

/// With as many requests each, 100,000 pairs.
const POLICIES: u64 = 2_500;
const REQUESTS: u64 = 40;

fn compiled(policy: &Policy) -> (Active, String) {
    let (text, agent_rules) = (policy.yaml(), policy.agent_rules());
    let beside = Beside {
        agent_rules: agent_rules.as_deref(),
        default_agent: policy.default_agent,
        ..Beside::default()
    };
    let active = Active::read(&text, beside);
    let active = active.unwrap_or_else(|complaints| panic!("{complaints:?}\n{text}"));
    (active, format!("{text}{agent_rules:?} {:?}", policy.default_agent))
}

fn without(value: &Value, paths: Option<&JsonPaths>) -> Value {
    let text = value.to_string();
    let hidden = paths.and_then(|paths| masked(text.as_bytes(), paths).unwrap());
    hidden.map_or_else(|| value.clone(), |text| serde_json::from_slice(&text).unwrap())
}

/// What the evaluator says, in all the ways in which it can be asked; an
/// explanation takes long.
fn decided(active: &Active, request: &Request, explains: bool) -> Outcome {
    let who = Who {
        user_id: "u",
        issuer: request.issuer,
        roles: &request.roles,
        groups: &request.groups,
        email: request.email,
        tenant: request.tenant,
        agents: &request.agents,
        agent: request.chosen,
    };
    let what = What {
        kind: request.kind,
        name: &request.name,
        inner: &request.inner,
        server: Some(request.server),
        scope: "s",
        registry_roles: &request.registry_roles,
    };
    let session = request.session.as_ref();
    let call = How {
        method: request.method,
        arguments: &request.arguments,
        now: chrono::DateTime::UNIX_EPOCH,
        client: request.client,
        session: session.map(|id| id as &(dyn std::fmt::Display + Sync)),
        past: false,
    };
    let question = Question { who, what, call: Some(call) };
    let decision = active.decide(&question);
    let word = decision.verdict.word();
    if explains {
        let explained = active.explain(&question);
        assert_eq!(explained.decision, word);
        assert_eq!(explained.rule, decision.rule);
    }
    let reach = active.reach(who, what);
    assert!(
        match reach {
            Reach::Never => word == "deny",
            Reach::Approval => matches!(word, "approval" | "deny"),
            Reach::Sometimes => true,
            Reach::Always => matches!(word, "allow" | "redact"),
        },
        "{word} of {reach:?}"
    );
    let shown = active.decide(&Question { call: None, ..question }).visible();
    let seen = match &decision.verdict {
        Verdict::Allow(redaction) => {
            let paths = |of: fn(&crate::policy::rules::Redaction) -> Option<&JsonPaths>| {
                redaction.as_deref().and_then(of)
            };
            let kept = without(&request.arguments, paths(|it| it.kept.as_ref()));
            // Of refused calls, the trail keeps no more than of this one.
            let never = active.hidden_arguments(&what);
            assert_eq!(without(&kept, never.as_ref()), without(&request.arguments, never.as_ref()));
            let sent = without(&request.arguments, paths(|it| it.sent.as_ref()));
            Some([kept, sent, without(&result(), paths(|it| it.result.as_ref()))])
        }
        Verdict::Approval | Verdict::Deny(_) => None,
    };
    let layer = decision.layer.word();
    let place = match (layer, word) {
        ("rules", _) => Some(decision.rule.to_string()),
        (layer, "deny") => Some(layer.to_owned()),
        _ => None,
    };
    Outcome { word, place, told: decision.visible(), shown, seen }
}

#[test]
fn the_compiled_evaluator_is_the_naive_one() {
    let mut met: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..POLICIES {
        let mut dice = Dice::new(seed);
        let policy = Policy::random(&mut dice);
        let (active, text) = compiled(&policy);
        for number in 0..REQUESTS {
            let request = Request::random(&mut dice);
            let expected = interpret(&policy, &request);
            let found = decided(&active, &request, number % 4 == 0);
            assert_eq!(expected, found, "seed {seed}, request {number}: {request:?}\n{text}");
            // What lists show is what calls are told of, whatever becomes of them.
            assert_eq!(found.shown, found.told, "seed {seed}, request {number}");
            let place = found.place.map(|it| it.replace(char::is_numeric, "")).unwrap_or_default();
            let hidden = if found.shown { "" } else { " hidden" };
            let outcome = format!("{} {place}{hidden}", found.word);
            *met.entry(format!("{} {outcome}", request.kind.word())).or_default() += 1;
            if request.method == "completion/complete" {
                *met.entry(format!("completion {}", found.word)).or_default() += 1;
            }
        }
    }
    // A test that meets one outcome only would prove little.
    for kind in SubjectKind::ALL {
        for outcome in [
            "allow ",
            "allow rules[]",
            "allow rules_default",
            "approval rules[]",
            "deny agents hidden",
            "deny roles hidden",
            "deny rules[]",
            "deny rules[] hidden",
            "deny rules_default",
            "deny rules_default hidden",
            "redact rules[]",
            "redact rules_default",
        ] {
            let word = format!("{} {outcome}", kind.word());
            let count = met.get(&word).copied().unwrap_or_default();
            let possible = kind != SubjectKind::Resource || !outcome.starts_with("redact");
            assert!((count > 25) == possible, "{word}: {met:#?}");
        }
    }
    for word in ["allow", "redact", "approval", "deny"] {
        let count = met.get(&format!("completion {word}"));
        assert!(count.is_some_and(|count| *count > 100), "{word}: {met:#?}");
    }
}

/// A denial, put anywhere, allows nothing that was denied before, and shows
/// nothing that was hidden.
#[test]
fn another_denial_never_allows() {
    let mut changed = 0;
    for seed in 0..POLICIES / 4 {
        let mut dice = Dice::new(seed ^ 0xD3);
        let mut policy = Policy::random(&mut dice);
        let (before, _) = compiled(&policy);
        let kind = policies::kind(&mut dice);
        let name = if kind == SubjectKind::Resource { "r:b*" } else { "ba" };
        match (dice.below(4), policy.agents.as_mut()) {
            (0, _) => {
                let (_, denied) = policy.workspaces.entry("w0").or_default();
                if !denied[at(kind)].contains(&name) {
                    denied[at(kind)].push(name);
                }
            }
            (1, Some(agents)) => {
                for (_, deny) in agents.by_id.values_mut() {
                    deny.lists[at(kind)].entry("*").or_default().push(name);
                }
            }
            (2, _) => _ = policy.required.entry("ba").or_insert_with(|| vec!["r2"]),
            _ => {
                let place = dice.below(policy.rules.len() + 1);
                let mut denial = rule(&mut dice);
                denial.action = "deny";
                denial.fields.clear();
                denial.of_result.clear();
                policy.rules.insert(place, denial);
            }
        }
        let (after, text) = compiled(&policy);
        for _ in 0..REQUESTS {
            let request = Request::random(&mut dice);
            let (before, after) =
                (decided(&before, &request, false), decided(&after, &request, false));
            let less = after.word == "deny" || before.word == after.word;
            assert!(less && (before.shown || !after.shown), "seed {seed}: {request:?}\n{text}");
            assert!(after.seen.is_none() || before.seen == after.seen, "seed {seed}: {request:?}");
            changed += u64::from(before.word != after.word);
        }
    }
    assert!(changed > 300, "{changed}");
}
