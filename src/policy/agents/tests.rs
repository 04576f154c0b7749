//! The vectors of the agent gateway, V-1 to V-29.

use super::super::decide::{AgentFault, Denial};
use super::super::file::Beside;
use super::super::question::{Question, What, Who};
use super::super::{Active, Verdict};
use super::Precedence;
use crate::registry::SubjectKind;

const BASE: &str = "roles: { r: { allowed_tools: ['*'], allowed_prompts: ['*'], \
                    allowed_resources: ['*'] } }\n";

fn policy_of(rules: &str, more: &str, default_agent: Option<&str>) -> Active {
    let beside = Beside { agent_rules: Some(rules), default_agent, limits: None };
    Active::read(&format!("{BASE}{more}"), beside).unwrap()
}

fn ask(active: &Active, agents: &[&str], server: &str, tool: &str) -> (Verdict, String) {
    ask_of(active, (agents, None), SubjectKind::Tool, server, tool)
}

fn ask_of(
    active: &Active,
    (agents, agent): (&[&str], Option<&str>),
    kind: SubjectKind,
    server: &str,
    name: &str,
) -> (Verdict, String) {
    let roles = ["r".to_owned()];
    let agents: Vec<String> = agents.iter().map(|agent| (*agent).to_owned()).collect();
    let who = Who { user_id: "u", roles: &roles, agents: &agents, agent, ..Who::default() };
    let server = Some(server);
    let what = What { kind, name, inner: name, server, scope: "s", registry_roles: &[] };
    let decision = active.decide(&Question { who, what, call: None });
    (decision.verdict, decision.rule.to_string())
}

fn allowed(verdict: &(Verdict, String)) -> bool {
    matches!(verdict.0, Verdict::Allow(_))
}

/// A policy with `allow.tools` and `deny.tools` of one server.
fn tools(allow: &[&str], deny: &[&str], precedence: Precedence) -> Active {
    let rules = serde_json::json!({"agents": {"a": {
        "allow": {"servers": ["s"], "tools": {"s": allow}},
        "deny": {"tools": {"s": deny}},
    }}});
    let more = match precedence {
        Precedence::Documented => "",
        Precedence::DenyFirst => "precedence: deny_first\n",
    };
    policy_of(&rules.to_string(), more, None)
}

/// Asserts in both orders of precedence.
fn expect(allow: &[&str], deny: &[&str], tool: &str, documented: bool, deny_first: bool) {
    for (precedence, expected) in
        [(Precedence::Documented, documented), (Precedence::DenyFirst, deny_first)]
    {
        let found = ask(&tools(allow, deny, precedence), &["a"], "s", tool);
        assert_eq!(allowed(&found), expected, "{precedence:?} {tool}: {found:?}");
    }
}

#[test]
fn v01_a_wildcard_allows_what_is_not_denied() {
    expect(&["*"], &["drop_table"], "query", true, true);
}

#[test]
fn v02_an_explicit_deny_wins_over_a_wildcard() {
    expect(&["*"], &["drop_table"], "drop_table", false, false);
    let (_, rule) =
        ask(&tools(&["*"], &["drop_table"], Precedence::Documented), &["a"], "s", "drop_table");
    assert_eq!(rule, "agents.a.deny.tools.s[0]");
}

#[test]
fn v03_a_wildcard_deny_wins_over_a_wildcard_allow() {
    expect(&["*"], &["drop_*"], "drop_table", false, false);
    expect(&["*"], &["drop_*"], "drop_database", false, false);
}

#[test]
fn v04_what_the_wildcard_deny_does_not_fit_is_allowed() {
    expect(&["*"], &["drop_*"], "query", true, true);
}

#[test]
fn v05_an_explicit_deny_wins_over_an_explicit_allow() {
    expect(&["dangerous", "safe"], &["dangerous"], "dangerous", false, false);
}

#[test]
fn v06_another_explicit_allow_stays() {
    expect(&["dangerous", "safe"], &["dangerous"], "safe", true, true);
}

#[test]
fn v07_an_explicit_allow_wins_over_a_wildcard_deny_unless_deny_is_first() {
    expect(&["delete_user", "get_user"], &["delete_*"], "delete_user", true, false);
}

#[test]
fn v08_an_explicit_allow_that_nothing_denies() {
    expect(&["delete_user", "get_user"], &["delete_*"], "get_user", true, true);
}

#[test]
fn v09_a_wildcard_deny_of_what_is_not_allowed() {
    expect(&["delete_user", "get_user"], &["delete_*"], "delete_other", false, false);
}

#[test]
fn v10_an_allow_of_another_name_does_not_help() {
    expect(&["drop_old_data"], &["drop_*"], "drop_table", false, false);
}

#[test]
fn v11_wildcards_and_names_together_allow() {
    for tool in ["insert_data", "query"] {
        expect(&["*", "query", "read_data"], &["drop_*", "delete_all"], tool, true, true);
    }
}

#[test]
fn v12_wildcards_and_names_together_deny() {
    for tool in ["delete_all", "drop_index"] {
        expect(&["*", "query", "read_data"], &["drop_*", "delete_all"], tool, false, false);
    }
}

#[test]
fn v13_a_pattern_that_ends_in_a_wildcard() {
    expect(&["get_*"], &[], "get_user", true, true);
    expect(&["get_*"], &[], "set_user", false, false);
    expect(&["get_*"], &[], "user", false, false);
}

#[test]
fn v14_a_pattern_that_begins_with_a_wildcard() {
    expect(&["*_query"], &[], "read_query", true, true);
    expect(&["*_query"], &[], "query", false, false);
    expect(&["*_query"], &[], "query_builder", false, false);
}

#[test]
fn v15_several_patterns() {
    expect(&["get_*", "list_*", "search_*"], &[], "search_data", true, true);
    expect(&["get_*", "list_*", "search_*"], &[], "delete_user", false, false);
}

#[test]
fn v16_a_denied_server_wins_over_all_servers() {
    let active = policy_of(
        r#"{"agents":{"a":{"allow":{"servers":["*"]},"deny":{"servers":["production_db"]}}}}"#,
        "",
        None,
    );
    assert!(allowed(&ask(&active, &["a"], "dev_db", "t")));
    let denied = ask(&active, &["a"], "production_db", "t");
    assert!(!allowed(&denied));
    assert_eq!(denied.1, "agents.a.deny.servers[0]");
}

#[test]
fn v17_all_servers_denied() {
    let active = policy_of(r#"{"agents":{"a":{"deny":{"servers":["*"]}}}}"#, "", None);
    for server in ["dev_db", "api"] {
        assert!(!allowed(&ask(&active, &["a"], server, "t")));
    }
}

#[test]
fn v18_tools_of_a_server_that_is_not_allowed_have_no_effect() {
    let active = policy_of(
        r#"{"agents":{"a":{"allow":{"servers":["api"],"tools":{"postgres":["*"]}}}}}"#,
        "",
        None,
    );
    assert!(!allowed(&ask(&active, &["a"], "postgres", "query")));
}

#[test]
fn v19_a_server_without_tool_rules_grants_all_its_tools() {
    let active = policy_of(r#"{"agents":{"a":{"allow":{"servers":["db"]}}}}"#, "", None);
    let granted = ask(&active, &["a"], "db", "any_tool");
    assert!(allowed(&granted));
    assert_eq!(granted.1, "agents.a.allow.servers[0]");
    let denying = policy_of(
        r#"{"agents":{"a":{"allow":{"servers":["db"]},"deny":{"tools":{"db":["drop"]}}}}}"#,
        "",
        None,
    );
    assert!(!allowed(&ask(&denying, &["a"], "db", "drop")), "subject to deny");
    assert!(allowed(&ask(&denying, &["a"], "db", "query")));
}

#[test]
fn v20_the_key_of_every_server() {
    let active =
        policy_of(r#"{"agents":{"a":{"allow":{"servers":["*"],"tools":{"*":["*"]}}}}}"#, "", None);
    assert!(allowed(&ask(&active, &["a"], "anything", "at_all")));
}

#[test]
fn v21_an_unknown_agent_is_denied() {
    let active = policy_of(
        r#"{"agents":{"a":{"allow":{"servers":["*"]}}},"defaults":{"deny_on_missing_agent":true}}"#,
        "",
        None,
    );
    let found = ask(&active, &["stranger"], "s", "t").0;
    assert_eq!(found, Verdict::Deny(Denial::Agent(AgentFault::Invalid)));
}

#[test]
fn v22_an_unknown_agent_is_denied_in_both_settings() {
    let active = policy_of(
        r#"{"agents":{"default":{"allow":{"servers":["*"]}}},"defaults":{"deny_on_missing_agent":false}}"#,
        "",
        Some("default"),
    );
    let found = ask(&active, &["stranger"], "s", "t").0;
    assert_eq!(found, Verdict::Deny(Denial::Agent(AgentFault::Invalid)));
}

#[test]
fn v23_a_denied_server_of_the_allowed_ones_is_gone() {
    let active = policy_of(
        r#"{"agents":{"a":{"allow":{"servers":["api","db","cache"]},"deny":{"servers":["cache"]}}}}"#,
        "",
        None,
    );
    let seen: Vec<&str> = ["api", "db", "cache", "other"]
        .into_iter()
        .filter(|server| allowed(&ask(&active, &["a"], server, "t")))
        .collect();
    assert_eq!(seen, ["api", "db"]);
}

#[test]
fn v24_lists_do_not_show_a_denied_server() {
    let active = policy_of(
        r#"{"agents":{"a":{"allow":{"servers":["*"]},"deny":{"servers":["production_db"]}}}}"#,
        "",
        None,
    );
    let roles = ["r".to_owned()];
    let agents = ["a".to_owned()];
    let who = Who { roles: &roles, agents: &agents, ..Who::default() };
    let shown = |server| {
        let kind = SubjectKind::Tool;
        let (name, inner, scope) = ("t", "t", "s");
        let what = What { kind, name, inner, server, scope, registry_roles: &[] };
        active.decide(&Question { who, what, call: None }).visible()
    };
    assert!(shown(Some("dev_db")));
    assert!(!shown(Some("production_db")));
    assert!(!shown(None), "a server that nobody can name");
}

const FALLBACKS: &str = r#"{"agents":{"dev":{"allow":{"servers":["dev_db"]}},
    "default":{"allow":{"servers":["wiki"]}}},"defaults":{"deny_on_missing_agent":false}}"#;

#[test]
fn v25_the_default_agent_of_the_settings() {
    let active = policy_of(FALLBACKS, "", Some("dev"));
    assert!(allowed(&ask(&active, &[], "dev_db", "t")));
    assert!(!allowed(&ask(&active, &[], "wiki", "t")));
}

#[test]
fn v26_the_agent_called_default() {
    let active = policy_of(FALLBACKS, "", None);
    assert!(allowed(&ask(&active, &[], "wiki", "t")));
    assert!(!allowed(&ask(&active, &[], "dev_db", "t")));
}

#[test]
fn v27_no_fallback_at_all() {
    let active = policy_of(
        r#"{"agents":{"dev":{"allow":{"servers":["*"]}}},"defaults":{"deny_on_missing_agent":false}}"#,
        "",
        None,
    );
    let found = ask(&active, &[], "s", "t").0;
    assert_eq!(found, Verdict::Deny(Denial::Agent(AgentFault::NoFallback)));
}

#[test]
fn v28_a_fallback_that_has_no_rules() {
    let active = policy_of(FALLBACKS, "", Some("nobody"));
    let found = ask(&active, &[], "wiki", "t").0;
    assert_eq!(found, Verdict::Deny(Denial::Agent(AgentFault::FallbackNotInRules)));
}

#[test]
fn v29_deny_on_missing_agent_bypasses_the_fallback() {
    for flag in [r#","defaults":{"deny_on_missing_agent":true}"#, r#","defaults":{}"#, ""] {
        let rules = format!(r#"{{"agents":{{"dev":{{"allow":{{"servers":["*"]}}}}}}{flag}}}"#);
        let active = policy_of(&rules, "", Some("dev"));
        let found = ask(&active, &[], "s", "t").0;
        assert_eq!(found, Verdict::Deny(Denial::Agent(AgentFault::Invalid)), "{flag}");
    }
}

#[test]
fn a_chosen_agent_must_be_one_of_the_callers_own() {
    let active = policy_of(FALLBACKS, "", None);
    let choose = |held: &[&str], agent| {
        allowed(&ask_of(&active, (held, Some(agent)), SubjectKind::Tool, "dev_db", "t"))
    };
    assert!(choose(&["dev", "default"], "dev"));
    assert!(!choose(&["dev", "default"], "default"));
    assert!(!choose(&["default"], "dev"), "not one of the caller's");
    assert!(!choose(&[], "dev"), "the caller has none");
}

#[test]
fn of_several_agents_each_must_allow() {
    let active = policy_of(FALLBACKS, "", None);
    assert!(allowed(&ask(&active, &["dev"], "dev_db", "t")));
    assert!(!allowed(&ask(&active, &["dev", "default"], "dev_db", "t")));
    assert!(!allowed(&ask(&active, &["dev", "stranger"], "dev_db", "t")));
}

#[test]
fn prompts_and_resources_have_rules_like_tools() {
    let active = Active::read(
        &format!(
            "{BASE}agents:\n  a:\n    allow:\n      servers: [s]\n      prompts: {{ s: ['draft_*'] }}\n      \
             resources: {{ s: ['file:///docs/*'] }}\n    deny:\n      resources: {{ s: ['file:///docs/secret*'] }}\n"
        ),
        Beside::default(),
    )
    .unwrap();
    let may = |kind, name| allowed(&ask_of(&active, (&["a"], None), kind, "s", name));
    assert!(may(SubjectKind::Tool, "any"), "no rule for tools");
    assert!(may(SubjectKind::Prompt, "draft_mail"));
    assert!(!may(SubjectKind::Prompt, "send"));
    assert!(may(SubjectKind::Resource, "file:///docs/a"));
    assert!(!may(SubjectKind::Resource, "file:///docs/secret.txt"));
    assert!(!may(SubjectKind::Resource, "file:///docs//./secret.txt"), "in any reading");
    assert!(!may(SubjectKind::Resource, "file:///etc/passwd"));
}

#[test]
fn only_a_star_stands_for_anything() {
    expect(&["a?", "[b]", "{c,d}"], &[], "a?", true, true);
    expect(&["a?", "[b]", "{c,d}"], &[], "ax", false, false);
    expect(&["a?*", "*[b]"], &[], "a?x", true, true);
    expect(&["a?*", "*[b]"], &[], "abx", false, false);
    expect(&["a?*", "*[b]"], &[], "x[b]", true, true);
    expect(&["a?*", "*[b]"], &[], "xb", false, false);
}

#[test]
fn structural_faults_are_told_with_their_paths() {
    let faults = |rules: &str| {
        let beside = Beside { agent_rules: Some(rules), ..Beside::default() };
        Active::read(BASE, beside).err().unwrap().join("\n")
    };
    insta::assert_snapshot!(faults(
        r#"{"agents":{"a b":{"allow":{"servers":["x*",""],"tools":{"s":["a*b","**","*_x_*",""]}}},
            "c":{"alow":{}}, "d": {"deny": {"resources": {"s": ["no-scheme"]}}}},
           "defaults":{"deny_on_missing_agent":"yes"}}"#
    ), @r#"
    defaults: invalid type: string "yes", expected a boolean
    agents.a b: an id has letters, digits, `_`, `.` and `-` only
    agents.a b.allow.servers[0]: `x*`: `*` may only stand alone
    agents.a b.allow.servers[1]: empty
    agents.a b.allow.tools.s[0]: `a*b`: one `*` at most, at the beginning or the end
    agents.a b.allow.tools.s[1]: `**`: one `*` at most, at the beginning or the end
    agents.a b.allow.tools.s[2]: `*_x_*`: one `*` at most, at the beginning or the end
    agents.a b.allow.tools.s[3]: empty
    agents.c: unknown field `alow`, expected one of `allow`, `deny`, `description`
    agents.d.deny.resources.s[0]: `no-scheme`: begin with a scheme, such as `file:`
    "#);
    assert!(faults("[]").contains("agent rules"));
    assert!(faults("{").contains("agent rules"));
    assert!(faults("{}").contains("agents"), "`agents` is required");
    assert!(faults(r#"{"agents":{"a":{},"a":{}}}"#).contains("duplicate"));
    let both = Active::read(
        &format!("{BASE}agents: {{ a: {{}} }}"),
        Beside { agent_rules: Some(r#"{"agents":{}}"#), ..Beside::default() },
    );
    assert!(both.err().unwrap()[0].contains("keep one"));
}

#[test]
fn the_orders_of_precedence_are_compared() {
    let found = |allow: &[&str], deny: &[&str]| {
        let active = tools(allow, deny, Precedence::Documented);
        let pairs = super::differences(active.rules.agents.as_ref().unwrap());
        pairs.into_iter().map(|(a, b)| format!("{a} {b}")).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&["delete_user", "get"], &["delete_*"]),
        ["agents.a.allow.tools.s[0] agents.a.deny.tools.s[0]"]
    );
    assert_eq!(found(&["delete_user"], &["delete_*", "delete_user"]), Vec::<String>::new());
    assert_eq!(found(&["*"], &["delete_*"]), Vec::<String>::new());
}

#[test]
fn the_digest_is_of_all_that_decides() {
    let digest = |rules, agent| policy_of(rules, "", agent).digest().to_string();
    let one = r#"{"agents":{"a":{}}}"#;
    let all = [
        digest(one, None),
        digest(one, Some("a")),
        digest(r#"{"agents":{"b":{}}}"#, None),
        Active::read(BASE, Beside::default()).unwrap().digest().to_string(),
    ];
    for (place, digest) in all.iter().enumerate() {
        assert!(!all[..place].contains(digest));
    }
}
