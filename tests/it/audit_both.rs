//! The trail from outside, on either database.

use serde_json::{Value, json};
use support::eventually::wait_until;
use support::process::PATIENCE;

use crate::harness::database::{execute, on_postgres};
use crate::harness::{Builder, Gateway, Reply, Token, http};

fn developer() -> Token {
    Token::of("dora", &["developer"])
}

#[test]
fn the_turn_of_a_call_is_on_record_on_sqlite() {
    turns(Gateway::builder());
}

#[test]
fn the_turn_of_a_call_is_on_record_on_postgres() {
    on_postgres(|builder, _| turns(builder));
}

fn turns(builder: Builder) {
    let gateway = builder.start();
    let ask = |path: &str, turn: Option<&str>, body: &Value| {
        let header: Vec<_> = turn.map(|turn| ("X-Mcp-Turn-Id", turn)).into_iter().collect();
        let bearer = developer().bearer();
        gateway.post_raw(path, &bearer, &header, body.to_string().as_bytes())
    };
    let call = |tool: &str, meta: &Value| {
        let params = json!({ "name": tool, "arguments": { "text": "hi" }, "_meta": meta });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
    };
    let invoke = |tool: &str, scope: &str| json!({ "tool_name": tool, "scope": scope, "arguments": { "text": "hi" } });
    ask("/main/mcp", Some("by-header"), &call("echo", &json!({})));
    ask("/main/mcp", None, &call("echo", &json!({ "turnId": "in-meta" })));
    ask("/mcp/invoke", Some("rest"), &invoke("echo", "main"));
    ask("/main/mcp", Some("refused"), &call("absent", &json!({})));
    ask("/mcp/invoke", Some("nowhere"), &invoke("echo", "absent"));
    ask("/main/mcp", None, &call("echo", &json!({})));
    let rows = gateway.audit_rows("user_id=dora", 6);
    let told: Vec<(&str, Option<&str>)> = rows
        .iter()
        .rev()
        .map(|row| (row["status"].as_str().unwrap(), row["turn"].as_str()))
        .collect();
    let expected = [
        ("success", Some("by-header")),
        ("success", Some("in-meta")),
        ("success", Some("rest")),
        ("denied", Some("refused")),
        ("denied", Some("nowhere")),
        ("success", None),
    ];
    assert_eq!(told, expected);
    let admin = Token::of("root", &["admin"]);
    let csv = gateway.get("/admin/audit-logs?format=csv&user_id=dora", &admin).text();
    assert!(csv.lines().next().unwrap().contains(",turn,") && csv.contains(",in-meta,"), "{csv}");
}

#[test]
fn calls_go_on_without_the_database_until_the_journal_is_full_on_sqlite() {
    let folder = support::scratch::Scratch::new("sg-outage");
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let builder = Gateway::builder().set("DATABASE_URL", &url);
    let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    outage(
        builder,
        || execute(&url, &rename("audit_cursor", "elsewhere")),
        || execute(&url, &rename("elsewhere", "audit_cursor")),
    );
}

/// A role that may not insert any more.
#[test]
fn calls_go_on_without_the_database_until_the_journal_is_full_on_postgres() {
    on_postgres(|builder, url| {
        let role = format!("gateway_{}", std::process::id());
        execute(url, &format!("CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}"));
        let mut as_role = url::Url::parse(url).unwrap();
        as_role.set_username(&role).unwrap();
        outage(
            builder.set("DATABASE_URL", as_role.as_str()),
            || execute(url, &format!("REVOKE INSERT ON audit_events FROM {role}")),
            || execute(url, &format!("GRANT INSERT ON audit_events TO {role}")),
        );
        let owned = format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}");
        execute(url, &format!("{owned}; DROP ROLE {role}"));
    });
}

fn outage(builder: Builder, begin: impl FnOnce(), end: impl FnOnce()) {
    let mut builder = builder
        .set("SCOPEGATE__AUDIT__SEGMENT_BYTES", "16384")
        .set("SCOPEGATE__AUDIT__MAX_BACKLOG_BYTES", "100000");
    for limit in ["USER", "USER_TOOL"] {
        for bound in ["PER_MINUTE", "BURST"] {
            builder = builder.set(&format!("SCOPEGATE__QUOTA__{limit}__{bound}"), "1000000");
        }
    }
    let gateway = builder.start();
    let ready = || http::send(gateway.addr, "GET", "/ready", &[], b"");
    let check = |ready: &Reply, name: &str| ready.json()["checks"][name].clone();
    let call = || gateway.call(&developer(), "main", "echo", json!({ "text": "hi" }));
    assert_eq!(call().status, 200);
    gateway.audit_rows("user_id=dora", 1);
    begin();
    // Calls go on, and it is said that their events wait.
    wait_until(PATIENCE, "the outage to be told", || {
        assert_eq!(call().code(), None);
        let ready = ready();
        assert_eq!((ready.status, &check(&ready, "audit")), (200, &json!({ "ok": true })));
        check(&ready, "audit_shipping") == json!({ "ok": false, "reason": "failed" })
    });
    // When the journal is full, no call is made any more.
    let mut made = 0;
    wait_until(PATIENCE, "the journal to be full", || {
        let reply = call();
        made += usize::from(reply.status == 200 && reply.code().is_none());
        reply.code().as_deref() == Some("audit_unavailable")
    });
    assert!(made > 10, "{made}");
    let seen = gateway.backend.seen().len();
    assert_eq!(call().code().as_deref(), Some("audit_unavailable"));
    assert_eq!(gateway.backend.seen().len(), seen);
    let full = ready();
    let reason = json!({ "ok": false, "reason": "backlog full" });
    assert_eq!((full.status, check(&full, "audit")), (503, reason));
    end();
    wait_until(PATIENCE, "what has waited to arrive", || {
        let ready = ready();
        ready.status == 200 && check(&ready, "audit_shipping") == json!({ "ok": true })
    });
    assert_eq!(call().code(), None);
    let page = || {
        let admin = Token::of("root", &["admin"]);
        gateway.get("/admin/audit-logs?user_id=dora&status=success&limit=1", &admin).json()
    };
    // Every call that the backend has seen is a row.
    let all = gateway.backend.seen().len() as u64;
    wait_until(PATIENCE, "all calls to be rows", || page()["total"] == all);
}
