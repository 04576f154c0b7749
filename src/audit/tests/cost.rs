//! A backlog drains, and what an event costs.
//!
//! The figures are printed, not tested, since they are the machine's as much as
//! ours: `cargo test --release --lib audit::tests::cost -- --nocapture
//! --test-threads=1`.

use super::*;

on_both!(a_backlog_drains);

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

async fn a_backlog_drains(db: TestDb) {
    const CALLS: i32 = if cfg!(debug_assertions) { 3_000 } else { 50_000 };
    let store = db.store().await;
    let auditor = open(&unhurried(), &db.scratch, &store);
    let arguments = raw(r#"{"operator":"add","operands":["1.2","2.3"]}"#);
    flushed(&auditor).await;
    let start = cpu();
    for number in 0..CALLS {
        let mut entry = entry(&auditor, &format!("0193a1b2-c3d4-7e5f-8a9b-{number:012x}"));
        resolve(&mut entry);
        entry.arguments(&arguments);
        entry.rule(Some("roles.analyst.allowed_tools".into()), "cafe".repeat(16).into(), 3);
        let _ = entry.intent(()).await.unwrap();
        entry.seal(&Outcome { is_error: Some(false), ..Outcome::done(200) }).await.unwrap();
    }
    flushed(&auditor).await;
    let events = f64::from(CALLS) * 2.0;
    println!("{}: {:.2} µs of CPU an event", store.backend_name(), (cpu() - start) / events);
    assert_eq!(auditor.health().backlog_bytes, 0);
    let rows = "SELECT count(*) FROM audit_events WHERE kind IN ('decision', 'outcome')";
    assert_eq!(store.number(rows).await, i64::from(CALLS) * 2);
}
