//! Where SQLite and PostgreSQL differ. Nowhere else.

use std::sync::LazyLock;

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, Value,
};

/// Names the lock of [`lock_schema`]; any number that no other program uses.
const SCHEMA_LOCK: i64 = 0x5343_4f50_4547_4154;

/// Names the lock of [`lock_tools`].
const TOOLS_LOCK: i64 = SCHEMA_LOCK + 1;

/// Names the lock of [`lock_retention`].
const RETENTION_LOCK: i64 = SCHEMA_LOCK + 2;

/// Options of a transaction that reads and then writes. SQLite must take the
/// write lock at once: one that is upgraded fails without waiting when another
/// process wrote in between.
pub(super) fn write_transaction() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

/// Keeps other gateways from migrating until the transaction ends. SQLite's
/// write lock does so already.
pub(super) async fn lock_schema(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    lock(transaction, SCHEMA_LOCK).await
}

/// Keeps other gateways from synchronizing tools until the transaction ends.
pub(super) async fn lock_tools(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    lock(transaction, TOOLS_LOCK).await
}

/// Keeps other gateways from removing old events until the transaction ends.
pub(super) async fn lock_retention(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    lock(transaction, RETENTION_LOCK).await
}

async fn lock(transaction: &DatabaseTransaction, key: i64) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let sql = format!("SELECT pg_advisory_xact_lock({key})");
        transaction.execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// PostgreSQL: in which encoding the database keeps text.
pub(super) fn server_encoding() -> Statement {
    Statement::from_string(DbBackend::Postgres, "SHOW server_encoding")
}

/// A point in time as the audit trail's `time` column compares it: SQLite has
/// text, in the one form that sorts.
pub(super) fn audit_time(backend: DbBackend, time: DateTime<Utc>) -> Value {
    if backend == DbBackend::Sqlite {
        Value::from(time.to_rfc3339_opts(SecondsFormat::Micros, true))
    } else {
        Value::from(time)
    }
}

/// Moves the cursor of a chain. No row is affected when it stands elsewhere.
/// Parameters: its next place, the chain, where it must stand.
pub(super) fn move_cursor(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Sqlite {
        "UPDATE audit_cursor SET next_seq = ? WHERE chain_id = ? AND next_seq = ?"
    } else {
        "UPDATE audit_cursor SET next_seq = $1 WHERE chain_id = $2 AND next_seq = $3"
    }
}

/// A table of the chains that have rows, which are looked up chain by chain: there
/// are many of them to few chains.
fn found_chains(backend: DbBackend) -> String {
    let table = audit_lines_table(backend);
    format!(
        "WITH RECURSIVE found(chain_id) AS (
            SELECT min(chain_id) FROM {table}
            UNION ALL
            SELECT (SELECT min(chain_id) FROM {table} WHERE chain_id > found.chain_id)
            FROM found WHERE found.chain_id IS NOT NULL
        )"
    )
}

/// All chains that have a cursor or rows, and the cursor's next number.
pub(super) fn audit_chains(backend: DbBackend) -> String {
    format!(
        "{}
        SELECT chain_id, next_seq FROM audit_cursor
        UNION ALL
        SELECT chain_id, NULL FROM found WHERE chain_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM audit_cursor c WHERE c.chain_id = found.chain_id)
        ORDER BY 1",
        found_chains(backend)
    )
}

/// All chains that have rows, and the first line of each.
pub(super) fn audit_first_lines(backend: DbBackend) -> String {
    let table = audit_lines_table(backend);
    format!(
        "{}
        SELECT chain_id, (SELECT line FROM {table} e WHERE e.chain_id = found.chain_id
                          ORDER BY seq LIMIT 1)
        FROM found WHERE chain_id IS NOT NULL",
        found_chains(backend)
    )
}

/// The first number of a chain from some number on. Parameters: both.
pub(super) fn audit_first_seq(backend: DbBackend) -> String {
    let table = audit_lines_table(backend);
    format!("SELECT min(seq) FROM {table} WHERE chain_id = $1 AND seq >= $2")
}

/// The table that holds lines.
pub(super) fn audit_lines_table(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Sqlite { "audit_event_lines" } else { "audit_events" }
}

/// SQLite: takes the write lock at once.
pub(super) const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";

/// Rows of SQLite's statements: a few sizes, so that each is prepared once.
const SQLITE_ROWS: [usize; 5] = [256, 64, 16, 4, 1];

/// SQLite: a statement that inserts as many of `rows` rows as it can, and how
/// many those are. Parameters of each row: chain, number, time, kind, call, line.
///
/// Measured: many rows a statement cost a fifth of as many statements; plain
/// `?` matters, since binding looks numbered ones up one by one; and letting
/// SQLite take JSON apart costs more than doing it here.
pub(super) fn insert_sqlite(rows: usize) -> (usize, &'static str) {
    static SQL: LazyLock<[String; SQLITE_ROWS.len()]> = LazyLock::new(|| {
        SQLITE_ROWS.map(|rows| {
            let values = vec!["(?,?,?,?,?,?)"; rows].join(",");
            let columns = "chain_id, seq, time, kind, call_id, line";
            format!("INSERT INTO audit_event_lines ({columns}) VALUES {values}")
        })
    });
    let fits = SQLITE_ROWS.iter().position(|size| *size <= rows);
    let at = fits.unwrap_or(SQLITE_ROWS.len() - 1);
    (SQLITE_ROWS[at], &SQL[at])
}
