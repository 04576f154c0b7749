//! What an entry writes.

use super::*;
use crate::store::CallStatus;

on_both!(
    a_call_is_two_events_and_one_row,
    every_end_has_its_status,
    other_requests_are_events_and_rows_when_refused,
    hostile_text_arrives,
    names_hold_no_secrets,
    secrets_do_not_arrive,
);

async fn rig(db: &TestDb) -> (Arc<Store>, Arc<Auditor>) {
    let store = db.store().await;
    let auditor = open(&settings(), &db.scratch, &store);
    (store, auditor)
}

async fn a_call_is_two_events_and_one_row(db: TestDb) {
    let (store, auditor) = rig(&db).await;
    let mut entry = entry(&auditor, "request-1");
    resolve(&mut entry);
    entry.arguments(&raw(r#"{ "operands": ["1.20"], "api_key": "canary" }"#), None);
    entry.rule(Some("roles.analyst".into()), "cafe".into(), 7);
    entry.quota_took(Duration::from_micros(4));
    let recorded = entry.intent("a token").await.unwrap();
    // It is in the journal now, and nothing has been sent on.
    let written = std::fs::read_to_string(&segments(db.scratch.path())[0]).unwrap();
    let decided: Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
    flushed(&auditor).await;
    assert_eq!(calls(&store).await[0].status, "pending");
    let outcome = Outcome {
        is_error: Some(false),
        result_bytes: Some(5),
        result_digest: Some(Digest::of(b"3.5")),
        upstream_took: Some(Duration::from_micros(250)),
        ..Outcome::done(200)
    };
    entry.seal(&outcome).await.unwrap();
    flushed(&auditor).await;

    let found = calls(&store).await;
    assert_eq!(found.len(), 1);
    let call = &found[0];
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!(call.call_id.as_deref(), decided["call_id"].as_str());
    assert_eq!(*recorded.as_ref(), "a token");
    assert_eq!(call.status, CallStatus::Success.name());
    let told = [
        (&call.request_id, "request-1"),
        (&call.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736"),
        (&call.user_id, "ada"),
        (&call.tenant, "production"),
        (&call.issuer, "https://issuer.example"),
        (&call.agent, "copilot"),
        (&call.session, "5e5510"),
        (&call.client_name, "vscode"),
        (&call.client_version, "1.99"),
        (&call.client_addr, "127.0.0.1"),
        (&call.surface, "mcp"),
        (&call.endpoint_path, "/calculator/mcp"),
        (&call.method, "tools/call"),
        (&call.scope, "calculator"),
        (&call.backend, "calc"),
        (&call.tool_name, "exact_calculate"),
        (&call.decision, "allow"),
        (&call.rule_path, "roles.analyst"),
        (&call.policy_digest, "cafe"),
        (&call.arguments, r#"{"operands":["1.20"],"api_key":"[redacted]"}"#),
    ];
    for (column, expected) in told {
        assert_eq!(text(column), expected);
    }
    // The digest is of what came, not of what is kept.
    let came = br#"{ "operands": ["1.20"], "api_key": "canary" }"#;
    assert_eq!(text(&call.arguments_digest), crate::secret::hex(Digest::of(came).as_bytes()));
    assert_eq!(text(&call.result_digest), crate::secret::hex(Digest::of(b"3.5").as_bytes()));
    assert_eq!((call.policy_generation, call.result_bytes), (Some(7), Some(5)));
    assert_eq!((call.http_status, call.is_error), (Some(200), Some(false)));
    assert_eq!((call.quota_ms, call.upstream_ms), (Some(0.004), Some(0.25)));
    assert!(call.duration_ms.is_some_and(|took| took > 0.0));
    assert!((call.reason.as_ref(), call.error_code.as_ref()) == (None, None));
    assert_dense(&store, auditor.journal.chain_id(), 2).await;
}

async fn every_end_has_its_status(db: TestDb) {
    let (store, auditor) = rig(&db).await;
    let refused = |reason| Outcome::refused(&Refusal::new(reason, "for the operator"), 500);
    let failed = Outcome { is_error: Some(true), ..Outcome::done(200) };
    // Whether the call was sent on, how it ended, status, decision, code.
    let ends = [
        (true, Some(Outcome::done(200)), "success", "allow", None),
        (true, Some(failed), "error", "allow", None),
        (true, Some(refused(Reason::BackendTimeout)), "timeout", "allow", Some("BACKEND_TIMEOUT")),
        (
            true,
            Some(refused(Reason::BackendUnavailable)),
            "error",
            "allow",
            Some("BACKEND_UNAVAILABLE"),
        ),
        (true, Some(refused(Reason::Internal)), "error", "allow", Some("internal_error")),
        (true, None, "aborted", "allow", None),
        (false, None, "aborted", "aborted", None),
        // C-41 and C-43: denied and limited attempts are rows too.
        (false, Some(refused(Reason::UnknownTool)), "denied", "deny", Some("TOOL_NOT_FOUND")),
        (false, Some(refused(Reason::ToolNotInScope)), "denied", "deny", Some("TOOL_NOT_IN_SCOPE")),
        (false, Some(refused(Reason::ToolNotAllowed)), "denied", "deny", Some("TOOL_NOT_ALLOWED")),
        (
            false,
            Some(refused(Reason::RateLimited)),
            "rate_limited",
            "rateLimited",
            Some("RATE_LIMIT_EXCEEDED"),
        ),
        (
            false,
            Some(refused(Reason::BudgetExceeded)),
            "rate_limited",
            "budgetExceeded",
            Some("BUDGET_EXCEEDED"),
        ),
        (false, Some(refused(Reason::Internal)), "error", "error", Some("internal_error")),
    ];
    for (sent_on, outcome, ..) in &ends {
        let mut entry = entry(&auditor, "r");
        if *sent_on {
            resolve(&mut entry);
            let _ = entry.intent(()).await.unwrap();
        }
        if let Some(outcome) = outcome {
            entry.seal(outcome).await.unwrap();
        }
    }
    flushed(&auditor).await;
    let found = calls(&store).await;
    assert_eq!(found.len(), ends.len());
    for (call, (_, _, status, decision, code)) in found.iter().rev().zip(&ends) {
        assert_eq!((call.status.as_str(), call.decision.as_deref()), (*status, Some(*decision)));
        assert_eq!(call.error_code.as_deref(), *code);
        assert_eq!(call.tool_name.as_deref(), Some("exact_calculate"));
        assert_eq!(call.detail.is_some(), code.is_some());
        assert!(call.duration_ms.is_some() && call.call_id.is_some());
    }
}

async fn other_requests_are_events_and_rows_when_refused(db: TestDb) {
    let (store, auditor) = rig(&db).await;
    let refused = |reason| Outcome::refused(&Refusal::new(reason, "no"), 401);
    auditor.begin(opening("1")).seal(&refused(Reason::ExpiredToken)).await.unwrap();
    let mut list = auditor.begin(opening("2"));
    list.method("tools/list");
    list.scope("calculator".into());
    list.seal(&Outcome::done(200)).await.unwrap();
    auditor.begin(opening("3")).seal(&refused(Reason::ParseError)).await.unwrap();
    for surface in [Surface::Admin, Surface::Rest, Surface::Jobs, Surface::Files, Surface::Other] {
        let opening = Opening { surface, ..opening("4") };
        auditor.begin(opening).seal(&Outcome::done(200)).await.unwrap();
    }
    drop(auditor.begin(opening("5")));
    flushed(&auditor).await;
    let found = calls(&store).await;
    let rows: Vec<_> = found.iter().rev().map(|row| (&*row.kind, &*row.status)).collect();
    assert_eq!(rows, [("authentication", "denied"), ("request", "denied"), ("admin", "success")]);
    let kinds = "SELECT kind || ' ' || decision || ' ' || COALESCE(reason, '-')
                 || ' ' || COALESCE(scope, '-') || ' ' || surface
                 FROM audit_events WHERE seq > 2 ORDER BY seq";
    assert_eq!(
        store.column::<String>(kinds).await,
        [
            "authentication deny expired_token - mcp",
            "list allow - calculator mcp",
            "request deny parse_error - mcp",
            "admin allow - - admin",
            "request allow - - rest",
            "request allow - - jobs",
            "request allow - - files",
            "request allow - - other",
            "request aborted - - mcp",
        ]
    );
}

async fn hostile_text_arrives(db: TestDb) {
    let (store, auditor) = rig(&db).await;
    let long = "ü".repeat(100_000);
    let names =
        ["a\0b", "'; DROP TABLE tools; --", "\n\r\t\u{1}\"\\", "\u{202e}🦀\u{ffff}", "", &long];
    for name in names {
        let mut entry = auditor.begin(opening(name));
        entry.asked(name);
        entry.client(Some(name), Some(name));
        // Lone surrogates and NUL: PostgreSQL takes them as JSON nowhere.
        entry.arguments(&raw(r#"{"x":"\u0000\ud800","deep":[[[[[[[[]]]]]]]]}"#), None);
        let why = Refusal::new(Reason::UnknownTool, name.to_owned());
        entry.seal(&Outcome::refused(&why, 404)).await.unwrap();
    }
    flushed(&auditor).await;
    assert_eq!(auditor.health().ship_error, None);
    let found = calls(&store).await;
    for (call, name) in found.iter().rev().zip(names) {
        let expected = name.replace('\0', "\u{fffd}");
        let cut = &expected[..expected.floor_char_boundary(256)];
        assert_eq!(call.tool_name.as_deref(), Some(cut));
        assert_eq!(call.request_id.as_deref(), Some(cut));
        assert!(call.arguments.as_ref().unwrap().contains(r"\u0000"));
        assert!(call.detail.as_ref().unwrap().len() <= 1024);
    }
    assert_eq!(found.len(), names.len());
}

/// Whatever a client may name holds no secret, and no detail quotes it.
async fn names_hold_no_secrets(db: TestDb) {
    let (store, auditor) = rig(&db).await;
    for secret in [
        "eyJcanary.eyJcanary.canary-1",
        "token=canary",
        "https://canary@h/",
        "https://h/?sig=canary",
    ] {
        let mut opening = opening(secret);
        opening.endpoint_path = format!("/x;{secret}").into();
        let mut entry = auditor.begin(opening);
        entry.client(Some(secret), Some(secret));
        entry.asked(secret);
        let why = Refusal::new(Reason::UnsupportedVersion, format!("`{secret}` is not known"));
        entry.seal(&Outcome::refused(&why, 400)).await.unwrap();
    }
    flushed(&auditor).await;
    let lines =
        store.column::<String>("SELECT line FROM audit_events WHERE kind = 'decision'").await;
    assert_eq!(lines.len(), 4);
    for line in lines {
        assert!(!line.contains("canary") && line.contains("[redacted]"), "{line}");
    }
    crash(auditor).await;
}

async fn secrets_do_not_arrive(db: TestDb) {
    let store = db.store().await;
    for (kept, shown) in [
        (ArgumentsKept::None, None),
        (ArgumentsKept::Digest, None),
        (ArgumentsKept::Redacted, Some(r#"{"token":"[redacted]"}"#)),
        (ArgumentsKept::Full, Some(r#"{"token":"canary"}"#)),
    ] {
        let auditor = open(&AuditSettings { arguments: kept, ..settings() }, &db.scratch, &store);
        let mut entry = entry(&auditor, "r");
        entry.arguments(&raw(r#"{"token":"canary"}"#), None);
        drop(entry);
        flushed(&auditor).await;
        let call = calls(&store).await.remove(0);
        assert_eq!(call.arguments.as_deref(), shown);
        assert_eq!(call.arguments_digest.unwrap().len(), 64);
        crash(auditor).await;
    }
}

/// The log's writer, for one test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// C-39, C-40.
#[tokio::test]
async fn each_call_is_one_line_of_the_log() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    {
        let _logging = tracing::subscriber::set_default(subscriber);
        // Other tests have no log, and the first to get here may have told the
        // library that nobody wants this line.
        drop(entry(&auditor, "request-0"));
        tracing::callsite::rebuild_interest_cache();
        log.0.lock().unwrap().clear();
        let mut entry = entry(&auditor, "request-1");
        resolve(&mut entry);
        entry.arguments(&raw(r#"{"operand":"canary"}"#), None);
        let _ = entry.intent(()).await.unwrap();
        let why = Refusal::new(Reason::BackendTimeout, "slow");
        entry.seal(&Outcome::refused(&why, 504)).await.unwrap();
        auditor.begin(opening("no call")).seal(&Outcome::done(200)).await.unwrap();
    }
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!lines.contains("canary"));
    let line: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(line["target"], "scopegate::call");
    let fields = &line["fields"];
    for (name, expected) in [
        ("message", "tool_invocation"),
        ("request_id", "request-1"),
        ("user_id", "ada"),
        ("tool_name", "exact_calculate"),
        ("endpoint_path", "/calculator/mcp"),
        ("status", "timeout"),
        ("error_code", "BACKEND_TIMEOUT"),
    ] {
        assert_eq!(fields[name], expected, "{name}");
    }
    assert!(fields["duration_ms"].as_f64().is_some_and(|took| took >= 0.0));
}

#[tokio::test]
async fn members_of_a_line_are_in_canonical_order() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let mut entry = entry(&auditor, "r");
    resolve(&mut entry);
    entry.arguments(&raw("{}"), None);
    entry.rule(Some("a.rule".into()), "cafe".into(), 7);
    entry.quota_took(Duration::from_micros(4));
    let why = Refusal::new(Reason::RateLimited, "no");
    let outcome = Outcome {
        is_error: Some(false),
        result_bytes: Some(1),
        result_digest: Some(Digest::of(b"")),
        upstream_took: Some(Duration::ZERO),
        ..Outcome::refused(&why, 429)
    };
    entry.seal(&outcome).await.unwrap();
    // What the chain says of itself is canonical, too.
    crash(auditor).await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    auditor.journal.end();
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let written: String = segments(db.scratch.path()).iter().map(read).collect();
    let kinds =
        ["chain", "checkpoint", "decision", "chain", "chain_found", "checkpoint", "checkpoint"];
    assert_eq!(written.lines().count(), kinds.len());
    for (line, kind) in written.lines().zip(kinds) {
        let event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        assert_eq!(event["kind"], kind);
        // Every column but the line itself, the roles, and the hash.
        assert!(kind != "decision" || event.len() == 40);
        let canonical = canon_json::CanonJsonSerialize::to_canon_json_vec(&event).unwrap();
        assert_eq!(line.as_bytes(), canonical);
    }
}
