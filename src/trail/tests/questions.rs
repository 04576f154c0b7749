//! The SQL of `docs/audit.md`, run as it stands there.

use std::collections::BTreeMap;

use super::*;
use crate::store::tests::on_both;

const DOCUMENT: &str = include_str!("../../../docs/audit.md");

on_both!(each_question_is_answered, every_column_is_described);

/// The SQL under a heading such as `### 3. Who …`, for a database.
fn questions(database: &str) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    let mut number = 0;
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        if let Some((count, _)) = line.strip_prefix("### ").and_then(|line| line.split_once(". ")) {
            number = count.parse().unwrap();
        }
        let Some(language) = line.strip_prefix("```sql") else { continue };
        let sql: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language.is_empty() || language.trim() == database {
            assert!(found.insert(number, sql.join("\n")).is_none(), "question {number}, twice");
        }
    }
    found
}

fn digest_of_question_7() -> String {
    let at = DOCUMENT.find("arguments_digest = '").unwrap() + "arguments_digest = '".len();
    DOCUMENT[at..at + 64].to_owned()
}

async fn seed(store: &Store) {
    let tool = |name: &str| format!("\"tool\":\"{name}\"");
    let mut lines = Vec::new();
    let mut call = |number: u32, time: &str, user: &str, name: &str, policy: u32, end: &str| {
        let id = format!("call-{number}");
        let allow = format!(
            r#""decision":"allow","policy_digest":"policy-{policy}","policy_generation":{policy},"tenant":"lab","user_id":"{user}",{}"#,
            tool(name)
        );
        lines.push(line(time, "decision", Some(&id), &allow));
        lines.push(line(time, "outcome", Some(&id), end));
    };
    let good = |millis: u32| {
        format!(
            r#""decision":"success","duration_us":{},"is_error":false,"upstream_us":5"#,
            millis * 1000
        )
    };
    // A Tuesday, under the old policy.
    call(1, "2026-11-24T09:00:00.000000Z", "ann", "exact_calculate", 1, &good(1));
    // A Wednesday: a gateway of several has the new one, another not yet.
    call(2, "2026-11-25T09:00:00.000000Z", "bob", "exact_calculate", 2, &good(3));
    call(3, "2026-11-25T09:01:00.000000Z", "ann", "exact_calculate", 2, &good(2));
    call(6, "2026-11-25T09:02:00.000000Z", "zoe", "exact_calculate", 1, &good(1));
    call(4, "2026-11-25T23:30:00.000000Z", "eve", "slow_tool", 2, &good(900));
    // A Saturday.
    call(5, "2026-11-28T12:00:00.000000Z", "sue", "exact_calculate", 2, &good(1));
    for second in 0..4 {
        let failed = r#""decision":"timeout","duration_us":30000000,"reason":"backend_timeout""#;
        let time = format!("2026-11-26T10:15:0{second}.000000Z");
        call(10 + second, &time, "ann", "flaky", 2, failed);
    }
    call(20, "2026-11-26T11:00:00.000000Z", "ann", "flaky", 2, r#""decision":"timeout""#);
    let denied = |reason: &str, name: &str| {
        format!(
            r#""arguments_digest":"{}","decision":"deny","reason":"{reason}","user_id":"ann",{}"#,
            digest_of_question_7(),
            tool(name)
        )
    };
    let at = |hour: u32| format!("2026-11-26T{hour:02}:00:00.000000Z");
    lines.push(line(&at(12), "decision", Some("d1"), &denied("tool_not_allowed", "wipe")));
    lines.push(line(&at(13), "decision", Some("d2"), &denied("invalid_arguments", "transfer")));
    let limited = r#""decision":"rateLimited","reason":"rate_limited","tool":"exact_calculate","user_id":"ann""#;
    lines.push(line(&at(14), "decision", Some("d3"), limited));
    for (hour, person, word) in [
        (8, "pat", "approved"),
        (9, "pat", "approved"),
        (10, "pat", "denied"),
        (11, "quinn", "approved"),
    ] {
        let rest = format!(r#""decision":"{word}","user_id":"{person}""#);
        lines.push(line(&at(hour), "approval", None, &rest));
    }
    let knock = r#""client_addr":"192.0.2.7","decision":"deny","reason":"invalid_token""#;
    lines.push(line(&at(15), "authentication", None, knock));
    lines.push(line(&at(15), "authentication", None, &knock.replace(".7", ".8")));
    let folded = r#""client_addr":"192.0.2.7","decision":"deny","folded_count":40,"folded_first":"2026-11-26T15:00:01.000000Z","folded_last":"2026-11-26T15:00:59.000000Z","folded_reasons":"invalid_token 40""#;
    lines.push(line(&at(16), "folded", None, folded));
    // One host with many addresses; two sources, counted together; a known caller.
    let six = r#""client_addr":"2001:db8::5","decision":"deny","reason":"invalid_token""#;
    for address in ["::5", ":0:0:1:2:3:4", "::10:0:0:0:1", ":1::1", ":1:2:3:4:5:6"] {
        let other = six.replace("::5", address);
        lines.push(line(&at(16), "authentication", None, &other));
    }
    lines.push(line(&at(16), "authentication", None, &six.replace("2001:db8::5", "::1")));
    let count = |rest: &str, times: u32| {
        format!(
            r#"{rest},"decision":"deny","folded_count":{times},"folded_first":"{0}","folded_last":"{0}","folded_reasons":"invalid_token {times}""#,
            at(16)
        )
    };
    let more = [
        count(r#""client_addr":"2001:db8::/64""#, 30),
        count(r#""folded_addresses":"192.0.2.8 2, 192.0.2.9 1""#, 3),
        count(r#""client_addr":"192.0.2.7","folded_tools":"wipe 20","user_id":"ann""#, 20),
    ];
    lines.extend(more.iter().map(|rest| line(&at(16), "folded", None, rest)));
    let read = r#""arguments":"{\"user_id\":\"ann\"}","decision":"allow","method":"audit-logs","user_id":"root""#;
    lines.push(line(&at(17), "admin", None, read));
    ship(store, "0193-whole", &lines).await;
    // A chain whose beginning is gone, and a part of it.
    let event = || line(&at(18), "request", None, r#""decision":"allow""#);
    for (first_seq, count) in [(5, 2), (9, 1)] {
        let batch = Batch {
            chain_id: "0194-gaps".to_owned(),
            cursor: store.cursor("0194-gaps").await.unwrap(),
            first_seq,
            count,
            lines: vec![event(); count].join("\n"),
        };
        store.ship(batch).await.unwrap();
    }
}

/// Chains that end too early, and others that begin late as announced.
async fn seed_ends(store: &Store) {
    let event = || line("2026-11-26T18:00:00.000000Z", "request", None, r#""decision":"allow""#);
    // What the cursor knows of: a chain without its end, and one without anything.
    ship(store, "0195-tail", &[event(), event(), event()]).await;
    store
        .execute("UPDATE audit_cursor SET next_seq = 9 WHERE chain_id = '0195-tail'")
        .await
        .unwrap();
    store.execute("INSERT INTO audit_cursor VALUES ('0196-gone', 7)").await.unwrap();
    // Old events that were removed as announced, of one chain all of them.
    for (chain, first_seq) in [("0197-old", Some(5)), ("0198-older", None)] {
        store.execute(&format!("INSERT INTO audit_cursor VALUES ('{chain}', 5)")).await.unwrap();
        if let Some(first_seq) = first_seq {
            let batch = Batch {
                chain_id: chain.to_owned(),
                cursor: 5,
                first_seq,
                count: 1,
                lines: event(),
            };
            store.ship(batch).await.unwrap();
        }
        let retention = format!(
            "INSERT INTO audit_retention (chain_id, through_seq, hash, announced_at)
             VALUES ('{chain}', 4, 'x', '2026-11-26T00:00:00.000000Z')"
        );
        store.execute(&retention).await.unwrap();
    }
}

async fn each_question_is_answered(db: TestDb) {
    let store = db.store().await;
    seed(&store).await;
    seed_ends(&store).await;
    let knocking = [
        "192.0.2.7",
        "2001:db8::/64",
        "192.0.2.8 2, 192.0.2.9 1",
        "192.0.2.8",
        "2001:db8:0:10::/64",
        "2001:db8:1:2::/64",
        "2001:db8:1::/64",
        "::/64",
    ];
    let expected: [(u32, &[&str]); 12] = [
        (1, &["ann", "bob", "sue", "zoe"]),
        (2, &["wipe", "transfer", "exact_calculate", "wipe 20"]),
        (3, &["eve", "sue"]),
        (4, &["bob", "zoe", "eve", "ann", "sue"]),
        (5, &["flaky", "slow_tool", "exact_calculate"]),
        (6, &["flaky"]),
        (7, &["ann", "ann"]),
        (8, &["zoe"]),
        (9, &["pat", "pat", "quinn"]),
        (10, &["0194-gaps", "0194-gaps", "0195-tail", "0196-gone"]),
        (11, &knocking),
        (12, &["root"]),
    ];
    let asked = questions(if db.is_sqlite() { "sqlite" } else { "postgres" });
    assert_eq!(asked.len(), expected.len());
    for (number, first_column) in expected {
        let sql = asked[&number].trim_end().trim_end_matches(';');
        let found = store.column::<String>(sql).await;
        assert_eq!(found, first_column, "question {number}");
    }
    // Figures, not only names.
    let times = format!("SELECT times FROM ({}) AS q", asked[&11].trim_end().trim_end_matches(';'));
    let times = times.replace("SELECT times", "SELECT CAST(times AS integer)");
    assert_eq!(store.column::<i32>(&times).await, [41, 32, 3, 1, 1, 1, 1, 1]);
    let gaps = asked[&10].trim_end().trim_end_matches(';');
    let gaps =
        format!("SELECT CAST(first_missing AS text) || '-' || last_missing FROM ({gaps}) AS q");
    assert_eq!(store.column::<String>(&gaps).await, ["1-4", "7-8", "4-8", "1-6"]);
}

async fn every_column_is_described(db: TestDb) {
    let store = db.store().await;
    for (table, section) in
        [("audit_events", "## Events"), ("audit_calls", "## Events"), ("audit_folded", "## Floods")]
    {
        let columns = if db.is_sqlite() {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}'"
            )
        };
        let columns = store.column::<String>(&columns).await;
        assert!(columns.len() > 10, "{table}");
        let from = DOCUMENT.find(section).unwrap();
        let rows: Vec<&str> =
            DOCUMENT[from..].lines().filter(|line| line.starts_with("| `")).collect();
        for column in columns {
            let named = format!("`{column}`");
            let described =
                |row: &&&str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&named));
            assert!(rows.iter().any(|row| described(&row)), "{table}.{column}");
        }
    }
}
