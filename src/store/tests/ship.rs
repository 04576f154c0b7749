//! Events arrive exactly once.

use std::time::Duration;

use super::*;

on_both!(
    a_batch_arrives_with_its_cursor,
    a_batch_sent_again_is_refused_whole,
    a_line_that_is_no_event_refuses_its_batch,
    shipping_may_be_cut_off_at_any_moment,
);

fn line(seq: i64) -> String {
    format!(
        r#"{{"call_id":"call-{seq}","chain_id":"c","event_id":"e{seq}","is_error":false,"kind":"outcome","result_bytes":5000000000,"seq":{seq},"time":"2026-11-21T10:00:00.{seq:06}Z"}}"#
    )
}

fn batch(cursor: i64, first_seq: i64, count: i64) -> Batch {
    let lines: Vec<String> = (first_seq..first_seq + count).map(line).collect();
    Batch {
        chain_id: "c".to_owned(),
        cursor,
        first_seq,
        count: lines.len(),
        lines: lines.join("\n"),
    }
}

async fn seqs(store: &Store) -> Vec<i64> {
    store.column("SELECT seq FROM audit_events ORDER BY seq").await
}

async fn a_batch_arrives_with_its_cursor(db: TestDb) {
    let store = db.store().await;
    assert_eq!(store.cursor("c").await.unwrap(), 1);
    // Every size of statement that SQLite has.
    store.ship(batch(1, 1, 343)).await.unwrap();
    assert_eq!(store.cursor("c").await.unwrap(), 344);
    store.ship(batch(344, 344, 1)).await.unwrap();
    // Events in between are lost, which shows.
    store.ship(batch(345, 400, 2)).await.unwrap();
    let expected: Vec<i64> = (1..=344).chain(400..=401).collect();
    assert_eq!(seqs(&store).await, expected);
    assert_eq!(store.cursor("c").await.unwrap(), 402);
    assert_eq!(store.cursor("another").await.unwrap(), 1);
    // The line to the letter, and what is read out of it.
    let lines: Vec<String> = store.column("SELECT line FROM audit_events ORDER BY seq").await;
    assert!(lines.iter().zip(&expected).all(|(text, seq)| *text == line(*seq)));
    let wanted = "SELECT count(*) FROM audit_events WHERE kind = 'outcome' AND NOT is_error
                  AND result_bytes = 5000000000 AND call_id = 'call-' || seq
                  AND event_id = 'e' || seq AND tool IS NULL";
    assert_eq!(store.number(wanted).await, 346);
}

async fn a_batch_sent_again_is_refused_whole(db: TestDb) {
    let store = db.store().await;
    store.cursor("c").await.unwrap();
    store.ship(batch(1, 1, 10)).await.unwrap();
    for (cursor, first) in [(1, 1), (5, 5), (12, 12)] {
        let error = store.ship(batch(cursor, first, 10)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    }
    // The cursor is right, but the events are there.
    let error = store.ship(batch(11, 5, 10)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    assert_eq!(seqs(&store).await.len(), 10);
    assert_eq!(store.cursor("c").await.unwrap(), 11);
}

async fn a_line_that_is_no_event_refuses_its_batch(db: TestDb) {
    let store = db.store().await;
    store.cursor("c").await.unwrap();
    for bad in ["", "{", "[]", "{}", "\0", "{\"time\":1,\"kind\":\"x\"}", "nonsense"] {
        let mut batch = batch(1, 1, 2);
        batch.lines = format!("{}\n{bad}", line(1));
        let error = store.ship(batch).await.unwrap_err();
        assert!(matches!(error, StoreError::Rejected(_)), "{bad:?}: {error:?}");
    }
    assert!(seqs(&store).await.is_empty());
    assert_eq!(store.cursor("c").await.unwrap(), 1);
}

async fn shipping_may_be_cut_off_at_any_moment(db: TestDb) {
    let store = db.store().await;
    let mut patience = Duration::ZERO;
    let (mut cursor, mut cut) = (store.cursor("c").await.unwrap(), 0);
    // Without patience until the first is cut off: on a busy machine the store
    // may be done before anybody looks at the clock.
    while cursor < 3000 || cut == 0 {
        let shipped = tokio::time::timeout(patience, store.ship(batch(cursor, cursor, 100))).await;
        cut += usize::from(shipped.is_err());
        if let Ok(shipped) = shipped {
            shipped.unwrap_or_else(|error| assert!(matches!(error, StoreError::Conflict(_))));
        }
        if cut > 0 {
            patience += Duration::from_micros(200);
        }
        cursor = store.cursor("c").await.unwrap();
    }
    let seqs = seqs(&store).await;
    assert_eq!(seqs, (1..cursor).collect::<Vec<_>>());
}
