//! The audit trail, on both databases.

mod arrival;
mod cost;
mod entries;
mod floods;
mod keys;
mod left;
mod retention;
mod trouble;
mod verify;

use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;
use support::eventually::wait_until_async;
use support::scratch::Scratch;

use super::*;
use crate::settings::{ArgumentsKept, Durability};
use crate::store::tests::{TestDb, on_both};
use crate::store::{AuditQuery, Paging};

/// Longest wait for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> AuditSettings {
    AuditSettings {
        arguments: ArgumentsKept::Redacted,
        max_arguments_bytes: 16_384,
        max_value_bytes: 16_384,
        refusals_per_minute: 1_000_000,
        journal_dir: None,
        max_backlog_bytes: 1 << 30,
        segment_bytes: 1 << 26,
        segment_seconds: 3600,
        durability: Durability::Process,
        checkpoint_events: 1000,
        checkpoint_seconds: 3600,
        retention_days: None,
        signing_key: None,
        signing_key_file: None,
        ship_interval_ms: 5,
    }
}

/// The shipper stays away until it is asked.
fn unhurried() -> AuditSettings {
    AuditSettings { ship_interval_ms: 86_400_000, ..settings() }
}

fn open(settings: &AuditSettings, folder: &Scratch, store: &Arc<Store>) -> Arc<Auditor> {
    Auditor::open(settings, folder.path(), store, Clock::system()).unwrap()
}

/// Ends an auditor as a crash would: nothing is waited for or written.
async fn crash(auditor: Arc<Auditor>) {
    let journal = Arc::downgrade(&auditor.journal);
    assert_eq!(Arc::strong_count(&auditor), 1);
    drop(auditor);
    let gone = || {
        let gone = journal.strong_count() == 0;
        async move { gone }
    };
    wait_until_async(PATIENCE, "the shipper to be gone", gone).await;
}

fn opening(request_id: &str) -> Opening {
    Opening {
        request_id: request_id.to_owned(),
        surface: Surface::Mcp,
        endpoint_path: "/calculator/mcp".into(),
        client_addr: Some([127, 0, 0, 1].into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
    }
}

/// An entry as it is before a tool is called.
fn entry(auditor: &Arc<Auditor>, request_id: &str) -> Entry {
    let mut entry = auditor.begin(opening(request_id));
    entry.method("tools/call");
    entry.client(Some("vscode"), Some("1.99"));
    entry.caller(CallerFacts {
        user_id: "ada".into(),
        issuer: Some("https://issuer.example".into()),
        tenant: Some("production".into()),
        agent: Some("copilot".into()),
        agents: None,
        roles: Some(r#"["viewer"]"#.into()),
    });
    entry.session(&"5e5510");
    entry.asked("exact_calculate");
    entry
}

fn resolve(entry: &mut Entry) {
    entry.target(TargetFacts {
        scope: "calculator".into(),
        backend: "calc".into(),
        tool: "exact_calculate".into(),
    });
}

/// A call that went well: two events.
async fn call(auditor: &Arc<Auditor>, request_id: &str) -> Result<(), Refusal> {
    let mut entry = entry(auditor, request_id);
    resolve(&mut entry);
    let _ = entry.intent(()).await?;
    entry.seal(&Outcome::done(200)).await
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// Calls in the database, newest first.
async fn calls(store: &Store) -> Vec<crate::store::AuditCall> {
    let paging = Paging::new(Some(1000), None).unwrap();
    store.query_audit(AuditQuery { paging, ..AuditQuery::default() }).await.unwrap().items
}

async fn flushed(auditor: &Auditor) {
    assert!(auditor.flush(PATIENCE).await, "{:?}", auditor.health());
}

/// The numbers of all events of a chain in the database are 1, 2, … and each
/// row is the line with its number; `requests` of them are of requests, the
/// others of the chain itself.
async fn assert_dense(store: &Store, chain_id: &str, requests: i64) {
    let own = format!(
        "SELECT count(*) FROM audit_events WHERE chain_id = '{chain_id}'
         AND kind IN ('chain', 'chain_found', 'checkpoint', 'retention')"
    );
    let last = requests + store.number(&own).await;
    let seqs = format!("SELECT seq FROM audit_events WHERE chain_id = '{chain_id}' ORDER BY seq");
    assert_eq!(store.column::<i64>(&seqs).await, (1..=last).collect::<Vec<_>>());
    let lines = format!("SELECT line FROM audit_events WHERE chain_id = '{chain_id}' ORDER BY seq");
    for (seq, line) in (1..).zip(store.column::<String>(&lines).await) {
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (event["seq"].as_i64(), event["chain_id"].as_str()),
            (Some(seq), Some(chain_id))
        );
    }
}

/// The trail in the database verifies with the keys of the test's folder.
async fn assert_whole(db: &TestDb, store: &Store) {
    let ring = public_keys(&settings(), db.scratch.path(), Clock::system().now()).unwrap();
    let mut verifier = Verifier::new(&ring, Extent::Whole);
    read_database(store, &mut verifier, &mut |_, _| {}).await.unwrap();
    let found = verifier.finish();
    assert!(found.is_good(), "{:?}", found.findings);
}

/// The files of a chain's folder, or of all chains', by name.
fn segments(journal: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in journal.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(segments(&path));
        } else if path.extension().is_some_and(|ending| ending == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    found
}
