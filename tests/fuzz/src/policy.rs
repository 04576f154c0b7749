//! The policy's reader and evaluator, without what binds them to the walk.

#[path = "../../../src/policy/agents/mod.rs"]
mod agents;
#[path = "../../../src/policy/decide.rs"]
mod decide;
#[path = "../../../src/policy/file.rs"]
mod file;
#[path = "../../../src/policy/limits/mod.rs"]
mod limits;
#[path = "../../../src/policy/lists.rs"]
mod lists;
#[path = "../../../src/policy/model.rs"]
mod model;
#[path = "../../../src/policy/names.rs"]
mod names;
#[path = "../../../src/policy/question.rs"]
mod question;
#[path = "../../../src/policy/roles.rs"]
mod roles;
#[path = "../../../src/policy/rules/mod.rs"]
mod rules;
#[path = "../../../src/policy/uri.rs"]
mod uri;

use question::{How, Question, What, Who};

use crate::registry::SubjectKind;

/// Reads a policy, and asks it: whatever is read, nobody without a role gets
/// anything, and what lists hide cannot be called.
///
/// # Panics
/// When that does not hold.
pub fn read_and_ask(text: &str, agent_rules: Option<&str>) {
    let beside = file::Beside { agent_rules, default_agent: None, limits: None };
    let Ok(rules) = file::read_with(text, beside) else { return };
    let built_in = roles::BuiltIn::default();
    let role = rules.roles.keys().next().cloned().unwrap_or_default();
    let arguments = serde_json::json!({"amount": 1, "text": "x", "list": [1, {"a": null}]});
    for roles in [&[][..], &[role][..]] {
        for (kind, name) in [
            (SubjectKind::Tool, "a__b"),
            (SubjectKind::Prompt, "p"),
            (SubjectKind::Resource, "file:///a/%2e%2e/b"),
            (SubjectKind::Resource, "x:y"),
        ] {
            let who = Who { user_id: "u", roles, tenant: Some("w"), ..Who::default() };
            let inner = name.strip_prefix("a__").unwrap_or(name);
            let what =
                What { kind, name, inner, server: Some("a"), scope: "s", registry_roles: &[] };
            let (now, method) = (chrono::DateTime::UNIX_EPOCH, "tools/call");
            let arguments = &arguments;
            let call = How { method, arguments, now, client: None, session: None, past: false };
            let asked = Question { who, what, call: Some(call) };
            let decision = decide::decide(&rules, &built_in, &asked);
            let denied = decision.verdict.word() == "deny";
            assert!(denied || !roles.is_empty(), "{decision:?}");
            let listed = decide::decide(&rules, &built_in, &Question { call: None, ..asked });
            assert!(denied || listed.visible(), "{decision:?} {listed:?}");
            assert!(
                denied
                    || decide::reach(&rules, &built_in, &Question { call: None, ..asked })
                        != rules::Reach::Never
            );
        }
    }
}
