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

/// Columns of `audit_events` that PostgreSQL reads out of a line, in the order
/// of [`ship_postgres`], with their types.
const LINE_COLUMNS: &str = "event_id text, time timestamptz, kind text, call_id text, \
    request_id text, trace_id text, surface text, endpoint_path text, scope text, backend text, \
    tool text, tenant text, user_id text, issuer text, agent text, session text, \
    client_name text, client_version text, client_addr text, method text, decision text, \
    reason text, error_code text, rule_path text, policy_digest text, policy_generation bigint, \
    arguments_digest text, arguments text, result_bytes bigint, result_digest text, \
    is_error boolean, http_status integer, duration_us bigint, quota_us bigint, \
    upstream_us bigint, detail text";

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

/// PostgreSQL: one statement that moves the cursor and inserts a batch, or does
/// neither when the cursor stands elsewhere. Parameters: the cursor's next
/// place, the chain, where the cursor must stand, the number of the first line,
/// and the lines as one text, exactly as the journal holds them. The server
/// takes them apart, so that the gateway spends next to nothing a row.
pub(super) fn ship_postgres() -> &'static str {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let columns = LINE_COLUMNS.split(", ");
        let names: Vec<_> = columns.filter_map(|column| column.split(' ').next()).collect();
        let names = names.join(", ");
        format!(
            "WITH moved AS (
                 UPDATE audit_cursor SET next_seq = $1 WHERE chain_id = $2 AND next_seq = $3
                 RETURNING chain_id
             )
             INSERT INTO audit_events (chain_id, seq, line, {names})
             SELECT moved.chain_id, $4 + l.n - 1, l.line, r.*
             FROM moved, unnest(string_to_array($5, chr(10))) WITH ORDINALITY AS l (line, n),
                  json_to_record(l.line::json) AS r ({LINE_COLUMNS})"
        )
    });
    &SQL
}

/// SQLite: takes the write lock at once.
pub(super) const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";

/// SQLite: moves the cursor. No row is affected when it stands elsewhere.
/// Parameters as the first three of [`ship_postgres`].
pub(super) const MOVE_CURSOR_SQLITE: &str =
    "UPDATE audit_cursor SET next_seq = ? WHERE chain_id = ? AND next_seq = ?";

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
