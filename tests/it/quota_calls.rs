//! Limits of the policy over HTTP: concurrency, budgets, what is charged once,
//! what an admin sees, and abuse.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::wait_until;

use crate::harness::tokens::ISSUER;
use crate::harness::{Builder, Gateway, Reply, Script, Token, http};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Everybody may do everything, within limits.
pub(crate) fn limited(limits: &str) -> Builder {
    let roles = "roles: { developer: { allowed_tools: ['*'] }, admin: { allowed_tools: ['*'] } }";
    Gateway::builder().policy(&format!("{roles}\n{limits}"))
}

/// The same, counted in memory and in Redis.
pub(crate) fn on_both(limits: &str) -> [Gateway; 2] {
    let redis = limited(limits)
        .set("REDIS_URL", &support::redis::shared_url())
        .set("SCOPEGATE__REDIS__TIMEOUT_MS", "20000")
        .set("SCOPEGATE__REDIS__KEY_PREFIX", &support::redis::unique_prefix());
    [limited(limits).start(), redis.start()]
}

pub(crate) fn dora() -> Token {
    Token::of("dora", &["developer"])
}

pub(crate) fn wipe(gateway: &Gateway) -> Reply {
    gateway.call(&dora(), "main", "wipe", json!({}))
}

fn wipe_with(gateway: &Gateway, headers: &[(&str, &str)]) -> Reply {
    let body = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "wipe", "arguments": {} },
    });
    gateway.post_raw("/main/mcp", &dora().bearer(), headers, body.to_string().as_bytes())
}

pub(crate) fn left(reply: &Reply) -> u32 {
    reply.header("x-ratelimit-remaining").unwrap().parse().unwrap()
}

pub(crate) fn done() -> Script {
    Script::Result(json!({ "content": [], "isError": false }))
}

/// A call that is sent, and whose answer nobody reads.
fn open_call(gateway: &Gateway) -> TcpStream {
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe","arguments":{}}}"#;
    let mut stream = TcpStream::connect(gateway.addr).unwrap();
    write!(
        stream,
        "POST /main/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Content-Length: {}\r\n\r\n{body}",
        dora().bearer(),
        body.len()
    )
    .unwrap();
    stream
}

#[test]
fn a_place_is_free_again_when_a_call_ends_or_its_client_leaves() {
    for gateway in on_both("quotas: [{ per: user, concurrency: 1 }]") {
        for _ in 0..3 {
            wait_until(PATIENCE, "an ended call to give its place back", || {
                wipe(&gateway).code().is_none()
            });
        }
        let asked = gateway.backend.seen().len();
        gateway.backend.answer(Script::Stall);
        let client = open_call(&gateway);
        wait_until(PATIENCE, "the call to be at the backend", || {
            gateway.backend.seen().len() == asked + 1
        });
        let refused = wipe(&gateway);
        refused.assert_refused(200, "RATE_LIMIT_EXCEEDED");
        let error = &refused.json()["result"]["structuredContent"]["error"];
        assert_eq!(error["message"], "1 calls may be in progress; try again when one has ended");
        assert_eq!(error["retryAfterMs"], 1000);
        let rest = gateway.post("/mcp/invoke", &dora(), &json!({ "tool_name": "wipe" }));
        rest.assert_refused(429, "RATE_LIMIT_EXCEEDED");
        assert_eq!(rest.header("retry-after"), Some("2"));
        gateway.backend.answer(done());
        drop(client);
        wait_until(PATIENCE, "a place", || wipe(&gateway).code().is_none());
    }
}

#[test]
fn a_stream_holds_its_place_as_long_as_it_is_open() {
    for gateway in on_both("quotas: [{ per: user, concurrency: 1 }]") {
        gateway.backend.answer(Script::Hold(": nothing yet\n\n".to_owned()));
        let mut client = open_call(&gateway);
        let mut received = String::new();
        while !received.contains("text/event-stream") {
            let mut piece = [0; 512];
            let size = client.read(&mut piece).unwrap();
            assert!(size > 0, "{received}");
            received.push_str(&String::from_utf8_lossy(&piece[..size]));
        }
        gateway.backend.answer(done());
        for _ in 0..3 {
            wipe(&gateway).assert_refused(200, "RATE_LIMIT_EXCEEDED");
        }
        drop(client);
        wait_until(PATIENCE, "a place", || wipe(&gateway).code().is_none());
    }
}

/// A-87: the backend is down, and the agent tries again and again.
#[test]
fn a_storm_of_retries_is_five_times_allowed_and_then_over_budget() {
    let tools = r"
backends: { dead: { url: 'http://127.0.0.1:PORT/mcp' }, main: { url: BACKEND } }
tools: [{ name: list_recent_charges, scope: main, backend: dead }]
";
    let tools = tools.replace("PORT", &support::ports::free().to_string());
    let gateway = limited("budgets: { maxToolCallsPerTurn: 5 }").tools(&tools).start();
    let call = |turn: &str| {
        let body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "list_recent_charges", "arguments": {} },
        });
        let headers = [("X-Mcp-Turn-Id", turn)];
        gateway.post_raw("/main/mcp", &dora().bearer(), &headers, body.to_string().as_bytes())
    };
    for _ in 0..5 {
        let reply = call("retry-storm-1");
        assert_eq!(reply.code().as_deref(), Some("BACKEND_UNAVAILABLE"), "{}", reply.text());
    }
    let over = call("retry-storm-1");
    over.assert_refused(200, "BUDGET_EXCEEDED");
    assert!(over.text().contains("tool-call budget exceeded"), "{}", over.text());
    let rows = gateway.audit_rows("decision=budgetExceeded", 1);
    assert_eq!(rows[0]["reason"], "budget_exceeded");
    assert_eq!(rows[0]["detail"], "budgets.maxToolCallsPerTurn exceeded");
    assert_eq!(gateway.audit_rows("decision=allow", 5).len(), 5, "each allowed, each failed");
    let reply = call("retry-storm-2");
    assert_eq!(reply.code().as_deref(), Some("BACKEND_UNAVAILABLE"), "A-48: another turn");
}

#[test]
fn turns_are_named_by_header_or_metadata_and_rest_is_told_when() {
    let gateway = limited("budgets: { maxToolCallsPerTurn: 1 }").start();
    let by_meta = |turn: &str| {
        let body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "wipe", "arguments": {}, "_meta": { "turnId": turn } },
        });
        gateway.post("/main/mcp", &dora(), &body)
    };
    assert_eq!(by_meta("t-1").code(), None);
    by_meta("t-1").assert_refused(200, "BUDGET_EXCEEDED");
    wipe_with(&gateway, &[("X-Mcp-Turn-Id", "t-1")]).assert_refused(200, "BUDGET_EXCEEDED");
    assert_eq!(wipe_with(&gateway, &[("X-Mcp-Turn-Id", "t-2")]).code(), None);
    let invoke = json!({ "tool_name": "wipe" });
    let rest = gateway.post_raw(
        "/mcp/invoke",
        &dora().bearer(),
        &[("X-Mcp-Turn-Id", "t-2")],
        invoke.to_string().as_bytes(),
    );
    rest.assert_refused(429, "BUDGET_EXCEEDED");
    assert!(rest.header("retry-after").unwrap().parse::<u64>().unwrap() > 3500);
    assert!(rest.header("x-ratelimit-limit").is_some());
    // Lists and the like use up nothing (V-56).
    for _ in 0..10 {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert_eq!(gateway.post("/main/mcp", &dora(), &list).status, 200);
    }
}

#[test]
fn a_retry_with_its_request_id_is_charged_once() {
    for gateway in on_both("quotas: [{ per: user_tool, rate: 1/min, burst: 50 }]") {
        for _ in 0..3 {
            let reply = wipe_with(&gateway, &[("X-Request-ID", "logical-1")]);
            assert_eq!((reply.code(), left(&reply)), (None, 49));
        }
        assert_eq!(left(&wipe_with(&gateway, &[("X-Request-ID", "logical-2")])), 48);
        // nginx' own ids are no retries, though they may come twice.
        let made = [("X-Request-ID", "logical-1"), ("X-Request-ID-Origin", "nginx")];
        assert_eq!(left(&wipe_with(&gateway, &made)), 47);
        let invoke = json!({ "tool_name": "wipe", "arguments": {}, "request_id": "logical-3" });
        for _ in 0..3 {
            assert_eq!(left(&gateway.post("/mcp/invoke", &dora(), &invoke)), 46);
        }
        assert_eq!(gateway.backend.seen().len(), 8, "each was made");
    }
}

#[test]
fn the_answer_to_a_question_is_the_same_call() {
    let modern = |gateway: &Gateway, more: Value| {
        let mut body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": {
                "name": "wipe", "arguments": {},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
                },
            },
        });
        for (name, value) in more.as_object().unwrap() {
            body["params"][name] = value.clone();
        }
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "wipe"),
        ];
        gateway.post_raw("/main/mcp", &dora().bearer(), &headers, body.to_string().as_bytes())
    };
    let result = json!({
        "resultType": "input_required", "requestState": "é-1",
        "inputRequests": { "sure": {
            "method": "elicitation/create",
            "params": { "message": "Sure?", "requestedSchema": { "type": "object", "properties": {} } },
        } },
    });
    let answer = json!({
        "inputResponses": { "sure": { "action": "accept", "content": {} } }, "requestState": "é-1",
    });
    let streamed = format!(
        "data: {}\n\n",
        json!({ "jsonrpc": "2.0", "id": "@", "result": result }).to_string().replace("\"@\"", "ID")
    );
    for gateway in on_both("quotas: [{ per: user_tool, rate: 1/min, burst: 50 }]") {
        for asks in [Script::Result(result.clone()), Script::Events(streamed.clone())] {
            gateway.backend.answer(asks);
            let asked = modern(&gateway, json!({}));
            assert!(asked.text().contains("input_required"), "{}", asked.text());
            let before = left(&asked);
            gateway.backend.answer(done());
            assert_eq!(left(&modern(&gateway, answer.clone())), before, "the same call");
            assert_eq!(left(&modern(&gateway, answer.clone())), before - 1, "once");
        }
    }
}

#[test]
fn an_admin_sees_how_somebody_stands_and_resets_it() {
    let limits = "quotas: [{ per: user_tool, roles: [developer], rate: 60/min, burst: 3 },\n\
                  { per: tool, tools: [wipe], concurrency: 9 }]\n\
                  budgets: { maxToolCallsPerDay: 100, maxToolCallsPerTurn: 100, maxToolCallsPerJob: 50 }";
    let admin = Token::of("root", &["admin"]);
    for gateway in on_both(limits) {
        for _ in 0..3 {
            assert_eq!(wipe(&gateway).code(), None);
        }
        wipe(&gateway).assert_refused(200, "RATE_LIMIT_EXCEEDED");
        let shown = gateway.get("/admin/quotas?user=dora&roles=developer", &admin).json();
        assert_eq!(shown["user"], "dora");
        let of = |limit: &str, tool: Value| {
            let limits = shown["limits"].as_array().unwrap();
            let found = limits.iter().find(|one| one["limit"] == limit && one["tool"] == tool);
            found.unwrap_or_else(|| panic!("{limit} in {shown}")).clone()
        };
        let wiped = of("user_tool", json!("main/wipe"));
        assert_eq!((&wiped["remaining"], &wiped["burst"]), (&json!(0), &json!(3)), "{wiped}");
        assert_eq!((&wiped["kind"], &wiped["rule"]), (&json!("rate"), &json!("quotas[0]")));
        assert_eq!(of("user", Value::Null)["rule"], "quota.user");
        assert_eq!(of("day", Value::Null)["remaining"], 97);
        let other = gateway.get("/admin/quotas?user=eve&roles=developer", &admin).json();
        assert!(!other.to_string().contains("main/wipe"), "eve has used nothing: {other}");
        let bearer = admin.bearer();
        let reset = |query: &str| {
            let headers = [("Authorization", bearer.as_str())];
            http::send(gateway.addr, "DELETE", &format!("/admin/quotas{query}"), &headers, b"")
        };
        // Calls that name no turn have one together.
        assert_eq!(of("turn", Value::Null)["remaining"], 97);
        let named = [("X-Mcp-Turn-Id", "t-1"), ("X-Mcp-Job-Id", "j-1")];
        wipe_with(&gateway, &named).assert_refused(200, "RATE_LIMIT_EXCEEDED");
        let after = reset("?user=dora&roles=developer");
        assert_eq!(after.status, 200, "{}", after.text());
        assert_eq!(left(&wipe_with(&gateway, &named)), 2);
        let query = "user=dora&roles=developer&turn=t-1&job=j-1";
        let shown = gateway.get(&format!("/admin/quotas?{query}"), &admin).json();
        let left_of = |shown: &Value, limit: &str| {
            let limits = shown["limits"].as_array().unwrap();
            limits.iter().find(|one| one["limit"] == limit).unwrap()["remaining"].clone()
        };
        assert_eq!((left_of(&shown, "turn"), left_of(&shown, "job")), (json!(99), json!(49)));
        let shown = reset(&format!("?{query}")).json();
        assert_eq!((left_of(&shown, "turn"), left_of(&shown, "job")), (json!(100), json!(50)));
        resets_are_on_record(&gateway);
        wipe(&gateway);
        for wrong in ["", "?user=", "?user=a&issuer=https://nobody", "?user=a&rols=x"] {
            assert_eq!(reset(wrong).status, 400, "{wrong}");
        }
        let metrics = gateway.metrics();
        for line in [
            "scopegate_quota_decisions_total{limit=\"user_tool\",outcome=\"admitted\"} 5",
            "scopegate_quota_decisions_total{limit=\"user_tool\",outcome=\"refused\"} 2",
            "scopegate_quota_decisions_total{limit=\"day_budget\",outcome=\"admitted\"} 5",
            "scopegate_quota_store_up 1",
        ] {
            assert!(metrics.contains(line), "{line}\n{metrics}");
        }
        wait_until(PATIENCE, "no place left taken", || {
            gateway.metrics().contains("scopegate_quota_leases 0")
        });
    }
}

/// The record of a reset says whose limits, and how they stood.
fn resets_are_on_record(gateway: &Gateway) {
    let rows = gateway.audit_rows("endpoint_path=/admin/quotas&kind=admin", 5);
    let asked: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::from_str(row["arguments"].as_str().unwrap()).unwrap())
        .collect();
    let of = |method: &str| {
        let found = rows.iter().zip(&asked).filter(|(row, _)| row["method"] == method);
        found.map(|(_, asked)| asked.clone()).collect::<Vec<_>>()
    };
    assert!(rows.iter().all(|row| row["user_id"] == "root" && row["status"] == "success"));
    let shows = of("quotas/show");
    assert!(shows.iter().all(|asked| asked.get("forgotten").is_none()), "{shows:?}");
    assert!(shows.iter().any(|asked| asked["user"] == "eve"), "{shows:?}");
    // The newest first.
    let [later, first] = <[Value; 2]>::try_from(of("quotas/reset")).unwrap();
    let whose = json!({ "user": "dora", "issuer": ISSUER, "roles": ["developer"] });
    for (name, value) in whose.as_object().unwrap() {
        assert_eq!((&first[name], &later[name]), (value, value), "{name}");
    }
    assert_eq!((&later["turn"], &later["job"]), (&json!("t-1"), &json!("j-1")));
    let left = |asked: &Value, limit: &str| {
        let forgotten = asked["forgotten"].as_array().unwrap();
        let one = forgotten.iter().find(|one| one["limit"] == limit);
        one.map(|one| one["remaining"].clone())
    };
    assert_eq!(left(&first, "user_tool"), Some(json!(0)), "{first}");
    assert_eq!((left(&first, "day"), left(&first, "turn")), (Some(json!(97)), Some(json!(97))));
    assert_eq!((left(&first, "job"), left(&first, "tool")), (None, None), "not used; not its own");
    assert_eq!((left(&later, "turn"), left(&later, "job")), (Some(json!(99)), Some(json!(49))));
}

#[test]
fn who_is_denied_too_often_is_barred_from_calls_and_nothing_else() {
    let gateway = Gateway::builder()
        .set("SCOPEGATE__QUOTA__ABUSE__PER_MINUTE", "1")
        .set("SCOPEGATE__QUOTA__ABUSE__BURST", "3")
        .start();
    let rita = Token::of("rita", &["reader"]);
    let echo = |token: &Token| gateway.call(token, "main", "echo", json!({ "text": "x" }));
    for tool in ["wipe", "no_such_tool", "wipe"] {
        assert_eq!(echo(&rita).code(), None);
        gateway.call(&rita, "main", tool, json!({})).assert_refused(200, "TOOL_NOT_FOUND");
    }
    let barred = echo(&rita);
    barred.assert_refused(429, "ABUSE_LIMIT_EXCEEDED");
    assert!(barred.header("retry-after").unwrap().parse::<u64>().unwrap() > 50);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(gateway.post("/main/mcp", &rita, &list).status, 200);
    let other = Token::of("dora", &["developer"]);
    assert_eq!(echo(&other).code(), None, "another caller at the same address");
    let rows = gateway.audit_rows("user_id=rita&decision=rateLimited", 1);
    assert_eq!(rows[0]["reason"], "abuse_limited");

    // An address stands for ten callers.
    let knock = || http::send(gateway.addr, "POST", "/main/mcp", &[], b"{}");
    for _ in 0..30 {
        assert_eq!(knock().status, 401);
    }
    let told = knock();
    told.assert_refused(429, "ABUSE_LIMIT_EXCEEDED");
    assert!(told.header("www-authenticate").is_none());
    let forged = Token::of("dora", &["developer"]).forged().bearer();
    let reply = gateway.post_raw("/main/mcp", &forged, &[], b"{}");
    reply.assert_refused(429, "ABUSE_LIMIT_EXCEEDED");
    assert_eq!(echo(&other).code(), None, "a valid token passes all the same");
    assert!(
        gateway
            .metrics()
            .contains("scopegate_quota_decisions_total{limit=\"abuse\",outcome=\"refused\"} 3")
    );
}

/// A name that a backend which is down may offer is no attempt to get at what
/// is denied.
#[test]
fn nobody_is_barred_for_a_backend_that_is_down() {
    let tools = r"
backends: { dead: { url: 'http://127.0.0.1:PORT/mcp' }, main: { url: BACKEND } }
scopes: { main: { backends: [main, dead] } }
tools: [{ name: echo, scope: main, backend: main }]
";
    let tools = tools.replace("PORT", &support::ports::free().to_string());
    let gateway = Gateway::builder()
        .tools(&tools)
        .policy("roles: { developer: { allowed_tools: ['*'], allowed_prompts: ['*'] } }")
        .set("SCOPEGATE__QUOTA__ABUSE__PER_MINUTE", "1")
        .set("SCOPEGATE__QUOTA__ABUSE__BURST", "3")
        .start();
    for _ in 0..5 {
        let body = json!({
            "jsonrpc": "2.0", "id": 7, "method": "prompts/get", "params": { "name": "greet" },
        });
        let reply = gateway.post("/main/mcp", &dora(), &body);
        assert_eq!(reply.code().as_deref(), Some("BACKEND_UNAVAILABLE"), "{}", reply.text());
    }
    assert_eq!(gateway.call(&dora(), "main", "echo", json!({ "text": "x" })).code(), None);
}

#[test]
fn readiness_and_metrics_tell_when_redis_is_away() {
    for (mode, status, code) in
        [("deny", 503, Some("quota_unavailable")), ("local", 200, None), ("allow", 200, None)]
    {
        let mut server = support::redis::Redis::start();
        let gateway = limited("")
            .set("REDIS_URL", &server.url())
            .set("SCOPEGATE__REDIS__TIMEOUT_MS", "300")
            .set("SCOPEGATE__QUOTA__ON_FAILURE", mode)
            .start();
        let ready = || http::send(gateway.addr, "GET", "/ready", &[], b"");
        wait_until(PATIENCE, "a gateway that is ready", || ready().status == 200);
        assert_eq!(wipe(&gateway).code(), None);
        server.kill();
        wait_until(PATIENCE, "the circuit to open", || {
            assert_eq!(wipe(&gateway).code().as_deref(), code, "{mode}");
            gateway.metrics().contains("scopegate_quota_store_up 0")
        });
        let told = ready();
        assert_eq!(told.status, status, "{mode}: {}", told.text());
        assert_eq!(told.json()["checks"]["quota"]["ok"], false, "{mode}");
        assert!(gateway.metrics().contains("scopegate_quota_store_up 0"), "{mode}");
        server.restart();
        wait_until(PATIENCE, "calls to be counted again", || {
            wipe(&gateway).header("x-ratelimit-remaining").is_some()
                && gateway.metrics().contains("scopegate_quota_store_up 1")
        });
        wait_until(PATIENCE, "a gateway that is ready", || ready().status == 200);
    }
}
