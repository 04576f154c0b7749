//! Every event arrives in the database, once.

use std::io::Write;

use super::*;
use crate::store::Batch;

on_both!(
    a_crash_after_a_shipped_batch_doubles_nothing,
    a_torn_last_line_is_cut,
    a_damaged_line_holds_up_nothing,
    two_gateways_share_a_database,
    two_gateways_share_a_folder,
    full_segments_go_once_they_are_shipped,
    a_database_restored_from_a_backup_leaves_a_gap,
    a_segment_that_the_disk_lacks_is_not_passed_over,
);

async fn a_crash_after_a_shipped_batch_doubles_nothing(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let chain_id = auditor.journal.chain_id().to_owned();
    for number in 0..50 {
        call(&auditor, &number.to_string()).await.unwrap();
    }
    // The database has a batch; the process dies before it knows.
    let written = std::fs::read_to_string(&segments(db.scratch.path())[0]).unwrap();
    let lines: Vec<&str> = written.lines().take(40).collect();
    let cursor = store.cursor(&chain_id).await.unwrap();
    let (count, lines) = (lines.len(), lines.join("\n"));
    store
        .ship(Batch { chain_id: chain_id.clone(), cursor, first_seq: 1, count, lines })
        .await
        .unwrap();
    crash(auditor).await;

    let next = open(&settings(), &db.scratch, &store);
    call(&next, "later").await.unwrap();
    flushed(&next).await;
    assert_dense(&store, &chain_id, 100).await;
    assert_dense(&store, next.journal.chain_id(), 2).await;
    assert_eq!(calls(&store).await.len(), 51);
    // Only the living chain is left on the disk.
    assert_eq!(segments(db.scratch.path()).len(), 1);
    assert_eq!(next.health().backlog_bytes, 0);
    assert_whole(&db, &store).await;
}

async fn a_torn_last_line_is_cut(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let chain_id = auditor.journal.chain_id().to_owned();
    call(&auditor, "whole").await.unwrap();
    crash(auditor).await;
    let segment = segments(db.scratch.path()).remove(0);
    let mut file = std::fs::OpenOptions::new().append(true).open(segment).unwrap();
    file.write_all(br#"{"call_id":"torn"#).unwrap();
    let next = open(&settings(), &db.scratch, &store);
    flushed(&next).await;
    assert_dense(&store, &chain_id, 2).await;
    assert_whole(&db, &store).await;
}

async fn a_damaged_line_holds_up_nothing(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let chain_id = auditor.journal.chain_id().to_owned();
    for number in 0..20 {
        call(&auditor, &number.to_string()).await.unwrap();
    }
    crash(auditor).await;
    let segment = segments(db.scratch.path()).remove(0);
    let mut lines: Vec<Vec<u8>> =
        std::fs::read(&segment).unwrap().split(|byte| *byte == b'\n').map(Vec::from).collect();
    lines[6] = b"\xff\0 rubbish".to_vec();
    lines[33].truncate(100);
    std::fs::write(&segment, lines.join(&b'\n')).unwrap();
    let next = open(&settings(), &db.scratch, &store);
    flushed(&next).await;
    assert_dense(&store, &chain_id, 40).await;
    let damaged = "SELECT seq FROM audit_events WHERE kind = 'damaged' ORDER BY seq";
    assert_eq!(store.column::<i64>(damaged).await, [7, 34]);
    let rubbish = "SELECT count(*) FROM audit_events WHERE detail LIKE '%rubbish'";
    assert_eq!(store.number(rubbish).await, 1);
}

async fn two_gateways_share_a_database(db: TestDb) {
    let (one, other) = (db.store().await, db.connect().await);
    let folder = Scratch::new("sg-audit");
    let auditors = [open(&settings(), &db.scratch, &one), open(&settings(), &folder, &other)];
    for number in 0..300 {
        for auditor in &auditors {
            call(auditor, &number.to_string()).await.unwrap();
        }
    }
    for auditor in &auditors {
        flushed(auditor).await;
        assert_dense(&one, auditor.journal.chain_id(), 600).await;
    }
    // Replicas have folders, and so keys, of their own.
    let now = Clock::system().now();
    let rings = [&db.scratch, &folder].map(|it| public_keys(&settings(), it.path(), now).unwrap());
    let pem: String =
        rings.iter().flat_map(KeyRing::keys).map(crate::audit::keys::KnownKey::pem).collect();
    let mut verifier = Verifier::new(&KeyRing::parse(&pem).unwrap(), Extent::Whole);
    read_database(&one, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.is_good() && found.chains.len() == 2, "{:?}", found.findings);
}

async fn two_gateways_share_a_folder(db: TestDb) {
    let store = db.store().await;
    let first = open(&unhurried(), &db.scratch, &store);
    call(&first, "first").await.unwrap();
    // A living chain is not another's to ship.
    let second = open(&settings(), &db.scratch, &store);
    call(&second, "second").await.unwrap();
    flushed(&second).await;
    assert_eq!(calls(&store).await.len(), 1);
    let chain_id = first.journal.chain_id().to_owned();
    crash(first).await;
    let third = open(&settings(), &db.scratch, &store);
    flushed(&third).await;
    assert_dense(&store, &chain_id, 2).await;
    assert_dense(&store, second.journal.chain_id(), 2).await;
    assert_whole(&db, &store).await;
}

async fn full_segments_go_once_they_are_shipped(db: TestDb) {
    let store = db.store().await;
    let small = AuditSettings { segment_bytes: 2000, ..unhurried() };
    let auditor = open(&small, &db.scratch, &store);
    for number in 0..20 {
        call(&auditor, &number.to_string()).await.unwrap();
    }
    let full = segments(db.scratch.path());
    assert!(full.len() > 5);
    assert!(full.iter().all(|path| path.metadata().unwrap().len() <= 2000));
    // One line longer than a segment has one of its own.
    let mut entry = entry(&auditor, "long");
    entry.arguments(&raw(&format!("[{}1]", "1,".repeat(4000))), None);
    drop(entry);
    flushed(&auditor).await;
    assert_eq!(segments(db.scratch.path()).len(), 1);
    assert_eq!(auditor.health().backlog_bytes, 0);
    assert_dense(&store, auditor.journal.chain_id(), 41).await;
    // And the same for what another left behind.
    let chain_id = auditor.journal.chain_id().to_owned();
    for number in 0..20 {
        call(&auditor, &number.to_string()).await.unwrap();
    }
    crash(auditor).await;
    let next = open(&settings(), &db.scratch, &store);
    assert!(next.health().backlog_bytes > 10_000);
    flushed(&next).await;
    assert_dense(&store, &chain_id, 81).await;
    assert_eq!(next.health().backlog_bytes, 0);
    assert_whole(&db, &store).await;
}

async fn a_segment_that_the_disk_lacks_is_not_passed_over(db: TestDb) {
    let store = db.store().await;
    let small = AuditSettings { segment_bytes: 4000, ..unhurried() };
    let auditor = open(&small, &db.scratch, &store);
    for number in 0..10 {
        call(&auditor, &number.to_string()).await.unwrap();
    }
    auditor.journal.sync().unwrap();
    // Who syncs a later segment may be done first.
    let oldest = segments(db.scratch.path()).remove(0);
    let text = std::fs::read(oldest).unwrap();
    let last = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    auditor.journal.lag((text.len() - last) as u64);
    assert!(!auditor.flush(Duration::from_millis(300)).await);
    auditor.journal.lag(0);
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 20).await;
}

/// The shipper asks for what the disk has while the keeper brings it there, and gets
/// all of it: it is not asked twice here.
#[tokio::test]
async fn what_the_disk_is_just_getting_is_waited_for() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    // Each line is a file, and the keeper is woken by the first.
    let auditor = open(&AuditSettings { segment_bytes: 1, ..unhurried() }, &db.scratch, &store);
    for round in 0..40 {
        for _ in 0..10 {
            call(&auditor, "r").await.unwrap();
        }
        // About when the keeper has waited long enough for further lines.
        tokio::time::sleep(Duration::from_millis(35 + round)).await;
        flushed(&auditor).await;
    }
    assert_dense(&store, auditor.journal.chain_id(), 800).await;
}

async fn a_database_restored_from_a_backup_leaves_a_gap(db: TestDb) {
    let store = db.store().await;
    let small = AuditSettings { segment_bytes: 2000, ..unhurried() };
    let auditor = open(&small, &db.scratch, &store);
    for _ in 0..10 {
        call(&auditor, "before").await.unwrap();
    }
    flushed(&auditor).await;
    store.migrate_down(None).await.unwrap();
    store.migrate_up(None).await.unwrap();
    for _ in 0..10 {
        call(&auditor, "after").await.unwrap();
    }
    flushed(&auditor).await;
    let seqs: Vec<i64> = store.column("SELECT seq FROM audit_events ORDER BY seq").await;
    assert!(seqs.first().is_some_and(|first| (2..=22).contains(first)), "{seqs:?}");
    assert_eq!(seqs.last(), Some(&42));
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_written_at_once_are_numbered_in_the_order_of_the_file() {
    let db = TestDb::sqlite();
    // Nothing is shipped yet, for lack of tables.
    let store = db.connect().await;
    let auditor =
        open(&AuditSettings { segment_bytes: 100_000, ..unhurried() }, &db.scratch, &store);
    // Several calls at a time on each of several threads, as workers have them.
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let auditor = &auditor;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let calls = |turn| async move {
                    for number in 0..25 {
                        call(auditor, &format!("{writer}-{turn}-{number}")).await.unwrap();
                    }
                };
                runtime.block_on(futures_util::future::join_all((0..8).map(calls)));
            });
        }
    });
    let files = segments(db.scratch.path());
    assert!(files.len() > 3);
    let mut next = 1;
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert_eq!(name.parse::<i64>().unwrap(), next);
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["seq"].as_i64(), Some(next));
            next += 1;
        }
    }
    // With the first event of the chain, its checkpoint and another one.
    assert_eq!(next, 1604);
    store.migrate(true).await.unwrap();
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 1600).await;
    assert_eq!(store.number("SELECT count(DISTINCT event_id) FROM audit_events").await, 1603);
}
