//! Rules about resources: how URIs are read, and what cannot be.

use super::super::uri::{Reading, Unreadable};
use super::super::{Policy, file::read};
use crate::authn::Caller;
use crate::registry::SubjectKind;

/// The rule that decides about a URI, or `None` where it is denied without
/// one.
fn ruled(policy: &str, tenant: Option<&str>, uri: &str) -> (bool, String) {
    let policy = Policy::from_rules(read(policy).unwrap());
    let caller = Caller::for_test("alice", &["dev"], tenant);
    let decision = policy.active().judge_subject(&caller, SubjectKind::Resource, uri, &[]);
    (decision.allowed, decision.rule.to_string())
}

fn allowed(list: &str, uri: &str) -> bool {
    ruled(&format!("roles: {{ dev: {{ allowed_resources: {list} }} }}"), None, uri).0
}

fn denied(list: &str, uri: &str) -> bool {
    let policy = format!(
        "roles: {{ dev: {{ allowed_resources: ['*'] }} }}\nworkspaces: {{ w: {{ denied_resources: {list} }} }}"
    );
    !ruled(&policy, Some("w"), uri).0
}

#[test]
fn entries_are_uris_or_beginnings_of_them() {
    let list = "['file:///docs/*', 'note://main', 'test://static-*', 'urn:isbn:*']";
    for uri in [
        "file:///docs/a.txt",
        "FILE:///docs/a.txt",
        "file:///docs/sub/%61.txt",
        "file:///docs/",
        "note://main",
        "NOTE://MAIN",
        "test://static-text",
        "test://STATIC-text",
        "urn:isbn:1",
        "URN:isbn:1",
    ] {
        assert!(allowed(list, uri), "{uri}");
    }
    for uri in [
        "file:///docs",
        "file:///docsx/a",
        "file:///DOCS/a.txt",
        "file:///other",
        "note://main/",
        "note://main#x",
        "note://mainx",
        "urn:ISBN:1",
        "",
        "*",
    ] {
        assert!(!allowed(list, uri), "{uri}");
    }
    assert!(allowed("['*']", "anything"));
    assert!(allowed("['test://template/{id}/data']", "test://template/{id}/data"));
    assert!(allowed("['test://template/*']", "test://template/{id}/data"));
}

#[test]
fn what_could_climb_is_denied_to_everybody() {
    for uri in [
        "file:///docs/../secret",
        "file:///docs/..",
        "file:///docs/%2e%2e/secret",
        "file:///docs/.%2E/secret",
        "file:///docs/%252e%252e/secret",
        "file:///docs/..%2fsecret",
        "file:///docs/..\\secret",
        "file:///docs/%5c..%5csecret",
        "file:///docs/..;x/secret",
        "file:///docs/x?/../../secret",
        "file:///docs/a\0b",
        "file:///docs/a%00b",
        "file:///do\tcs/a",
        " file:///docs/a",
        "file:///docs/a ",
    ] {
        assert_eq!(
            ruled("roles: { dev: { allowed_resources: ['*'] } }", None, uri),
            (false, "unreadable_uri".to_owned()),
            "{uri}"
        );
    }
    for uri in ["file:///docs/..a/b", "file:///docs/a..b", "file:///docs/a b", "x://y/.../z"] {
        assert!(allowed("['*']", uri), "{uri}");
    }
}

#[test]
fn a_denial_holds_in_every_spelling() {
    let list = "['file:///secret/*', 'https://internal/*', 'db://host/users', 'note:private']";
    for uri in [
        "file:///secret/x",
        "file:/secret/x",
        "file:secret/x",
        "file://localhost/secret/x",
        "file:///%73ecret/x",
        "file:///%2573ecret/x",
        "file:////secret/x",
        "file:///./secret/x",
        "file:///secret//x",
        "file:///secret%2fx",
        "file:///\\secret\\x",
        "https://INTERNAL/x",
        "https://internal:443/x",
        "https://internal./x",
        "https://me:pw@internal/x",
        "https:internal/x",
        "https:\\\\internal/x",
        "https:///internal/x",
        "https://%69nternal/x",
        "https://ｉnternal/x",
        "db://host/users",
        "db://HOST/users/",
        "db://me@host/users",
        "db://host//users",
        "db://host/users?limit=1",
        "db://host/users#all",
        "note:private",
        "note:%70rivate",
    ] {
        assert!(denied(list, uri), "{uri}");
    }
    for uri in ["file:///public/secret/x", "https://other/x", "db://host/users2", "note:privately"]
    {
        assert!(!denied(list, uri), "{uri}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_allowed_only_by_both() {
    for (list, uri) in [
        ("['s3://b/a/b/*']", "s3://b/a//b/x"),
        ("['https://docs/*']", "https://me@docs/x"),
        ("['file:///a/b']", "file:///a%2Fb"),
        ("['file:///a%2Fb']", "file:///a/b"),
    ] {
        assert!(!allowed(list, uri), "{uri}");
    }
    assert!(allowed("['s3://b/a//b/*']", "s3://b/a//b/x"));
    assert!(allowed("['https://me@docs/*']", "https://me@docs/x"));
    assert!(allowed("['file:///a%2Fb']", "file:///a%2fb"));
    assert!(allowed("['file:///a/.*']", "file:///a/.hidden"));
    assert!(!denied("['file:///a/.*']", "file:///a/shown"));
    assert!(allowed("['postgres://u@h:5432/db/*']", "postgres://u@H:5432/db/t/schema"));
}

#[test]
fn faults_of_entries_are_told() {
    let complaints = read(
        r#"
roles:
  r:
    allowed_resources: ["*", "", "a*b", "file:///a/../b", "plain", "https://docs.org*", "x:y", "x:y"]
    allowed_prompts: ["p*"]
workspaces:
  w: { denied_resources: ["file:///*x*"], denied_prompts: [p, p] }
"#,
    )
    .unwrap_err();
    insta::assert_snapshot!(complaints.join("\n"), @r"
    roles.r.allowed_resources[0]: `*` must stand alone
    roles.r.allowed_resources[1]: empty
    roles.r.allowed_resources[2]: `a*b`: `*` may stand at the end only
    roles.r.allowed_resources[3]: `file:///a/../b`: has a `..` segment
    roles.r.allowed_resources[4]: `plain`: begin with a scheme, such as `file:`
    roles.r.allowed_resources[5]: `https://docs.org*`: write the `/` after the host before `*`
    roles.r.allowed_resources[7]: `x:y` appears twice
    workspaces.w.denied_prompts[1]: `p` appears twice
    workspaces.w.denied_resources[0]: `file:///*x*`: `*` may stand at the end only
    ");
}

#[test]
fn long_and_odd_uris_cost_little() {
    let long = format!("file:///{}", "%25".repeat(20_000));
    assert!(Reading::of(&long).is_ok());
    assert_eq!(Reading::of(&format!("{long}/../x")), Err(Unreadable::Ascent));
    for odd in ["%", "%4", "%zz", "%é1", "é", ":", "//", "x:", "x://", "x://@", "http://[", "%c3"]
    {
        assert!(Reading::of(odd).is_ok(), "{odd}");
    }
}
