//! One evaluator for tools, prompts and resources.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::file::read;
use super::super::{Moment, Policy};
use crate::authn::Caller;
use crate::protocol::call::Call;
use crate::protocol::mcp::Method;
use crate::protocol::revision::Era;
use crate::registry::SubjectKind::{Prompt, Resource, Tool};
use crate::registry::{Bounds, Registry, SubjectKind};

const TOOLS: &str = r#"
backends: { one: { url: "http://one/" }, two: { url: "http://two/" } }
scopes:
  open: { backends: [one] }
  spelled: { backends: [one, two], namespace: connection }
tools:
  - { name: "x:a", scope: open, backend: one, required_roles: [writer] }
  - { name: "x:b", scope: open, backend: two, is_active: false }
  - { name: "one__x:a", scope: spelled, backend: one, required_roles: [writer] }
"#;

const MOMENT: Moment<'_> =
    Moment { now: chrono::DateTime::UNIX_EPOCH, client: None, session: None };

fn policy(text: &str) -> Policy {
    Policy::from_rules(read(text).unwrap())
}

fn call(kind: SubjectKind, name: &str) -> Call<'_> {
    Call {
        id: serde_json::from_str("1").unwrap(),
        method: Method::Other,
        kind,
        name: name.into(),
        arguments: None,
        message: Bytes::new(),
        answers: None,
        request_id: None,
        turn_id: None,
        job_id: None,
        era: Era::Modern,
        revision: "2026-07-28",
        mirrored: Vec::new(),
    }
}

fn allows(policy: &Policy, roles: &[&str], kind: SubjectKind, name: &str) -> bool {
    policy.active().allows_named(&Caller::for_test("alice", roles, None), kind, name)
}

#[test]
fn each_kind_has_rules_of_its_own() {
    let policy = policy(
        r#"
roles:
  tools: { allowed_tools: ["*"] }
  prompts: { allowed_prompts: ["*"] }
  resources: { allowed_resources: ["*"] }
tools: { "x:a": { required_roles: [boss] } }
"#,
    );
    for kind in SubjectKind::ALL {
        for role in ["tools", "prompts", "resources"] {
            let own = role == format!("{}s", kind.word());
            assert_eq!(allows(&policy, &[role], kind, "x:b"), own, "{role} {kind:?}");
        }
    }
    assert!(!allows(&policy, &["tools"], SubjectKind::Tool, "x:a"));
    assert!(allows(&policy, &["prompts"], SubjectKind::Prompt, "x:a"), "a rule about tools");
}

#[test]
fn a_workspace_bears_on_each_kind_alone() {
    let policy = policy(
        r#"
roles: { dev: { allowed_tools: [t], allowed_prompts: [p], allowed_resources: ["r:1"] } }
workspaces:
  w:
    allowed_prompts: [q]
    allowed_resources: ["*"]
    denied_tools: [t]
    denied_resources: ["r:2"]
"#,
    );
    let caller = Caller::for_test("alice", &["dev"], Some("w"));
    let active = policy.active();
    let rule = |kind, name| {
        let decision = active.judge_subject(&caller, kind, name, &[]);
        (decision.allowed, decision.rule.to_string())
    };
    assert_eq!(rule(Tool, "t"), (false, "workspaces.w.denied_tools[0]".to_owned()));
    assert_eq!(rule(Prompt, "p"), (false, "default_action".to_owned()));
    assert_eq!(rule(Prompt, "q"), (true, "workspaces.w.allowed_prompts[0]".to_owned()));
    assert_eq!(rule(Resource, "r:1"), (true, "roles.dev.allowed_resources[0]".to_owned()));
    assert_eq!(rule(Resource, "r:2"), (false, "workspaces.w.denied_resources[0]".to_owned()));
    assert_eq!(rule(Resource, "r:3"), (true, "workspaces.w.allowed_resources[0]".to_owned()));
}

/// A list of one kind as YAML: nothing, everything, or some names.
fn list() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("[]".to_owned()),
        Just("['*']".to_owned()),
        proptest::sample::subsequence(vec!["x:a", "x:b", "one__x:a", "two__x:b"], 1..4)
            .prop_map(|names| format!("{names:?}")),
    ]
}

fn kind() -> impl Strategy<Value = SubjectKind> {
    proptest::sample::select(SubjectKind::ALL.to_vec())
}

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["x:a", "x:b", "x:c", "one__x:a", "two__x:b", "x:/../a", ""])
}

fn roles() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(vec!["a", "b", "writer", "stranger"], 0..4)
}

/// A list for each kind.
fn lists() -> impl Strategy<Value = [String; 3]> {
    [list(), list(), list()]
}

/// The lists as members of an entry, but for that of one kind.
fn members(prefix: &str, lists: &[String; 3], but: Option<SubjectKind>) -> String {
    let members = SubjectKind::ALL.into_iter().zip(lists).filter(|(kind, _)| Some(*kind) != but);
    let spelled = members.map(|(kind, list)| match kind {
        SubjectKind::Tool | SubjectKind::Prompt => format!("{prefix}_{}s: {list}", kind.word()),
        SubjectKind::Resource => format!("{prefix}_resources: {}", list.replace("__", ":")),
    });
    spelled.collect::<Vec<_>>().join(", ")
}

proptest! {
    /// Without an allowing rule for its kind, nothing is allowed, whatever
    /// else stands in the file.
    #[test]
    fn every_kind_is_denied_by_default(
        roles in roles(), kind in kind(), name in name(),
        mine in lists(), denied in lists(),
    ) {
        let others = members("allowed", &mine, Some(kind));
        let denied = members("denied", &denied, None);
        let text = format!(
            "roles: {{ a: {{ {others} }}, b: {{}} }}\nworkspaces: {{ w: {{ {denied} }} }}"
        );
        let caller = Caller::for_test("alice", &roles, Some("w"));
        prop_assert!(!policy(&text).active().allows_named(&caller, kind, name), "{text}");
    }

    /// A denial of a name beats every allowance of it, for every kind.
    #[test]
    fn a_denial_beats_everything(
        roles in roles(), kind in kind(), name in name(), mine in lists(), space in lists(),
    ) {
        let mine = members("allowed", &mine, None);
        let space = members("allowed", &space, None);
        let text = format!(
            "roles: {{ a: {{ {mine} }}, b: {{ {mine} }} }}\nworkspaces: {{ w: {{ {space}, denied_{}s: ['*'] }} }}",
            kind.word()
        );
        let caller = Caller::for_test("alice", &roles, Some("w"));
        prop_assert!(!policy(&text).active().allows_named(&caller, kind, name), "{text}");
    }

    /// What is shown in lists can be called, and nothing else can.
    #[test]
    fn lists_and_calls_agree(
        roles in roles(), kind in kind(), name in name(), spelled in any::<bool>(),
        mine in lists(), space in lists(), denied in lists(),
    ) {
        let mine = members("allowed", &mine, None);
        let space = members("allowed", &space, None);
        let denied = members("denied", &denied, None);
        let text = format!(
            "roles: {{ a: {{ {mine} }}, b: {{}} }}\nworkspaces: {{ w: {{ {space}, {denied} }} }}"
        );
        let policy = policy(&text);
        let bounds =
            Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
        let registry = Registry::read(TOOLS, bounds).unwrap();
        let scope = registry.scope(if spelled { "spelled" } else { "open" }).unwrap();
        let caller = Caller::for_test("alice", &roles, Some("w"));
        let shown = policy.active().allows_in(&caller, &scope, kind, name);
        let target = registry.resolve(caller, &scope, call(kind, name), |_| Some(0));
        // A name that cannot be found is in no list.
        if let Ok(target) = target {
            prop_assert_eq!(policy.authorize(target, MOMENT).1.is_ok(), shown, "{}", text);
        }
    }
}
