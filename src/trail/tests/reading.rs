//! Exports, stories and commands, on both databases.

use serde_json::Value;
use support::eventually::wait_until_async;

use super::*;
use crate::cli::{Audit, AuditEnd, Output, Selection};
use crate::clock::Clock;
use crate::store::tests::on_both;
use crate::trail::tail::Tail;
use crate::trail::{Export, Filters, Format};

on_both!(
    a_whole_export_is_the_lines_to_the_byte,
    a_filtered_export_has_whole_calls_only,
    a_table_has_every_call_once,
    a_call_is_told_whole,
    what_is_new_is_followed,
    what_fits_is_found_and_nothing_comes_twice,
    a_watch_outlasts_the_database,
    a_call_is_not_hidden_behind_pings,
    commands_answer_and_say_what_is_wrong,
    reading_changes_nothing,
);

const CALLS: usize = 1201;

/// So many calls of ann and, every tenth, of bob; two chains.
async fn seed(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    for chain in ["0193-a", "0193-b"] {
        let mut lines = Vec::new();
        for number in 0..CALLS {
            let user = if number % 10 == 0 { "bob" } else { "ann" };
            let id = format!("{chain}-{number:04}");
            let minute = format!("2026-11-25T{:02}:{:02}:00.000000Z", number / 60, number % 60);
            let allow = format!(r#""decision":"allow","tool":"t","user_id":"{user}","x":1.10"#);
            lines.push(line(&minute, "decision", Some(&id), &allow));
            lines.push(line(&minute, "outcome", Some(&id), r#""decision":"success""#));
        }
        lines.push(line("2026-11-25T23:59:00.000000Z", "list", None, r#""decision":"allow""#));
        for part in lines.chunks(1000) {
            ship(store, chain, part).await;
        }
        all.extend(lines);
    }
    all
}

fn filters(pairs: &[(&str, &str)]) -> Filters {
    let mut filters = Filters::default();
    for (name, value) in pairs {
        filters.add(name, value, time("2026-11-26T00:00:00Z")).unwrap();
    }
    filters
}

async fn exported(store: &Arc<Store>, filters: &Filters, format: Format) -> (String, usize) {
    let now = time("2026-11-26T00:00:00Z");
    let mut export = Export::new(Arc::clone(store), filters, format, now);
    let expected = export.expected().await.unwrap();
    let (mut bytes, mut pieces, mut rows) = (Vec::new(), 0, 0);
    while let Some(piece) = export.next().await.unwrap() {
        assert!(piece.rows <= 500, "a bounded piece");
        rows += piece.rows;
        pieces += 1;
        bytes.extend(piece.bytes);
    }
    assert!(export.next().await.unwrap().is_none());
    if format != Format::Jsonl {
        assert_eq!(rows, expected);
    }
    (String::from_utf8(bytes).unwrap(), pieces)
}

async fn a_whole_export_is_the_lines_to_the_byte(db: TestDb) {
    let store = db.store().await;
    let lines = seed(&store).await;
    let (text, pieces) = exported(&store, &Filters::default(), Format::Jsonl).await;
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    assert!(text.ends_with('\n') && pieces >= 10);
    // Of a time, each chain without holes.
    let some =
        filters(&[("start_time", "2026-11-25T01:00:00Z"), ("end_time", "2026-11-25T01:01:00Z")]);
    let (text, _) = exported(&store, &some, Format::Jsonl).await;
    let expected: Vec<&String> =
        lines.iter().filter(|line| line.contains("T01:00:") || line.contains("T01:01:")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(expected.len(), 8);
}

async fn a_filtered_export_has_whole_calls_only(db: TestDb) {
    let store = db.store().await;
    let lines = seed(&store).await;
    let (text, _) = exported(&store, &filters(&[("user_id", "bob")]), Format::Jsonl).await;
    let found: Vec<&str> = text.lines().collect();
    assert_eq!(found.len(), 2 * 2 * CALLS.div_ceil(10));
    for pair in found.chunks(2) {
        let [decision, outcome]: [Value; 2] =
            [0, 1].map(|at| serde_json::from_str(pair[at]).unwrap());
        assert_eq!(decision["user_id"], "bob");
        assert_eq!(
            (&outcome["kind"], &outcome["call_id"]),
            (&"outcome".into(), &decision["call_id"])
        );
        assert!(lines.iter().any(|line| line == pair[0]), "to the byte");
    }
    let (text, _) = exported(&store, &filters(&[("user_id", "nobody")]), Format::Jsonl).await;
    assert!(text.is_empty());
}

async fn a_table_has_every_call_once(db: TestDb) {
    let store = db.store().await;
    seed(&store).await;
    let (text, pieces) = exported(&store, &Filters::default(), Format::Csv).await;
    let mut calls: Vec<&str> = text.split("\r\n").filter(|row| !row.is_empty()).skip(1).collect();
    assert!(text.starts_with("timestamp,kind,status,") && pieces > 4);
    assert_eq!(calls.len(), 2 * CALLS);
    assert!(calls.is_sorted_by_key(|row| row.split(',').next().map(str::to_owned)), "oldest first");
    calls.sort_unstable();
    calls.dedup();
    assert_eq!(calls.len(), 2 * CALLS, "each once");
    let (text, _) = exported(&store, &filters(&[("user_id", "bob")]), Format::Cef).await;
    assert_eq!(text.lines().count(), 2 * CALLS.div_ceil(10));
    assert!(text.lines().all(|line| line.starts_with("CEF:0|") && line.contains(" suser=bob ")));
    // Without a row there is still a header.
    let (text, _) = exported(&store, &filters(&[("user_id", "nobody")]), Format::Csv).await;
    assert_eq!(text.matches("\r\n").count(), 1);
}

const CALL: &str = "019ab000-0000-7000-8000-000000000001";

async fn one_call(store: &Store) {
    let id = uuid::Uuid::parse_str(CALL).unwrap().get_timestamp().unwrap().to_unix();
    let at = DateTime::from_timestamp(i64::try_from(id.0).unwrap(), id.1).unwrap();
    let at = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let decision = r#""agent":"coder","arguments":"{\"a\":1}","arguments_digest":"abcd","backend":"calc","client_addr":"192.0.2.7","client_name":"code\u001b[2J","decision":"allow","endpoint_path":"/calculator/mcp","issuer":"https://issuer.example","method":"tools/call","policy_digest":"cafe","policy_generation":3,"quota_us":500,"request_id":"request 1","rule_path":"roles.dev[0]","scope":"calculator","session":"5e55","surface":"mcp","tenant":"lab","tool":"exact_calculate","turn":"t-1","user_id":"ann""#;
    let outcome = r#""decision":"success","duration_us":12345,"http_status":200,"is_error":true,"request_id":"request 1","result_bytes":77,"result_digest":"beef","upstream_us":10000"#;
    let other = r#""decision":"deny","reason":"unknown_tool","request_id":"request 2","tool":"wipe","user_id":"ann""#;
    let lines = [
        line(&at, "decision", Some(CALL), decision),
        line(&at, "outcome", Some(CALL), outcome),
        line(&at, "decision", Some("other"), other),
    ];
    ship(store, "0193-a", &lines).await;
}

async fn ran(store: &Arc<Store>, action: Audit) -> (AuditEnd, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output { out: &mut out, err: &mut err };
    let end = crate::trail::run(store, action, &Clock::system(), &mut output).await.unwrap();
    (end, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

async fn a_call_is_told_whole(db: TestDb) {
    let store = db.store().await;
    one_call(&store).await;
    let reader = reader(&db).await;
    for id in [CALL, "request 1"] {
        let (end, told, _) = ran(&reader, Audit::Explain { id: id.to_owned() }).await;
        assert!(matches!(end, AuditEnd::Done));
        for part in [
            "A call (request request 1, call 019ab000-0000-7000-8000-000000000001)",
            "Who        ann of tenant lab as agent coder according to https://issuer.example",
            "From       192.0.2.7 with code\\u{1b}[2J in session 5e55 in turn t-1",
            "What       tools/call of exact_calculate in scope calculator served by calc through /calculator/mcp (mcp)",
            "Arguments  {\"a\":1}",
            "Decision   allowed by rule roles.dev[0]",
            "Policy     digest cafe generation 3",
            "Took       in all 12.345 ms | backend 10.000 ms | quota 0.500 ms | gateway 1.845 ms",
            "Came of it success (the tool reports an error) HTTP 200 77 bytes",
            "chain 0193-a seq 1",
            "chain 0193-a seq 2",
        ] {
            assert!(told.contains(part), "{part} is not in:\n{told}");
        }
        assert!(!told.contains("request 2") && !told.contains('\u{1b}'), "{told}");
    }
    let (_, told, _) = ran(&reader, Audit::Explain { id: "request 2".to_owned() }).await;
    assert!(told.contains("Decision   denied because of unknown_tool"), "{told}");
    let (end, out, err) = ran(&reader, Audit::Explain { id: "absent".to_owned() }).await;
    assert!(matches!(end, AuditEnd::Nothing) && out.is_empty() && err.contains("absent"));
}

async fn what_is_new_is_followed(db: TestDb) {
    let store = db.store().await;
    one_call(&store).await;
    let mut tail = Tail::at_the_end(&store, filters(&[("user_id", "bob")])).await.unwrap();
    assert!(tail.further(&store).await.unwrap().is_empty());
    let rest = r#""decision":"allow","tool":"t","user_id":"bob""#;
    let at = |second: u32| format!("2026-11-25T10:00:0{second}.000000Z");
    // A chain that is new, and the one that was there.
    ship(
        &store,
        "0194-b",
        &[
            line(&at(2), "decision", Some("b"), rest),
            line(&at(3), "decision", Some("x"), &rest.replace("bob", "ann")),
        ],
    )
    .await;
    ship(&store, "0193-a", &[line(&at(1), "decision", Some("a"), rest)]).await;
    let found = tail.further(&store).await.unwrap();
    let calls: Vec<_> = found.iter().map(|event| event.text("call_id").unwrap()).collect();
    assert_eq!(calls, ["a", "b"]);
    let done = r#""decision":"success""#;
    let ends = [line(&at(4), "outcome", Some("b"), done), line(&at(4), "outcome", Some("x"), done)];
    ship(&store, "0194-b", &ends).await;
    let found = tail.further(&store).await.unwrap();
    assert_eq!(found.iter().map(|event| event.text("call_id").unwrap()).collect::<Vec<_>>(), ["b"]);
    assert!(tail.further(&store).await.unwrap().is_empty());
}

/// The newest that fit, however far back; an outcome by what only it says.
async fn what_fits_is_found_and_nothing_comes_twice(db: TestDb) {
    let store = db.store().await;
    let call = |number: usize, user: &str, end: &str| {
        let (id, at) = (
            format!("{user}-{number}"),
            format!("2026-11-25T10:{:02}:{:02}", number / 60, number % 60),
        );
        let allow = format!(r#""decision":"allow","tool":"t","user_id":"{user}""#);
        [
            line(&format!("{at}.000000Z"), "decision", Some(&id), &allow),
            line(&format!("{at}.500000Z"), "outcome", Some(&id), end),
        ]
    };
    let slow = r#""decision":"timeout","reason":"backend_timeout""#;
    let mut lines = Vec::new();
    lines.extend(call(0, "bob", slow));
    (1..1200).for_each(|number| lines.extend(call(number, "ann", r#""decision":"success""#)));
    lines.extend(call(1200, "ann", slow));
    for part in lines.chunks(1000) {
        ship(&store, "0193-a", part).await;
    }
    let ids = |events: &[crate::trail::explain::Event]| -> Vec<String> {
        let id = |event: &crate::trail::explain::Event| {
            format!("{} {}", event.text("kind").unwrap(), event.text("call_id").unwrap())
        };
        events.iter().map(id).collect()
    };
    for (given, most, expected) in [
        (&[("user_id", "bob")][..], 10, &["decision bob-0", "outcome bob-0"][..]),
        (&[("reason", "backend_timeout")], 10, &["outcome bob-0", "outcome ann-1200"]),
        (&[("reason", "backend_timeout"), ("user_id", "ann")], 10, &["outcome ann-1200"]),
        (
            &[("decision", "allow"), ("user_id", "ann")],
            2,
            &["decision ann-1200", "outcome ann-1200"],
        ),
        (&[("user_id", "eve")], 10, &[]),
    ] {
        let mut tail = Tail::at_the_end(&store, filters(given)).await.unwrap();
        assert_eq!(ids(&tail.newest(&store, most).await.unwrap()), expected, "{given:?}");
        assert!(tail.further(&store).await.unwrap().is_empty());
    }
    // What arrives between the two looks comes once.
    let mut tail = Tail::at_the_end(&store, filters(&[("user_id", "bob")])).await.unwrap();
    ship(&store, "0193-a", &call(2000, "bob", slow)).await;
    assert_eq!(tail.newest(&store, 10).await.unwrap().len(), 2);
    let expected = ["decision bob-2000", "outcome bob-2000"];
    assert_eq!(ids(&tail.further(&store).await.unwrap()), expected);
}

/// Takes text until there are so many lines, as `head` does.
#[derive(Clone, Default)]
struct Head(Arc<std::sync::Mutex<Vec<u8>>>, usize);

impl std::io::Write for Head {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut held = self.0.lock().unwrap();
        held.extend_from_slice(bytes);
        let lines = memchr::memchr_iter(b'\n', &held).count();
        if lines > self.1 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Head {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

async fn a_watch_outlasts_the_database(db: TestDb) {
    let store = db.store().await;
    one_call(&store).await;
    let reader = reader(&db).await;
    let (out, err) = (Head(Arc::default(), 3), Head(Arc::default(), 1000));
    let (mut to, mut errors) = (out.clone(), err.clone());
    let action = Audit::Tail { follow: true, lines: 10, filter: Vec::new(), json: true };
    let clock = Clock::system();
    let watching = async {
        let mut output = Output { out: &mut to, err: &mut errors };
        crate::trail::run(&reader, action, &clock, &mut output).await.unwrap()
    };
    let troubling = async {
        let patience = std::time::Duration::from_secs(30);
        wait_until_async(patience, "the first lines", || {
            std::future::ready(out.text().lines().count() == 3)
        })
        .await;
        store.execute("ALTER TABLE audit_cursor RENAME TO elsewhere").await.unwrap();
        wait_until_async(patience, "a notice", || {
            std::future::ready(err.text().contains("does not answer"))
        })
        .await;
        store.execute("ALTER TABLE elsewhere RENAME TO audit_cursor").await.unwrap();
        let later = line("2026-11-25T10:00:00.000000Z", "list", None, "\"decision\":\"allow\"");
        ship(&store, "0193-a", &[later]).await;
    };
    let (end, ()) = tokio::join!(watching, troubling);
    assert!(matches!(end, AuditEnd::Done));
    assert_eq!(out.text().lines().count(), 4, "{}", out.text());
    assert!(err.text().contains("answers again"), "{}", err.text());
}

async fn a_call_is_not_hidden_behind_pings(db: TestDb) {
    let store = db.store().await;
    let call = r#""decision":"allow","request_id":"same","tool":"wipe","user_id":"eve""#;
    let ping = r#""decision":"allow","method":"ping","request_id":"same","user_id":"eve""#;
    let mut lines = vec![line("2026-11-01T10:00:00.000000Z", "decision", Some("old"), call)];
    let minute =
        |number: usize| format!("2026-11-25T10:{:02}:{:02}.000000Z", number / 60, number % 60);
    (0..250).for_each(|number| lines.push(line(&minute(number), "request", None, ping)));
    lines.push(line(&minute(250), "decision", Some("new"), call));
    (251..500).for_each(|number| lines.push(line(&minute(number), "request", None, ping)));
    ship(&store, "0193-a", &lines).await;
    let reader = reader(&db).await;
    let (_, told, _) = ran(&reader, Audit::Explain { id: "same".to_owned() }).await;
    for part in [
        "More than 200 events have this id.",
        "of chain 0193-a.",
        "A call (request same, call old)",
        "A call (request same, call new)",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{}", &told[..1000]);
    }
}

async fn commands_answer_and_say_what_is_wrong(db: TestDb) {
    let store = db.store().await;
    one_call(&store).await;
    let reader = reader(&db).await;
    let select = |filter: &[&str]| Selection {
        filter: filter.iter().map(ToString::to_string).collect(),
        ..Selection::default()
    };
    let query = |filter: &[&str], json| Audit::Query { selection: select(filter), limit: 50, json };
    let (_, out, _) = ran(&reader, query(&[], false)).await;
    assert_eq!(out.lines().count(), 2);
    assert!(out.contains("  denied        ann  -/wipe  -  unknown_tool  other"), "{out}");
    let (_, out, _) = ran(&reader, query(&["status=error"], true)).await;
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&row["tool_name"], &row["duration_ms"]),
        (&"exact_calculate".into(), &12.345.into())
    );
    for filter in [&["user_id"][..], &["nothing=1"], &["status=bad"], &["user_id=a", "user_id=b"]] {
        let (end, out, _) = ran(&reader, query(filter, false)).await;
        assert!(matches!(end, AuditEnd::Wrong(_)) && out.is_empty(), "{filter:?}");
    }
    let tail = |filter: &[&str]| Audit::Tail {
        follow: false,
        lines: 2,
        filter: filter.iter().map(ToString::to_string).collect(),
        json: true,
    };
    let (_, out, _) = ran(&reader, tail(&[])).await;
    assert_eq!(out.lines().count(), 2);
    let (end, ..) = ran(&reader, tail(&["status=denied"])).await;
    assert!(matches!(end, AuditEnd::Wrong(why) if why.contains("`status`")));
    let export = Audit::Export {
        format: crate::cli::Format::Jsonl,
        selection: Selection { since: Some("2025-01-01".to_owned()), ..Selection::default() },
    };
    let (_, out, _) = ran(&reader, export).await;
    assert_eq!(out.lines().count(), 3);
}

async fn reading_changes_nothing(db: TestDb) {
    let settings = db.settings();
    let refused = Store::connect_to_read(&settings, Clock::system()).await.err().unwrap();
    let why = refused.to_string();
    // SQLite has no file yet; PostgreSQL no tables.
    assert!(why.contains("there is no file") || why.contains("migrations are pending"), "{why}");
    let store = db.store().await;
    one_call(&store).await;
    let reader = reader(&db).await;
    assert!(reader.execute("INSERT INTO audit_cursor VALUES ('x', 1)").await.is_err());
    assert!(reader.migrate_down(None).await.is_err());
    assert_eq!(store.number("SELECT count(*) FROM audit_events").await, 3);
}
