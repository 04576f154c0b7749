//! Events of the audit journal on their way into the database.

use std::borrow::Cow;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value, sqlx};
use serde::Deserialize;
use sqlx::Connection as _;

use super::{Store, StoreError, copy, dialect};

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

/// PostgreSQL: the connection between two batches. While one is on its way it
/// belongs to that one alone, and is closed if that fails or is cut off: in the
/// middle of a `COPY` a connection is of use to nobody else.
pub(super) type Carrier = Arc<tokio::sync::Mutex<Option<sqlx::PgConnection>>>;

/// What SQLite needs of a line for its indexes.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    call_id: Option<Cow<'a, str>>,
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

    /// Whether the database has this line, or has had it until it grew old.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn has_audit_line(
        &self,
        chain_id: &str,
        seq: i64,
    ) -> Result<bool, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let table = dialect::audit_lines_table(backend);
        let sql = format!(
            "SELECT 1 FROM {table} WHERE chain_id = $1 AND seq = $2 UNION ALL
             SELECT 1 FROM audit_retention WHERE chain_id = $1 AND through_seq >= $2"
        );
        let values = [Value::from(chain_id), Value::from(seq)];
        let select = Statement::from_sql_and_values(backend, sql, values);
        self.run(async move { Ok(reader.query_one_raw(select).await?.is_some()) }).await
    }

    /// Inserts a batch and moves the cursor, both or neither. After any
    /// failure, ask [`cursor`](Self::cursor) where the database stands.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the cursor stands elsewhere,
    /// [`StoreError::Rejected`] when a line is not one of an event; or the
    /// database's own failure.
    pub(crate) async fn ship(&self, batch: Batch) -> Result<(), StoreError> {
        let (writer, carrier) = (self.writer.clone(), Carrier::clone(&self.carrier));
        let ship = async move {
            if writer.get_database_backend() == DbBackend::Sqlite {
                ship_sqlite(writer.get_sqlite_connection_pool(), &batch).await
            } else {
                ship_postgres(writer.get_postgres_connection_pool(), carrier, &batch).await
            }
        };
        self.run(ship).await
    }
}

// Both go to the driver itself: values on their way through sea-orm are copied
// once more, and these are large and many.

async fn ship_postgres(
    pool: &sqlx::PgPool,
    carrier: Carrier,
    batch: &Batch,
) -> Result<(), StoreError> {
    let rows = copy::rows(batch)?;
    let mut kept = carrier.lock().await;
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => pool.acquire().await?.detach(),
    };
    copy_in(&mut connection, batch, rows).await?;
    *kept = Some(connection);
    Ok(())
}

async fn copy_in(
    connection: &mut sqlx::PgConnection,
    batch: &Batch,
    rows: Vec<u8>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let cursor = sqlx::query(dialect::move_cursor(DbBackend::Postgres))
        .bind(batch.next_seq())
        .bind(&*batch.chain_id)
        .bind(batch.cursor);
    if cursor.execute(&mut *transaction).await?.rows_affected() != 1 {
        return Err(moved());
    }
    let mut copying = transaction.copy_in_raw(copy::statement()).await?;
    copying.send(rows).await?;
    copying.finish().await?;
    Ok(transaction.commit().await?)
}

async fn ship_sqlite(pool: &sqlx::SqlitePool, batch: &Batch) -> Result<(), StoreError> {
    let lines = batch.lines.split('\n').map(|text| match serde_json::from_str::<Keys<'_>>(text) {
        Ok(keys) => Ok((text, keys)),
        Err(_) => Err(StoreError::Rejected("a line is no event".to_owned())),
    });
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let chain_id: Arc<str> = Arc::from(&*batch.chain_id);
    let mut transaction = pool.begin_with(dialect::BEGIN_SQLITE).await?;
    let cursor = sqlx::query(dialect::move_cursor(DbBackend::Sqlite))
        .bind(batch.next_seq())
        .bind(Arc::clone(&chain_id))
        .bind(batch.cursor);
    if cursor.execute(&mut *transaction).await?.rows_affected() != 1 {
        return Err(moved());
    }
    let (mut seqs, mut rest) = (batch.first_seq.., &lines[..]);
    while !rest.is_empty() {
        let (rows, sql) = dialect::insert_sqlite(rest.len());
        let (now, later) = rest.split_at_checked(rows).unwrap_or((rest, &[]));
        let mut insert = sqlx::query(sql);
        for ((text, keys), seq) in now.iter().zip(&mut seqs) {
            insert = insert
                .bind(Arc::clone(&chain_id))
                .bind(seq)
                .bind(keys.time.as_ref())
                .bind(keys.kind.as_ref())
                .bind(keys.call_id.as_deref())
                .bind(*text);
        }
        insert.execute(&mut *transaction).await?;
        rest = later;
    }
    Ok(transaction.commit().await?)
}

fn moved() -> StoreError {
    StoreError::Conflict("the cursor has moved".to_owned())
}
