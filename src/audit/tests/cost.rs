//! A backlog drains, and what the trail costs.
//!
//! The figures are printed, not tested, since they are the machine's as much as
//! ours. `scripts/bench --audit` reads them from
//! `cargo test --release --lib audit::tests::cost -- --nocapture --test-threads=1`.

use super::*;

on_both!(a_backlog_drains, five_thousand_calls_a_second_are_kept_up_with);

/// CPU time of this process's living threads, in microseconds.
fn cpu() -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let spent = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let spent = spent.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
        sum += spent.unwrap_or_default() / 1000.0;
    }
    sum
}

/// A line that `scripts/bench` reads.
fn figure(store: &Store, name: &str, value: f64) {
    println!("\nfigure {} {name} {value:.3}", store.backend_name());
}

/// A call as the gateway records it: two events.
async fn usual_call(auditor: &Arc<Auditor>, number: u64, arguments: &RawValue) {
    let mut entry = entry(auditor, &format!("0193a1b2-c3d4-7e5f-8a9b-{number:012x}"));
    resolve(&mut entry);
    entry.arguments(arguments, None);
    entry.rule(Some("roles.analyst.allowed_tools".into()), "cafe".repeat(16).into(), 3);
    let _ = entry.intent(()).await.unwrap();
    entry.seal(&Outcome { is_error: Some(false), ..Outcome::done(200) }).await.unwrap();
}

async fn a_backlog_drains(db: TestDb) {
    const CALLS: u64 = if cfg!(debug_assertions) { 3_000 } else { 50_000 };
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let arguments = raw(r#"{"operator":"add","operands":["1.2","2.3"]}"#);
    flushed(&auditor).await;
    // The database is away meanwhile, or most would have arrived by then.
    store.execute("ALTER TABLE audit_cursor RENAME TO elsewhere").await.unwrap();
    let clock = Clock::system();
    let events = 2.0 * f64::from(u32::try_from(CALLS).unwrap());
    let start = cpu();
    for number in 0..CALLS {
        usual_call(&auditor, number, &arguments).await;
    }
    figure(&store, "write_us", (cpu() - start) / events);

    store.execute("ALTER TABLE elsewhere RENAME TO audit_cursor").await.unwrap();
    let (began, written) = (clock.monotonic(), cpu());
    flushed(&auditor).await;
    figure(&store, "ship_us", (cpu() - written) / events);
    figure(&store, "drain_per_s", events / clock.monotonic().saturating_sub(began).as_secs_f64());
    assert_eq!(auditor.health().backlog_bytes, 0);
    let rows = "SELECT count(*) FROM audit_events WHERE kind IN ('decision', 'outcome')";
    assert_eq!(store.number(rows).await.unsigned_abs(), CALLS * 2);

    // The same lines as a file, and as the database has them.
    let ring = public_keys(&settings(), db.scratch.path(), clock.now()).unwrap();
    let mut verifier = Verifier::new(&ring, Extent::Part);
    let before = cpu();
    read_journal(&db.scratch.path().join("journal"), &mut verifier, &mut |_, _| {}).unwrap();
    let found = verifier.finish();
    assert!(found.is_good(), "{:?}", found.findings);
    let read = |events: u64| f64::from(u32::try_from(events).unwrap()) * 1e6;
    figure(&store, "verify_journal_per_s", read(found.events) / (cpu() - before));
    let mut verifier = Verifier::new(&ring, Extent::Whole);
    let before = cpu();
    read_database(&store, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.is_good(), "{:?}", found.findings);
    figure(&store, "verify_database_per_s", read(found.events) / (cpu() - before));
}

/// What waits for the database does not grow while calls come steadily.
async fn five_thousand_calls_a_second_are_kept_up_with(db: TestDb) {
    /// Calls a second, and for how many seconds.
    const RATE: (u64, u64) = if cfg!(debug_assertions) { (500, 1) } else { (5_000, 5) };
    let store = db.store().await;
    let usual = AuditSettings { ship_interval_ms: 200, ..settings() };
    let auditor = open(&usual, &db.scratch, &store);
    let arguments = raw(r#"{"operator":"add","operands":["1.2","2.3"]}"#);
    let clock = Clock::system();
    let began = clock.monotonic();
    let (mut number, mut most) = (0, 0);
    loop {
        let millis = u64::try_from(clock.monotonic().saturating_sub(began).as_millis()).unwrap();
        if millis >= RATE.1 * 1000 {
            break;
        }
        while number < millis * RATE.0 / 1000 {
            usual_call(&auditor, number, &arguments).await;
            number += 1;
        }
        most = most.max(auditor.health().events - auditor.health().shipped_events);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    figure(&store, "calls", f64::from(u32::try_from(number).unwrap()));
    figure(&store, "most_waiting", f64::from(u32::try_from(most).unwrap()));
    flushed(&auditor).await;
    // What comes in a second at most: it waits for its batch, not for long.
    assert!(most < RATE.0 * 2, "{most} events waited");
    assert_dense(&store, auditor.journal.chain_id(), i64::try_from(number * 2).unwrap()).await;
}
