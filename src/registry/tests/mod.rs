mod open;

use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::file::{Bounds, read};
use super::*;
use crate::authn::Caller;
use crate::protocol::call::Call;
use crate::protocol::mcp::Method;
use crate::protocol::revision::Era;

const BOUNDS: Bounds =
    Bounds { default_timeout: Duration::from_secs(30), max_timeout: Duration::from_mins(5) };

const FILE: &str = r#"
backends:
  calculator: { url: "http://127.0.0.1:8001/mcp" }
scopes:
  git: { instructions: "History." }
tools:
  - name: add
    scope: calculator
    backend: calculator
    description: Adds.
    risk_level: low
    input_schema: { type: object, required: [a], properties: { a: { type: integer } }, additionalProperties: false }
    timeout_ms: 250
  - { name: write, scope: docs, backend_url: "http://documents:8000/mcp", risk_level: high, required_roles: [writer] }
  - { name: old, scope: calculator, backend: calculator, is_active: false }
"#;

fn registry(text: &str) -> Registry {
    Registry::read(text, BOUNDS).map_err(|complaints| complaints.join("\n")).unwrap()
}

fn call<'a>(name: &'a str, arguments: Option<&'a RawValue>) -> Call<'a> {
    Call {
        id: serde_json::from_str("1").unwrap(),
        method: Method::ToolsCall,
        kind: SubjectKind::Tool,
        name: name.into(),
        arguments,
        message: Bytes::new(),
        answers: None,
        request_id: None,
        turn_id: None,
        job_id: None,
        era: Era::Legacy,
        revision: "2025-11-25",
        mirrored: Vec::new(),
    }
}

fn resolve(registry: &Registry, scope: &str, tool: &str) -> Result<(), Reason> {
    let caller = Caller::for_test("alice", &["dev"], None);
    let scope = registry.scope(scope).map_err(|refusal| refusal.reason)?;
    let target = registry.resolve(caller, &scope, call(tool, None), |_| None);
    target.map(|_| ()).map_err(|refusal| refusal.reason)
}

fn fits(arguments: Option<&str>) -> Result<(), Refusal> {
    let registry = registry(FILE);
    let caller = Caller::for_test("alice", &["dev"], None);
    let scope = registry.scope("calculator").unwrap();
    let raw = arguments.map(|text| serde_json::from_str::<Box<RawValue>>(text).unwrap());
    let call = call("add", raw.as_deref());
    registry.resolve(caller, &scope, call, |_| None).unwrap().check_arguments()
}

#[test]
fn a_call_is_held_to_its_scope() {
    let registry = registry(FILE);
    assert_eq!(resolve(&registry, "calculator", "add"), Ok(()));
    assert_eq!(resolve(&registry, "calculator", "write"), Err(Reason::ToolNotInScope));
    assert_eq!(resolve(&registry, "calculator", "nothing"), Err(Reason::UnknownTool));
    assert_eq!(resolve(&registry, "calculator", "old"), Err(Reason::UnknownTool));
    assert_eq!(resolve(&registry, "calculator", "ADD"), Err(Reason::UnknownTool));
    assert_eq!(resolve(&registry, "calculator", "find_tools"), Err(Reason::RemovedTool));
    assert_eq!(resolve(&registry, "nowhere", "add"), Err(Reason::UnknownScope));
}

#[test]
fn scopes_are_data_and_may_be_empty() {
    let registry = registry(FILE);
    let git = registry.scope("git").unwrap();
    assert!(git.tools.is_empty());
    assert_eq!(git.instructions.as_deref(), Some("History."));
    let names: Vec<_> = registry.snapshot().scopes().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["git", "calculator", "docs"]);
}

#[test]
fn inactive_tools_are_recorded_but_not_offered() {
    let registry = registry(FILE);
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.records().len(), 3);
    assert!(!snapshot.records()[2].is_active);
    assert_eq!(snapshot.scope("calculator").unwrap().tools.len(), 1);
}

#[test]
fn arguments_are_held_against_the_schema_and_faults_name_their_path() {
    assert!(fits(Some(r#"{"a":1}"#)).is_ok());
    let missing = fits(None).unwrap_err();
    assert_eq!(missing.reason, Reason::InvalidArguments);
    assert!(missing.public.unwrap().contains("\"a\" is a required property"));
    let wrong = fits(Some(r#"{"a":"x"}"#)).unwrap_err();
    assert!(wrong.public.unwrap().starts_with("arguments/a: "));
    assert!(fits(Some(r#"{"a":1,"b":2}"#)).unwrap_err().public.unwrap().contains("'b'"));
    assert!(fits(Some("[1]")).unwrap_err().public.unwrap().contains("must be an object"));
    let long = format!(r#"{{"a":"{}"}}"#, "ü".repeat(5_000));
    assert!(fits(Some(&long)).unwrap_err().public.unwrap().len() < 300);
}

#[test]
fn every_complaint_comes_with_its_path() {
    let complaints = read(
        r#"
backends: { b: { url: "ftp://x/" }, c: { url: "http://user:pw@host/" } }
scopes: { Upper: {}, admin: {} }
tools:
  - { name: "", scope: s, backend_url: "http://h/" }
  - { name: t, scope: s, backend: nobody }
  - { name: t, scope: s, backend_url: "http://h/", backend: c, timeout_ms: 999999999 }
  - { name: u, scope: s, backend_url: "http://h/", input_schema: { type: 7 }, colour: red }
  - { name: call_tool, scope: s, backend_url: "http://h/" }
  - { name: v, scope: s, backend_url: "http://h/", input_schema: { type: 7 } }
  - { name: w, scope: s, backend_url: "http://h/", redact: [$.a, b] }
"#,
        BOUNDS,
        None,
    )
    .err()
    .unwrap();
    insta::assert_snapshot!(complaints.join("\n"));
}

#[test]
fn what_the_trail_must_not_keep_is_known_for_strays_too() {
    let snapshot = read(
        r#"
scopes: { other: {} }
tools:
  - { name: t, scope: a, backend_url: "http://h/", redact: [$.x] }
  - { name: t, scope: b, backend_url: "http://k/" }
  - { name: t, scope: c, backend_url: "http://h/" }
  - { name: off, scope: a, backend_url: "http://h/", redact: [$.x], is_active: false }
"#,
        BOUNDS,
        None,
    )
    .unwrap();
    let hides = |scope: &str, tool: &str| {
        snapshot.redactions(snapshot.scope(scope).unwrap(), tool).is_some()
    };
    assert!(hides("a", "t") && !hides("b", "t"), "each backend's tool has its own");
    assert!(hides("c", "t"), "it is the same tool in every scope");
    assert!(hides("other", "T"), "another spelling of the same");
    assert!(hides("other", "t"), "a call that went astray");
    assert!(hides("a", "off"), "a tool that is not active");
    assert!(!hides("a", "absent"));
}

#[test]
fn duplicate_and_unknown_keys_are_errors() {
    assert!(read("tools: []\ntools: []", BOUNDS, None).err().unwrap()[0].contains("duplicate"));
    assert!(read("tolls: []", BOUNDS, None).err().unwrap()[0].contains("unknown field"));
    assert!(read("", BOUNDS, None).is_ok());
}
