//! Floods of refused attempts.

use super::*;
use crate::error::Refusal;

on_both!(
    a_flood_is_counted_and_nothing_is_lost,
    allowed_calls_are_never_counted_only,
    what_a_full_journal_takes_not_is_counted
);

fn few() -> AuditSettings {
    AuditSettings { refusals_per_minute: 5, ..settings() }
}

async fn refuse(auditor: &Arc<Auditor>, address: [u8; 4], reason: Reason) {
    let mut opening = opening("r");
    opening.client_addr = Some(address.into());
    let why = Refusal::new(reason, "no");
    auditor.begin(opening).seal(&Outcome::refused(&why, 401)).await.unwrap();
}

async fn a_flood_is_counted_and_nothing_is_lost(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&few(), &db.scratch, &store);
    for host in 1..=3 {
        for _ in 0..100 {
            refuse(&auditor, [192, 0, 2, host], Reason::InvalidToken).await;
        }
        refuse(&auditor, [192, 0, 2, host], Reason::ExpiredToken).await;
    }
    assert_eq!(auditor.health().folded, 3 * 95);
    // As when the process stops.
    flushed(&auditor).await;
    assert_eq!(
        store.number("SELECT count(*) FROM audit_events WHERE kind = 'authentication'").await,
        3 * 6
    );
    let counts = "SELECT folded_count FROM audit_folded ORDER BY client_addr";
    assert_eq!(store.column::<i64>(counts).await, [95, 95, 95]);
    let told = "SELECT client_addr || ' ' || folded_reasons || ' ' || user_is_known FROM (SELECT *, CASE WHEN user_id IS NULL THEN 'no' ELSE 'yes' END AS user_is_known FROM audit_folded) AS f ORDER BY client_addr";
    assert_eq!(store.column::<String>(told).await[0], "192.0.2.1 invalid_token 95 no");
    let lines = "SELECT line FROM audit_events WHERE kind = 'folded'";
    for line in store.column::<String>(lines).await {
        let event: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), line, "canonical");
        assert!(event["folded_first"].as_str() <= event["folded_last"].as_str());
        assert!(event["detail"].as_str().unwrap().starts_with("95 more refused attempts from "));
    }
    let found = calls(&store).await;
    assert_eq!(
        found.iter().filter(|call| call.kind == "folded" && call.status == "denied").count(),
        3
    );
    // The next flush has nothing to add.
    flushed(&auditor).await;
    assert_eq!(store.number("SELECT count(*) FROM audit_folded").await, 3);
    crash(auditor).await;
}

async fn allowed_calls_are_never_counted_only(db: TestDb) {
    let store = db.store().await;
    let auditor = open(&few(), &db.scratch, &store);
    for number in 0..20 {
        call(&auditor, &format!("good {number}")).await.unwrap();
        // One that went on, and failed.
        let mut entry = entry(&auditor, "failed");
        resolve(&mut entry);
        let _ = entry.intent(()).await.unwrap();
        let why = Refusal::new(Reason::BackendTimeout, "slow");
        entry.seal(&Outcome::refused(&why, 504)).await.unwrap();
        // One that left.
        let mut entry = super::entry(&auditor, "left");
        resolve(&mut entry);
        let _ = entry.intent(()).await.unwrap();
        drop(entry);
        auditor.begin(opening("list")).seal(&Outcome::done(200)).await.unwrap();
    }
    for _ in 0..20 {
        // Nobody refused these: the client left, or a backend's list took too long.
        drop(entry(&auditor, "left early"));
        let why = Refusal::new(Reason::BackendTimeout, "slow");
        let mut list = auditor.begin(opening("slow"));
        list.caller(CallerFacts {
            user_id: "ada".into(),
            issuer: None,
            tenant: None,
            agent: None,
            agents: None,
            roles: None,
        });
        list.seal(&Outcome::refused(&why, 504)).await.unwrap();
    }
    for _ in 0..20 {
        let why = Refusal::new(Reason::ToolNotAllowed, "no");
        entry(&auditor, "denied").seal(&Outcome::refused(&why, 200)).await.unwrap();
    }
    flushed(&auditor).await;
    for (kind, expected) in
        [("outcome", 60), ("request", 40), ("folded", 1), ("decision", 60 + 20 + 5)]
    {
        let count = format!("SELECT count(*) FROM audit_events WHERE kind = '{kind}'");
        assert_eq!(store.number(&count).await, expected, "{kind}");
    }
    let tools = "SELECT user_id || ' ' || folded_count || ' ' || folded_tools FROM audit_folded";
    assert_eq!(store.column::<String>(tools).await, ["ada 15 exact_calculate 15"]);
    crash(auditor).await;
}

/// What is refused for want of room is counted, and the count waits for room, too.
async fn what_a_full_journal_takes_not_is_counted(db: TestDb) {
    let store = db.store().await;
    let tight = AuditSettings { max_backlog_bytes: 4096, ..few() };
    let auditor = open(&tight, &db.scratch, &store);
    flushed(&auditor).await;
    store.execute("ALTER TABLE audit_cursor RENAME TO elsewhere").await.unwrap();
    let why = Refusal::new(Reason::InvalidToken, "no");
    let (mut written, mut missed) = (0, 0);
    for host in 0..200 {
        let mut opening = opening("r");
        opening.client_addr = Some([192, 0, 2, host].into());
        match auditor.begin(opening).seal(&Outcome::refused(&why, 401)).await {
            Ok(()) => written += 1,
            Err(_) => missed += 1,
        }
    }
    assert!(written > 0 && missed > 0, "{written} {missed}");
    assert_eq!(auditor.health().folded, missed);
    let backlog = auditor.health().backlog_bytes;
    auditor.write_folds(auditor.floods.take_all(Duration::ZERO), Room::Limited);
    assert_eq!(auditor.health().backlog_bytes, backlog, "counts grow no full journal");
    store.execute("ALTER TABLE elsewhere RENAME TO audit_cursor").await.unwrap();
    // So many as fit, and those that did not with the next.
    let sum = "SELECT CAST(COALESCE(sum(folded_count), 0) AS bigint) FROM audit_folded";
    for _ in 0..200 {
        flushed(&auditor).await;
        if store.number(sum).await.unsigned_abs() == missed {
            break;
        }
    }
    assert_eq!(store.number(sum).await.unsigned_abs(), missed);
    let told = "SELECT count(*) FROM audit_events WHERE kind = 'authentication'";
    assert_eq!(store.number(told).await, written);
    // Once it is to end, nobody else takes counts away.
    refuse(&auditor, [198, 51, 100, 1], Reason::InvalidToken).await;
    auditor.floods.count(
        Attempt {
            facts: &Facts::new(opening("late"), Duration::ZERO),
            reason: "invalid_token",
            decision: facts::Decision::Deny,
        },
        auditor.clock.now(),
        Duration::ZERO,
    );
    *auditor.ending.lock().unwrap() = true;
    auditor.close_windows();
    assert_eq!(auditor.floods.take_all(Duration::ZERO).len(), 1);
    crash(auditor).await;
}
