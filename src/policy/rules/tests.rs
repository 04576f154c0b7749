//! Actions by tool and arguments: the vectors V-45 to V-52, conditions, and
//! what is refused when rules are read.

mod shadowed;

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::decide::{Decision, Denial};
use super::super::file::{Beside, read};
use super::super::question::{How, Question, What, Who};
use super::super::{Active, Verdict};
use super::Failure;
use crate::registry::SubjectKind;

/// The example of A-41, with a role that reaches everything.
const EXAMPLE: &str = r"
roles: { agent: { allowed_tools: ['*'], allowed_prompts: ['*'], allowed_resources: ['*'] } }
defaultAction: deny
operationClasses:
  list_recent_charges: read
  create_refund: write
rules:
  - tool: create_refund
    when: { dry_run: true }
    action: allow
  - tool: create_refund
    action: approvalRequired
  - tool: list_recent_charges
    action: allow
  - tool: send_message
    action: redact
    redactFields: [message]
";

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-25T08:30:00Z").unwrap().to_utc()
}

fn decide(active: &Active, kind: SubjectKind, name: &str, arguments: &Value) -> Decision {
    decide_as(active, &["agent"], (kind, name, name), arguments)
}

fn decide_as(
    active: &Active,
    roles: &[&str],
    (kind, name, inner): (SubjectKind, &str, &str),
    arguments: &Value,
) -> Decision {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let who = Who { user_id: "alice", roles: &roles, tenant: Some("acme"), ..Who::default() };
    let server = Some("payments");
    let what = What { kind, name, inner, server, scope: "pay", registry_roles: &[] };
    let method = "tools/call";
    let client = Some(("cli", "1.2"));
    let call = How { method, arguments, now: now(), client, session: Some(&"s-1"), past: false };
    active.decide(&Question { who, what, call: Some(call) })
}

fn tool(policy: &str, name: &str, arguments: &Value) -> Decision {
    let active = Active::read(policy, Beside::default()).unwrap();
    decide(&active, SubjectKind::Tool, name, arguments)
}

/// What becomes of a tool `t` under these rules.
fn ruled(rules: &str, arguments: &Value) -> (&'static str, String) {
    let policy = format!(
        "roles: {{ agent: {{ allowed_tools: ['*'], allowed_prompts: ['*'], allowed_resources: ['*'] }} }}\n{rules}"
    );
    let decision = tool(&policy, "t", arguments);
    (decision.verdict.word(), decision.rule.to_string())
}

/// Whether a condition holds; `None` when it comes to nothing.
fn holds(condition: &str, arguments: &Value) -> Option<bool> {
    let rules = format!(
        "rules_default: deny\nrules: [{{ tool: t, action: allow, when: {} }}]",
        serde_json::to_string(condition).unwrap()
    );
    let policy = format!("roles: {{ agent: {{ allowed_tools: ['*'] }} }}\n{rules}");
    match tool(&policy, "t", arguments).verdict {
        Verdict::Allow(_) => Some(true),
        Verdict::Deny(Denial::Denied) => Some(false),
        Verdict::Deny(Denial::Condition(_)) => None,
        other @ (Verdict::Approval | Verdict::Deny(_)) => panic!("{other:?}"),
    }
}

#[test]
fn v45_a_dry_run_is_allowed() {
    let decision = tool(EXAMPLE, "create_refund", &json!({"dry_run": true}));
    assert_eq!((decision.verdict.word(), &*decision.rule), ("allow", "rules[0]"));
}

#[test]
fn v46_a_refund_needs_approval() {
    for arguments in [json!({"dry_run": false}), json!({}), json!({"dry_run": "true"})] {
        let decision = tool(EXAMPLE, "create_refund", &arguments);
        assert_eq!((decision.verdict.word(), &*decision.rule), ("approval", "rules[1]"));
    }
}

#[test]
fn v47_a_rule_that_allows() {
    let decision = tool(EXAMPLE, "list_recent_charges", &json!({}));
    assert_eq!((decision.verdict.word(), &*decision.rule), ("allow", "rules[2]"));
}

#[test]
fn v48_what_no_rule_fits_is_denied() {
    let decision = tool(EXAMPLE, "delete_customer", &json!({}));
    assert_eq!(decision.verdict, Verdict::Deny(Denial::Denied));
    assert_eq!(&*decision.rule, "rules_default");
}

#[test]
fn v49_fields_are_redacted() {
    let text = r#"{"message":"123-45-6789","to":"x"}"#;
    let decision = tool(EXAMPLE, "send_message", &serde_json::from_str(text).unwrap());
    let Verdict::Allow(Some(redaction)) = decision.verdict else { panic!("{decision:?}") };
    assert_eq!(redaction.sent, redaction.kept);
    let paths = redaction.sent.as_ref().unwrap();
    let shown = crate::protocol::mask::masked(text.as_bytes(), paths).unwrap().unwrap();
    assert_eq!(shown, r#"{"message":"***REDACTED***","to":"x"}"#);
}

#[test]
fn v50_what_is_absent_changes_nothing() {
    let decision = tool(EXAMPLE, "send_message", &json!({"to": "x"}));
    let Verdict::Allow(Some(redaction)) = decision.verdict else { panic!("{decision:?}") };
    let paths = redaction.kept.as_ref().unwrap();
    for text in [r#"{"to":"x"}"#, r#"["message"]"#, r#""message""#, "null"] {
        assert_eq!(crate::protocol::mask::masked(text.as_bytes(), paths).unwrap(), None, "{text}");
    }
}

#[test]
fn v51_what_cannot_be_meant_is_a_load_error() {
    for (text, complaint) in [
        ("defaultAction: approvalRequired", "neither allow nor deny"),
        ("rules: [{ tool: t, action: allow, wen: {} }]", "unknown field `wen`"),
        ("rules: [{ tool: '', action: allow }]", "rules[0].tool: empty"),
        ("rules: [{ tool: t, action: maybe }]", "`maybe` is none of"),
        (
            "operationClasses: { t: delete }\nrules: []\ndefaultAction: deny",
            "neither read nor write",
        ),
        ("rules: [{ action: deny }]", "needs one of"),
        ("rules: [{ tool: t, prompt: t, action: deny }]", "needs one of"),
        ("rules: [{ tool: t }]", "missing field `action`"),
        ("rules: [{ tool: t, action: redact }]", "redact needs"),
        ("rules: [{ tool: t, action: allow, redactFields: [x] }]", "only with `action: redact`"),
        ("rules: [{ tool: t, action: deny, redact_result: [$.x] }]", "redact_result"),
        ("rules: [{ tool: t, action: redact, redact_fields: ['$.x['] }]", "redact_fields"),
        ("rules: [{ resource: 'x:a', action: redact, redact_fields: [x] }]", "of a resource"),
        ("rules: [{ resource: 'no-scheme', action: deny }]", "scheme"),
        ("hide_denied: true", "mean nothing"),
    ] {
        let complaints = read(text).err().unwrap_or_default().join("\n");
        assert!(complaints.contains(complaint), "{text}: {complaints}");
    }
}

#[test]
fn v52_the_first_rule_that_fits_decides() {
    let rules = "rules: [{ tool: t, action: allow }, { tool: t, action: deny }]";
    assert_eq!(ruled(rules, &json!({})), ("allow", "rules[0]".to_owned()));
    let rules = "rules: [{ tool: '*', action: deny }, { tool: t, action: allow }]";
    assert_eq!(ruled(rules, &json!({})), ("deny", "rules[0]".to_owned()));
    let rules = "rules: [{ tool: 'x*', action: allow }, { tool: 't?', action: allow }, \
                 { tool: '[t]', action: deny }, { tool: t, action: allow }]";
    assert_eq!(ruled(rules, &json!({})), ("deny", "rules[2]".to_owned()));
}

#[test]
fn the_default_can_be_to_allow() {
    assert_eq!(ruled("defaultAction: allow", &json!({})), ("allow", "rules_default".to_owned()));
    assert_eq!(
        ruled("rules_default: allow\nrules: [{ tool: u, action: deny }]", &json!({})).0,
        "allow"
    );
    assert_eq!(ruled("rules: [{ tool: u, action: deny }]", &json!({})).0, "deny");
    assert_eq!(ruled("", &json!({})).1, "roles.agent.allowed_tools[0]", "no rules, no layer");
}

#[test]
fn rules_never_give_what_the_roles_do_not() {
    let active = Active::read(EXAMPLE, Beside::default()).unwrap();
    let wanted = (SubjectKind::Tool, "list_recent_charges", "list_recent_charges");
    let decision = decide_as(&active, &["stranger"], wanted, &json!({}));
    assert_eq!(decision.verdict, Verdict::Deny(Denial::Hidden));
}

#[test]
fn prompts_and_resources_have_rules_like_tools() {
    let policy = r"
roles: { agent: { allowed_tools: ['*'], allowed_prompts: ['*'], allowed_resources: ['*'] } }
rules:
  - { prompt: 'draft_*', when: { to: boss }, action: deny }
  - { prompt: 'draft_*', action: allow }
  - { resource: 'file:///docs/secret*', action: deny }
  - { resource: 'file:///docs/*', action: allow }
";
    let active = Active::read(policy, Beside::default()).unwrap();
    let word =
        |kind, name, arguments: Value| decide(&active, kind, name, &arguments).verdict.word();
    assert_eq!(word(SubjectKind::Prompt, "draft_mail", json!({"to": "me"})), "allow");
    assert_eq!(word(SubjectKind::Prompt, "draft_mail", json!({"to": "boss"})), "deny");
    assert_eq!(word(SubjectKind::Tool, "draft_mail", json!({})), "deny", "of prompts only");
    assert_eq!(word(SubjectKind::Resource, "file:///docs/a", json!({})), "allow");
    assert_eq!(word(SubjectKind::Resource, "file:///docs/secret", json!({})), "deny");
    assert_eq!(word(SubjectKind::Resource, "file:///docs//secret", json!({})), "deny");
    assert_eq!(word(SubjectKind::Resource, "file:///etc", json!({})), "deny");
}

#[test]
fn a_prefix_does_not_escape_a_rule_nor_a_namesake_lend_one() {
    let policy = r"
roles: { agent: { allowed_tools: ['*'] } }
rules_default: allow
rules:
  - { tool: drop, action: deny }
  - { tool: refund, server: payments, action: allow }
  - { tool: refund, action: approval }
  - { tool: look, action: allow }
  - { tool: '*look', action: deny }
";
    let active = Active::read(policy, Beside::default()).unwrap();
    let word = |name: &str, inner: &str| {
        let decision = decide_as(&active, &["agent"], (SubjectKind::Tool, name, inner), &json!({}));
        (decision.verdict.word(), decision.rule.to_string())
    };
    assert_eq!(word("payments__drop", "drop").0, "deny");
    assert_eq!(word("payments__refund", "refund"), ("allow", "rules[1]".to_owned()));
    assert_eq!(word("payments__look", "look"), ("deny", "rules[4]".to_owned()));
    assert_eq!(word("look", "look"), ("allow", "rules[3]".to_owned()));
}

#[test]
fn what_a_namesakes_rule_hides_is_hidden_but_it_allows_nothing() {
    let policy = r"
roles: { agent: { allowed_tools: ['*'] } }
rules:
  - { tool: send, action: redact, redact_fields: [text] }
  - { tool: send, when: 'args.n > 1', action: redact, redact_fields: [n], redact_audit_only: true }
  - { tool: send, action: allow, redact_result: ['$.x'] }
  - { tool: good__send, action: redact, redact_fields: [more] }
";
    let active = Active::read(policy, Beside::default()).unwrap();
    let at = |name: &str, arguments: Value| {
        decide_as(&active, &["agent"], (SubjectKind::Tool, name, "send"), &arguments)
    };
    let evil = at("evil__send", json!({"n": 2}));
    assert_eq!((evil.verdict.word(), &*evil.rule), ("deny", "rules_default"));
    let good = at("good__send", json!({"n": 2}));
    assert_eq!(&*good.rule, "rules[3]");
    let Verdict::Allow(Some(hidden)) = good.verdict else { panic!("nothing is hidden") };
    let paths = |names: &[&str]| {
        let texts: Vec<String> = names.iter().map(|name| format!("$.{name}")).collect();
        Some(crate::protocol::json_path::JsonPaths::read(&texts).unwrap())
    };
    assert_eq!(hidden.sent, paths(&["text", "more"]));
    assert_eq!(hidden.kept, paths(&["text", "n", "more"]));
    assert_eq!(hidden.result, paths(&["x"]));
    let failed = at("good__send", json!({}));
    assert!(matches!(failed.verdict, Verdict::Deny(Denial::Condition(_))), "{failed:?}");
    let own = at("send", json!({"n": 2}));
    assert_eq!((own.verdict.word(), &*own.rule), ("redact", "rules[0]"));
    let roles = ["agent".to_owned()];
    let who = Who { roles: &roles, ..Who::default() };
    let reach = |name: &str| {
        let (kind, inner, server) = (SubjectKind::Tool, "send", Some("s"));
        active.reach(who, What { kind, name, inner, server, scope: "s", registry_roles: &[] })
    };
    assert_eq!(reach("evil__send"), super::Reach::Never);
    assert_eq!(reach("good__send"), super::Reach::Sometimes);
}

#[test]
fn what_some_rule_hides_is_known_before_any_decides() {
    let policy = r"
roles: { agent: { allowed_tools: ['*'] } }
rules:
  - { tool: send, action: deny }
  - { tool: send, when: { a: 1 }, server: s1, action: redact, redact_fields: [text] }
  - { tool: 's*', server: s2, action: redact, redact_fields: [pin], redact_audit_only: true }
  - { tool: send, action: allow, redact_result: ['$.x'] }
  - { prompt: send, action: redact, redact_fields: [topic] }
";
    let active = Active::read(policy, Beside::default()).unwrap();
    let hidden = |kind, name: &str, server: Option<&str>| {
        active.hidden_arguments(&What { server, ..What::named(kind, name) })
    };
    let paths = |names: &[&str]| {
        let texts: Vec<String> = names.iter().map(|name| format!("$.{name}")).collect();
        Some(crate::protocol::json_path::JsonPaths::read(&texts).unwrap())
    };
    let tool = SubjectKind::Tool;
    assert_eq!(hidden(tool, "send", None), paths(&["text", "pin"]));
    assert_eq!(hidden(tool, "send", Some("s1")), paths(&["text"]));
    assert_eq!(hidden(tool, "nobodys__send", None), paths(&["text", "pin"]));
    assert_eq!(hidden(tool, "seek", Some("s2")), paths(&["pin"]));
    assert_eq!(hidden(tool, "other", None), None);
    assert_eq!(hidden(SubjectKind::Prompt, "send", None), paths(&["topic"]));
}

#[test]
fn numbers_are_compared_by_what_they_are_worth() {
    let rules = "rules_default: allow\nrules: [{ tool: t, action: deny, when: { n: 1, list: [1, { a: 2 }] } }]";
    for arguments in [
        json!({"n": 1, "list": [1, {"a": 2}]}),
        json!({"n": 1.0, "list": [1.0, {"a": 2.0}]}),
        json!({"n": 1, "list": [1, {"a": 2}], "more": true}),
    ] {
        assert_eq!(ruled(rules, &arguments).0, "deny", "{arguments}");
    }
    for arguments in [json!({"n": 1}), json!({"n": "1", "list": [1, {"a": 2}]}), json!([])] {
        assert_eq!(ruled(rules, &arguments).0, "allow", "{arguments}");
    }
}

#[test]
fn a_member_in_another_case_is_not_looked_past() {
    let allow =
        "rules: [{ tool: t, action: allow, when: { dry_run: true } }, { tool: t, action: allow }]";
    let deny = "rules_default: allow\nrules: [{ tool: t, action: deny, when: { force: true, o: { p: 1 } } }]";
    for (rules, arguments) in [
        (allow, json!({"dry_run": true, "Dry_Run": false})),
        (allow, json!({"DRY_RUN": true})),
        (deny, json!({"Force": true, "o": {"p": 1}})),
        (deny, json!({"force": true, "o": {"P": 1}})),
        (deny, json!({"force": true, "\u{212a}": 1, "O": 1})),
    ] {
        let policy = format!("roles: {{ agent: {{ allowed_tools: ['*'] }} }}\n{rules}");
        let decision = tool(&policy, "t", &arguments);
        let expected = Verdict::Deny(Denial::Condition(Failure::Varied));
        assert_eq!((decision.verdict, &*decision.rule), (expected, "rules[0]"), "{arguments}");
    }
    let mut many: serde_json::Map<String, Value> =
        (0..100).map(|number| (format!("n{number}"), Value::Null)).collect();
    many.insert("Force".to_owned(), true.into());
    assert_eq!(ruled(deny, &many.into()).0, "deny");
    assert_eq!(ruled(deny, &json!({"force": false, "x": 1, "X": 2})).0, "allow", "nobody asks");
    for (condition, arguments) in [
        ("args.amount > 100", json!({"amount": 500, "Amount": 5})),
        ("!has(args.force)", json!({"FORCE": true})),
        (r#"!("force" in args)"#, json!({"Force": true})),
        (r#"args["amount"] > 1 || true"#, json!({"AMOUNT": 500})),
        (
            "args.items.all(x, x.price < 10)",
            json!({"items": [{"price": 1, "pri\u{441}e": 2, "Price": 50}]}),
        ),
        ("args.card.pin == 1", json!({"card": {"pin": 1}, "other": {"ta\u{17f}k": 1, "task": 2}})),
    ] {
        assert_eq!(holds(condition, &arguments), None, "{condition}");
    }
    assert_eq!(holds("args.amount > 100", &json!({"amount": 500, "Note": 5})), Some(true));
    assert_eq!(holds("caller.id == 'alice'", &json!({"Id": 5, "ID": 6})), Some(true));
}

#[test]
fn conditions_see_arguments_and_surroundings() {
    for (condition, expected) in [
        (r#"args.amount > 100.0 && !("finance" in caller.roles)"#, Some(true)),
        ("args.amount > 1000", Some(false)),
        ("args.amount == 150", Some(true)),
        ("has(args.note)", Some(false)),
        ("has(args.card.number)", Some(true)),
        (r#"args.card.number.startsWith("42")"#, Some(true)),
        (r#"args.to.matches("^[a-z]+@acme\\.example$")"#, Some(true)),
        (r"args.items.exists(item, item.price > 10)", Some(true)),
        (r"args.items.all(item, item.price > 10)", Some(false)),
        ("size(args.items) == 2", Some(true)),
        (r#""agent" in caller.roles && caller.id == "alice""#, Some(true)),
        (r#"tenant == "acme" && scope == "pay" && agent == """#, Some(true)),
        (r#"tool.name == "t" && tool.server == "payments" && tool.kind == "tool""#, Some(true)),
        (r#"tool.method == "tools/call" && tool.operation == """#, Some(true)),
        ("time.hour >= 8 && time.hour < 18 && time.weekday <= 5", Some(true)),
        (r#"time.date == "2026-11-25" && time.year == 2026 && time.unix > 0"#, Some(true)),
        (r#"client.name == "cli" && client.version == "1.2" && session.id == "s-1""#, Some(true)),
        ("args.huge > 9223372036854775807u", Some(true)),
        ("args.note == 1", None),
        ("args.to > 5", None),
        ("args.amount", None),
        ("1 / (args.amount - 150) == 1", None),
        ("args.items[5].price == 1", None),
        (r"args.note == 1 || args.amount == 150", Some(true)),
    ] {
        let arguments = json!({
            "amount": 150, "to": "bob@acme.example", "card": {"number": "4242"},
            "items": [{"price": 5}, {"price": 20}], "huge": 18_446_744_073_709_551_615_u64,
        });
        assert_eq!(holds(condition, &arguments), expected, "{condition}");
    }
}

#[test]
fn a_condition_that_comes_to_nothing_denies_also_in_a_rule_that_denies() {
    for action in ["allow", "deny", "approval"] {
        let rules = format!(
            "rules: [{{ tool: t, action: {action}, when: 'args.n > 1' }}, {{ tool: t, action: allow }}]"
        );
        let policy = format!("roles: {{ agent: {{ allowed_tools: ['*'] }} }}\n{rules}");
        for arguments in [json!({}), json!({"n": "x"}), json!({"n": null})] {
            let decision = tool(&policy, "t", &arguments);
            let Verdict::Deny(Denial::Condition(Failure::Failed(_))) = decision.verdict else {
                panic!("{action} {arguments}: {decision:?}")
            };
            assert_eq!(&*decision.rule, "rules[0]");
        }
    }
}

#[test]
fn what_is_not_on_record_is_not_guessed_however_it_is_asked_for() {
    let past = |condition: &str| {
        let policy = format!(
            "roles: {{ agent: {{ allowed_tools: ['*'] }} }}\nrules: [{{ tool: t, action: allow, when: {condition:?} }}]"
        );
        let active = Active::read(&policy, Beside::default()).unwrap();
        let roles = ["agent".to_owned()];
        let who = Who { user_id: "alice", roles: &roles, ..Who::default() };
        let arguments = json!({});
        let call = How {
            method: "tools/call",
            arguments: &arguments,
            now: now(),
            client: None,
            session: None,
            past: true,
        };
        let what = What::named(SubjectKind::Tool, "t");
        active.decide(&Question { who, what, call: Some(call) }).verdict
    };
    let unknown = Verdict::Deny(Denial::Condition(Failure::Unreadable));
    for condition in [
        "'x' in caller.groups",
        "size(caller['groups']) == 0",
        "caller['em' + 'ail'] == ''",
        "has(caller.email)",
        "size(caller) == 5",
        "caller.exists(name, name == 'email')",
    ] {
        assert_eq!(past(condition), unknown, "{condition}");
    }
    assert_eq!(past("caller.id == 'alice' && 'agent' in caller.roles"), Verdict::Allow(None));
}

#[test]
fn conditions_are_refused_when_they_are_read() {
    let deep = format!("{}1{} == 1", "(".repeat(600), ")".repeat(600));
    for (condition, complaint) in [
        ("args.amount >", "is no CEL"),
        ("", "is no CEL"),
        ("arg.amount > 1", "`arg` is not known here; there are args, caller"),
        ("caller.rols == []", "`caller` has no `rols`"),
        ("foo(args)", "`foo` is no function"),
        ("args.a.all(x, args.b.all(y, x == y))", "a loop in a loop"),
        ("args.a.exists(x, x.matches('a'))", "`matches` in a loop"),
        ("args.a.matches(args.b)", "as a literal only"),
        ("args.a.matches('(')", "wrong regular expression"),
        ("args.a.x == 1 || y", "`y` is not known"),
        ("args.a.exists(x, args.note.contains(x))", "`contains` with `args` in a loop"),
        ("args.a.exists(x, x in args.list)", "`in` with `args` in a loop"),
        ("args.a.exists(x, args.b == args.c)", "with `args` in a loop"),
        ("args.a.exists(x, args.note + x == 'a')", "`+` with `args` in a loop"),
        ("args.a.exists(x, size(args.note) > 1)", "`size` with `args` in a loop"),
        ("size(args.a.map(x, args.note + x)) > 0", "collects more"),
        ("size(args.a.map(x, args.note)) > 0", "collects more"),
        ("size(args.a.map(x, x + x).map(x, x + x)) > 0", "collects more"),
        ("size(args.a.map(x, [x, x]).map(x, [x, x])) > 0", "collects more"),
        ("size(args.a.map(x, x > 1, string(x))) > 0", "collects more"),
        (r"args.a.matches('(\\w{1,30}){1,30}')", "wrong regular expression"),
        (deep.as_str(), "longer than 1024 bytes"),
    ] {
        let text = serde_json::to_string(condition).unwrap();
        let policy = format!("rules: [{{ tool: t, action: deny, when: {text} }}]");
        let complaints = read(&policy).err().unwrap_or_default().join("\n");
        assert!(complaints.contains(complaint), "{condition}: {complaints}");
        assert!(complaints.contains("rules[0].when: "), "{complaints}");
    }
}

#[test]
fn what_could_cost_too_much_is_denied() {
    let many = json!({"list": vec![1; 5000]});
    assert_eq!(holds("args.list.all(x, x == 1)", &many), None);
    assert_eq!(holds("args.list.all(x, x == 1)", &json!({"list": vec![1; 4000]})), Some(true));
    assert_eq!(holds("caller.id == 'alice'", &many), Some(true), "nobody looks at them");
    let long = json!({"note": "x".repeat(70_000), "list": [1]});
    for condition in [
        "args.list.all(x, x == 1)",
        "args.note.matches('y')",
        "args.note + 'y' == 'y'",
        "string(args.note) == 'y'",
    ] {
        assert_eq!(holds(condition, &long), None, "{condition}");
    }
    assert_eq!(holds("args.note.contains('x')", &long), Some(true));
    // What a loop may do all the same.
    let orders = json!({"most": 5, "items": [{"n": 4, "to": "ab"}, {"n": 5, "to": "cb"}]});
    for condition in [
        "args.items.all(x, x.n <= args.most && x.to.endsWith('b'))",
        "args.items.exists(x, x.to.contains('c') && x.n == args.most)",
        "args.items.map(x, x.n) == [4, 5]",
        "args.items.map(x, x.n > 4, x.n * 2) == [10]",
        "size(args.items.filter(x, x.n - 1 < 4)) == 1",
        "args.items.exists_one(x, x.to in ['ab', 'zz'])",
        "args.items[0].to.matches('^a') && matches(args.items[1].to, 'b$')",
    ] {
        assert_eq!(holds(condition, &orders), Some(true), "{condition}");
    }
}

#[test]
fn a_condition_as_deep_as_may_be_needs_no_larger_stack() {
    // The parser itself goes no deeper than 96.
    let deep = format!("{}true{}", "!(".repeat(40), ")".repeat(40));
    assert_eq!(holds(&deep, &json!({})), Some(true));
    let long = format!("{}1 > 0", "1 + ".repeat(250));
    assert_eq!(holds(&long, &json!({})), Some(true));
}

#[test]
fn lists_show_what_some_call_may_do() {
    let shown = |rules: &str| {
        let policy = format!("roles: {{ agent: {{ allowed_tools: ['*'] }} }}\n{rules}");
        let active = Active::read(&policy, Beside::default()).unwrap();
        let roles = ["agent".to_owned()];
        let (name, inner, server) = ("t", "t", Some("s"));
        let kind = SubjectKind::Tool;
        let what = What { kind, name, inner, server, scope: "s", registry_roles: &[] };
        let who = Who { roles: &roles, ..Who::default() };
        active.decide(&Question { who, what, call: None }).visible()
    };
    let deny = "rules: [{ tool: t, action: deny }]";
    let conditional =
        "rules: [{ tool: t, action: allow, when: { a: 1 } }, { tool: t, action: deny }]";
    let doubly = "rules: [{ tool: t, action: deny, when: { a: 1 } }, { tool: t, action: deny }]";
    for rules in [deny, conditional, doubly, "rules: [{ tool: t, action: approval }]"] {
        assert!(shown(rules), "rules do not hide: {rules}");
    }
    let hiding = |rules: &str| shown(&format!("hide_denied: true\n{rules}"));
    assert!(!hiding(deny));
    assert!(!hiding(doubly));
    assert!(!hiding("rules: [{ tool: u, action: allow }]"));
    assert!(hiding(conditional));
    assert!(hiding("rules: [{ tool: t, action: approval }]"));
    let hidden = ruled(&format!("hide_denied: true\n{deny}"), &json!({}));
    assert_eq!(hidden, ("deny", "rules[0]".to_owned()));
}

#[test]
fn a_call_of_what_lists_hide_tells_no_more_than_they_do() {
    let denial = |rules: &str, arguments: &Value| {
        let policy =
            format!("roles: {{ agent: {{ allowed_tools: ['*'] }} }}\nhide_denied: true\n{rules}");
        let decision = tool(&policy, "t", arguments);
        let Verdict::Deny(denial) = decision.verdict else { panic!("{decision:?}") };
        (denial, decision.rule.to_string())
    };
    let doubly = "rules: [{ tool: t, action: deny, when: { a: 1 } }, { tool: t, action: deny }]";
    let at = |number: usize| format!("rules[{number}]");
    assert_eq!(denial(doubly, &json!({"a": 1})), (Denial::Hidden, at(0)));
    assert_eq!(denial(doubly, &json!({})), (Denial::Hidden, at(1)));
    let failing =
        "rules: [{ tool: t, action: deny, when: 'args.n > 1' }, { tool: t, action: deny }]";
    assert_eq!(denial(failing, &json!({})), (Denial::Hidden, at(0)));
    let open = "rules: [{ tool: t, action: allow, when: { a: 1 } }, { tool: t, action: deny }]";
    assert_eq!(denial(open, &json!({"a": 2})), (Denial::Denied, at(1)), "it is in lists");
}
