//! Which limits bear on a call.

use super::super::file::{Beside, read, read_with};
use super::*;

fn limits(text: &str) -> Arc<Limits> {
    let user = Rate::per_minute(1000, 2000).unwrap();
    let user_tool = Rate::per_minute(100, 200).unwrap();
    let limits = Some(Defaults { user, user_tool });
    read_with(text, Beside { limits, ..Beside::default() }).unwrap().limits
}

const NOBODY: Asked<'_> =
    Asked { roles: &[], tenant: None, agent: None, scope: "main", tool: None };

/// The rules in force, in their order.
fn rules(limits: &Limits, asked: Asked<'_>) -> String {
    let rules: Vec<_> = limits.of(&asked).map(|limit| limit.rule.to_string()).collect();
    rules.join(" ")
}

#[test]
fn without_entries_the_defaults_bear() {
    let limits = limits("");
    let asked = Asked { tool: Some("add"), ..NOBODY };
    assert_eq!(rules(&limits, asked), "quota.user quota.user_tool");
    assert_eq!(rules(&limits, NOBODY), "quota.user", "what is no tool has no limit of one");
    let told: Vec<_> = limits.of(&asked).map(|limit| &*limit.told).collect();
    assert_eq!(told, [r#""user";q=2000;w=120"#, r#""user_tool";q=200;w=120"#]);
    assert!(limits.are_of_callers() && limits.budgets == Budgets::default());
}

#[test]
fn the_most_specific_entry_of_each_per_wins() {
    let limits = limits(
        r"
roles: { batch: {}, dev: {} }
quotas:
  - { per: user, rate: 10/s }
  - { per: user, roles: [batch], rate: 20/s }
  - { per: user, roles: [batch], tenants: [acme], rate: 30/s }
  - { per: user, tools: [wipe], rate: 1/min }
  - { per: user, agents: [bot], rate: 5/s }
  - { per: user, scopes: [main], rate: 6/s }
  - { per: user, roles: [dev], rate: 7/s }
  - { per: global, rate: 1000/s }
  - { per: tenant_tool, tenants: [acme], tools: ['*'], rate: 8/s }
",
    );
    let batch = ["batch".to_owned()];
    let both = ["dev".to_owned(), "batch".to_owned()];
    let asked = |roles, tenant, agent, scope, tool| {
        rules(&limits, Asked { roles, tenant, agent, scope, tool })
    };
    assert_eq!(asked(&[], None, None, "other", None), "quotas[0] quotas[7]");
    assert_eq!(asked(&[], None, None, "main", None), "quotas[5] quotas[7]");
    assert_eq!(asked(&batch, None, None, "main", None), "quotas[1] quotas[7]", "role before scope");
    assert_eq!(asked(&batch, None, Some("bot"), "main", None), "quotas[4] quotas[7]");
    assert_eq!(asked(&both, None, None, "other", None), "quotas[1] quotas[7]", "the file's first");
    assert_eq!(
        asked(&batch, Some("acme"), Some("bot"), "main", Some("wipe")),
        "quotas[2] quota.user_tool quotas[8] quotas[7]",
        "two names before one"
    );
    assert_eq!(
        asked(&batch, None, Some("bot"), "main", Some("wipe")),
        "quotas[3] quota.user_tool quotas[7]"
    );
    assert!(!limits.are_of_callers());
}

#[test]
fn tools_are_named_by_patterns_too_and_a_full_name_wins() {
    let limits = limits(
        r"
roles: { dev: {} }
quotas:
  - { per: user, tools: ['git_*', '?x'], rate: 5/s }
  - { per: user, tools: [git_push, 'a*'], rate: 1/s }
  - { per: user, agents: [bot], rate: 9/s }
  - { per: user, roles: [dev], tools: ['git_*'], rate: 7/s }
  - { per: user_tool, tools: ['{git,hg}_*'], concurrency: 2 }
",
    );
    let dev = ["dev".to_owned()];
    let of = |roles, agent, tool| rules(&limits, Asked { roles, agent, tool, ..NOBODY });
    assert_eq!(of(&[], None, Some("git_pull")), "quotas[0] quota.user_tool quotas[4]");
    assert_eq!(of(&[], None, Some("git_push")), "quotas[1] quota.user_tool quotas[4]");
    assert_eq!(of(&[], None, Some("hg_x")), "quota.user quota.user_tool quotas[4]");
    assert_eq!(of(&[], None, Some("ax")), "quotas[0] quota.user_tool", "the file's first");
    assert_eq!(of(&[], Some("bot"), Some("git_pull")), "quotas[0] quota.user_tool quotas[4]");
    assert_eq!(of(&[], Some("bot"), Some("other")), "quotas[2] quota.user_tool");
    assert_eq!(of(&dev, None, Some("git_push")), "quotas[3] quota.user_tool quotas[4]");
    assert_eq!(of(&[], None, None), "quota.user", "what is no tool fits no pattern");
    let idle = limits.idle_patterns(&["git_push".to_owned(), "ax".to_owned()]);
    assert_eq!(idle, Vec::<(String, String)>::new());
    let idle = limits.idle_patterns(&["git_push".to_owned()]);
    assert_eq!(idle.len(), 2, "{idle:?}");
}

#[test]
fn rate_and_concurrency_are_found_each_by_itself() {
    let limits = limits(
        r"
quotas:
  - { per: user, concurrency: 8 }
  - { per: user, tools: [slow], rate: 5/min, concurrency: 2, weight: { slow: 3 } }
  - { per: user, tools: [free], rate: unlimited, concurrency: unlimited }
",
    );
    let of = |tool| rules(&limits, Asked { tool: Some(tool), ..NOBODY });
    assert_eq!(of("add"), "quota.user quotas[0] quota.user_tool");
    assert_eq!(of("slow"), "quotas[1] quotas[1] quota.user_tool");
    assert_eq!(of("free"), "quotas[2] quotas[2] quota.user_tool");
    let asked = Asked { tool: Some("slow"), ..NOBODY };
    let weights: Vec<_> = limits
        .of(&asked)
        .filter_map(|limit| match &limit.measure {
            Measure::Rate(_, weight) => Some(weight.of(Some("slow"))),
            Measure::Concurrency(_) => None,
        })
        .collect();
    assert_eq!(weights, [3, 1]);
}

#[test]
fn counters_are_known_by_whom_they_are_for_and_go_on_through_edits() {
    let mark = |entry: &str| {
        let text = format!("roles: {{ a: {{}}, b: {{}} }}\nquotas: [{entry}]");
        read(&text).unwrap().limits.all[0].mark.clone()
    };
    let first = mark("{ per: user, roles: [a, b], rate: 5/s }");
    assert_eq!(first, mark("{ per: user, roles: [b, a], rate: 9/min, burst: 2 }"));
    assert_ne!(first, mark("{ per: user, roles: [a], tenants: [b], rate: 5/s }"));
    assert_ne!(first, mark("{ per: user, tools: [a, b], rate: 5/s }"));
    assert_eq!(&*mark("{ per: user, tools: ['*'], rate: 5/s }"), "");
}

#[test]
fn every_complaint_comes_with_its_path() {
    let complaints = read(
        r"
roles: { dev: {} }
quotas:
  - { per: user, rate: 5 }
  - { per: nobody, rate: 5/min }
  - { per: user, rate: 5/min, burst: 2, weight: 3 }
  - { per: user, roles: [devv], rate: 5/min }
  - { per: user, tools: ['git_[', '*', ''], agents: ['b*'], concurrency: 0 }
  - { per: user }
  - { per: user, burst: 5, concurrency: few }
  - { per: tool, rate: unlimited, burst: 1 }
  - { per: tool, scopes: [a], rate: 5/min, concurency: 2 }
  - { per: global, rate: 5/min }
  - { per: global, scopes: ['*'], rate: 6/min }
budgets: { maxToolCallsPerTurn: 4000000000 }
",
    )
    .unwrap_err();
    insta::assert_snapshot!(complaints.join("\n"));
    assert!(read("budgets: { maxToolCallsPerYear: 1 }").is_err());
    assert!(read("budgets: { maxToolCallsPerTurn: -1 }").is_err());
}

#[test]
fn nothing_and_zero_are_no_budget() {
    let budgets = |text| read(text).unwrap().limits.budgets;
    assert_eq!(budgets("budgets: { maxToolCallsPerTurn: 0 }"), Budgets::default());
    assert_eq!(
        budgets(
            "budgets: { maxToolCallsPerTurn: 5, maxToolCallsPerDay: 6, maxToolCallsPerJob: 7 }"
        ),
        Budgets { turn: Some(5), day: Some(6), job: Some(7) }
    );
}
