//! What others left behind, and what somebody has tampered with on its way.

use super::*;
use crate::audit::verify::Damage;

on_both!(
    a_cursor_that_is_ahead_loses_nothing,
    a_cursor_of_a_chain_left_behind_that_is_ahead_loses_nothing,
    a_chain_that_cannot_be_read_holds_up_no_other,
    a_chain_that_is_orphaned_later_is_found,
    what_is_left_of_a_removed_chain_is_no_chain,
);

async fn ship_error(auditor: &Auditor) -> String {
    let told = || async { auditor.health().ship_error.is_some() };
    wait_until_async(PATIENCE, "the failure to be told", told).await;
    auditor.health().ship_error.unwrap()
}

/// Moves a chain's cursor as nobody should.
async fn set_cursor(store: &Store, chain_id: &str, next_seq: i64) {
    let row = format!(
        "INSERT INTO audit_cursor (chain_id, next_seq) VALUES ('{chain_id}', {next_seq})
         ON CONFLICT (chain_id) DO UPDATE SET next_seq = excluded.next_seq"
    );
    store.execute(&row).await.unwrap();
}

async fn a_cursor_that_is_ahead_loses_nothing(db: TestDb) {
    let store = db.store().await;
    // Behind the end, and in the middle of what waits.
    for ahead in [1000, 9] {
        let small = AuditSettings { segment_bytes: 4000, ..unhurried() };
        let auditor = open(&small, &db.scratch, &store);
        let chain_id = auditor.journal.chain_id().to_owned();
        for _ in 0..20 {
            call(&auditor, "r").await.unwrap();
        }
        let before = segments(&db.scratch.path().join("journal").join(&chain_id));
        assert!(before.len() > 3);
        set_cursor(&store, &chain_id, ahead).await;
        assert!(!auditor.flush(Duration::from_millis(300)).await);
        assert!(ship_error(&auditor).await.contains("audit_cursor says"));
        for _ in 0..20 {
            call(&auditor, "r").await.unwrap();
        }
        assert!(!auditor.flush(Duration::from_millis(300)).await);
        let rows = format!("SELECT count(*) FROM audit_events WHERE chain_id = '{chain_id}'");
        assert_eq!(store.number(&rows).await, 0);
        assert!(before.iter().all(|segment| segment.exists()));
        set_cursor(&store, &chain_id, 1).await;
        flushed(&auditor).await;
        assert_dense(&store, &chain_id, 80).await;
        crash(auditor).await;
    }
    assert_whole(&db, &store).await;
}

async fn a_cursor_of_a_chain_left_behind_that_is_ahead_loses_nothing(db: TestDb) {
    let store = db.store().await;
    for ahead in [1000, 9] {
        let first = open(&unhurried(), &db.scratch, &store);
        let chain_id = first.journal.chain_id().to_owned();
        for _ in 0..10 {
            call(&first, "first").await.unwrap();
        }
        crash(first).await;
        set_cursor(&store, &chain_id, ahead).await;
        let next = open(&settings(), &db.scratch, &store);
        assert!(ship_error(&next).await.contains(&chain_id));
        let folder = db.scratch.path().join("journal").join(&chain_id);
        assert_eq!(segments(&folder).len(), 1);
        set_cursor(&store, &chain_id, 1).await;
        // What waits for it may ask for it to be tried again.
        let again = || async {
            next.flush(Duration::from_millis(50)).await;
            !folder.exists()
        };
        wait_until_async(PATIENCE, "the chain to be shipped", again).await;
        assert_dense(&store, &chain_id, 20).await;
        crash(next).await;
    }
    assert_whole(&db, &store).await;
}

async fn a_chain_that_cannot_be_read_holds_up_no_other(db: TestDb) {
    let store = db.store().await;
    let mut folders = Vec::new();
    for _ in 0..3 {
        let auditor = open(&unhurried(), &db.scratch, &store);
        call(&auditor, "r").await.unwrap();
        folders.push(db.scratch.path().join("journal").join(auditor.journal.chain_id()));
        // Kept apart, so that none ships the one before.
        crash(auditor).await;
        let away = folders.last().unwrap().with_extension("away");
        std::fs::rename(folders.last().unwrap(), away).unwrap();
    }
    for folder in &folders {
        std::fs::rename(folder.with_extension("away"), folder).unwrap();
    }
    // Reading the first fails at the start, as on a disk that is ill; the second
    // has another chain's numbers.
    let broken = folders[0].join("00000000000000000001.jsonl");
    let away = folders[0].join("kept");
    std::fs::rename(&broken, &away).unwrap();
    std::fs::create_dir(&broken).unwrap();
    let numbered = segments(&folders[1]).remove(0);
    let lines = std::fs::read_to_string(&numbered).unwrap();
    std::fs::write(&numbered, lines.replacen("\"seq\":1,", "\"seq\":7,", 1)).unwrap();

    let next = open(&settings(), &db.scratch, &store);
    for number in 0..600 {
        call(&next, &number.to_string()).await.unwrap();
    }
    flushed(&next).await;
    assert_dense(&store, next.journal.chain_id(), 1200).await;
    assert!(!folders[2].exists() && folders[1].exists() && folders[0].exists());
    assert!(ship_error(&next).await.contains(folders[1].file_name().unwrap().to_str().unwrap()));
    assert_eq!(next.health().backlog_bytes, 0);
    crash(next).await;
    // Once they can be read, they are shipped as they are.
    std::fs::write(&numbered, lines).unwrap();
    std::fs::remove_dir(&broken).unwrap();
    std::fs::rename(&away, &broken).unwrap();
    let last = open(&settings(), &db.scratch, &store);
    flushed(&last).await;
    for folder in &folders {
        assert_dense(&store, folder.file_name().unwrap().to_str().unwrap(), 2).await;
    }
}

async fn a_chain_that_is_orphaned_later_is_found(db: TestDb) {
    let store = db.store().await;
    let first = open(&unhurried(), &db.scratch, &store);
    call(&first, "first").await.unwrap();
    let chain_id = first.journal.chain_id().to_owned();
    let (clock, hand) = Clock::manual(Clock::system().now());
    let second = Auditor::open(&settings(), db.scratch.path(), &store, clock).unwrap();
    call(&second, "second").await.unwrap();
    flushed(&second).await;
    crash(first).await;
    call(&second, "second").await.unwrap();
    flushed(&second).await;
    assert_eq!(calls(&store).await.len(), 2);
    hand.advance(Duration::from_secs(61));
    let shipped = || async { calls(&store).await.len() == 3 };
    wait_until_async(PATIENCE, "the orphan to be shipped", shipped).await;
    flushed(&second).await;
    assert_dense(&store, &chain_id, 2).await;
    let told = format!(
        "SELECT count(*) FROM audit_events WHERE kind = 'chain_found' AND chain_id = '{}'",
        second.journal.chain_id()
    );
    assert_eq!(store.number(&told).await, 1);
    let ring = public_keys(&settings(), db.scratch.path(), Clock::system().now()).unwrap();
    let mut verifier = Verifier::new(&ring, Extent::Whole);
    read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.is_good(), "{:?}", found.findings);
    assert_eq!(found.chains[0].end, "found");
}

async fn what_is_left_of_a_removed_chain_is_no_chain(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let chain_id = auditor.journal.chain_id().to_owned();
    call(&auditor, "r").await.unwrap();
    flushed(&auditor).await;
    crash(auditor).await;
    // The process that ships it dies between two removals; a file is in the way.
    let folder = db.scratch.path().join("journal").join(&chain_id);
    std::fs::remove_file(segments(&folder).remove(0)).unwrap();
    std::fs::write(folder.join("probe"), "").unwrap();
    let gone = db.scratch.path().join(format!("journal/{}.gone", uuid::Uuid::now_v7()));
    std::fs::create_dir(&gone).unwrap();
    std::fs::write(gone.join("lock"), "").unwrap();
    let next = open(&settings(), &db.scratch, &store);
    flushed(&next).await;
    assert!(!folder.exists() && !gone.exists());
    let told = "SELECT count(*) FROM audit_events WHERE kind = 'chain_found'";
    assert_eq!(store.number(told).await, 0);
    assert_whole(&db, &store).await;
    // One that somebody has left in is no word about a chain either.
    let ring = public_keys(&settings(), db.scratch.path(), Clock::system().now()).unwrap();
    let notary = next.journal.notary();
    let end = recover::End { seq: 0, hash: None, ended: false, torn: None };
    let queued = next
        .journal
        .append(&notary.found(next.journal.chain_id(), &chain_id, &end), Room::Granted)
        .unwrap();
    next.journal.settle(&queued).unwrap();
    next.journal.checkpoint();
    flushed(&next).await;
    let mut verifier = Verifier::new(&ring, Extent::Whole);
    read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.findings.iter().all(|finding| finding.damage != Damage::Added));
    assert!(found.is_good(), "{:?}", found.findings);
}
