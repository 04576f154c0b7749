//! What is old goes, and what is left verifies.

use super::*;
use crate::audit::verify::Damage;
use crate::clock::ManualClock;
use chrono::{DateTime, TimeDelta, Utc};

on_both!(
    old_events_go_and_the_rest_verifies,
    nothing_else_can_be_removed,
    a_database_that_was_tampered_with_makes_nothing_go,
    what_does_not_verify_stays,
    a_cut_that_is_too_early_or_of_another_line_explains_nothing,
);

const START: &str = "2026-01-10T08:00:00Z";

fn start() -> DateTime<Utc> {
    START.parse().unwrap()
}

fn keeping() -> AuditSettings {
    AuditSettings { retention_days: Some(30), checkpoint_events: 7, ..settings() }
}

/// A chain that crashed and one that runs, both begun in January.
async fn rig(db: &TestDb) -> (Arc<Store>, String, Arc<Auditor>, Janitor, Arc<ManualClock>) {
    let store = db.store().await;
    store.prepare_months(start()).await.unwrap();
    let (clock, hand) = Clock::manual(start());
    let open = || Auditor::open(&keeping(), db.scratch.path(), &store, clock.clone()).unwrap();
    let first = open();
    let dead = first.journal.chain_id().to_owned();
    for _ in 0..10 {
        call(&first, "january").await.unwrap();
    }
    flushed(&first).await;
    crash(first).await;
    hand.advance(Duration::from_secs(1));
    let auditor = open();
    for _ in 0..10 {
        call(&auditor, "january").await.unwrap();
    }
    flushed(&auditor).await;
    let janitor = Janitor {
        store: Arc::clone(&store),
        journal: Arc::clone(&auditor.journal),
        report: Arc::clone(&auditor.report),
        clock: clock.clone(),
        days: Some(30),
        ring: public_keys(&settings(), db.scratch.path(), start()).unwrap(),
        stop: auditor.stop.subscribe(),
    };
    (store, dead, auditor, janitor, hand)
}

async fn verdict(db: &TestDb, store: &Store) -> Verification {
    let ring = public_keys(&settings(), db.scratch.path(), start()).unwrap();
    let mut verifier = Verifier::new(&ring, Extent::Whole);
    read_database(store, &mut verifier, &mut |_, _| {}).await.unwrap();
    verifier.finish()
}

async fn rows(store: &Store, chain_id: &str) -> i64 {
    let rows = format!("SELECT count(*) FROM audit_events WHERE chain_id = '{chain_id}'");
    store.number(&rows).await
}

async fn old_events_go_and_the_rest_verifies(db: TestDb) {
    let (store, dead, auditor, janitor, hand) = rig(&db).await;
    let own = auditor.journal.chain_id().to_owned();
    let days = |days| TimeDelta::days(days).to_std().unwrap();
    // Nothing is old enough.
    janitor.look().await.unwrap();
    assert!(rows(&store, &dead).await > 20);
    hand.advance(days(70));
    for _ in 0..10 {
        call(&auditor, "march").await.unwrap();
    }
    janitor.look().await.unwrap();
    flushed(&auditor).await;
    assert_eq!(rows(&store, &dead).await, 0);
    let january = "SELECT count(*) FROM audit_events WHERE request_id = 'january'";
    assert_eq!(store.number(january).await, 0);
    let march = "SELECT count(*) FROM audit_events WHERE request_id = 'march'";
    assert_eq!(store.number(march).await, 20);
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
    let mut text = Vec::new();
    found.write_text(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(&format!("chain {own} begins at ")), "{text}");
    if !db.is_sqlite() {
        let month = "SELECT count(*) FROM pg_class WHERE relname = 'audit_events_202601'";
        assert_eq!(store.number(month).await, 0);
    }
    // Its place is known as long as somebody may name it.
    let cursors = format!("SELECT count(*) FROM audit_cursor WHERE chain_id = '{dead}'");
    assert_eq!(store.number(&cursors).await, 1);
    for _ in 0..4 {
        hand.advance(days(40));
        call(&auditor, "later").await.unwrap();
        janitor.look().await.unwrap();
        flushed(&auditor).await;
        let found = verdict(&db, &store).await;
        assert!(found.is_good(), "{:?}", found.findings);
    }
    assert_eq!(store.number(&cursors).await, 0);
    assert!(rows(&store, &own).await > 0);
}

async fn nothing_else_can_be_removed(db: TestDb) {
    let (store, dead, auditor, janitor, hand) = rig(&db).await;
    hand.advance(TimeDelta::days(70).to_std().unwrap());
    call(&auditor, "march").await.unwrap();
    janitor.look().await.unwrap();
    flushed(&auditor).await;
    let table = if db.is_sqlite() { "audit_event_lines" } else { "audit_events" };
    let own = auditor.journal.chain_id();
    let before = rows(&store, own).await;
    store.execute(&format!("DELETE FROM {table}")).await.unwrap_err();
    if !db.is_sqlite() {
        let month = "SELECT tableoid::regclass::text FROM audit_events LIMIT 1";
        let month: String = store.column(month).await.remove(0);
        for change in ["DELETE FROM", "TRUNCATE"] {
            store.execute(&format!("{change} {month}")).await.unwrap_err();
        }
    }
    assert_eq!(rows(&store, own).await, before);
    // Whoever opens the way for himself leaves no signed word of it.
    let last = auditor.journal.last_seq() - 1;
    let open = format!("UPDATE audit_retention SET through_seq = {last} WHERE chain_id = '{own}'");
    store.execute(&open).await.unwrap();
    store.execute(&format!("DELETE FROM {table} WHERE seq <= {last}")).await.unwrap();
    let found = verdict(&db, &store).await;
    let named = |damage| found.findings.iter().any(|it| it.damage == damage && it.chain_id == own);
    assert!(named(Damage::Missing), "{:?}", found.findings);
    assert_eq!(rows(&store, &dead).await, 0);
}

/// Takes the guards away, as an administrator of the database can.
async fn unguarded(store: &Store, sql: &str) {
    let guards = if store.backend_name() == "sqlite" {
        "DROP TRIGGER IF EXISTS audit_events_no_update; DROP TRIGGER IF EXISTS audit_events_no_delete"
    } else {
        "ALTER TABLE audit_events DISABLE TRIGGER USER"
    };
    store.execute(&format!("{guards}; {sql}")).await.unwrap();
}

async fn a_database_that_was_tampered_with_makes_nothing_go(db: TestDb) {
    let (store, dead, auditor, janitor, hand) = rig(&db).await;
    let own = auditor.journal.chain_id().to_owned();
    let all = rows(&store, &own).await + rows(&store, &dead).await;
    // Somebody says that both may go, to the last line, and that this was
    // announced long ago.
    let claim = |chain_id: &str, hash: &str| {
        format!(
            "INSERT INTO audit_retention (chain_id, through_seq, hash, announced_at, by_chain_id, by_seq)
             VALUES ('{chain_id}', 999, '{hash}', '2020-01-01T00:00:00.000000Z', '{own}', 1)"
        )
    };
    let hash = Digest::of(b"anything").to_string();
    for chain_id in [&own, &dead] {
        store.execute(&claim(chain_id, &hash)).await.unwrap();
    }
    for _ in 0..3 {
        janitor.look().await.unwrap();
        hand.advance(Duration::from_hours(1));
    }
    flushed(&auditor).await;
    assert!(rows(&store, &own).await + rows(&store, &dead).await >= all);
    let words = "SELECT count(*) FROM audit_events WHERE kind = 'retention'";
    assert_eq!(store.number(words).await, 0);
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
    // When the first month is over, what is old goes, and nothing else.
    hand.advance(TimeDelta::days(70).to_std().unwrap());
    for _ in 0..10 {
        call(&auditor, "march").await.unwrap();
    }
    flushed(&auditor).await;
    for _ in 0..3 {
        janitor.look().await.unwrap();
        hand.advance(Duration::from_hours(1));
    }
    flushed(&auditor).await;
    assert_eq!(rows(&store, &dead).await, 0);
    let march = "SELECT count(*) FROM audit_events WHERE request_id = 'march'";
    assert_eq!(store.number(march).await, 20);
    let found = verdict(&db, &store).await;
    assert!(found.is_good(), "{:?}", found.findings);
}

async fn what_does_not_verify_stays(db: TestDb) {
    let (store, dead, auditor, janitor, hand) = rig(&db).await;
    let table = if db.is_sqlite() { "audit_event_lines" } else { "audit_events" };
    let seq = format!(
        "SELECT max(seq) FROM audit_events WHERE chain_id = '{dead}' AND kind = 'decision'"
    );
    let seq = store.number(&seq).await;
    let change = format!(
        "UPDATE {table} SET line = replace(line, 'vscode', 'vscodf')
         WHERE chain_id = '{dead}' AND seq = {seq}"
    );
    unguarded(&store, &change).await;
    let before = rows(&store, &dead).await;
    hand.advance(TimeDelta::days(70).to_std().unwrap());
    call(&auditor, "march").await.unwrap();
    flushed(&auditor).await;
    for _ in 0..2 {
        janitor.look().await.unwrap();
        hand.advance(Duration::from_hours(1));
    }
    flushed(&auditor).await;
    assert_eq!(rows(&store, &dead).await, before);
    let own = auditor.journal.chain_id();
    let january = format!(
        "SELECT count(*) FROM audit_events WHERE request_id = 'january' AND chain_id = '{own}'"
    );
    assert_eq!(store.number(&january).await, 0);
    let found = verdict(&db, &store).await;
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    assert_eq!((&*found.findings[0].chain_id, found.findings[0].seq), (&*dead, seq));
}

async fn a_cut_that_is_too_early_or_of_another_line_explains_nothing(db: TestDb) {
    let (store, dead, auditor, _janitor, _hand) = rig(&db).await;
    let table = if db.is_sqlite() { "audit_event_lines" } else { "audit_events" };
    let line = format!("SELECT line FROM audit_events WHERE chain_id = '{dead}' AND seq = 6");
    let line: String = store.column(&line).await.remove(0);
    // As good as a cut can be, but for its age, and for the line.
    let (early, old) = (start(), start() - TimeDelta::days(31));
    let right = Digest::of(line.as_bytes());
    unguarded(&store, &format!("DELETE FROM {table} WHERE chain_id = '{dead}' AND seq <= 6")).await;
    let (notary, own) = (auditor.journal.notary(), auditor.journal.chain_id());
    for (time, hash, is_good) in
        [(early, right, false), (old, Digest::of(b"another"), false), (old, right, true)]
    {
        let removal =
            crate::audit::chain::Removal { chain_id: &dead, seq: 6, hash, time, days: 30 };
        let queued =
            auditor.journal.append(&notary.retention(own, &removal), Room::Granted).unwrap();
        auditor.journal.settle(&queued).unwrap();
        auditor.journal.checkpoint();
        flushed(&auditor).await;
        let found = verdict(&db, &store).await;
        assert_eq!(found.is_good(), is_good, "{:?}", found.findings);
        if !is_good {
            assert_eq!(
                (&*found.findings[0].chain_id, found.findings[0].damage),
                (&*dead, Damage::Missing)
            );
        }
    }
}
