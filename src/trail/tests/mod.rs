//! Filters, formats, exports and stories.

mod cost;
mod formats;
mod questions;
mod reading;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::store::tests::TestDb;
use crate::store::{Batch, Store};

/// Brings lines of a chain into the database, as the shipper does.
async fn ship(store: &Store, chain_id: &str, lines: &[String]) {
    let cursor = store.cursor(chain_id).await.unwrap();
    let batch = Batch {
        chain_id: chain_id.to_owned(),
        cursor,
        first_seq: cursor,
        count: lines.len(),
        lines: lines.join("\n"),
    };
    store.ship(batch).await.unwrap();
}

/// A line of an event; `rest` are further members.
fn line(time: &str, kind: &str, call: Option<&str>, rest: &str) -> String {
    let call = call.map_or(String::new(), |call| format!("\"call_id\":\"{call}\","));
    format!(r#"{{{call}"event_id":"{kind}-{time}","kind":"{kind}","time":"{time}",{rest}}}"#)
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

async fn reader(db: &TestDb) -> Arc<Store> {
    Store::connect_to_read(&db.settings(), crate::clock::Clock::system()).await.unwrap()
}
