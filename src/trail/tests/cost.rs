//! What reading costs.
//!
//! The figures are printed, not tested, since they are the machine's as much as
//! ours: `cargo test --release --lib trail::tests::cost -- --nocapture
//! --test-threads=1`.

use super::*;
use crate::clock::Clock;
use crate::store::tests::on_both;
use crate::trail::{Export, Filters, Format};

on_both!(a_large_trail_is_exported);

async fn a_large_trail_is_exported(db: TestDb) {
    const CALLS: u64 = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    let store = db.store().await;
    let start = time("2026-11-25T00:00:00Z");
    let mut lines = Vec::new();
    for number in 0..CALLS {
        let at = start + chrono::TimeDelta::milliseconds(number.cast_signed() * 7);
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let id = format!("call-{number:08}");
        let decision = r#""arguments":"{\"operator\":\"add\",\"operands\":[\"1.2\",\"2.3\"]}","decision":"allow","endpoint_path":"/calculator/mcp","method":"tools/call","policy_digest":"cafecafecafecafecafecafecafecafecafecafecafecafe","scope":"calculator","tool":"exact_calculate","user_id":"ann""#;
        lines.push(line(&at, "decision", Some(&id), decision));
        let outcome = r#""decision":"success","duration_us":1234,"http_status":200,"is_error":false,"result_bytes":77"#;
        lines.push(line(&at, "outcome", Some(&id), outcome));
    }
    for part in lines.chunks(500) {
        ship(&store, "0193-a", part).await;
    }
    // As the database does by itself some day.
    store.execute("ANALYZE").await.unwrap();
    let clock = Clock::system();
    for format in Format::ALL {
        let mut filters = Filters::default();
        if format == Format::Jsonl {
            filters.add("scope", "calculator", start).unwrap();
        }
        for filters in [filters, Filters::default()] {
            let end = start + chrono::TimeDelta::days(1);
            let mut export = Export::new(Arc::clone(&store), &filters, format, end);
            let (begin, mut bytes) = (clock.monotonic(), 0);
            while let Some(piece) = export.next().await.unwrap() {
                bytes += piece.bytes.len();
            }
            let took = clock.monotonic().saturating_sub(begin).as_secs_f64();
            println!(
                "{} {} of {:?}: {CALLS} calls, {bytes} bytes, {took:.2} s",
                store.backend_name(),
                format.name(),
                filters.given
            );
            assert!(bytes > 0);
        }
    }
}
