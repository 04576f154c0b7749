//! Events of the audit journal on their way into the database.

use std::borrow::Cow;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait, Value};
use serde::Deserialize;

use super::{Store, StoreError, dialect};

/// Sizes of SQLite's statements: a few sizes, so that each is prepared once.
const SQLITE_ROWS: [usize; 5] = [256, 64, 16, 4, 1];

/// Consecutive lines of one chain.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// The chain, a `UUIDv7`.
    pub(crate) chain_id: String,
    /// Where the database stands, as [`Store::cursor`] or the batch before
    /// said. Differs from `first_seq` only when events in between are lost.
    pub(crate) cursor: i64,
    /// Number of the first line.
    pub(crate) first_seq: i64,
    /// How many lines.
    pub(crate) count: usize,
    /// The lines, as the journal holds them, separated by a newline each and
    /// without one at the end.
    pub(crate) lines: String,
}

impl Batch {
    /// The number after the last line's: the cursor's next place.
    pub(crate) fn next_seq(&self) -> i64 {
        self.first_seq.saturating_add(i64::try_from(self.count).unwrap_or(i64::MAX))
    }
}

/// A line, and what SQLite needs of it for its indexes.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) keys: Keys<'a>,
}

#[derive(Deserialize)]
pub(super) struct Keys<'a> {
    #[serde(borrow)]
    pub(super) time: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) call_id: Option<Cow<'a, str>>,
}

impl Store {
    /// The number of the event of this chain that the database wants next; 1
    /// for a chain it has never seen.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn cursor(&self, chain_id: &str) -> Result<i64, StoreError> {
        let (writer, backend) = (self.writer.clone(), self.backend());
        let chain_id = chain_id.to_owned();
        let cursor = async move {
            let sql = "INSERT INTO audit_cursor (chain_id, next_seq) VALUES ($1, 1) \
                       ON CONFLICT (chain_id) DO NOTHING";
            let insert = Statement::from_sql_and_values(backend, sql, [Value::from(&*chain_id)]);
            writer.execute_raw(insert).await?;
            let sql = "SELECT next_seq FROM audit_cursor WHERE chain_id = $1";
            let select = Statement::from_sql_and_values(backend, sql, [Value::from(&*chain_id)]);
            let row = writer.query_one_raw(select).await?;
            let row = row.ok_or_else(|| StoreError::Inconsistent("no cursor".to_owned()))?;
            Ok(row.try_get_by_index(0)?)
        };
        self.run(cursor).await
    }

    /// Inserts a batch and moves the cursor, both or neither. After any
    /// failure, ask [`cursor`](Self::cursor) where the database stands.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the cursor stands elsewhere,
    /// [`StoreError::Rejected`] when a line is not one of an event; or the
    /// database's own failure.
    pub(crate) async fn ship(&self, batch: Batch) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let ship = async move {
            if writer.get_database_backend() == DbBackend::Sqlite {
                ship_sqlite(&writer, &batch).await
            } else {
                let done = writer.execute_raw(dialect::ship_postgres(&batch)).await?;
                if done.rows_affected() == 0 { Err(moved()) } else { Ok(()) }
            }
        };
        self.run(ship).await
    }
}

fn moved() -> StoreError {
    StoreError::Conflict("the cursor has moved".to_owned())
}

async fn ship_sqlite(writer: &DatabaseConnection, batch: &Batch) -> Result<(), StoreError> {
    let lines = batch.lines.split('\n').map(|text| match serde_json::from_str(text) {
        Ok(keys) => Ok(Line { text, keys }),
        Err(_) => Err(StoreError::Rejected("a line is no event".to_owned())),
    });
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let transaction = writer.begin_with_options(dialect::write_transaction()).await?;
    if transaction.execute_raw(dialect::move_cursor_sqlite(batch)).await?.rows_affected() != 1 {
        return Err(moved());
    }
    let (mut seq, mut rest) = (batch.first_seq, &lines[..]);
    for size in SQLITE_ROWS {
        while let Some((now, later)) = rest.split_at_checked(size) {
            let insert = dialect::insert_sqlite(&batch.chain_id, seq, now);
            transaction.execute_raw(insert).await?;
            seq = seq.saturating_add(i64::try_from(size).unwrap_or(i64::MAX));
            rest = later;
        }
    }
    Ok(transaction.commit().await?)
}
