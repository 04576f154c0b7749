//! Configuration that changes under a running gateway: what is fit is in force in
//! one step, what is not changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::wait_until;

use crate::harness::{Gateway, Reply, Script, Token, http};

const PATIENCE: Duration = Duration::from_secs(20);

const BOTH: &str = "roles: { reader: { allowed_tools: [echo, wipe] } }";
const NONE: &str = "roles: { reader: { allowed_tools: [other] } }";

fn reader() -> Token {
    Token::of("ria", &["reader"])
}

fn admin() -> Token {
    Token::of("root", &["admin"])
}

fn echo(gateway: &Gateway) -> Reply {
    gateway.call(&reader(), "main", "echo", json!({ "text": "x" }))
}

fn is_done(reply: &Reply) -> bool {
    reply.json()["result"]["isError"] == false
}

fn write(gateway: &Gateway, name: &str, text: &str) {
    let path = gateway.folder.path().join(name);
    // As editors do: another file takes the place.
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

fn reload(gateway: &Gateway) -> Reply {
    gateway.post("/admin/reload", &admin(), &json!({}))
}

fn status(gateway: &Gateway) -> Value {
    gateway.get("/admin/reload-status", &admin()).json()
}

/// A gateway that reads files only when it is asked.
fn unwatched() -> crate::harness::Builder {
    Gateway::builder().set("SCOPEGATE__RELOAD__WATCH", "false")
}

#[test]
fn a_file_that_changes_is_in_force_by_itself() {
    let gateway = Gateway::start();
    assert!(is_done(&echo(&gateway)));
    write(&gateway, "policy.yaml", NONE);
    wait_until(PATIENCE, "the new policy", || !is_done(&echo(&gateway)));
    // In place, too.
    fs::write(gateway.folder.path().join("policy.yaml"), BOTH).unwrap();
    wait_until(PATIENCE, "the old rights", || is_done(&echo(&gateway)));
    let now = status(&gateway);
    assert_eq!(now["last_origin"], "files");
    assert_eq!(now["generation"], 3);
    let rows = gateway.audit_rows("kind=reload", 2);
    assert!(rows.iter().all(|row| row["status"] == "success"), "{rows:?}");
    assert_eq!(rows[0]["policy_digest"], now["policy_digest"]);
    assert_eq!(rows[0]["policy_generation"], 3);
    assert!(rows[0]["arguments"].as_str().unwrap().contains("\"origin\":\"files\""), "{rows:?}");
}

/// B-54: the rules of agents stand in a file of their own, as the agent gateway has
/// it, and are read again like the policy.
#[test]
fn a_file_of_agent_rules_that_changes_is_in_force_by_itself() {
    let folder = support::scratch::Scratch::new("agent-rules");
    let file = folder.path().join(".mcp-gateway-rules.json");
    let rules = |denied: &Value| {
        json!({
            "agents": {
                "default": {
                    "allow": { "servers": ["*"] },
                    // Also of a server that is not there (yet).
                    "deny": { "tools": { "scripted": denied, "later": ["x"] } },
                },
            },
            "defaults": { "deny_on_missing_agent": false },
        })
        .to_string()
    };
    fs::write(&file, rules(&json!([]))).unwrap();
    let path = file.display().to_string();
    let gateway = Gateway::builder().set("GATEWAY_RULES", &path).start();
    assert!(is_done(&echo(&gateway)));
    // As editors do: another file takes the place.
    let beside = folder.path().join("new");
    fs::write(&beside, rules(&json!(["ec*"]))).unwrap();
    fs::rename(&beside, &file).unwrap();
    wait_until(PATIENCE, "the new rules", || !is_done(&echo(&gateway)));
    let now = status(&gateway);
    assert_eq!((&now["last_origin"], &now["generation"]), (&json!("files"), &json!(2)));
    let warnings = now.to_string();
    assert!(warnings.contains("references undefined server later"), "{warnings}");
    // What is not fit keeps the old rules.
    fs::write(&file, r#"{"agents": {"default": {"alow": {}}}}"#).unwrap();
    wait_until(PATIENCE, "the attempt", || {
        status(&gateway)["reload_status"]["gateway_rules"]["last_error"].is_string()
    });
    assert!(!is_done(&echo(&gateway)));
    assert_eq!(status(&gateway)["generation"], 2);
    // In place, too.
    fs::write(&file, rules(&json!(["wipe"]))).unwrap();
    wait_until(PATIENCE, "the last rules", || is_done(&echo(&gateway)));
    let now = status(&gateway);
    assert_eq!(now["generation"], 3);
    let rows = gateway.audit_rows("kind=reload", 3);
    assert_eq!(rows[0]["policy_digest"], now["policy_digest"]);
}

#[test]
fn a_registry_that_changes_brings_tools_and_backends() {
    let gateway = unwatched().start();
    let tools = fs::read_to_string(gateway.folder.path().join("tools.yaml")).unwrap();
    let more = format!("{tools}  - {{ name: fresh, scope: new, backend: scripted }}\n");
    let call = || gateway.call(&Token::of("dora", &["developer"]), "new", "fresh", json!({}));
    assert_eq!(call().status, 404);
    write(&gateway, "tools.yaml", &more);
    assert_eq!(reload(&gateway).json(), json!({ "outcome": "applied", "generation": 2 }));
    assert!(is_done(&call()));
    assert_eq!(reload(&gateway).json(), json!({ "outcome": "unchanged", "generation": 2 }));
    let counted = r#"scopegate_calls_total{scope="new",tool="fresh",outcome="success"} 1"#;
    assert!(gateway.metrics().contains(counted), "{}", gateway.metrics());
    write(&gateway, "tools.yaml", &tools);
    assert_eq!(reload(&gateway).json()["generation"], 3);
    assert_eq!(call().status, 404);
}

#[test]
fn what_is_not_fit_changes_nothing_and_says_so() {
    let gateway = unwatched().start();
    for (file, text, told) in [
        ("policy.yaml", "roles: [", "policy.yaml"),
        ("policy.yaml", "rolez: {}", "rolez"),
        ("policy.yaml", "quotas: [{ per: user, rate: often }]", "quotas[0].rate"),
        ("tools.yaml", "tools: [{ name: x, scope: main }]", "tools[0]"),
        ("tools.yaml", "\0\u{fffd}", "tools.yaml"),
    ] {
        let before = fs::read(gateway.folder.path().join(file)).unwrap();
        write(&gateway, file, text);
        let refused = reload(&gateway);
        refused.assert_refused(422, "reload_refused");
        assert!(refused.text().contains(told), "{}", refused.text());
        assert!(is_done(&echo(&gateway)));
        let now = status(&gateway);
        let part = if file == "policy.yaml" { "gateway_rules" } else { "mcp_config" };
        assert!(now["reload_status"][part]["last_error"].as_str().unwrap().contains(told), "{now}");
        assert_eq!(now["reload_status"][part]["success_count"], 1);
        assert_eq!(now["generation"], 1);
        let ready = http::send(gateway.addr, "GET", "/ready", &[], b"");
        assert_eq!(ready.status, 200);
        assert_eq!(ready.json()["checks"]["configuration"]["ok"], false);
        fs::write(gateway.folder.path().join(file), before).unwrap();
    }
    fs::remove_file(gateway.folder.path().join("policy.yaml")).unwrap();
    reload(&gateway).assert_refused(422, "reload_refused");
    assert!(is_done(&echo(&gateway)), "a file that is gone denies nobody");
    let metrics = gateway.metrics();
    assert!(metrics.contains(r#"scopegate_reloads_total{outcome="refused"} 6"#), "{metrics}");
    assert!(metrics.contains("scopegate_configuration_stale 1"), "{metrics}");
    let rows = gateway.audit_rows("kind=reload", 6);
    assert!(rows.iter().all(|row| row["reason"] == "reload_refused"), "{rows:?}");
    write(&gateway, "policy.yaml", BOTH);
    assert_eq!(reload(&gateway).json()["outcome"], "applied");
    assert_eq!(status(&gateway)["reload_status"]["gateway_rules"]["last_error"], Value::Null);
    let ready = http::send(gateway.addr, "GET", "/ready", &[], b"");
    assert_eq!(ready.json()["checks"]["configuration"]["ok"], true);
}

#[test]
fn the_status_has_the_fields_of_the_reference_gateway() {
    let policy = "roles: { reader: { allowed_tools: [echo] } }\n\
                  agents: { helper: { allow: { servers: [\"*\"], tools: { \"*\": [\"*\"] } } } }\n\
                  rules: [{ tool: nowhere, action: deny }, { tool: \"*\", action: allow }]";
    let gateway = unwatched().policy(policy).start();
    let now = status(&gateway);
    for part in ["mcp_config", "gateway_rules"] {
        let part = &now["reload_status"][part];
        assert!(part["last_attempt"].as_str().unwrap().ends_with('Z'), "{now}");
        assert_eq!(part["last_success"], part["last_attempt"]);
        assert_eq!((&part["attempt_count"], &part["success_count"]), (&json!(1), &json!(1)));
    }
    let warnings = now["reload_status"]["gateway_rules"]["last_warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|it| it.as_str().unwrap().contains("nowhere")), "{now}");
    assert_eq!(now["policy_state"]["agent_ids"], json!(["helper"]));
    assert_eq!(now["policy_state"]["total_agents"], 1);
    assert_eq!(now["policy_state"]["defaults"], json!({ "deny_on_missing_agent": true }));
    assert!(now["available_servers"].as_array().unwrap().contains(&json!("scripted")));
    assert!(now["config_paths"]["gateway_rules"].as_str().unwrap().ends_with("policy.yaml"));
    assert!(now["message"].as_str().unwrap().starts_with("Gateway is operational."));
}

#[test]
fn cases_and_invariants_keep_a_policy_out() {
    let folder = support::scratch::Scratch::new("gate");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cases = file(
        "cases.yaml",
        "cases: [{ name: readers echo, caller: { roles: [reader] }, tool: echo, scope: main, args: { text: x }, expect: allow }]",
    );
    let invariants =
        file("invariants.yaml", "invariants: [{ name: nobody wipes, tools: [wipe], may: never }]");
    let gateway = unwatched()
        .policy("roles: { reader: { allowed_tools: [echo] } }")
        .set("SCOPEGATE__POLICY__TESTS", &cases)
        .set("SCOPEGATE__POLICY__INVARIANTS", &invariants)
        .start();
    write(&gateway, "policy.yaml", NONE);
    let refused = reload(&gateway);
    refused.assert_refused(422, "reload_refused");
    assert!(refused.text().contains("case `readers echo`"), "{}", refused.text());
    write(&gateway, "policy.yaml", BOTH);
    let refused = reload(&gateway);
    refused.assert_refused(422, "reload_refused");
    assert!(refused.text().contains("invariant `nobody wipes`"), "{}", refused.text());
    write(&gateway, "policy.yaml", "roles: { reader: { allowed_tools: [echo, other] } }");
    assert_eq!(reload(&gateway).json()["outcome"], "applied");
}

/// As Kubernetes mounts a configuration: `policy.yaml` → `..data/policy.yaml`, `..data` →
/// the folder of an edition.
#[test]
fn a_swap_of_symbolic_links_is_seen() {
    let mount = support::scratch::Scratch::new("mount");
    let edition = |name: &str, policy: &str| {
        let folder = mount.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("policy.yaml"), policy).unwrap();
    };
    let point = |at: &str| {
        let link = mount.path().join("..data_tmp");
        symlink(at, &link).unwrap();
        fs::rename(&link, mount.path().join("..data")).unwrap();
    };
    edition("..1", BOTH);
    edition("..2", NONE);
    point("..1");
    let policy = mount.path().join("policy.yaml");
    symlink("..data/policy.yaml", &policy).unwrap();
    let gateway =
        Gateway::builder().set("SCOPEGATE__POLICY__FILE", &policy.display().to_string()).start();
    assert!(is_done(&echo(&gateway)));
    point("..2");
    fs::remove_dir_all(mount.path().join("..1")).unwrap();
    wait_until(PATIENCE, "the second edition", || !is_done(&echo(&gateway)));
    edition("..3", BOTH);
    point("..3");
    wait_until(PATIENCE, "the third edition", || is_done(&echo(&gateway)));
}

#[test]
fn keys_that_change_shut_out_tokens_of_the_old_ones() {
    const OTHER: &str = "b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184";
    let folder = support::scratch::Scratch::new("keys");
    let file = folder.path().join("secret");
    fs::write(&file, crate::harness::SECRET).unwrap();
    let gateway = unwatched()
        .set("JWT_SECRET_KEY", "")
        .set("SCOPEGATE__AUTH__DEFAULT__SECRET_KEY_FILE", &file.display().to_string())
        .start();
    assert!(is_done(&echo(&gateway)));
    fs::write(&file, "tiny-one").unwrap();
    let refused = reload(&gateway);
    refused.assert_refused(422, "reload_refused");
    assert!(!refused.text().contains("tiny-one"), "{}", refused.text());
    assert!(status(&gateway)["reload_status"]["keys"]["last_error"].is_string());
    let bearer = reader().bearer();
    let headers = [("Authorization", &*bearer), ("Accept", "text/event-stream")];
    let mut stream = http::follow(gateway.addr, "GET", "/main/sse", &headers, "");
    stream.until("event: endpoint");
    fs::write(&file, OTHER).unwrap();
    assert_eq!(reload(&gateway).json()["generation"], 2);
    assert_eq!(echo(&gateway).status, 401, "known from before, and not good any more");
    stream.ends();
    let anew = reader().signed_with(OTHER);
    assert!(is_done(&gateway.call(&anew, "main", "echo", json!({ "text": "x" }))));
}

const LIST_CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"#;

#[test]
fn open_streams_are_told_that_tools_have_changed() {
    let gateway = unwatched().start();
    let bearer = reader().bearer();
    let headers = [("Authorization", &*bearer), ("Accept", "text/event-stream")];
    let mut stream = http::follow(gateway.addr, "GET", "/main/sse", &headers, "");
    stream.until("event: endpoint");
    for policy in [NONE, BOTH] {
        write(&gateway, "policy.yaml", policy);
        assert_eq!(reload(&gateway).json()["outcome"], "applied");
        stream.until(&format!("{LIST_CHANGED}\"}}"));
    }
    // A scope that is gone takes its streams along.
    write(&gateway, "tools.yaml", "tools: []");
    assert_eq!(reload(&gateway).json()["outcome"], "applied");
    stream.ends();
}

/// A scope of declared tools promises to tell what changes in both eras, and does.
#[test]
fn a_declared_scope_promises_news_and_tells_them() {
    let gateway = unwatched().start();
    let bearer = reader().bearer();
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let opened = gateway.post("/main/mcp", &reader(), &initialize);
    assert_eq!(opened.json()["result"]["capabilities"]["tools"], json!({ "listChanged": true }));
    let session = opened.header("mcp-session-id").unwrap();
    let headers = [
        ("Authorization", &*bearer),
        ("Accept", "text/event-stream"),
        ("Mcp-Session-Id", session),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let mut legacy = http::follow(gateway.addr, "GET", "/main/mcp", &headers, "");
    legacy.until("text/event-stream");
    let ask = |method: &str, params: &Value| {
        let mut params = params.clone();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({ "jsonrpc": "2.0", "id": "s1", "method": method, "params": params });
        let headers = [
            ("Authorization", &*bearer),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", method),
        ];
        http::follow(gateway.addr, "POST", "/main/mcp", &headers, &body.to_string())
    };
    ask("server/discover", &json!({})).until(r#""tools":{"listChanged":true}"#);
    let wanted = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let mut modern = ask("subscriptions/listen", &json!({ "notifications": wanted }));
    let acknowledged = modern.until("acknowledged") + &modern.until("\n\n");
    assert!(acknowledged.contains("\"toolsListChanged\":true"), "{acknowledged}");
    assert!(!acknowledged.contains("promptsListChanged"), "{acknowledged}");
    for policy in [NONE, BOTH] {
        write(&gateway, "policy.yaml", policy);
        assert_eq!(reload(&gateway).json()["outcome"], "applied");
        legacy.until(&format!("{LIST_CHANGED}\"}}"));
        modern.until(LIST_CHANGED);
        let rest = modern.until("\n\n");
        assert!(rest.contains(r#""io.modelcontextprotocol/subscriptionId":"s1""#), "{rest}");
    }
    // A scope that is gone ends both, the younger one in order.
    write(&gateway, "tools.yaml", "tools: []");
    assert_eq!(reload(&gateway).json()["outcome"], "applied");
    modern.until("\"resultType\":\"complete\"");
    legacy.ends();
}

/// Subscribes as a client of 2026-07-28.
fn listen(gateway: &Gateway, path: &str, wanted: &Value) -> http::Following {
    let body = json!({
        "jsonrpc": "2.0", "id": "s1", "method": "subscriptions/listen",
        "params": {
            "notifications": wanted,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let bearer = reader().bearer();
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    http::follow(gateway.addr, "POST", path, &headers, &body.to_string())
}

#[test]
fn subscriptions_are_told_of_lists_that_the_policy_changes() {
    let tools =
        "backends: { scripted: { url: \"BACKEND\" } }\nscopes: { wide: { backends: [scripted] } }";
    let gateway = unwatched().tools(tools).start();
    let told = r#"data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"promptsListChanged":true}}}"#;
    gateway.backend.answer(Script::Hold(format!("{told}\n\n")));
    let mut stream = listen(&gateway, "/wide/mcp", &json!({ "toolsListChanged": true }));
    let acknowledged = stream.until("acknowledged") + &stream.until("\n\n");
    assert!(acknowledged.contains("\"toolsListChanged\":true"), "{acknowledged}");
    write(&gateway, "policy.yaml", NONE);
    assert_eq!(reload(&gateway).json()["outcome"], "applied");
    stream.until(LIST_CHANGED);
    let rest = stream.until("\n\n");
    assert!(rest.contains(r#""io.modelcontextprotocol/subscriptionId":"s1""#), "{rest}");
    // Another backend behind the same name ends the stream in order.
    let elsewhere = tools.replace("BACKEND", &format!("http://{}/", gateway.backend.addr));
    write(&gateway, "tools.yaml", &elsewhere);
    assert_eq!(reload(&gateway).json()["outcome"], "applied");
    stream.until("\"resultType\":\"complete\"");
}

/// What changes here is told to whoever begins to listen while the only backend of
/// the scope is away.
#[test]
fn a_scope_with_declared_tools_tells_news_without_its_backend() {
    for era in ["legacy", "modern"] {
        let tools = format!(
            "backends: {{ away: {{ url: \"http://127.0.0.1:9/mcp\", era: {era} }} }}\n\
             scopes: {{ mixed: {{ backends: [away] }} }}\n\
             tools: [{{ name: echo, scope: mixed, backend: away }}]"
        );
        let gateway = unwatched().tools(&tools).policy(BOTH).start();
        let mut stream = listen(&gateway, "/mixed/mcp", &json!({ "toolsListChanged": true }));
        let acknowledged = stream.until("acknowledged") + &stream.until("\n\n");
        assert!(acknowledged.contains("\"toolsListChanged\":true"), "{acknowledged}");
        // Of resources only the backend could tell.
        let wanted = json!({ "resourceSubscriptions": ["file:///x"] });
        listen(&gateway, "/mixed/mcp", &wanted).until("\"error\"");
        write(&gateway, "policy.yaml", NONE);
        assert_eq!(reload(&gateway).json()["outcome"], "applied");
        stream.until(LIST_CHANGED);
    }
}

/// The same on the stream of a session, from its beginning and where it broke off.
#[test]
fn the_stream_of_a_session_does_without_its_backend() {
    let tools = "backends: { scripted: { url: \"BACKEND\", era: legacy } }\n\
                 scopes: { mixed: { backends: [scripted] } }\n\
                 tools: [{ name: echo, scope: mixed, backend: scripted }]";
    for last in [None, Some("s0.7")] {
        let gateway = unwatched().tools(tools).policy(BOTH).start();
        gateway.backend.give_sessions();
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let opened = gateway.post("/mixed/mcp", &reader(), &body);
        gateway.backend.answer(Script::HangUp);
        let bearer = reader().bearer();
        let mut headers = vec![
            ("Authorization", &*bearer),
            ("Accept", "text/event-stream"),
            ("Mcp-Session-Id", opened.header("mcp-session-id").unwrap()),
            ("MCP-Protocol-Version", "2025-11-25"),
        ];
        headers.extend(last.map(|id| ("Last-Event-ID", id)));
        let before = gateway.backend.seen().len();
        let mut stream = http::follow(gateway.addr, "GET", "/mixed/mcp", &headers, "");
        stream.until("text/event-stream");
        let asked = gateway.backend.seen().split_off(before);
        let asked_for: Vec<_> = asked[0].all("last-event-id");
        assert_eq!(asked_for, last.map(|_| "7").into_iter().collect::<Vec<_>>());
        write(&gateway, "policy.yaml", NONE);
        assert_eq!(reload(&gateway).json()["outcome"], "applied");
        stream.until(LIST_CHANGED);
    }
}

#[test]
fn nobody_subscribes_by_one_door_to_what_the_rules_deny_by_the_other() {
    let tools =
        "backends: { scripted: { url: \"BACKEND\" } }\nscopes: { wide: { backends: [scripted] } }";
    let policy = "roles: { reader: { allowed_tools: [\"*\"], allowed_resources: [\"*\"] } }\n\
                  rules: [{ resource: \"file:///payroll*\", action: deny }, { resource: \"file:///plans*\", action: approval }, { resource: \"file:///odd*\", when: \"args.nothing > 1\", action: allow }, { resource: \"*\", action: allow }]";
    let gateway = unwatched().tools(tools).policy(policy).start();
    let told = r#"data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{}}}"#;
    gateway.backend.answer(Script::Hold(format!("{told}\n\n")));
    let uris = ["file:///payroll/x", "file:///open", "file:///plans/1", "file:///odd/1"];
    let body = json!({
        "jsonrpc": "2.0", "id": "s1", "method": "subscriptions/listen",
        "params": {
            "notifications": { "resourceSubscriptions": uris },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let bearer = reader().bearer();
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    let mut stream = http::follow(gateway.addr, "POST", "/wide/mcp", &headers, &body.to_string());
    stream.until("acknowledged");
    let seen = gateway.backend.seen();
    let asked: Value = serde_json::from_str(&seen.last().unwrap().body).unwrap();
    let wanted = &asked["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*wanted, json!(["file:///open"]));
}

#[test]
fn a_call_in_progress_ends_as_it_began() {
    let gateway = unwatched().start();
    gateway.backend.answer(Script::Wait);
    thread::scope(|scope| {
        let call = scope.spawn(|| echo(&gateway));
        wait_until(PATIENCE, "the call", || gateway.backend.seen().len() == 1);
        write(&gateway, "policy.yaml", NONE);
        assert_eq!(reload(&gateway).json()["outcome"], "applied");
        gateway.backend.release();
        assert!(is_done(&call.join().unwrap()));
    });
    assert!(!is_done(&echo(&gateway)));
    let rows = gateway.audit_rows("user_id=ria", 2);
    let generations: Vec<_> = rows.iter().map(|row| row["policy_generation"].clone()).collect();
    assert_eq!(generations, [2, 1]);
}

/// The program itself: only a process has signals.
#[test]
fn a_signal_reloads() {
    let folder = support::scratch::Scratch::new("hangup");
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("policy.yaml"), BOTH).unwrap();
    fs::write(
        file("tools.yaml"),
        include_str!("../fixtures/tools.yaml").replace("BACKEND", "http://127.0.0.1:1/mcp"),
    )
    .unwrap();
    let (port, metrics) = (support::ports::free(), support::ports::free());
    let environment = [
        ("JWT_SECRET_KEY", crate::harness::SECRET.to_owned()),
        ("JWT_ISSUER", crate::harness::tokens::ISSUER.to_owned()),
        ("JWT_AUDIENCE", crate::harness::tokens::AUDIENCE.to_owned()),
        ("TOOL_GATEWAY_SHARED_SECRET", "7d5e1f0a94c2b8367d5e1f0a94c2b836".to_owned()),
        ("DATABASE_URL", format!("sqlite://{}", file("test.db"))),
        ("SCOPEGATE__REGISTRY__FILE", file("tools.yaml")),
        ("SCOPEGATE__POLICY__FILE", file("policy.yaml")),
        ("SCOPEGATE__RELOAD__WATCH", "false".to_owned()),
        ("SCOPEGATE__SERVER__STATE_DIR", file("state")),
        ("SCOPEGATE__SERVER__LISTEN", format!("127.0.0.1:{port}")),
        ("SCOPEGATE__SERVER__METRICS_LISTEN", format!("127.0.0.1:{metrics}")),
    ];
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_scopegate"));
    let server = support::process::Server::run(program, &["serve"], &environment);
    assert!(server.accepts_on(port), "{}", server.log());
    let bearer = admin().bearer();
    let status = || {
        let headers = [("Authorization", &*bearer)];
        let address = ([127, 0, 0, 1], port).into();
        http::send(address, "GET", "/admin/reload-status", &headers, b"").json()
    };
    assert_eq!(status()["generation"], 1);
    fs::write(file("policy.yaml"), NONE).unwrap();
    server.signal("HUP");
    wait_until(PATIENCE, "the second generation", || status()["generation"] == 2);
    assert_eq!(status()["last_origin"], "signal");
}

/// One edition has `alpha` and allows it, the other has `beta` and allows it; both
/// have `echo`. Were a call ever judged by the policy of one and the registry of
/// the other, it would be `tool_not_allowed`.
#[test]
fn a_thousand_reloads_under_load_mix_nothing_and_fail_nobody() {
    const RELOADS: u32 = 1000;
    let mount = support::scratch::Scratch::new("editions");
    let edition = |name: &str, policy: &str, tools: &str| {
        let folder = mount.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("policy.yaml"), policy).unwrap();
        fs::write(folder.join("tools.yaml"), tools).unwrap();
    };
    let point = |at: &str| {
        let link = mount.path().join("next");
        symlink(at, &link).unwrap();
        fs::rename(&link, mount.path().join("now")).unwrap();
    };
    let path = |name: &str| mount.path().join("now").join(name).display().to_string();
    edition("empty", "", "");
    point("empty");
    let backend = crate::harness::Backend::start();
    let tools = |tool: &str| {
        format!(
            "backends: {{ b: {{ url: \"http://{}/mcp\" }} }}\n\
             tools: [{{ name: echo, scope: main, backend: b }}, {{ name: {tool}, scope: main, backend: b }}]",
            backend.addr
        )
    };
    let policy = |tool: &str| format!("roles: {{ reader: {{ allowed_tools: [echo, {tool}] }} }}");
    edition("alpha", &policy("alpha"), &tools("alpha"));
    edition("beta", &policy("beta"), &tools("beta"));
    edition("torn", "roles: { reader: { allowed_tools: [ec", &tools("alpha"));
    point("alpha");
    let gateway = unwatched()
        .set("SCOPEGATE__POLICY__FILE", &path("policy.yaml"))
        .set("SCOPEGATE__REGISTRY__FILE", &path("tools.yaml"))
        .set("SCOPEGATE__QUOTA__USER__PER_MINUTE", "1000000")
        .set("SCOPEGATE__QUOTA__USER__BURST", "1000000")
        .set("SCOPEGATE__QUOTA__USER_TOOL__PER_MINUTE", "1000000")
        .set("SCOPEGATE__QUOTA__USER_TOOL__BURST", "1000000")
        .set("SCOPEGATE__QUOTA__ABUSE__PER_MINUTE", "1000000")
        .set("SCOPEGATE__QUOTA__ABUSE__BURST", "1000000")
        .set("SCOPEGATE__AUDIT__REFUSALS_PER_MINUTE", "1000000")
        .start();
    let over = AtomicBool::new(false);
    let calls = AtomicUsize::new(0);
    let mut applied = 0;
    thread::scope(|scope| {
        let (gateway, over, calls) = (&gateway, &over, &calls);
        let callers: Vec<_> = ["alpha", "beta", "echo"]
            .into_iter()
            .map(|tool| {
                scope.spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        let reply = gateway.call(&reader(), "main", tool, json!({}));
                        assert_eq!(reply.status, 200, "{}", reply.text());
                        let body = reply.json();
                        assert!(tool != "echo" || body["result"]["isError"] == false, "{body}");
                        calls.fetch_add(1, Ordering::AcqRel);
                    }
                })
            })
            .collect();
        for number in 0..RELOADS {
            let next = match number % 10 {
                3 => "torn",
                number if number % 2 == 0 => "beta",
                _ => "alpha",
            };
            let so_far = calls.load(Ordering::Acquire);
            wait_until(PATIENCE, "load", || calls.load(Ordering::Acquire) > so_far);
            point(next);
            let reply = reload(gateway);
            if next == "torn" {
                reply.assert_refused(422, "reload_refused");
            } else {
                assert_eq!(reply.status, 200, "{}", reply.text());
                applied += u32::from(reply.json()["outcome"] == "applied");
            }
        }
        over.store(true, Ordering::Release);
        for caller in callers {
            caller.join().unwrap();
        }
    });
    assert_eq!(status(&gateway)["generation"], 1 + applied);
    // Once every call is on record.
    let calls = calls.into_inner() as u64;
    let total = |filter: &str| {
        let path = format!("/admin/audit-logs?user_id=ria&limit=1{filter}");
        gateway.get(&path, &admin()).json()["total"].as_u64().unwrap()
    };
    wait_until(PATIENCE, "all calls on record", || total("") >= calls);
    assert_eq!(total("&reason=tool_not_allowed"), 0, "a mixture");
    for tool in ["alpha", "beta"] {
        for status in ["success", "denied"] {
            assert!(total(&format!("&tool_name={tool}&status={status}")) > 0, "{tool} {status}");
        }
    }
}
