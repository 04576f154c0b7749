//! What is on record, read as questions.

use serde_json::{Map, Value, json};

use super::super::past::{self, Was};
use super::super::replay;

fn line(more: &Value) -> String {
    let mut line = json!({
        "kind": "decision", "decision": "allow", "time": "2026-11-25T08:30:00.000000Z",
        "user_id": "ada", "roles": "[\"finance\"]", "scope": "payments", "backend": "pay",
        "tool": "payments.refund", "method": "tools/call", "arguments": "{\"amount\":50}",
        "arguments_digest": "00", "rule_path": "rules[0]", "call_id": "c-1",
    });
    let members = line.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap_or(&Map::new()) {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    line.to_string()
}

#[test]
fn a_decision_is_read_with_all_that_decided_it() {
    let past = past::read(&line(&json!({}))).unwrap();
    assert_eq!(past.was, Was::Allowed);
    assert_eq!(past.asked.roles, ["finance"]);
    assert_eq!(past.arguments, Some(json!({"amount": 50})));
    assert!(!past.roles_unknown && past.asked.past);
    assert_eq!(past.asked.at.to_rfc3339(), "2026-11-25T08:30:00+00:00");
}

#[test]
fn what_was_decided_is_told_by_the_reason() {
    for (reason, was) in [
        ("tool_not_allowed", Was::Denied),
        ("denied_by_policy", Was::Denied),
        ("condition_failed", Was::Denied),
        ("invalid_agent_id", Was::Denied),
        ("approval_unavailable", Was::Approval),
        ("rate_limited", Was::Allowed),
        ("invalid_arguments", Was::Allowed),
    ] {
        let past = past::read(&line(&json!({"reason": reason}))).unwrap();
        assert_eq!(past.was, was, "{reason}");
    }
    assert!(past::read(&line(&json!({"rule_path": null}))).is_none(), "no policy was asked");
    assert!(past::read(&line(&json!({"kind": "outcome"}))).is_none());
    assert!(past::read("nonsense").is_none());
}

#[test]
fn what_is_hidden_or_cut_is_not_taken_for_whole() {
    for arguments in [
        r#"{"amount":"[redacted]"}"#,
        r#"{"a":["***REDACTED***"]}"#,
        r#"{"text":"long…"}"#,
        r#"{"amount":5…"#,
    ] {
        let past = past::read(&line(&json!({"arguments": arguments}))).unwrap();
        assert_eq!(past.arguments, None, "{arguments}");
    }
    let kept = past::read(&line(&json!({"arguments": null}))).unwrap();
    assert_eq!(kept.arguments, None, "only a digest was kept");
    let none = past::read(&line(&json!({"arguments": null, "arguments_digest": null}))).unwrap();
    assert_eq!(none.arguments, Some(json!({})), "there were none");
}

#[test]
fn callers_whose_roles_nobody_wrote_down_are_not_guessed() {
    let unknown = |more: Value| past::read(&line(&more)).unwrap().roles_unknown;
    assert!(unknown(json!({"roles": null})));
    assert!(!unknown(json!({"roles": null, "rule_path": "roles", "reason": "tool_not_allowed"})));
}

#[test]
fn a_completion_of_what_may_be_either_is_decided_only_where_both_are_alike() {
    let row = line(&json!({
        "tool": "a:b", "method": "completion/complete", "arguments": null, "arguments_digest": null,
        "backend": null,
    }));
    let past = past::read(&row).unwrap();
    assert_eq!(past.arguments, None, "none are kept of completions");
    let anew = |policy: &str| {
        let registry = super::registry();
        let decided = replay::anew(&past, &super::policy(policy), registry.snapshot());
        decided.map(|(was, _)| was)
    };
    let both = "roles: { finance: { allowed_prompts: ['*'], allowed_resources: ['*'] } }";
    assert_eq!(anew(both), Some(Was::Allowed));
    assert_eq!(anew("roles: { finance: { allowed_prompts: ['*'] } }"), None);
    assert_eq!(anew("roles: { other: {} }"), Some(Was::Denied));
}

#[test]
fn a_call_whose_backend_nobody_wrote_down_is_not_guessed() {
    let row = |backend: Value| line(&json!({"tool": "open", "scope": "gone", "backend": backend}));
    let policy = "roles: { finance: { allowed_tools: ['*'] } }\n\
                  rules: [{ tool: open, server: pay, action: deny }, { tool: '*', action: allow }]";
    let anew = |row: &str, policy: &str| {
        let registry = super::registry();
        let past = past::read(row).unwrap();
        replay::anew(&past, &super::policy(policy), registry.snapshot()).map(|(was, _)| was)
    };
    assert_eq!(anew(&row(Value::Null), policy), None);
    assert_eq!(anew(&row("pay".into()), policy), Some(Was::Denied));
    assert_eq!(anew(&row("wiki".into()), policy), Some(Was::Allowed));
    let of_nobody = policy.replace("finance", "nobody");
    assert_eq!(anew(&row(Value::Null), &of_nobody), Some(Was::Denied), "by the roles alone");
    let without = policy.replace("server: pay, ", "");
    assert_eq!(anew(&row(Value::Null), &without), Some(Was::Denied), "nobody asks");
}
