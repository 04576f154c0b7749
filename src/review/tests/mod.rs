//! Cases, invariants, findings, and the past decided anew.

mod docs;
mod past;

use std::time::Duration;

use chrono::DateTime;

use super::{Asked, cases, invariants, junit};
use crate::policy::{Active, Beside, Reach, World};
use crate::registry::{Bounds, Registry};

const TOOLS: &str = r#"
backends: { pay: { url: "http://pay/" }, wiki: { url: "http://wiki/" } }
scopes: { payments: {}, wiki: {} }
tools:
  - { name: payments.refund, scope: payments, backend: pay }
  - { name: payments.list, scope: payments, backend: pay }
  - { name: search, scope: wiki, backend: wiki }
"#;

const POLICY: &str = r"
roles:
  admin: { allowed_tools: ['*'] }
  finance: { allowed_tools: ['payments.*', search] }
  reader: { allowed_tools: [search] }
workspaces:
  frozen: { denied_tools: [payments.refund] }
rules:
  - { tool: payments.refund, when: 'args.amount <= 100', action: allow }
  - { tool: payments.refund, action: approval }
  - { tool: '*', action: allow }
";

fn policy(text: &str) -> Active {
    Active::read(text, Beside::default()).unwrap()
}

fn registry() -> Registry {
    let bounds =
        Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
    Registry::read(TOOLS, bounds).unwrap()
}

fn ran(text: &str) -> Result<cases::Ran, String> {
    cases::run(text, &policy(POLICY), registry().snapshot(), DateTime::UNIX_EPOCH)
}

const CASES: &str = r"
cases:
  - name: small refunds go on
    caller: { user: ada, roles: [finance] }
    tool: payments.refund
    args: { amount: 50 }
    expect: allow
    rule: rules[0]
  - name: large ones wait
    caller: { roles: [finance] }
    scope: payments
    tool: payments.refund
    args: { amount: 500 }
    expect: approvalRequired
    visible: true
  - name: readers do not see them
    caller: { roles: [reader] }
    tool: payments.refund
    expect: deny
    visible: false
  - name: nor does anybody in a frozen workspace
    caller: { roles: [admin], tenant: frozen }
    tool: payments.refund
    expect: deny
    rule: workspaces.frozen.denied_tools[0]
";

#[test]
fn cases_that_hold_pass_and_tell_which_rules_they_met() {
    let ran = ran(CASES).unwrap();
    let failures: Vec<_> = ran.outcomes.iter().filter_map(|it| it.failure.as_ref()).collect();
    assert_eq!((ran.outcomes.len(), failures), (4, Vec::<&String>::new()));
    for rule in ["rules[0]", "rules[1]", "workspaces.frozen.denied_tools[0]"] {
        assert!(ran.met.contains(rule), "{rule}");
    }
    let unmet: Vec<String> = policy(POLICY)
        .rule_paths()
        .iter()
        .map(ToString::to_string)
        .filter(|path| !ran.met.contains(path))
        .collect();
    assert_eq!(
        unmet,
        [
            "roles.admin.allowed_tools[0]",
            "roles.finance.allowed_tools[1]",
            "roles.reader.allowed_tools[0]",
            "rules[2]"
        ]
    );
}

#[test]
fn cases_that_do_not_hold_fail_and_say_how() {
    let ran = ran(&CASES.replace("amount: 50 ", "amount: 5000 ")).unwrap();
    let failure = ran.outcomes[0].failure.as_ref().unwrap();
    assert!(failure.contains("expected allow, got NEEDS APPROVAL by rules[1]"), "{failure}");
    assert!(failure.contains("expected rules[0] to decide, but rules[1] does"), "{failure}");
    assert_eq!(ran.failed(), 1);
    let hidden = super::tests::ran(&CASES.replace("visible: true", "visible: false")).unwrap();
    assert_eq!(hidden.failed(), 1);
}

#[test]
fn files_of_cases_are_read_strictly() {
    for (text, complaint) in [
        ("cases: [{ name: a, tool: t, expect: maybe }]", "maybe"),
        ("cases: [{ name: a, tool: t, expects: deny }]", "expects"),
        ("case: []", "case"),
        ("cases: [{ tool: t, expect: deny }]", "name"),
    ] {
        let fault = ran(text).unwrap_err();
        assert!(fault.contains(complaint), "{text}: {fault}");
    }
    let ran = ran("cases: [{ name: a, expect: deny }]").unwrap();
    assert!(ran.outcomes[0].failure.as_ref().unwrap().contains("needs one of"));
}

#[test]
fn results_are_junit_whatever_the_names_hold() {
    let mut ran = ran(CASES).unwrap();
    ran.outcomes[0].name = "a \"b\" <c> & \u{1}d".to_owned();
    ran.outcomes[1].failure = Some("first <line>\nsecond".to_owned());
    insta::assert_snapshot!(junit::written(&[("cases.yaml".to_owned(), ran)]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="cases.yaml" tests="4" failures="1">
        <testcase classname="policy" name="a &quot;b&quot; &lt;c&gt; &amp; d"/>
        <testcase classname="policy" name="large ones wait">
          <failure message="first &lt;line&gt;">first &lt;line&gt;&#10;second</failure>
        </testcase>
        <testcase classname="policy" name="readers do not see them"/>
        <testcase classname="policy" name="nor does anybody in a frozen workspace"/>
      </testsuite>
    </testsuites>
    "#);
}

fn proven(invariant: &str) -> Result<Vec<invariants::Checked>, String> {
    let text = format!("invariants: [{invariant}]");
    invariants::check(&text, &policy(POLICY), registry().snapshot())
}

#[test]
fn invariants_hold_or_name_who_breaks_them() {
    let holds = |invariant: &str| proven(invariant).unwrap().remove(0);
    let kept =
        holds("{ name: a, except_roles: [admin, finance], tools: ['payments.*'], may: never }");
    assert_eq!(kept.against, Vec::<String>::new());
    assert!(kept.looked_at > 4);
    let broken = holds("{ name: b, except_roles: [admin], tools: ['payments.*'], may: never }");
    assert!(broken.against[0].contains("[finance]"), "{:?}", broken.against);
    assert!(broken.against[0].contains("payments/payments.refund: sometimes"));
    let unapproved =
        holds("{ name: c, roles: [finance], tools: [payments.refund], may: never_unapproved }");
    assert!(!unapproved.against.is_empty());
    let always =
        holds("{ name: d, roles: [reader, finance, admin], tools: [search], may: always }");
    assert_eq!(always.against, Vec::<String>::new());
    let refunds = holds("{ name: e, roles: [admin], tools: [payments.list], may: always }");
    assert_eq!(refunds.against, Vec::<String>::new());
    assert!(proven("{ name: f, tools: ['nothing.*'], may: never }").is_err(), "about nothing");
    assert!(proven("{ name: g, tools: ['['], may: never }").is_err());
    assert!(proven("{ name: h, tools: ['*'], may: sometimes }").is_err());
}

fn broken(policy_text: &str, tools: &str, invariant: &str) -> Result<Vec<String>, String> {
    let bounds =
        Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
    let registry = Registry::read(tools, bounds).unwrap();
    let text = format!("invariants: [{invariant}]");
    let checked = invariants::check(&text, &policy(policy_text), registry.snapshot());
    checked.map(|mut checked| checked.remove(0).against)
}

#[test]
fn invariants_try_roles_that_only_tools_ask_for_and_as_many_as_they_ask_for() {
    let never = "{ name: a, tools: [pay_x], except_roles: [admin], may: never }";
    let tools = r#"
backends: { pay: { url: "http://pay/" } }
scopes: { s: {} }
tools: [{ name: pay_x, scope: s, backend: pay, required_roles: [admin, clerk] }]
"#;
    let by_policy = "roles: { staff: { allowed_tools: ['*'] } }\ntools: { pay_x: { required_roles: [admin, payer] } }";
    let open = tools.replace(", required_roles: [admin, clerk]", "");
    assert!(broken(by_policy, &open, never).unwrap()[0].contains("payer"));
    let by_registry = "roles: { staff: { allowed_tools: ['*'] } }";
    assert!(broken(by_registry, tools, never).unwrap()[0].contains("clerk"));
    let three = broken(by_policy, tools, never).unwrap();
    assert!(three[0].contains("[staff, payer, clerk]"), "{three:?}");
    let without = never.replace("[admin]", "[admin, clerk]");
    assert_eq!(broken(by_policy, tools, &without).unwrap(), Vec::<String>::new());
}

#[test]
fn invariants_try_names_that_nothing_declares() {
    let tools = |namespace: &str| {
        format!(
            "backends: {{ bank: {{ url: \"http://pay/\" }} }}\n\
             scopes: {{ s: {{ backends: [bank]{namespace} }} }}\n"
        )
    };
    let never = "{ name: a, tools: ['pay_*'], except_roles: [admin], may: never }";
    let granted = |tool: &str| {
        format!("roles: {{ admin: {{ allowed_tools: ['*'] }}, r: {{ allowed_tools: [{tool}] }} }}")
    };
    for tool in ["'pay_*'", "'*_wire'", "'p?y_x*'", "pay_wire", "'*'"] {
        let against = broken(&granted(tool), &tools(""), never).unwrap();
        assert!(against.iter().any(|it| it.contains("[r]")), "{tool}: {against:?}");
    }
    let kept = format!(
        "{}\nrules_default: allow\nrules: [{{ tool: 'pay_*', action: deny }}]",
        granted("'*'")
    );
    assert_eq!(broken(&kept, &tools(""), never).unwrap(), Vec::<String>::new());
    let gap = format!(
        "{}\nrules_default: allow\nrules: [{{ tool: 'pay_?', action: deny }}]",
        granted("'*'")
    );
    assert!(!broken(&gap, &tools(""), never).unwrap().is_empty(), "pay_xx is left");
    // Under the backend's name before it, the same.
    let namespaced = tools(", namespace: connection");
    for tool in ["'bank__pay_*'", "'*wire'", "bank__pay_wire"] {
        let against = broken(&granted(tool), &namespaced, never).unwrap();
        assert!(
            against.iter().any(|it| it.contains("[r] reach s/bank__pay_")),
            "{tool}: {against:?}"
        );
    }
    assert_eq!(broken(&kept, &namespaced, never).unwrap(), Vec::<String>::new());
    assert_eq!(broken(&granted("'pay_*'"), &namespaced, never).unwrap(), Vec::<String>::new());
    let unclear = broken(&granted("'*a???????????????'"), &tools(""), never).unwrap_err();
    assert!(unclear.contains("cannot be proven"), "{unclear}");
}

/// Every combination, asked call by call, against what the invariant says.
#[test]
fn invariants_are_what_calls_show() {
    let (active, registry) = (policy(POLICY), registry());
    for roles in [&["reader"][..], &["finance"], &["admin"], &["reader", "finance"], &[]] {
        for tenant in [None, Some("frozen")] {
            for tool in ["payments.refund", "payments.list", "search"] {
                let mut words = Vec::new();
                for amount in [50, 500] {
                    let asked = super::Asked {
                        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                        tenant: tenant.map(str::to_owned),
                        name: tool.to_owned(),
                        arguments: Some(serde_json::json!({"amount": amount})),
                        ..super::Asked::default()
                    };
                    words.push(asked.explain(registry.snapshot(), &active).unwrap().decision);
                }
                let held: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
                let snapshot = registry.snapshot();
                let found = snapshot.scopes().find_map(|scope| scope.tool(tool)).unwrap();
                let who = crate::policy::Who { roles: &held, tenant, ..Default::default() };
                let reach = active.reach(who, crate::policy::What::of_tool(found));
                match reach {
                    Reach::Never => assert_eq!(words, ["deny", "deny"], "{roles:?} {tool}"),
                    Reach::Approval => assert!(!words.contains(&"allow"), "{roles:?} {tool}"),
                    Reach::Sometimes => {
                        assert_eq!(words, ["allow", "approval"], "{roles:?} {tool}");
                    }
                    Reach::Always => assert_eq!(words, ["allow", "allow"], "{roles:?} {tool}"),
                }
            }
        }
    }
}

#[test]
fn a_check_finds_what_is_odd() {
    let active = policy(
        r"
roles:
  dev: { allowed_tools: [search, serch, 'pay_*'] }
  idle: {}
tools: { search: { required_roles: [ghost] } }
agents:
  a:
    allow: { servers: [pay, web], tools: { pay: [drop_old] } }
    deny: { tools: { pay: ['drop_*'] } }
rules:
  - { tool: search, action: allow }
  - { tool: search, when: { a: 1 }, action: deny }
  - { tool: 'x*', server: nowhere, action: deny }
  - { tool: '*', action: allow }
  - { tool: payments.list, action: deny }
  - { resource: 'wiki:*', action: deny }
  - { resource: 'wiki:page/1', action: allow }
",
    );
    let registry = registry();
    let found: Vec<String> = active
        .findings(&World::of(registry.snapshot()))
        .into_iter()
        .map(|it| format!("{}: {}: {}", it.weight.word(), it.path, it.message))
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    warning: tool serch: is named here, but the registry does not have it
    warning: agent a allow.servers: references undefined server web
    warning: rules[2].server: references undefined server nowhere
    warning: roles.dev.allowed_tools[2]: `pay_*` fits no tool of the registry
    warning: rules[2]: `x*` fits no tool of the registry
    warning: agents.a.allow.tools.pay[0]: `drop_old` is no tool of pay that the registry has
    warning: agents.a.deny.tools.pay[0]: `drop_*` fits no tool of pay that the registry has
    warning: agents.a.allow.tools.pay[0]: allows what agents.a.deny.tools.pay[0] denies by a wildcard; with `precedence: deny_first` it would be denied
    warning: rules[1]: never decides: rules[0] comes first, fits as much and has no condition
    warning: rules[4]: never decides: rules[3] comes first, fits as much and has no condition
    warning: rules[6]: never decides: rules[5] comes first, fits as much and has no condition
    warning: tools.search.required_roles: `roles` does not have `ghost`
    note: roles.idle: allows nothing
    note: tool payments.list: no role and no workspace allows it
    note: tool payments.refund: no role and no workspace allows it
    "#);
}

/// Everything that a condition can name can be said in a case.
#[test]
fn cases_say_whatever_conditions_can_ask_for() {
    let active = policy(
        r#"
roles: { dev: { allowed_tools: ['*'], allowed_prompts: ['*'] } }
operation_classes: { search: read }
rules:
  - tool: search
    action: allow
    when: >-
      caller.id == "ada" && caller.issuer == "idp" && "dev" in caller.roles && "g" in caller.groups
      && caller.email == "ada@x" && tenant == "w" && agent == "a" && scope == "wiki"
      && tool.name == "search" && tool.inner == "search" && tool.kind == "tool"
      && tool.server == "wiki" && tool.operation == "read" && tool.method == "tools/call"
      && time.hour == 8 && client.name == "c" && client.version == "2" && session.id == "s"
      && args.q == "x"
  - { prompt: '*', when: 'tool.method == "completion/complete"', action: allow }
"#,
    );
    let text = r#"
cases:
  - name: all of it
    caller: { user: ada, issuer: idp, roles: [dev], groups: [g], email: ada@x, tenant: w, agents: [a] }
    scope: wiki
    tool: search
    method: tools/call
    client: { name: c, version: "2" }
    session: s
    at: "2026-11-25T08:30:00Z"
    args: { q: x }
    expect: allow
    rule: rules[0]
  - { name: nothing, caller: { roles: [dev] }, tool: search, args: { q: x }, expect: deny }
  - { name: a completion, caller: { roles: [dev] }, prompt: p, method: completion/complete, expect: allow }
  - { name: no completion, caller: { roles: [dev] }, prompt: p, expect: deny }
  - { name: no method, caller: { roles: [dev] }, tool: search, method: tools/list, expect: deny }
"#;
    let registry = registry();
    let ran = cases::run(text, &active, registry.snapshot(), DateTime::UNIX_EPOCH).unwrap();
    let failures: Vec<_> = ran.outcomes.iter().filter_map(|it| it.failure.as_deref()).collect();
    assert_eq!(failures, ["a tool is asked for with tools/call"]);
}

/// What the registry keeps from everybody is denied, whatever the policy says; the
/// walk answers as if it did not exist.
#[test]
fn explanations_say_what_the_registry_keeps_from_everybody() {
    let bounds =
        Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
    let registry = Registry::read(
        r#"
backends: { pay: { url: "http://pay/" }, wiki: { url: "http://wiki/" } }
scopes: { payments: {}, all: { backends: [pay, wiki], namespace: connection } }
tools:
  - { name: wipe, scope: payments, backend: pay, is_active: false, required_roles: [boss] }
  - { name: list, scope: payments, backend: pay }
  - { name: drop, scope: all, backend: pay, is_active: false }
  - { name: pay__get, scope: all, backend: pay }
"#,
        bounds,
    )
    .unwrap();
    let active = policy(
        r"
roles: { admin: { allowed_tools: ['*'] } }
rules: [{ tool: '*', server: pay, action: allow }]
",
    );
    let told = |scope: Option<&str>, name: &str| {
        let asked = Asked {
            roles: vec!["admin".to_owned()],
            scope: scope.map(str::to_owned),
            name: name.to_owned(),
            arguments: Some(serde_json::json!({})),
            ..Asked::default()
        };
        asked.explain(registry.snapshot(), &active).unwrap()
    };
    for (scope, name) in [(None, "wipe"), (Some("payments"), "wipe"), (Some("all"), "drop")] {
        let found = told(scope, name);
        assert_eq!(
            (found.decision, found.layer, &*found.rule),
            ("deny", "registry", "registry.is_active")
        );
        assert!(!found.visible);
        let words = found.in_words();
        assert!(
            words.starts_with("DENIED by registry.is_active: tools.yaml has this tool"),
            "{words}"
        );
        // By the server of the entry, and the roles it asks for.
        let says: Vec<_> = found.steps.iter().map(|step| (step.says, &*step.rule)).collect();
        let roles = if name == "wipe" {
            ("deny", "registry.required_roles")
        } else {
            ("allow", "roles.admin.allowed_tools[0]")
        };
        assert_eq!(says, [roles, ("allow", "rules[0]")]);
    }
    for scope in [Some("all"), None] {
        let respelled = told(scope, "pay__drop");
        assert_eq!((respelled.decision, &*respelled.rule), ("deny", "registry"));
    }
    for (scope, name) in [
        (Some("payments"), "list"),
        (None, "list"),
        (Some("all"), "pay__get"),
        (Some("all"), "wiki__x"),
    ] {
        let found = told(scope, name);
        assert_eq!(
            (found.note, &*found.steps[0].rule),
            (None, "roles.admin.allowed_tools[0]"),
            "{name}"
        );
    }
    for (scope, name, note) in [
        (Some("payments"), "gone", "the scope has no such tool"),
        (None, "gone", "no scope has such a tool"),
    ] {
        let found = told(scope, name);
        assert!(found.note.as_ref().unwrap().starts_with(note), "{name}");
        assert!(found.in_words().contains("nothing to call"));
    }
}

/// What one scope keeps from everybody, another one may offer.
#[test]
fn an_inactive_tool_that_an_open_scope_may_offer_is_of_several_scopes() {
    let bounds =
        Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
    let registry = Registry::read(
        r#"
backends: { pay: { url: "http://pay/" } }
scopes: { payments: {}, all: { backends: [pay] } }
tools: [{ name: wipe, scope: payments, backend: pay, is_active: false }]
"#,
        bounds,
    )
    .unwrap();
    let active = policy("roles: { admin: { allowed_tools: ['*'] } }");
    let ask = |scope: Option<&str>| {
        let asked = Asked {
            roles: vec!["admin".to_owned()],
            scope: scope.map(str::to_owned),
            name: "wipe".to_owned(),
            ..Asked::default()
        };
        asked.explain(registry.snapshot(), &active).map(|found| found.decision)
    };
    assert_eq!(ask(None).unwrap_err().to_string(), "several scopes have `wipe`: say which");
    assert_eq!(ask(Some("payments")).unwrap(), "deny");
    assert_eq!(ask(Some("all")).unwrap(), "allow");
}

/// A profile names tools as their server does.
#[test]
fn names_and_patterns_of_agent_profiles_are_held_against_their_servers() {
    let active = policy(
        r"
agents:
  a:
    allow:
      servers: ['*']
      tools:
        pay: [payments.list, search, 'payments.*', 'pages_*']
        git: [log, 'l*', gc]
        open: [anything, 'any*']
        gone: [x]
    deny:
      tools: { '*': [nowhere, search] }
      prompts: { pay: [never_seen] }
",
    );
    let odd = |tools: &str| {
        let bounds =
            Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_secs(9) };
        let registry = Registry::read(tools, bounds).unwrap();
        let found = active.findings(&World::of(registry.snapshot())).into_iter();
        let odd = found.filter(|it| it.path.starts_with("agents."));
        odd.map(|it| format!("{}: {}", it.path, it.message)).collect::<Vec<_>>().join("\n")
    };
    let declared = TOOLS.replace("wiki: { url", "git: { url: 'http://git/' }, wiki: { url");
    let declared = format!("{declared}  - {{ name: log, scope: wiki, backend: git }}\n");
    insta::assert_snapshot!(odd(&declared), @r"
    agents.a.allow.tools.git[2]: `gc` is no tool of git that the registry has
    agents.a.allow.tools.pay[1]: `search` is no tool of pay that the registry has
    agents.a.allow.tools.pay[3]: `pages_*` fits no tool of pay that the registry has
    agents.a.deny.tools.*[0]: `nowhere` is no tool of any server that the registry has
    ");
    let open = declared.replace("wiki: {} }", "wiki: {}, all: { backends: [open, git] } }");
    let open = open.replace("git: { url", "open: { url: 'http://open/' }, git: { url");
    insta::assert_snapshot!(odd(&open), @r"
    agents.a.allow.tools.pay[1]: `search` is no tool of pay that the registry has
    agents.a.allow.tools.pay[3]: `pages_*` fits no tool of pay that the registry has
    ");
}

#[test]
fn the_shipped_policy_has_nothing_odd() {
    let bounds =
        Bounds { default_timeout: Duration::from_secs(1), max_timeout: Duration::from_mins(15) };
    let registry = Registry::read(include_str!("../../../config/tools.yaml"), bounds).unwrap();
    let active = policy(include_str!("../../../config/policy.yaml"));
    let found = active.findings(&World::of(registry.snapshot()));
    let odd: Vec<_> =
        found.iter().filter(|it| it.weight == crate::policy::Weight::Warning).collect();
    assert!(odd.is_empty(), "{odd:?}");
}
