//! Scopes that are open to backends, and what can be reached in them.

use super::super::model::EraSetting;
use super::super::scope::{Namespace, Scope};
use super::*;

const OPEN: &str = r#"
backends:
  files: { url: "http://files/mcp", era: legacy, stateless: true, timeout_ms: 400 }
  git: { url: "http://git/mcp", era: modern }
  web: { url: "http://web/mcp" }
scopes:
  one: { backends: [files] }
  many: { backends: [files, git] }
  spelled: { backends: [git, files], namespace: connection }
  single: { backends: [web], namespace: connection }
  closed: {}
tools:
  - { name: read, scope: one, backend: files, required_roles: [writer] }
  - { name: wipe, scope: one, backend: files, is_active: false }
  - { name: fetch, scope: one, backend: web, timeout_ms: 9000 }
  - { name: by_url, scope: one, backend_url: "http://else/mcp" }
  - { name: again, scope: closed, backend_url: "http://else/mcp" }
  - { name: files__read, scope: spelled, backend: files }
  - { name: git__gc, scope: spelled, backend: git, is_active: false }
  - { name: a__b, scope: spelled, backend: web }
"#;

#[test]
fn another_spelling_of_a_declared_tool_is_nobodys() {
    let text = format!(
        "{OPEN}  - {{ name: burn, scope: spelled, backend: files, required_roles: [writer] }}\n  \
           - {{ name: melt, scope: spelled, backend: files, is_active: false }}\n"
    );
    let registry = registry(&text);
    let scope = registry.scope("spelled").unwrap();
    let found = |name: &str| {
        let caller = Caller::for_test("alice", &["dev"], None);
        let target = registry.resolve(caller, &scope, call(name, None), |_| None);
        target.map(|target| target.subject().tool.is_some()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(found("burn"), Ok(true));
    for name in ["files__burn", "files__melt", "git__melt", "melt"] {
        assert_eq!(found(name), Err(Reason::UnknownTool), "{name}");
    }
    assert_eq!(found("git__burn"), Ok(false), "another backend's");
}

#[test]
fn what_the_trail_must_not_keep_is_known_under_every_name() {
    let text = r#"
backends:
  pay: { url: "http://pay/mcp" }
  git: { url: "http://git/mcp" }
scopes:
  plain: { backends: [pay] }
  spelled: { backends: [pay, git], namespace: connection }
  other: { backends: [git] }
tools:
  - { name: charge, scope: shop, backend: pay, redact: [$.card] }
  - { name: pay__refund, scope: spelled, backend: pay, redact: [$.iban] }
  - { name: refund, scope: shop, backend: pay, redact: [$.note] }
  - { name: refund, scope: git-only, backend: git }
"#;
    let registry = registry(text);
    let snapshot = registry.snapshot();
    let hides = |scope: &str, name: &str, members: &[&str]| {
        let paths = snapshot.redactions(snapshot.scope(scope).unwrap(), name);
        let paths = paths.unwrap_or_else(|| panic!("nothing is hidden of {name} in {scope}"));
        for member in members {
            assert!(
                paths.start().member(&paths, member).is_meant(),
                "{member} of {name} in {scope}"
            );
        }
    };
    hides("shop", "charge", &["card"]);
    // As backends of open scopes offer it.
    for name in ["charge", "pay__charge", "Pay__Charge", "git__charge", "pay___charge"] {
        hides("spelled", name, &["card"]);
        hides("plain", name, &["card"]);
        hides("other", name, &["card"]);
    }
    // Declared with a backend's name before it, called without.
    for (scope, name) in [("plain", "refund"), ("shop", "refund"), ("spelled", "pay__refund")] {
        hides(scope, name, &["iban", "note"]);
    }
    let long = format!("{}__charge", "x__".repeat(100_000));
    hides("spelled", &long, &["card"]);
    assert!(snapshot.redactions(snapshot.scope("git-only").unwrap(), "refund").is_none());
    assert!(snapshot.redactions(snapshot.scope("plain").unwrap(), "charger").is_none());
}

#[test]
fn a_label_says_which_backend_has_which_place() {
    let label = |tools: &str, scope| registry(tools).scope(scope).unwrap().label().to_owned();
    assert_eq!(label(OPEN, "many"), "many\nfiles\ngit");
    let turned = OPEN.replace("many: { backends: [files, git]", "many: { backends: [git, files]");
    assert_ne!(label(OPEN, "many"), label(&turned, "many"));
    assert_eq!(Scope::of_label(&label(OPEN, "many")), "many");
    assert_eq!(label(OPEN, "one").lines().nth(2), Some("web"), "declared tools' backends too");
}

/// Place of the backend, its name, the subject's inner name.
fn reach(
    scope: &str,
    kind: SubjectKind,
    name: &str,
    offered: Option<usize>,
) -> Result<(usize, String, String), Reason> {
    let registry = registry(OPEN);
    let scope = registry.scope(scope).unwrap();
    let call = Call { kind, ..call(name, None) };
    let caller = Caller::for_test("alice", &["dev"], None);
    let target = registry.resolve(caller, &scope, call, |asked| {
        assert_eq!(asked, name);
        assert!(scope.needs_catalog(kind), "asked where the name says it");
        offered
    });
    target.map_err(|refusal| refusal.reason).map(|target| {
        let found = target.subject().clone();
        assert_eq!((&*found.name, found.kind, &*found.scope), (name, kind, &*scope.name));
        assert_eq!(scope.backend_at(found.backend_index).unwrap().id, found.backend.id);
        if found.tool.is_none() {
            assert_eq!(scope.outer_name(kind, found.backend_index, &found.inner), name);
            assert_eq!(found.timeout, found.backend.timeout);
        }
        (found.backend_index, found.backend.name.to_string(), found.inner.to_string())
    })
}

fn at(index: usize, backend: &str, inner: &str) -> (usize, String, String) {
    (index, backend.to_owned(), inner.to_owned())
}

#[test]
fn backends_carry_their_settings_and_their_place() {
    let registry = registry(OPEN);
    let snapshot = registry.snapshot();
    let found: Vec<_> = snapshot
        .backends()
        .iter()
        .map(|b| (b.id, &*b.name, b.era, b.stateless, b.timeout.as_millis()))
        .collect();
    assert_eq!(
        found,
        [
            (0, "files", EraSetting::Legacy, true, 400),
            (1, "git", EraSetting::Modern, false, 30_000),
            (2, "web", EraSetting::Auto, false, 30_000),
            (3, "http://else/mcp", EraSetting::Auto, false, 30_000),
        ]
    );
}

#[test]
fn a_scope_knows_whom_it_reaches() {
    let registry = registry(OPEN);
    let names = |list: &[Arc<super::super::model::Backend>]| {
        list.iter().map(|b| b.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    let one = registry.scope("one").unwrap();
    assert!(one.is_open());
    assert_eq!(one.namespace, Namespace::None);
    assert_eq!(names(&one.backends), "files");
    assert_eq!(names(one.reachable()), "files web http://else/mcp");
    let many = registry.scope("many").unwrap();
    assert_eq!(names(many.reachable()), "files git");
    let closed = registry.scope("closed").unwrap();
    assert!(!closed.is_open());
    assert_eq!(names(closed.reachable()), "http://else/mcp");
}

#[test]
fn what_is_declared_stands_before_what_is_offered() {
    let registry = registry(OPEN);
    let one = registry.scope("one").unwrap();
    let read = one.tool("read").unwrap();
    assert_eq!(read.timeout, Duration::from_millis(400), "its backend's");
    assert_eq!(one.tool("fetch").unwrap().timeout, Duration::from_secs(9));
    let target = registry
        .resolve(Caller::for_test("a", &[], None), &one, call("read", None), |_| None)
        .unwrap();
    let subject = target.subject();
    assert_eq!(subject.required_roles(), [Box::from("writer")]);
    assert_eq!(subject.quota_key(), Some("one/read"));
    assert_eq!(reach("one", SubjectKind::Tool, "fetch", None), Ok(at(1, "web", "fetch")));
    assert_eq!(
        reach("one", SubjectKind::Tool, "by_url", None),
        Ok(at(2, "http://else/mcp", "by_url"))
    );
}

#[test]
fn a_scope_of_one_backend_sends_every_name_there() {
    use SubjectKind::{Prompt, Resource, Tool};
    assert_eq!(reach("one", Tool, "anything", None), Ok(at(0, "files", "anything")));
    assert_eq!(reach("one", Prompt, "read", None), Ok(at(0, "files", "read")));
    assert_eq!(reach("one", Resource, "file:///a", None), Ok(at(0, "files", "file:///a")));
    assert_eq!(reach("one", Prompt, "wipe", None), Ok(at(0, "files", "wipe")));
    assert_eq!(reach("one", Tool, "wipe", None), Err(Reason::UnknownTool), "not active");
    assert_eq!(reach("one", Tool, "call_tool", None), Err(Reason::RemovedTool));
    assert_eq!(reach("one", Tool, "", None), Err(Reason::UnknownTool));
    assert_eq!(reach("one", Tool, &"x".repeat(257), None), Err(Reason::UnknownTool));
}

#[test]
fn a_scope_of_several_backends_asks_who_offers_a_name() {
    use SubjectKind::{Prompt, Resource, Tool};
    for kind in SubjectKind::ALL {
        assert_eq!(reach("many", kind, "x", Some(1)), Ok(at(1, "git", "x")));
    }
    assert_eq!(reach("many", Tool, "x", None), Err(Reason::UnknownTool));
    assert_eq!(reach("many", Tool, "x", Some(2)), Err(Reason::UnknownTool), "no such place");
    assert_eq!(reach("many", Tool, "read", None), Err(Reason::ToolNotInScope));
    assert_eq!(reach("many", Prompt, "read", None), Err(Reason::UnknownPrompt));
    assert_eq!(reach("many", Resource, "x:read", None), Err(Reason::UnknownResource));
}

#[test]
fn a_namespaced_scope_reads_the_prefix() {
    use SubjectKind::{Prompt, Resource, Tool};
    assert_eq!(reach("spelled", Tool, "git__log", None), Ok(at(0, "git", "log")));
    assert_eq!(reach("spelled", Prompt, "files__x__y", None), Ok(at(1, "files", "x__y")));
    assert_eq!(reach("spelled", Tool, "git___log", None), Ok(at(0, "git", "_log")));
    assert_eq!(reach("spelled", Tool, "files__read", None), Ok(at(1, "files", "read")), "declared");
    assert_eq!(
        reach("spelled", Tool, "a__b", None),
        Ok(at(2, "web", "a__b")),
        "declared, no prefix"
    );
    for name in ["git__gc", "log", "git__", "web__x", "GIT__log", "__log", "git_log"] {
        assert_eq!(reach("spelled", Tool, name, Some(0)), Err(Reason::UnknownTool), "{name}");
    }
    assert_eq!(reach("spelled", Resource, "git__x:y", Some(1)), Ok(at(1, "files", "git__x:y")));
    assert_eq!(reach("single", Tool, "web__x", None), Ok(at(0, "web", "x")));
    assert_eq!(reach("single", Tool, "x", None), Err(Reason::UnknownTool));
    assert_eq!(reach("single", Resource, "x:y", None), Ok(at(0, "web", "x:y")));
}

#[test]
fn a_declared_scope_has_neither_prompts_nor_resources() {
    for kind in [SubjectKind::Prompt, SubjectKind::Resource] {
        assert!(reach("closed", kind, "again", Some(0)).is_err());
    }
}

#[test]
fn only_tools_are_counted_by_their_names() {
    let registry = registry(OPEN);
    let one = registry.scope("one").unwrap();
    for (kind, key) in [
        (SubjectKind::Tool, Some("one/x")),
        (SubjectKind::Prompt, None),
        (SubjectKind::Resource, None),
    ] {
        let call = Call { kind, ..call("x", None) };
        let caller = Caller::for_test("a", &[], None);
        let target = registry.resolve(caller, &one, call, |_| None).unwrap();
        assert_eq!(target.subject().quota_key(), key);
    }
}

#[test]
fn arguments_of_undeclared_tools_are_read_strictly() {
    let registry = registry(OPEN);
    let one = registry.scope("one").unwrap();
    let fits = |arguments: &str| {
        let raw: Box<RawValue> = serde_json::from_str(arguments).unwrap();
        let caller = Caller::for_test("a", &[], None);
        let target = registry.resolve(caller, &one, call("x", Some(&raw)), |_| None).unwrap();
        target.check_arguments().map_err(|refusal| refusal.reason)
    };
    assert_eq!(fits(r#"{"any":{"thing":[1]}}"#), Ok(()));
    assert_eq!(fits("[]"), Err(Reason::InvalidArguments));
    assert_eq!(fits(r#"{"a":{"b":1,"b":2}}"#), Err(Reason::InvalidArguments));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(1024 * 1024));
    assert_eq!(fits(&large), Err(Reason::PayloadTooLarge));
}

#[test]
fn names_that_a_policy_may_mention() {
    let registry = registry(OPEN);
    let snapshot = registry.snapshot();
    assert!(snapshot.may_offer("anything"), "`one` is open");
    let spelled = registry.scope("spelled").unwrap();
    assert!(spelled.may_offer("git__x") && spelled.may_offer("a__b"));
    assert!(!spelled.may_offer("x") && !spelled.may_offer("git__gc"));
    assert!(!registry.scope("closed").unwrap().may_offer("x"));
}

#[test]
fn complaints_about_open_scopes_come_with_their_paths() {
    let many: Vec<String> = (0..33).map(|n| format!("b{n}")).collect();
    let backends: Vec<String> =
        many.iter().map(|name| format!("  {name}: {{ url: \"http://h/\" }}")).collect();
    let text = format!(
        r#"
backends:
  a__b: {{ url: "http://h/" }}
  end_: {{ url: "http://h/" }}
  sp ace: {{ url: "http://h/" }}
  late: {{ url: "http://h/", timeout_ms: 0 }}
  odd: {{ url: "http://h/", era: modren }}
  more: {{ url: "http://h/", headers: {{}} }}
  text: {{ url: "http://h/", stateless: "yes" }}
{}
scopes:
  spelled: {{ backends: [a__b, end_, sp ace, b1], namespace: connection }}
  plain: {{ backends: [a__b, nobody, b1, b1, odd] }}
  wide: {{ backends: {many:?} }}
  bare: {{ namespace: connection }}
  wrong: {{ backends: [b1], namespace: backend }}
  loud: {{ backends: [b1], colour: red }}
  Upper: {{ backends: [nobody] }}
tools:
  - {{ name: b1__x, scope: spelled, backend: b2 }}
  - {{ name: b1__y, scope: spelled, backend: b1 }}
"#,
        backends.join("\n")
    );
    insta::assert_snapshot!(read(&text, BOUNDS, None).err().unwrap().join("\n"));
}
