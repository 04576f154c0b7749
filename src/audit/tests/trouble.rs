//! No database, no disk, no room.

use std::os::unix::fs::PermissionsExt;

use support::chaos::Chaos;

use super::*;

on_both!(
    calls_go_on_without_a_database,
    a_full_journal_refuses_calls_but_not_their_ends,
    a_folder_that_is_gone_refuses_until_it_is_back,
    flushing_has_a_deadline,
);

async fn calls_go_on_without_a_database(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&settings(), &db.scratch, &store);
    call(&auditor, "before").await.unwrap();
    flushed(&auditor).await;
    store.execute("ALTER TABLE audit_cursor RENAME TO elsewhere").await.unwrap();
    for _ in 0..600 {
        call(&auditor, "meanwhile").await.unwrap();
    }
    let told = || async { auditor.health().ship_error.is_some() };
    wait_until_async(PATIENCE, "the failure to be told", told).await;
    assert!(auditor.health().records() && auditor.health().backlog_bytes > 0);
    store.execute("ALTER TABLE elsewhere RENAME TO audit_cursor").await.unwrap();
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 1202).await;
    let well = || async { auditor.health().ship_error.is_none() };
    wait_until_async(PATIENCE, "the failure to be over", well).await;
    assert_eq!(auditor.health().backlog_bytes, 0);
    assert_eq!((auditor.health().events, auditor.health().shipped_events), (1205, 1205));
}

async fn a_full_journal_refuses_calls_but_not_their_ends(db: TestDb) {
    let store = db.store().await;
    let tight = AuditSettings { max_backlog_bytes: 5000, ..unhurried() };
    let auditor = open(&tight, &db.scratch, &store);
    let mut running = entry(&auditor, "running");
    resolve(&mut running);
    let _ = running.intent(()).await.unwrap();
    let mut made = 0;
    let refusal = loop {
        match call(&auditor, "r").await {
            Ok(()) => made += 1,
            Err(refusal) => break refusal,
        }
        assert!(made < 100);
    };
    assert_eq!(refusal.reason, Reason::AuditUnavailable);
    assert!(!auditor.health().records());
    // Refused calls and failed logins take no room either.
    let before = auditor.journal.last_seq();
    let why = Refusal::new(Reason::ExpiredToken, "no");
    let sealed = auditor.begin(opening("r")).seal(&Outcome::refused(&why, 401)).await;
    assert_eq!(sealed.unwrap_err().reason, Reason::AuditUnavailable);
    assert_eq!(auditor.journal.last_seq(), before);
    running.seal(&Outcome::done(200)).await.unwrap();
    assert_eq!(auditor.journal.last_seq(), before + 1);
    flushed(&auditor).await;
    call(&auditor, "again").await.unwrap();
    assert!(auditor.health().records());
}

async fn a_folder_that_is_gone_refuses_until_it_is_back(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&AuditSettings { segment_bytes: 1, ..settings() }, &db.scratch, &store);
    call(&auditor, "before").await.unwrap();
    let journal = db.scratch.path().join("journal");
    let away = db.scratch.path().join("away");
    std::fs::rename(&journal, &away).unwrap();
    let refusal = call(&auditor, "meanwhile").await.unwrap_err();
    assert_eq!(refusal.reason, Reason::AuditUnavailable);
    assert!(auditor.health().write_error.is_some() && !auditor.health().records());
    std::fs::rename(&away, &journal).unwrap();
    // Nobody needs to call for it to be noticed.
    let well = || async { auditor.health().records() };
    wait_until_async(PATIENCE, "writing to work again", well).await;
    call(&auditor, "after").await.unwrap();
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 4).await;
}

async fn flushing_has_a_deadline(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&settings(), &db.scratch, &store);
    store.execute("ALTER TABLE audit_cursor RENAME TO elsewhere").await.unwrap();
    call(&auditor, "r").await.unwrap();
    assert!(!auditor.flush(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn a_full_disk_refuses_and_tears_no_line() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    call(&auditor, "before").await.unwrap();
    let file = segments(db.scratch.path()).remove(0);
    let read_write = || std::fs::OpenOptions::new().read(true).append(true).open(&file).unwrap();
    auditor
        .journal
        .replace_file(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut entry = entry(&auditor, "meanwhile");
    assert_eq!(entry.intent(()).await.unwrap_err().reason, Reason::AuditUnavailable);
    let why = Refusal::new(Reason::AuditUnavailable, "no");
    assert_eq!(
        entry.seal(&Outcome::refused(&why, 503)).await.unwrap_err().reason,
        Reason::AuditUnavailable
    );
    let shown = auditor.health().write_error.unwrap();
    assert!(!shown.is_empty());
    // A part of a line that got onto the disk is cut before the next.
    std::io::Write::write_all(&mut read_write(), b"{\"torn\":").unwrap();
    auditor.journal.replace_file(read_write());
    call(&auditor, "after").await.unwrap();
    assert_eq!(auditor.health().write_error, None);
    flushed(&auditor).await;
    // The one that could not be written is counted since.
    assert_dense(&store, auditor.journal.chain_id(), 5).await;
    let counted = "SELECT folded_reasons || ', ' || detail FROM audit_folded";
    let counted = store.column::<String>(counted).await.remove(0);
    assert!(counted.starts_with("audit_unavailable 1, 1 more refused "), "{counted}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_made_is_told_at_the_start() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let file = db.scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let settings = AuditSettings { journal_dir: Some(path), ..settings() };
        let error = Auditor::open(&settings, db.scratch.path(), &store, Clock::system());
        let AuditError::Journal { path, .. } = error.unwrap_err() else { panic!("no journal") };
        assert!(path.starts_with(&file));
    }
}

#[tokio::test]
async fn the_journal_is_its_owners_alone() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    call(&auditor, "r").await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let journal = db.scratch.path().join("journal");
    let chain = journal.join(auditor.journal.chain_id());
    assert_eq!((mode(&journal), mode(&chain)), (0o700, 0o700));
    for file in chain.read_dir().unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    assert_eq!(mode(&journal.join("lock")), 0o600);
}

/// A real disk that is full; needs the right to mount one.
#[tokio::test]
async fn a_small_disk_that_fills_up_refuses_until_there_is_room() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let disk = Disk::mount(db.scratch.path(), "size=256k");
    let Some(disk) = disk else {
        skipped("a_small_disk_that_fills_up_refuses_until_there_is_room");
        return;
    };
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; 128 * 1024]).unwrap();
    let journal_dir = Some(disk.0.join("journal"));
    let auditor = open(&AuditSettings { journal_dir, ..unhurried() }, &db.scratch, &store);
    let mut made = 0;
    let refusal = loop {
        match call(&auditor, "r").await {
            Ok(()) => made += 1,
            Err(refusal) => break refusal,
        }
        assert!(made < 1000);
    };
    assert_eq!(refusal.reason, Reason::AuditUnavailable);
    assert!(made > 10 && auditor.health().write_error.is_some() && !auditor.health().records());
    std::fs::remove_file(&ballast).unwrap();
    auditor.journal.probe();
    assert!(auditor.health().records());
    call(&auditor, "again").await.unwrap();
    assert!(auditor.finish(PATIENCE).await);
    let ring = public_keys(&settings(), db.scratch.path(), Clock::system().now()).unwrap();
    let mut verifier = Verifier::new(&ring, Extent::Whole);
    read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.is_good() && found.events > made * 2, "{:?}", found.findings);
    drop(auditor);
}

/// A disk that takes nothing any more, as one does that has failed; needs the right
/// to mount one.
#[tokio::test]
async fn a_disk_that_becomes_read_only_refuses_until_it_is_not() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    // Each line is a file.
    let auditor = open(&AuditSettings { segment_bytes: 1, ..unhurried() }, &db.scratch, &store);
    call(&auditor, "before").await.unwrap();
    let folder = db.scratch.path().join("journal").join(auditor.journal.chain_id());
    let Some(disk) = Disk::read_only(&folder) else {
        skipped("a_disk_that_becomes_read_only_refuses_until_it_is_not");
        return;
    };
    let refusal = call(&auditor, "meanwhile").await.unwrap_err();
    assert_eq!(refusal.reason, Reason::AuditUnavailable);
    auditor.journal.probe();
    let shown = auditor.health();
    assert!(!shown.records(), "{shown:?}");
    assert!(shown.write_error.is_some_and(|error| error.contains("Read-only file system")));
    drop(disk);
    auditor.journal.probe();
    assert!(auditor.health().records());
    call(&auditor, "after").await.unwrap();
    assert!(auditor.finish(PATIENCE).await);
    assert_whole(&db, &store).await;
}

/// Says that a test could not be made. Not by `println!`, which a test that passes
/// keeps to itself.
fn skipped(test: &str) {
    let why = format!("SKIPPED {test}: mounting a file system is not allowed here\n");
    std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes()).unwrap();
}

/// A file system that was mounted.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path, options: &str) -> Option<Self> {
        let path = folder.join("disk");
        std::fs::create_dir(&path).unwrap();
        mounted(&["-t", "tmpfs", "-o", options, "tmpfs"], &path).then_some(Self(path))
    }

    /// What lies in a folder, once more over itself, where nothing can be written.
    fn read_only(folder: &Path) -> Option<Self> {
        let disk = mounted(&["--bind", folder.to_str()?], folder).then(|| Self(folder.into()))?;
        mounted(&["-o", "remount,bind,ro"], folder).then_some(disk)
    }
}

fn mounted(arguments: &[&str], path: &Path) -> bool {
    let mut mount = std::process::Command::new("mount");
    let mount = mount.args(arguments).arg(path).stderr(std::process::Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Files may still be open; the system lets go when they are not.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_right_that_is_taken_away_holds_up_no_call() {
    let db = TestDb::postgres().await;
    let administration = db.connect().await;
    let role = format!("gateway_{}", uuid::Uuid::now_v7().simple());
    let make = format!("CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role};");
    administration.execute(&make).await.unwrap();
    let store = Store::connect(&db.as_user(&role), Clock::system()).await.unwrap();
    store.migrate(true).await.unwrap();
    let auditor = open(&settings(), &db.scratch, &store);
    call(&auditor, "before").await.unwrap();
    flushed(&auditor).await;
    let revoke = format!("REVOKE INSERT ON audit_events FROM {role}");
    administration.execute(&revoke).await.unwrap();
    for _ in 0..20 {
        call(&auditor, "meanwhile").await.unwrap();
    }
    let told = || async { auditor.health().ship_error.is_some() };
    wait_until_async(PATIENCE, "the refusal to be told", told).await;
    let shown = auditor.health();
    assert!(shown.records() && shown.backlog_bytes > 0);
    assert!(shown.ship_error.is_some_and(|error| error.contains("permission denied")));
    administration.execute(&format!("GRANT INSERT ON audit_events TO {role}")).await.unwrap();
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 42).await;
    crash(auditor).await;
    drop(store);
    let drop =
        format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}");
    administration.execute(&drop).await.unwrap();
}

/// The network to PostgreSQL breaks under load, in both ways, and heals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_network_loses_and_doubles_nothing() {
    let db = TestDb::postgres().await;
    db.store().await;
    let mut chaos = None;
    let through = db.through(|port| chaos.insert(Chaos::before(port)).port());
    let chaos = chaos.unwrap();
    let store = Store::connect(&through, Clock::system()).await.unwrap();
    let auditor = open(&settings(), &db.scratch, &store);
    let burst = async || {
        for _ in 0..700 {
            call(&auditor, "r").await.unwrap();
        }
    };
    for round in 0..4 {
        burst().await;
        if round % 2 == 0 {
            chaos.cut();
        } else {
            chaos.delay(Duration::from_millis(20));
        }
        burst().await;
        let shipped = || async { round % 2 == 1 || auditor.health().ship_error.is_some() };
        wait_until_async(PATIENCE, "the cut to be noticed", shipped).await;
        chaos.restore();
    }
    flushed(&auditor).await;
    assert_dense(&store, auditor.journal.chain_id(), 4 * 2 * 1400).await;
    assert_whole(&db, &store).await;
}

/// The server itself is killed under load, several times, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_and_comes_back_loses_and_doubles_nothing() {
    let start = tokio::task::spawn_blocking(support::postgres::Restartable::start);
    let mut server = start.await.unwrap();
    let db = TestDb::at(server.url());
    let store = db.store().await;
    let small = AuditSettings { segment_bytes: 100_000, ..settings() };
    let auditor = open(&small, &db.scratch, &store);
    for _ in 0..3 {
        let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let load = tokio::spawn({
            let (auditor, over) = (Arc::clone(&auditor), Arc::clone(&over));
            async move {
                let mut made = 0;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    call(&auditor, "r").await.unwrap();
                    made += 1;
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                made
            }
        });
        let before = auditor.health().shipped_events;
        let arriving = || async { auditor.health().shipped_events > before + 500 };
        wait_until_async(PATIENCE, "events to arrive", arriving).await;
        server = tokio::task::spawn_blocking(move || {
            server.kill();
            server
        })
        .await
        .unwrap();
        let told = || async { auditor.health().ship_error.is_some() };
        wait_until_async(PATIENCE, "the loss to be told", told).await;
        assert!(auditor.health().records());
        server = tokio::task::spawn_blocking(move || {
            server.start_again();
            server
        })
        .await
        .unwrap();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let made: i64 = load.await.unwrap();
        assert!(made > 100);
        flushed(&auditor).await;
    }
    let requests = "SELECT count(*) FROM audit_events WHERE kind IN ('decision', 'outcome')";
    let requests = store.number(requests).await;
    assert_eq!(requests, calls_made(&auditor, &store).await);
    assert_dense(&store, auditor.journal.chain_id(), requests).await;
    assert_whole(&db, &store).await;
    crash(auditor).await;
    drop(store);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

/// Events of requests that the journal has written.
async fn calls_made(auditor: &Auditor, store: &Store) -> i64 {
    let own = "SELECT count(*) FROM audit_events WHERE kind NOT IN ('decision', 'outcome')";
    auditor.journal.last_seq() - store.number(own).await
}

/// Another writer has the file of SQLite for seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_else_writes_to_holds_up_no_call() {
    let db = TestDb::sqlite();
    let store = db.store().await;
    let auditor = open(&settings(), &db.scratch, &store);
    call(&auditor, "before").await.unwrap();
    flushed(&auditor).await;
    let other = db.connect().await;
    for _ in 0..2 {
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        for _ in 0..300 {
            call(&auditor, "meanwhile").await.unwrap();
        }
        assert!(!auditor.flush(Duration::from_secs(3)).await);
        assert!(auditor.health().records() && auditor.health().backlog_bytes > 0);
        other.execute("COMMIT").await.unwrap();
        flushed(&auditor).await;
    }
    assert_dense(&store, auditor.journal.chain_id(), 1202).await;
    assert_whole(&db, &store).await;
}
