//! The policy's layers from outside: what is refused with what, what is hidden
//! from whom, explanations, the shadow, and the past decided anew.

use std::time::Duration;

use scopegate::app;
use scopegate::cli::{Output, Policy, PolicyEnd};
use serde_json::{Value, json};
use support::eventually::wait_until;

use crate::harness::{Gateway, Reply, Script, Token};

const POLICY: &str = r#"
roles:
  admin: { allowed_tools: ["*"] }
  developer: { allowed_tools: ["*"] }
  reader: { allowed_tools: [echo] }
rules:
  - { tool: wipe, when: { mode: dry }, action: allow }
  - { tool: wipe, when: { mode: never }, action: deny }
  - { tool: wipe, when: 'args.count > 10', action: deny }
  - { tool: wipe, action: approvalRequired }
  - { tool: echo, when: { text: secret }, action: redact, redact_fields: [text] }
  - { tool: echo, when: { text: quiet }, action: redact, redact_fields: [text], redact_audit_only: true }
  - { tool: echo, when: { text: show }, action: allow, redact_result: ["$..email"] }
  - { tool: "*", action: allow }
"#;

fn developer() -> Token {
    Token::of("dora", &["developer"])
}

fn gateway() -> Gateway {
    Gateway::builder().policy(POLICY).start()
}

fn code(reply: &Reply) -> String {
    let body = reply.json();
    let data = &body["error"]["data"]["code"];
    let result = &body["result"]["structuredContent"]["error"]["code"];
    data.as_str().or(result.as_str()).unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[test]
fn a_call_is_refused_with_what_decided_and_nothing_reaches_the_backend() {
    let gateway = gateway();
    let wipe = |arguments| gateway.call(&developer(), "main", "wipe", arguments);
    for (arguments, expected) in [
        (json!({ "mode": "never" }), "DENIED_BY_POLICY"),
        (json!({ "count": 11 }), "DENIED_BY_POLICY"),
        (json!({ "count": 1 }), "approval_unavailable"),
        (json!({ "count": "many" }), "condition_failed"),
        (json!({}), "condition_failed"),
    ] {
        let reply = wipe(arguments.clone());
        assert_eq!((reply.status, code(&reply).as_str()), (200, expected), "{arguments}");
        assert_eq!(reply.json()["result"]["isError"], true);
        let modern = gateway.call_modern(&developer(), "main", "wipe", arguments.clone());
        assert_eq!(code(&modern), expected, "{arguments}");
    }
    assert!(gateway.backend.seen().is_empty());
    assert!(wipe(json!({ "mode": "dry" })).json()["result"]["isError"] != true);
    let rows = gateway.audit_rows("user_id=dora&reason=approval_unavailable", 2);
    assert_eq!(rows[0]["rule_path"], "rules[3]");
    assert_eq!(rows[0]["decision"], "deny");
    let listed = gateway.post(
        "/main/mcp",
        &developer(),
        &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
    );
    assert!(listed.text().contains("\"wipe\""), "rules do not hide");
}

#[test]
fn rest_says_it_with_a_status() {
    let gateway = gateway();
    let body = json!({ "tool_name": "wipe", "scope": "main", "arguments": { "count": 11 } });
    let reply = gateway.post("/mcp/invoke", &developer(), &body);
    reply.assert_refused(403, "DENIED_BY_POLICY");
}

#[test]
fn redacted_fields_reach_neither_the_backend_nor_the_trail() {
    let gateway = gateway();
    let body = r#"{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{"arguments":{ "text":"secret" },"name":"echo"}}"#;
    gateway.post_raw("/main/mcp", &developer().bearer(), &[], body.as_bytes());
    let seen = gateway.backend.seen();
    assert_eq!(seen[0].body, body.replace("\"secret\"", "\"***REDACTED***\""));
    let row = &gateway.audit_rows("user_id=dora", 1)[0];
    assert_eq!(row["arguments"], r#"{"text":"***REDACTED***"}"#);
    assert_eq!(
        (row["decision"].as_str(), row["rule_path"].as_str()),
        (Some("allow"), Some("rules[4]"))
    );
}

#[test]
fn redacted_fields_of_refused_calls_stay_out_of_the_trail_too() {
    let gateway = gateway();
    let stranger = Token::of("eve", &["stranger"]);
    let arguments = json!({ "text": "canary", "more": "kept" });
    let reply = gateway.call(&stranger, "main", "echo", arguments.clone());
    assert_eq!(code(&reply), "TOOL_NOT_FOUND");
    let hidden = r#"{"more":"kept","text":"[redacted]"}"#;
    assert_eq!(gateway.audit_rows("user_id=eve", 1)[0]["arguments"], hidden);
    // A call that goes on by another rule is kept as that rule has it.
    gateway.call(&developer(), "main", "echo", arguments);
    let kept = r#"{"more":"kept","text":"canary"}"#;
    assert_eq!(gateway.audit_rows("user_id=dora", 1)[0]["arguments"], kept);
}

#[test]
fn fields_hidden_from_the_trail_only_reach_the_backend() {
    let gateway = gateway();
    gateway.call(&developer(), "main", "echo", json!({ "text": "quiet" }));
    assert!(gateway.backend.seen()[0].body.contains("quiet"));
    let row = &gateway.audit_rows("user_id=dora", 1)[0];
    assert_eq!(row["arguments"], r#"{"text":"***REDACTED***"}"#);
}

#[test]
fn results_come_without_what_is_hidden_also_out_of_streams() {
    let gateway = gateway();
    let answer = r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"{\"email\":\"a@b\"}"},{"type":"text","text":"call a@b"}],"structuredContent":{"email":"a@b","n":1.0}}}"#;
    for script in [
        Script::Plain(200, "application/json", answer.to_owned()),
        Script::Events(format!("data: {answer}\n\n")),
    ] {
        gateway.backend.answer(script);
        let reply = gateway.call(&developer(), "main", "echo", json!({ "text": "show" }));
        let text = reply.text();
        assert!(!text.contains("a@b"), "{text}");
        assert!(
            text.contains(r#""structuredContent":{"email":"***REDACTED***","n":1.0}"#),
            "{text}"
        );
        assert!(text.contains(r#"{\"email\":\"***REDACTED***\"}"#), "{text}");
    }
}

#[test]
fn agents_are_held_to_their_profiles_in_lists_and_calls() {
    let policy = r#"
roles: { admin: { allowed_tools: ["*"] }, developer: { allowed_tools: ["*"] } }
agents:
  narrow: { allow: { servers: ["*"], tools: { "*": [echo] } } }
"#;
    let gateway = Gateway::builder().policy(policy).set("JWT_AGENT_CLAIM", "agent").start();
    let narrow = developer().claim("agent", "narrow");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let listed = gateway.post("/main/mcp", &narrow, &list).text();
    assert!(listed.contains("\"echo\"") && !listed.contains("\"wipe\""), "{listed}");
    assert_eq!(code(&gateway.call(&narrow, "main", "wipe", json!({}))), "TOOL_NOT_FOUND");
    gateway.call(&narrow, "main", "echo", json!({ "text": "hi" }));
    assert_eq!(gateway.backend.seen().len(), 1);
    let stranger = developer().claim("agent", "stranger");
    for token in [stranger, developer()] {
        let reply = gateway.call(&token, "main", "echo", json!({ "text": "hi" }));
        assert_eq!(code(&reply), "INVALID_AGENT_ID");
    }
}

#[test]
fn administrators_are_told_why() {
    let gateway = gateway();
    let admin = Token::of("ada", &["admin"]);
    let ask = |query: &str| gateway.get(&format!("/admin/policy/explain?{query}"), &admin);
    let told =
        ask("user=dora&roles=developer&tool=wipe&scope=main&args=%7B%22count%22%3A1%7D").json();
    assert_eq!((&told["decision"], &told["rule"]), (&json!("approval"), &json!("rules[3]")));
    assert_eq!(told["layer"], "rules");
    assert_eq!(told["steps"][0]["rule"], "roles.developer.allowed_tools[0]");
    assert_eq!(told["policy_digest"].as_str().unwrap().len(), 64);
    assert!(told["text"].as_str().unwrap().starts_with("NEEDS APPROVAL by rules[3]"));
    let told = ask("roles=developer&tool=absent&scope=main").json();
    assert_eq!(
        told["note"],
        "the scope has no such tool: whatever the policy says, there is nothing to call"
    );
    for query in [
        "",
        "tool=wipe&scope=main&client_version=1",
        "tool=wipe&scope=main&method=tools/list",
        "tool=a&tool=b",
        "tool=a&prompt=b",
        "tool=a&who=b",
        "tool=a&args=%7B",
        "tool=wipe&scope=none",
    ] {
        ask(query).assert_refused(400, "invalid_request");
    }
    gateway
        .get("/admin/policy/explain?tool=wipe", &developer())
        .assert_refused(403, "admin_required");
    // The question that was answered, the one about a scope that is not there, and the
    // one with the method of something else.
    let auditor = Token::of("auditor", &["admin"]);
    let mut seen = String::new();
    wait_until(Duration::from_secs(10), "the questions on record", || {
        seen = gateway.get("/admin/audit-logs?format=jsonl", &auditor).text();
        seen.matches(r#"\"name\":\"wipe\""#).count() == 3
    });
    assert!(!seen.contains("count"), "arguments of questions are not kept");
}

#[test]
fn a_shadow_policy_is_asked_and_never_obeyed() {
    let folder = support::scratch::Scratch::new("shadow");
    let file = folder.path().join("new.yaml");
    std::fs::write(
        &file,
        "roles: { admin: { allowed_tools: ['*'] }, developer: { allowed_tools: [echo] } }",
    )
    .unwrap();
    let gateway =
        Gateway::builder().set("SCOPEGATE__POLICY__SHADOW", &file.display().to_string()).start();
    gateway.call(&developer(), "main", "wipe", json!({}));
    gateway.call(&developer(), "main", "echo", json!({ "text": "hi" }));
    assert_eq!(gateway.backend.seen().len(), 2, "nothing is enforced");
    gateway.audit_rows("user_id=dora", 2);
    assert!(gateway.metrics().contains("scopegate_policy_shadow_differences_total 1"));
    let admin = Token::of("auditor", &["admin"]);
    let lines = gateway.get("/admin/audit-logs?format=jsonl&user_id=dora", &admin).text();
    let shadows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["shadow"].clone())
        .filter(|shadow| !shadow.is_null())
        .collect();
    assert_eq!(shadows.len(), 1);
    assert!(shadows[0].as_str().unwrap().starts_with("deny by default_action of "), "{shadows:?}");
}

fn replay(gateway: &Gateway, candidate: &str) -> (PolicyEnd, Value) {
    let file = gateway.folder.path().join("candidate.yaml");
    std::fs::write(&file, candidate).unwrap();
    let action = Policy::Replay {
        candidate: file,
        since: "1h".to_owned(),
        until: None,
        samples: 3,
        json: true,
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output { out: &mut out, err: &mut err };
    let end = app::policy(gateway.settings(), action, &mut output).unwrap();
    let told = serde_json::from_slice(&out).unwrap_or_else(|_| panic!("{end:?}"));
    (end, told)
}

#[test]
fn the_past_is_decided_anew() {
    let gateway = gateway();
    for arguments in [
        json!({"mode": "dry"}),
        json!({"mode": "never"}),
        json!({"count": 11}),
        json!({"count": 1}),
        json!({}),
    ] {
        gateway.call(&developer(), "main", "wipe", arguments);
    }
    for text in ["secret", "plain"] {
        gateway.call(&developer(), "main", "echo", json!({ "text": text }));
    }
    gateway.call(&Token::of("rita", &["reader"]), "main", "wipe", json!({}));
    gateway.call(&Token::of("ned", &[]), "main", "echo", json!({ "text": "hi" }));
    gateway.call(&developer(), "main", "absent", json!({}));
    gateway.audit_rows("kind=decision", 10);
    // The active policy over its own history: nothing differs. One call's
    // arguments were hidden, and a rule looks at them: it stays undecided. The
    // call of a tool that does not exist was decided by no policy.
    let (end, same) = replay(&gateway, POLICY);
    assert!(matches!(end, PolicyEnd::Done), "{same}");
    assert_eq!(
        (&same["calls"], &same["same"], &same["undecided"]),
        (&json!(9), &json!(8), &json!(1)),
        "{same}"
    );
    // A mutation gives exactly what it changes.
    let stricter = POLICY
        .replace(
            "{ tool: wipe, when: { mode: dry }, action: allow }",
            "{ tool: wipe, when: { mode: dry }, action: deny }",
        )
        .replace("reader: { allowed_tools: [echo] }", "reader: { allowed_tools: [echo, wipe] }");
    let (end, other) = replay(&gateway, &stricter);
    assert!(matches!(end, PolicyEnd::Refuted));
    assert_eq!(other["differences"], json!({ "allow->deny": 1 }), "{other}");
    let sample = &other["samples"][0];
    assert_eq!((&sample["user"], &sample["subject"]), (&json!("dora"), &json!("main/wipe")));
    assert_eq!(
        (&sample["rule_before"], &sample["rule_after"]),
        (&json!("rules[0]"), &json!("rules[0]"))
    );
    let looser = POLICY.replace(
        "{ tool: wipe, when: { mode: never }, action: deny }",
        "{ tool: wipe, when: { mode: never }, action: allow }",
    );
    let (_, other) = replay(&gateway, &looser);
    assert_eq!(other["differences"], json!({ "deny->allow": 1 }), "{other}");
    let asking = POLICY.replace(
        "{ tool: wipe, when: { mode: dry }, action: allow }",
        "{ tool: wipe, when: { mode: dry }, action: approval }",
    );
    let (_, other) = replay(&gateway, &asking);
    assert_eq!(other["differences"], json!({ "allow->approval": 1 }), "{other}");
}
