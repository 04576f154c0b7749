//! Whoever changes the trail is found out, and what was done is named.

use super::*;
use crate::audit::verify::Damage;

on_both!(
    a_trail_of_several_chains_is_whole,
    a_row_that_is_changed_is_named,
    a_row_that_is_deleted_is_named,
    two_rows_that_are_swapped_are_named,
    a_tail_that_is_cut_is_named,
    a_chain_that_is_gone_is_named,
    a_row_that_is_added_is_named,
    a_column_that_is_changed_is_named,
    a_key_that_is_not_known_is_named,
    a_clock_that_goes_back_breaks_nothing,
    a_chain_that_is_invented_is_named,
    what_an_earlier_report_has_seen_is_missed,
    events_from_before_the_chain_are_adopted,
);

/// Checkpoints often enough to be met.
fn often() -> AuditSettings {
    AuditSettings { checkpoint_events: 7, ..settings() }
}

/// Three chains: one that crashed, one that ended in order, one that runs.
async fn trail(db: &TestDb, store: &Arc<Store>) -> (Vec<String>, Arc<Auditor>) {
    let mut chains = Vec::new();
    let first = open(&often(), &db.scratch, store);
    chains.push(first.journal.chain_id().to_owned());
    for _ in 0..10 {
        call(&first, "first").await.unwrap();
    }
    flushed(&first).await;
    crash(first).await;
    let second = open(&often(), &db.scratch, store);
    chains.push(second.journal.chain_id().to_owned());
    for _ in 0..10 {
        call(&second, "second").await.unwrap();
    }
    assert!(second.finish(PATIENCE).await);
    crash(second).await;
    let third = open(&often(), &db.scratch, store);
    chains.push(third.journal.chain_id().to_owned());
    for _ in 0..10 {
        call(&third, "third").await.unwrap();
    }
    flushed(&third).await;
    (chains, third)
}

fn keys(db: &TestDb) -> KeyRing {
    public_keys(&settings(), db.scratch.path(), Clock::system().now()).unwrap()
}

async fn verdict(db: &TestDb, store: &Store) -> Verification {
    let mut verifier = Verifier::new(&keys(db), Extent::Whole);
    read_database(store, &mut verifier, &mut |_, _| {}).await.unwrap();
    verifier.finish()
}

/// The first finding of a verdict.
fn first(verdict: &Verification) -> Option<(&str, i64, Damage)> {
    verdict.findings.first().map(|first| (&*first.chain_id, first.seq, first.damage))
}

/// Lets a test do what the database refuses everybody.
async fn unguarded(store: &Store, sql: &str) {
    let (before, after) = if store.backend_name() == "sqlite" {
        let drop = "DROP TRIGGER IF EXISTS audit_events_no_update;
                    DROP TRIGGER IF EXISTS audit_events_no_delete;";
        (drop, "")
    } else {
        (
            "ALTER TABLE audit_events DISABLE TRIGGER USER;",
            "ALTER TABLE audit_events ENABLE TRIGGER USER;",
        )
    };
    store.execute(&format!("{before} {sql}; {after}")).await.unwrap();
}

fn table(store: &Store) -> &'static str {
    if store.backend_name() == "sqlite" { "audit_event_lines" } else { "audit_events" }
}

async fn a_trail_of_several_chains_is_whole(db: TestDb) {
    let store = db.store().await;
    let (chains, third) = trail(&db, &store).await;
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
    let ends: Vec<_> = found.chains.iter().map(|chain| chain.end).collect();
    assert_eq!(ends, ["found", "signed", "open"]);
    assert!(found.chains.iter().all(|chain| chain.signed_seq + 7 > chain.last_seq));
    let lines: i64 = found.chains.iter().map(|chain| chain.last_seq).sum();
    assert_eq!(found.events, lines.unsigned_abs());
    assert_eq!(found.chains.len(), chains.len());
    // Nothing can be written once a chain has ended.
    assert!(third.finish(PATIENCE).await);
    assert_eq!(call(&third, "late").await.unwrap_err().reason, Reason::AuditUnavailable);
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
    assert_eq!(found.chains[2].end, "signed");
    // Without keys, nothing is believed.
    let mut verifier = Verifier::new(&KeyRing::default(), Extent::Whole);
    read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.findings.iter().all(|finding| finding.damage == Damage::UnknownKey));
    assert_eq!(found.findings.len(), 3);
}

async fn a_row_that_is_changed_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let table = table(&store);
    let change = format!(
        "UPDATE {table} SET line = replace(line, '\"client_name\":\"vscode\"', '\"client_name\":\"vscodf\"')
         WHERE chain_id = '{}' AND seq = 5",
        chains[0]
    );
    unguarded(&store, &change).await;
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&*chains[0], 5, Damage::Changed)));
    assert!(found.findings.iter().all(|finding| finding.seq == 5));
}

async fn a_row_that_is_deleted_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let delete =
        format!("DELETE FROM {} WHERE chain_id = '{}' AND seq = 5", table(&store), chains[1]);
    unguarded(&store, &delete).await;
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&*chains[1], 5, Damage::Missing)));
    assert_eq!(found.findings.len(), 1);
}

async fn two_rows_that_are_swapped_are_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let (table, chain) = (table(&store), &chains[0]);
    for (from, to) in [(5, 9005), (6, 5), (9005, 6)] {
        let renumber =
            format!("UPDATE {table} SET seq = {to} WHERE chain_id = '{chain}' AND seq = {from}");
        unguarded(&store, &renumber).await;
    }
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&**chain, 5, Damage::Reordered)), "{:?}", found.findings);
}

async fn a_tail_that_is_cut_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    for chain in [&chains[0], &chains[1], &chains[2]] {
        let cut = format!("DELETE FROM {} WHERE chain_id = '{chain}' AND seq > 9", table(&store));
        unguarded(&store, &cut).await;
    }
    let found = verdict(&db, &store).await;
    let cut: Vec<_> = found.findings.iter().map(|it| (&*it.chain_id, it.seq, it.damage)).collect();
    for chain in &chains {
        assert!(cut.contains(&(&**chain, 10, Damage::Truncated)), "{cut:?}");
    }
    // Who also sets the cursor back is found out by the chains that followed.
    for chain in &chains {
        let back = format!("UPDATE audit_cursor SET next_seq = 10 WHERE chain_id = '{chain}'");
        store.execute(&back).await.unwrap();
    }
    let found = verdict(&db, &store).await;
    let cut: Vec<_> = found.findings.iter().map(|it| (&*it.chain_id, it.seq, it.damage)).collect();
    let expected = [&*chains[0], &*chains[1]].map(|chain| (chain, 10, Damage::Truncated));
    assert_eq!(cut, expected);
    assert_eq!(found.chains[2].end, "open");
}

async fn a_chain_that_is_gone_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let gone = format!("DELETE FROM {} WHERE chain_id = '{}'", table(&store), chains[0]);
    unguarded(&store, &gone).await;
    store
        .execute(&format!("DELETE FROM audit_cursor WHERE chain_id = '{}'", chains[0]))
        .await
        .unwrap();
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&*chains[0], 1, Damage::Missing)));
    assert_eq!(found.findings.len(), 1);
}

async fn a_row_that_is_added_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    // A line that follows the last one of the crashed chain as it should, but
    // for a signature, which nobody can make.
    let last = format!(
        "SELECT line FROM audit_events WHERE chain_id = '{}' ORDER BY seq DESC LIMIT 1",
        chains[0]
    );
    let last: String = store.column::<String>(&last).await.remove(0);
    let event: Value = serde_json::from_str(&last).unwrap();
    let seq = event["seq"].as_i64().unwrap();
    let line = last
        .replace(&format!("\"seq\":{seq}"), &format!("\"seq\":{}", seq + 1))
        .replace(event["prev"].as_str().unwrap(), &Digest::of(last.as_bytes()).to_string());
    let cursor = store.cursor(&chains[0]).await.unwrap();
    assert_eq!(cursor, seq + 1);
    let batch = crate::store::Batch {
        chain_id: chains[0].clone(),
        cursor,
        first_seq: cursor,
        count: 1,
        lines: line,
    };
    store.ship(batch).await.unwrap();
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&*chains[0], seq + 1, Damage::Added)));
}

async fn a_chain_that_is_invented_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let lines = format!(
        "SELECT line FROM audit_events WHERE chain_id = '{}' AND kind <> 'checkpoint' ORDER BY seq",
        chains[0]
    );
    let lines: Vec<Vec<u8>> =
        store.column::<String>(&lines).await.into_iter().map(String::into_bytes).collect();
    let invented = uuid::Uuid::now_v7().to_string();
    let genesis = (1, crate::audit::chain::genesis(&invented));
    let forged = forge(&lines, &invented, genesis, |_| {}).concat();
    let batch = crate::store::Batch {
        chain_id: invented.clone(),
        cursor: store.cursor(&invented).await.unwrap(),
        first_seq: 1,
        count: lines.len(),
        lines: String::from_utf8(forged).unwrap().trim_end().to_owned(),
    };
    store.ship(batch).await.unwrap();
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&*invented, 1, Damage::Unsigned)));
    assert_eq!(found.findings.len(), 1);
}

async fn what_an_earlier_report_has_seen_is_missed(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let earlier = verdict(&db, &store).await;
    let since = async || {
        let mut verifier = Verifier::new(&keys(&db), Extent::Whole);
        verifier.expect(report(&earlier));
        read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
        verifier.finish()
    };
    assert!(since().await.is_good());
    // The end of the chain that runs, of which nobody else knows.
    let last = earlier.chains[2].last_seq;
    let table = table(&store);
    let cut = format!("DELETE FROM {table} WHERE chain_id = '{}' AND seq = {last}", chains[2]);
    unguarded(&store, &cut).await;
    let back =
        format!("UPDATE audit_cursor SET next_seq = {last} WHERE chain_id = '{}'", chains[2]);
    store.execute(&back).await.unwrap();
    assert!(verdict(&db, &store).await.is_good());
    let found = since().await;
    assert_eq!(first(&found), Some((&*chains[2], last, Damage::Truncated)));
    // All of it.
    for from in [table, "audit_cursor"] {
        unguarded(&store, &format!("DELETE FROM {from}")).await;
    }
    assert!(verdict(&db, &store).await.is_empty());
    let found = since().await;
    assert_eq!(found.findings.len(), 3);
    assert_eq!(first(&found), Some((&*chains[0], 1, Damage::Missing)));
}

async fn events_from_before_the_chain_are_adopted(db: TestDb) {
    let store = db.connect().await;
    // As the version before had it, with rows.
    store.migrate_up(Some(5)).await.unwrap();
    let old = "01930000-0000-7000-8000-000000000001";
    let line = |seq: i64| {
        format!(
            r#"{{"chain_id":"{old}","event_id":"{}","kind":"admin","seq":{seq},"time":"2026-11-2{}T08:00:00.000000Z"}}"#,
            uuid::Uuid::now_v7(),
            seq % 7
        )
    };
    for seq in 1..=300 {
        insert(&store, old, seq, &line(seq)).await;
    }
    store.execute(&format!("INSERT INTO audit_cursor VALUES ('{old}', 301)")).await.unwrap();
    store.migrate_up(None).await.unwrap();
    // And what its last process left in the journal.
    let left = "01930000-0000-7000-8000-000000000002";
    let folder = db.scratch.path().join("journal").join(left);
    std::fs::create_dir_all(&folder).unwrap();
    let lines: String = (1..=3).map(|seq| line(seq).replace(old, left) + "\n").collect();
    std::fs::write(folder.join("00000000000000000001.jsonl"), lines).unwrap();
    let auditor = open(&settings(), &db.scratch, &store);
    call(&auditor, "r").await.unwrap();
    flushed(&auditor).await;
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
    let ends: Vec<_> = found.chains.iter().map(|chain| chain.end).collect();
    assert_eq!(ends, ["adopted", "adopted", "open"]);
    crash(auditor).await;
    // Only once: what comes without hashes later is somebody else's.
    let late = "01930000-0000-7000-8000-000000000003";
    insert(&store, late, 1, &line(1).replace(old, late)).await;
    store.execute(&format!("INSERT INTO audit_cursor VALUES ('{late}', 2)")).await.unwrap();
    let auditor = open(&settings(), &db.scratch, &store);
    flushed(&auditor).await;
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((late, 1, Damage::Unsigned)));
    assert_eq!(found.findings.len(), 1);
    // What was adopted cannot be changed any more; nor does it bury the rest.
    let table = table(&store);
    let change = format!(
        "UPDATE {table} SET line = replace(line, 'admin', 'list') WHERE chain_id = '{old}' AND seq > 5"
    );
    unguarded(&store, &change).await;
    let change = format!(
        "UPDATE {table} SET line = replace(line, 'vscode', 'vscodf') WHERE chain_id > '{late}'"
    );
    unguarded(&store, &change).await;
    let found = verdict(&db, &store).await;
    let has = |chain_id: &str, damage| {
        found.findings.iter().any(|it| (&*it.chain_id, it.damage) == (chain_id, damage))
    };
    assert!(has(old, Damage::Unsigned) && has(&found.chains[3].chain_id, Damage::Changed));
    let of_old = found.findings.iter().filter(|it| it.chain_id == old).count();
    assert!(of_old <= 102, "{of_old}");
}

async fn insert(store: &Store, chain_id: &str, seq: i64, line: &str) {
    let event: Value = serde_json::from_str(line).unwrap();
    let (id, time) = (event["event_id"].as_str().unwrap(), event["time"].as_str().unwrap());
    let row = if store.backend_name() == "sqlite" {
        format!(
            "INSERT INTO audit_event_lines (chain_id, seq, time, kind, line)
                 VALUES ('{chain_id}', {seq}, '{time}', 'admin', '{line}')"
        )
    } else {
        format!(
            "INSERT INTO audit_events (chain_id, seq, line, event_id, time, kind)
                 VALUES ('{chain_id}', {seq}, '{line}', '{id}', '{time}', 'admin')"
        )
    };
    store.execute(&row).await.unwrap();
}

async fn a_column_that_is_changed_is_named(db: TestDb) {
    let store = db.store().await;
    let (chains, _third) = trail(&db, &store).await;
    let (column, value) =
        if db.is_sqlite() { ("kind", "'list'") } else { ("user_id", "'somebody else'") };
    let change = format!(
        "UPDATE {} SET {column} = {value} WHERE chain_id = '{}' AND seq = 4",
        table(&store),
        chains[2]
    );
    unguarded(&store, &change).await;
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((&*chains[2], 4, Damage::Changed)));
    assert_eq!(found.findings.len(), 1);
}

async fn a_key_that_is_not_known_is_named(db: TestDb) {
    let store = db.store().await;
    let (_, third) = trail(&db, &store).await;
    let known = keys(&db);
    crash(third).await;
    // A key that the one before has endorsed is believed with it.
    rotate(&settings(), db.scratch.path(), Clock::system().now()).unwrap();
    let fourth = open(&often(), &db.scratch, &store);
    assert!(fourth.finish(PATIENCE).await);
    assert_eq!(keys(&db).keys().len(), 2);
    for ring in [&known, &keys(&db)] {
        let mut verifier = Verifier::new(ring, Extent::Whole);
        read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
        let found = verifier.finish();
        assert!(found.is_good(), "{:?}", found.findings);
    }
    // Any other is not, though it signs well.
    let stranger = Scratch::new("sg-audit");
    let fifth = open(&often(), &stranger, &store);
    assert!(fifth.finish(PATIENCE).await);
    let found = verdict(&db, &store).await;
    assert_eq!(first(&found), Some((fifth.journal.chain_id(), 2, Damage::UnknownKey)));
    assert_eq!(found.findings.len(), 1);
}

async fn a_clock_that_goes_back_breaks_nothing(db: TestDb) {
    let store = db.store().await;
    let mut chains = Vec::new();
    for seconds in [1_763_700_000, 1_763_000_000, 1_763_500_000] {
        let (clock, _hand) = Clock::manual(chrono::DateTime::from_timestamp(seconds, 0).unwrap());
        let auditor = Auditor::open(&often(), db.scratch.path(), &store, clock).unwrap();
        chains.push(auditor.journal.chain_id().to_owned());
        for _ in 0..10 {
            call(&auditor, "r").await.unwrap();
        }
        flushed(&auditor).await;
        crash(auditor).await;
    }
    for chain in &chains {
        assert_dense(&store, chain, 20).await;
    }
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
}

/// The lines of a chain that crashed and of one that ended, as a file has them.
async fn file_of_two_chains() -> (TestDb, Vec<Vec<u8>>) {
    let db = TestDb::sqlite();
    let store = db.store().await;
    for ends in [false, true] {
        let auditor =
            open(&AuditSettings { checkpoint_events: 7, ..unhurried() }, &db.scratch, &store);
        for _ in 0..6 {
            call(&auditor, "r").await.unwrap();
        }
        if ends {
            auditor.journal.end();
        }
        crash(auditor).await;
    }
    let read = |path: &PathBuf| std::fs::read(path).unwrap();
    let bytes: Vec<u8> = segments(db.scratch.path()).iter().flat_map(read).collect();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(Vec::from).collect();
    (db, lines)
}

fn judge(db: &TestDb, lines: &[Vec<u8>]) -> Verification {
    let path = db.scratch.path().join("export.jsonl");
    std::fs::write(&path, lines.concat()).unwrap();
    let mut verifier = Verifier::new(&keys(db), Extent::Whole);
    read_file(&path, &mut verifier, &mut |_, _| {}).unwrap();
    verifier.finish()
}

/// The same, by somebody who has kept what an earlier verification printed.
fn judge_since(db: &TestDb, lines: &[Vec<u8>], earlier: &Verification) -> Verification {
    let path = db.scratch.path().join("export.jsonl");
    std::fs::write(&path, lines.concat()).unwrap();
    let mut verifier = Verifier::new(&keys(db), Extent::Whole);
    verifier.expect(report(earlier));
    read_file(&path, &mut verifier, &mut |_, _| {}).unwrap();
    verifier.finish()
}

/// As it is printed.
fn report(of: &Verification) -> EarlierReport {
    let mut text = Vec::new();
    of.write_json(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Lines that somebody has written who has everything but a key: `change` makes
/// them of the given ones, and they are numbered from `seq` on and chained to a
/// line with the hash `prev`.
fn forge(
    lines: &[Vec<u8>],
    chain_id: &str,
    (mut seq, mut prev): (i64, Digest),
    change: impl Fn(&mut Value),
) -> Vec<Vec<u8>> {
    let mut forged = Vec::new();
    for line in lines {
        let mut event: Value = serde_json::from_slice(line).unwrap();
        change(&mut event);
        event["chain_id"] = chain_id.into();
        event["seq"] = seq.into();
        event["prev"] = prev.to_string().into();
        let mut line = canon_json::CanonJsonSerialize::to_canon_json_vec(&event).unwrap();
        prev = Digest::of(&line);
        seq += 1;
        line.push(b'\n');
        forged.push(line);
    }
    forged
}

fn kind_of(line: &[u8]) -> String {
    let event: Value = serde_json::from_slice(line).unwrap();
    event["kind"].as_str().unwrap().to_owned()
}

fn without_newline(line: &[u8]) -> Digest {
    Digest::of(&line[..line.len() - 1])
}

#[tokio::test]
async fn a_history_that_nobody_signed_is_named() {
    let (db, lines) = file_of_two_chains().await;
    let second = lines.iter().position(|line| place(line).0 != place(&lines[0]).0).unwrap();
    let (whole, rest) = lines.split_at(second);
    let (chain_id, other) = (place(&lines[0]).0, place(&rest[0]).0);
    let genesis = |chain_id: &str| (1, crate::audit::chain::genesis(chain_id));
    let unsigned: Vec<Vec<u8>> =
        whole.iter().filter(|line| kind_of(line) != "checkpoint").cloned().collect();
    // A chain of one's own, written anew, whose signatures are gone.
    let anew = forge(&unsigned, &chain_id, genesis(&chain_id), |event| {
        event["user_id"] = "somebody else".into();
    });
    let found = judge(&db, &[&anew[..], rest].concat());
    assert_eq!(first(&found), Some((&*chain_id, 1, Damage::Unsigned)), "{:?}", found.findings);
    // One that there never was, though somebody says that it was found.
    let invented = "01930000-0000-7000-8000-000000000000";
    let chain = forge(&unsigned, invented, genesis(invented), |_| {});
    let found = judge(&db, &[&chain[..], &lines[..]].concat());
    assert_eq!(first(&found), Some((invented, 1, Damage::Unsigned)));
    assert_eq!(found.findings.len(), 1);
    // A word that is not signed is none: of an end, of a removal, of an adoption.
    let open = &rest[..rest.len() - 1];
    let tip = (place(open.last().unwrap()).1 + 1, without_newline(open.last().unwrap()));
    for kind in ["chain_found", "retention", "adopted"] {
        let word = forge(&unsigned[..1], &other, tip, |event| {
            event["kind"] = kind.into();
            event["found_chain_id"] = invented.into();
            event["found_seq"] = 7.into();
            event["found_hash"] = tip.1.to_string().into();
        });
        let found = judge(&db, &[whole, open, &word[..]].concat());
        assert!(found.is_good(), "{kind}: {:?}", found.findings);
    }
}

#[tokio::test]
async fn a_tail_that_is_too_long_for_its_signature_is_named() {
    let (db, lines) = file_of_two_chains().await;
    let second = lines.iter().position(|line| place(line).0 != place(&lines[0]).0).unwrap();
    let rest = &lines[second..];
    // The second chain up to its first checkpoint, and then what
    // somebody has written instead of the rest.
    let chain_id = place(&rest[0]).0;
    assert_eq!(kind_of(&rest[2]), "checkpoint");
    let tip = (4, without_newline(&rest[2]));
    let tail = |lines: usize, hours: i64| {
        let sample = vec![rest[3].clone(); lines];
        let mut tail = forge(&sample, &chain_id, tip, |_| {});
        let last = tail.pop().unwrap();
        let before = tail.last().map_or(tip.1, |line| without_newline(line));
        tail.extend(forge(
            &[last],
            &chain_id,
            (place(&rest[2]).1 + i64::try_from(lines).unwrap(), before),
            |event| {
                let time: chrono::DateTime<chrono::Utc> =
                    event["time"].as_str().unwrap().parse().unwrap();
                let time = time + chrono::TimeDelta::hours(hours);
                event["time"] = crate::clock::rfc3339(time).as_str().into();
            },
        ));
        judge(&db, &[&lines_of(&db)[..second], &rest[..3], &tail[..]].concat())
    };
    // What may be behind a checkpoint that is due any moment cannot be told apart.
    assert!(tail(7, 0).is_good());
    for (lines, hours) in [(1200, 0), (7, 2)] {
        let found = tail(lines, hours);
        assert_eq!(first(&found), Some((&*chain_id, 4, Damage::Unsigned)), "{:?}", found.findings);
        assert_eq!(found.findings.len(), 1);
    }
}

/// The lines of the journal.
fn lines_of(db: &TestDb) -> Vec<Vec<u8>> {
    let read = |path: &PathBuf| std::fs::read(path).unwrap();
    let bytes: Vec<u8> =
        segments(&db.scratch.path().join("journal")).iter().flat_map(read).collect();
    bytes.split_inclusive(|byte| *byte == b'\n').map(Vec::from).collect()
}

#[tokio::test]
async fn an_endorsed_key_is_believed_without_the_beginning_of_its_chain() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    drop(open(&unhurried(), &db.scratch, &store));
    let known = keys(&db);
    rotate(&settings(), db.scratch.path(), Clock::system().now()).unwrap();
    let auditor = open(&often(), &db.scratch, &store);
    for _ in 0..10 {
        call(&auditor, "r").await.unwrap();
    }
    let own = db.scratch.path().join("journal").join(auditor.journal.chain_id());
    let text = std::fs::read(&segments(&own)[0]).unwrap();
    let later: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').skip(4).collect();
    let path = db.scratch.path().join("part.jsonl");
    std::fs::write(&path, later.concat()).unwrap();
    let mut verifier = Verifier::new(&known, Extent::Part);
    read_file(&path, &mut verifier, &mut |_, _| {}).unwrap();
    let found = verifier.finish();
    assert!(found.is_good() && found.chains[0].signed_seq > 4, "{:?}", found.findings);
}

/// Chain and number of a line.
fn place(line: &[u8]) -> (String, i64) {
    let event: Value = serde_json::from_slice(line).unwrap();
    (event["chain_id"].as_str().unwrap().to_owned(), event["seq"].as_i64().unwrap())
}

#[tokio::test]
async fn any_byte_that_is_flipped_is_named() {
    let (db, lines) = file_of_two_chains().await;
    assert!(judge(&db, &lines).is_good());
    for (at, line) in lines.iter().enumerate() {
        let (chain_id, seq) = place(line);
        // Every byte of a checkpoint, and of one ordinary line; of the others
        // a few.
        let step = if [1, 7].contains(&at) { 1 } else { 37 };
        for byte in (0..line.len() - 1).step_by(step) {
            let mut changed = lines.clone();
            changed[at][byte] ^= 1;
            let found = judge(&db, &changed);
            let shown = String::from_utf8_lossy(&changed[at]).into_owned();
            let named = found.findings.iter().any(|finding| {
                // A flip in the chain's own name makes it a line of another.
                finding.seq == seq && finding.chain_id == chain_id
                    || !shown.contains(&format!("\"chain_id\":\"{chain_id}\""))
                    || !shown.contains(&format!("\"seq\":{seq},"))
            });
            assert!(!found.is_good() && named, "byte {byte}: {:?} {shown}", found.findings);
        }
    }
}

#[tokio::test]
async fn lines_that_are_gone_moved_or_cut_are_named() {
    let (db, lines) = file_of_two_chains().await;
    let second = lines.iter().position(|line| place(line).0 != place(&lines[0]).0).unwrap();
    for at in 0..lines.len() {
        let (chain_id, seq) = place(&lines[at]);
        let last_of_first = at + 1 == second;
        let mut gone = lines.clone();
        gone.remove(at);
        let found = judge(&db, &gone);
        if at + 1 == lines.len() {
            // The end of a chain that nobody has followed: it is open now. Only
            // who has kept a report can tell.
            assert!(found.is_good() && found.chains[1].end == "open");
            let found = judge_since(&db, &gone, &judge(&db, &lines));
            assert_eq!(first(&found), Some((&*chain_id, seq, Damage::Truncated)));
        } else {
            let damage = if last_of_first { Damage::Truncated } else { Damage::Missing };
            assert_eq!(first(&found), Some((&*chain_id, seq, damage)), "{:?}", found.findings);
        }
        if at + 1 < lines.len() && !last_of_first {
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            let found = judge(&db, &swapped);
            assert!(
                found.findings.iter().any(|finding| {
                    (&*finding.chain_id, finding.damage) == (&*chain_id, Damage::Reordered)
                        && (finding.seq - seq).abs() <= 1
                }),
                "{at}: {:?}",
                found.findings
            );
        }
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        let found = judge(&db, &twice);
        assert_eq!(first(&found), Some((&*chain_id, seq, Damage::Forked)), "{:?}", found.findings);
    }
    // A part of the trail may begin anywhere, but its chains are chains.
    let path = db.scratch.path().join("export.jsonl");
    std::fs::write(&path, lines[3..].concat()).unwrap();
    for (extent, good) in [(Extent::Part, true), (Extent::Whole, false)] {
        let mut verifier = Verifier::new(&keys(&db), extent);
        read_file(&path, &mut verifier, &mut |_, _| {}).unwrap();
        assert_eq!(verifier.finish().is_good(), good);
    }
}

#[tokio::test]
async fn a_fork_is_named() {
    let (db, lines) = file_of_two_chains().await;
    let chain_id = place(&lines[0]).0;
    // A copy of the chain goes on with other lines, before or behind ours.
    let other = String::from_utf8(lines[5].clone()).unwrap();
    assert!(other.contains(":200,"), "{other}");
    let other = other.replace(":200,", ":500,").into_bytes();
    for at in [5, 6] {
        let mut forked = lines.clone();
        forked.insert(at, other.clone());
        let found = judge(&db, &forked);
        assert_eq!(first(&found), Some((&*chain_id, 6, Damage::Forked)));
    }
}

#[tokio::test]
async fn a_journal_in_use_verifies_and_a_torn_line_is_told() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let small = AuditSettings { segment_bytes: 4000, checkpoint_events: 7, ..unhurried() };
    let auditor = open(&small, &db.scratch, &store);
    let chain_id = auditor.journal.chain_id().to_owned();
    for _ in 0..20 {
        call(&auditor, "r").await.unwrap();
    }
    let journal = db.scratch.path().join("journal");
    let look = || {
        let mut verifier = Verifier::new(&keys(&db), Extent::Part);
        read_journal(&journal, &mut verifier, &mut |_, _| {}).unwrap();
        verifier.finish()
    };
    let found = look();
    assert!(found.is_good() && segments(&journal).len() > 3, "{:?}", found.findings);
    assert_eq!(found.chains[0].last_seq, auditor.journal.last_seq());
    crash(auditor).await;
    let last = segments(&journal).pop().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&last).unwrap();
    std::io::Write::write_all(&mut file, br#"{"call_id":"torn"#).unwrap();
    assert!(look().is_good());
    // The next process says what it found, and what it cut.
    let next = open(&unhurried(), &db.scratch, &store);
    let found = look();
    assert!(found.is_good(), "{:?}", found.findings);
    assert_eq!(found.chains[0].end, "found");
    let own = journal.join(next.journal.chain_id());
    let told = std::fs::read_to_string(&segments(&own)[0]).unwrap();
    let told: Value = serde_json::from_str(told.lines().nth(1).unwrap()).unwrap();
    let torn = Digest::of(br#"{"call_id":"torn"#).to_string();
    assert_eq!(
        (told["kind"].as_str(), told["torn_bytes"].as_u64()),
        (Some("chain_found"), Some(16))
    );
    assert_eq!(
        (told["found_chain_id"].as_str(), told["torn_digest"].as_str()),
        (Some(&*chain_id), Some(&*torn))
    );
    // Whoever cuts more than that is found out, to the line.
    let text = std::fs::read(&last).unwrap();
    let cut = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    std::fs::write(&last, &text[..cut]).unwrap();
    let seq = place(&text[cut..]).1;
    assert_eq!(first(&look()), Some((&*chain_id, seq, Damage::Truncated)));
}
