//! Floods of refused attempts.

use super::*;
use crate::error::Refusal;

on_both!(a_flood_is_counted_and_nothing_is_lost, allowed_calls_are_never_counted_only);

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
        drop(entry(&auditor, "denied"));
    }
    flushed(&auditor).await;
    for (kind, expected) in [("outcome", 60), ("request", 20), ("folded", 1), ("decision", 60 + 5)]
    {
        let count = format!("SELECT count(*) FROM audit_events WHERE kind = '{kind}'");
        assert_eq!(store.number(&count).await, expected, "{kind}");
    }
    let tools = "SELECT user_id || ' ' || folded_count || ' ' || folded_tools FROM audit_folded";
    assert_eq!(store.column::<String>(tools).await, ["ada 15 exact_calculate 15"]);
    crash(auditor).await;
}
