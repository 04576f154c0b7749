mod cost;
mod kinds;
mod reference;
mod resources;

use proptest::prelude::*;

use super::file::read;
use super::model::{RulePath, Wanted};
use super::question::{Question, What, Who};
use super::roles::{self, BuiltIn, Facts};
use super::{Active, Verdict};
use crate::authn::Caller;
use crate::registry::SubjectKind;

const POLICY: &str = r#"
default_action: deny
roles:
  admin: { allowed_tools: ["*"] }
  developer: { allowed_tools: [read, write, delete] }
  wild: { allowed_tools: ["*"] }
  a: { allowed_tools: [t1] }
  b: { allowed_tools: [t2] }
  empty: {}
workspaces:
  production: { denied_tools: [delete] }
  sandbox: { allowed_tools: ["*"] }
  narrow: { allowed_tools: [x] }
tools:
  secret: { required_roles: [admin], risk_tier: high }
"#;

/// Whether, and by which rule.
struct Judgement {
    allowed: bool,
    rule: RulePath,
}

fn judge(policy: &str, roles: &[&str], tenant: Option<&str>, tool: &str) -> Judgement {
    let compiled = read(policy).unwrap();
    let held: Vec<String> = roles.iter().map(|r| (*r).to_owned()).collect();
    let wanted = Wanted::Tool(tool);
    let facts = Facts { roles: &held, tenant, wanted, inner: None, registry_roles: &[] };
    let built_in = BuiltIn::default();
    let judged = roles::judge(&compiled, &built_in, facts);
    Judgement { allowed: judged.allowed, rule: judged.rule.clone() }
}

impl Active {
    /// What a list says of something that no scope declares.
    fn judge_subject(
        &self,
        caller: &Caller,
        kind: SubjectKind,
        name: &str,
        registry_roles: &[Box<str>],
    ) -> Judgement {
        let (server, scope) = (Some("one"), "open");
        let what = What { kind, name, inner: name, server, scope, registry_roles };
        let decision = self.decide(&Question { who: Who::of(caller), what, call: None });
        let allowed = matches!(decision.verdict, Verdict::Allow(_));
        Judgement { allowed, rule: decision.rule }
    }

    fn allows_named(&self, caller: &Caller, kind: SubjectKind, name: &str) -> bool {
        self.judge_subject(caller, kind, name, &[]).allowed
    }
}

fn allows(roles: &[&str], tenant: Option<&str>, tool: &str) -> bool {
    judge(POLICY, roles, tenant, tool).allowed
}

#[test]
fn v87_admin_reaches_any_tool() {
    assert!(allows(&["admin"], None, "anything"));
    assert!(allows(&["admin"], None, "secret"));
}

#[test]
fn v88_roles_add_up() {
    assert!(allows(&["a", "b"], None, "t1"));
    assert!(allows(&["a", "b"], None, "t2"));
    assert!(!allows(&["a"], None, "t2"));
}

#[test]
fn v89_a_workspace_takes_away() {
    assert!(allows(&["developer"], Some("production"), "read"));
    assert!(allows(&["developer"], Some("production"), "write"));
    let denied = judge(POLICY, &["developer"], Some("production"), "delete");
    assert!(!denied.allowed);
    assert_eq!(&*denied.rule, "workspaces.production.denied_tools[0]");
}

#[test]
fn v90_denial_binds_wildcards_and_admins() {
    assert!(!allows(&["wild"], Some("production"), "delete"));
    assert!(!allows(&["admin"], Some("production"), "delete"));
}

#[test]
fn v91_required_roles_bind_also_those_who_may() {
    let policy = r#"
roles: { dev: { allowed_tools: [t] }, wild: { allowed_tools: ["*"] } }
tools: { t: { required_roles: [admin] } }
"#;
    for role in ["dev", "wild"] {
        let decision = judge(policy, &[role], None, "t");
        assert!(!decision.allowed);
        assert_eq!(&*decision.rule, "tools.t.required_roles");
    }
}

#[test]
fn v92_nothing_configured_is_denied() {
    assert!(!judge("", &["admin"], None, "t").allowed);
    assert!(!judge("default_action: deny", &["admin"], None, "t").allowed);
    assert!(!allows(&[], None, "t1"));
    assert!(!allows(&["stranger"], None, "t1"));
    assert!(!allows(&["empty"], None, "t1"));
    assert!(!allows(&[], Some("sandbox"), "t1"), "a workspace alone gives nothing");
}

#[test]
fn v93_a_workspace_list_takes_the_place_of_the_roles() {
    assert!(allows(&["a"], Some("narrow"), "x"));
    assert!(!allows(&["a"], Some("narrow"), "t1"));
    assert!(!allows(&["admin"], Some("narrow"), "t1"));
}

#[test]
fn a_workspace_wildcard_adds_to_the_roles() {
    assert!(allows(&["a"], Some("sandbox"), "anything"));
    assert!(!allows(&["a"], Some("sandbox"), "secret"), "required roles still bind");
}

#[test]
fn registry_roles_bind_like_required_roles() {
    let compiled = read(POLICY).unwrap();
    let needs: [Box<str>; 1] = ["writer".into()];
    let roles = ["admin".to_owned()];
    let wanted = Wanted::Tool("t");
    let mut facts =
        Facts { roles: &roles, tenant: None, wanted, inner: None, registry_roles: &needs };
    assert!(!roles::judge(&compiled, &BuiltIn::default(), facts).allowed);
    let both = ["admin".to_owned(), "writer".to_owned()];
    facts.roles = &both;
    assert!(roles::judge(&compiled, &BuiltIn::default(), facts).allowed);
}

#[test]
fn patterns_stand_for_names() {
    let policy = r#"
roles: { dev: { allowed_tools: ["pay_*", "?x", "{a,b}.read"] } }
workspaces: { w: { denied_tools: ["*_delete"] } }
"#;
    for (tool, rule) in [
        ("pay_refund", Some("roles.dev.allowed_tools[0]")),
        ("pay_", Some("roles.dev.allowed_tools[0]")),
        ("pay_a/b", Some("roles.dev.allowed_tools[0]")),
        ("1x", Some("roles.dev.allowed_tools[1]")),
        ("b.read", Some("roles.dev.allowed_tools[2]")),
        ("pay", None),
        ("xpay_", None),
        ("PAY_refund", None),
        ("c.read", None),
    ] {
        let judged = judge(policy, &["dev"], None, tool);
        assert_eq!(judged.allowed, rule.is_some(), "{tool}");
        if let Some(rule) = rule {
            assert_eq!(&*judged.rule, rule);
        }
    }
    let denied = judge(policy, &["dev"], Some("w"), "pay_delete");
    assert!(!denied.allowed);
    assert_eq!(&*denied.rule, "workspaces.w.denied_tools[0]");
}

#[test]
fn every_complaint_comes_with_its_path() {
    let complaints = read(
        r#"
default_action: allow
roles:
  r: { allowed_tools: ["*", x, "", "git_[", x] }
"#,
    )
    .unwrap_err();
    insta::assert_snapshot!(complaints.join("\n"), @r"
    default_action: only `deny` is possible
    roles.r.allowed_tools[0]: `*` must stand alone
    roles.r.allowed_tools[2]: empty
    roles.r.allowed_tools[3]: `git_[` is no pattern: unclosed character class; missing ']'
    roles.r.allowed_tools[4]: `x` appears twice
    ");
}

#[test]
fn unknown_and_duplicate_keys_are_refused() {
    assert!(read("rulez: []").unwrap_err()[0].contains("unknown field `rulez`"));
    assert!(read("roles: { r: { alowed_tools: [] } }").unwrap_err()[0].contains("alowed_tools"));
    assert!(read("roles: { r: {}, r: {} }").unwrap_err()[0].contains("duplicate"));
}

proptest! {
    /// Adding a denial, or a required role, never allows more.
    #[test]
    fn restrictions_only_restrict(
        roles in proptest::collection::vec("[abc]", 0..3),
        allowed in proptest::collection::vec("[xyz]", 0..3),
        denied in "[xyz]",
        tool in "[xyz]",
    ) {
        let mut allowed = allowed;
        allowed.sort();
        allowed.dedup();
        let base = format!("roles: {{ a: {{ allowed_tools: {allowed:?} }}, b: {{ allowed_tools: [\"*\"] }} }}\n");
        let denying = format!("{base}workspaces: {{ w: {{ denied_tools: [{denied}] }} }}\n");
        let requiring = format!("{base}tools: {{ {denied}: {{ required_roles: [a] }} }}\n");
        let names: Vec<&str> = roles.iter().map(String::as_str).collect();
        let before = judge(&base, &names, Some("w"), &tool).allowed;
        for stricter in [denying, requiring] {
            let after = judge(&stricter, &names, Some("w"), &tool).allowed;
            prop_assert!(!after || before, "{stricter}");
        }
        let denied = format!("{base}workspaces: {{ w: {{ denied_tools: [{tool}] }} }}\n");
        let allowed_all_the_same = judge(&denied, &names, Some("w"), &tool).allowed;
        prop_assert!(!allowed_all_the_same);
    }
}

#[test]
fn what_takes_away_binds_a_tool_by_its_backends_name_too() {
    let policy = read(
        r"
roles: { agent: { allowed_tools: ['pay__*', 'x*'] } }
workspaces: { acme: { denied_tools: [drop, 'wipe_*'] } }
tools: { refund: { required_roles: [clerk] } }
",
    )
    .unwrap();
    let built_in = BuiltIn::default();
    let allowed = |roles: &[&str], name: &str, inner: &str| {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        let (wanted, inner) = (Wanted::Tool(name), Some(inner));
        let facts =
            Facts { roles: &roles, tenant: Some("acme"), wanted, inner, registry_roles: &[] };
        let judged = roles::judge(&policy, &built_in, facts);
        (judged.allowed, judged.rule.to_string())
    };
    let denied = |path: &str| (false, path.to_owned());
    assert_eq!(allowed(&["agent"], "pay__drop", "drop"), denied("workspaces.acme.denied_tools[0]"));
    assert_eq!(
        allowed(&["agent"], "pay__wipe_all", "wipe_all"),
        denied("workspaces.acme.denied_tools[1]")
    );
    assert_eq!(allowed(&["agent"], "pay__refund", "refund"), denied("tools.refund.required_roles"));
    assert!(allowed(&["agent", "clerk"], "pay__refund", "refund").0);
    assert!(allowed(&["agent"], "pay__look", "look").0);
    assert_eq!(allowed(&["agent"], "other__x", "x"), denied("default_action"), "nothing is lent");
}

#[test]
fn a_shadow_that_is_not_there_is_an_error() {
    let folder = std::env::temp_dir().join(format!("scopegate-policy-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("policy.yaml");
    std::fs::write(&file, "roles: {}").unwrap();
    let sources = |file| crate::policy::Sources {
        file,
        agent_rules: None,
        default_agent: None,
        limits: None,
    };
    let loaded = || crate::policy::Policy::load(sources(&file)).unwrap();
    assert!(loaded().with_shadow(sources(&file)).is_ok());
    let missing = folder.join("new.yaml");
    let complaints = loaded().with_shadow(sources(&missing)).err().unwrap();
    assert!(complaints[0].contains("does not exist"), "{complaints:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
