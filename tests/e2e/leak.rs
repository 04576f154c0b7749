//! Looks for secrets wherever the product writes: files, logs, the database.

use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// In every secret that a test sends.
pub(crate) const CANARY: &str = "c4nary";

/// What was written somewhere, and where.
pub(crate) type Written = (String, Vec<u8>);

/// Every file below a folder.
pub(crate) fn files(folder: &Path, found: &mut Vec<Written>) {
    // Files of a database come and go.
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
}

/// Every row of every table and view of a database on PostgreSQL, and what its
/// server says. (SQLite's is a file.)
pub(crate) fn database(url: &str, found: &mut Vec<Written>) {
    if !url.starts_with("postgres") {
        return;
    }
    let tables = "SELECT table_name::text FROM information_schema.tables
                  WHERE table_schema = 'public' ORDER BY 1";
    for table in column(url, tables) {
        let rows = column(url, &format!("SELECT row_to_json(t)::text FROM \"{table}\" t"));
        found.push((format!("table {table}"), rows.join("\n").into_bytes()));
    }
    if let Some(log) = support::postgres::log() {
        found.push(("PostgreSQL's log".to_owned(), log.into_bytes()));
    }
}

/// The first column of what a statement selects.
#[expect(clippy::disallowed_methods, reason = "not a connection of the gateway's")]
fn column(url: &str, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection: DatabaseConnection = sea_orm::Database::connect(url).await.unwrap();
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    })
}

/// None of the secrets is anywhere.
pub(crate) fn assert_in_none(written: &[Written], secrets: &[&str]) {
    for (place, bytes) in written {
        for secret in secrets {
            if let Some(at) = memchr::memmem::find(bytes, secret.as_bytes()) {
                let near = &bytes[at.saturating_sub(300)..(at + 50).min(bytes.len())];
                panic!("a secret is in {place}: {}", String::from_utf8_lossy(near));
            }
        }
    }
}
