//! Questions of unknown length. They end in time, and when nobody waits for the
//! answer any more, and so does the work in the database: PostgreSQL is told the limit
//! and sees that the connection is closed; SQLite, which runs in this process, is
//! stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sea_query::Values;
use sea_orm::{DatabaseConnection, DbBackend, QueryResult, Statement, sqlx};
use sea_query_sqlx::SqlxValues;
use sqlx::pool::PoolConnection;
use sqlx::{Database, PgPool, Pool, SqlitePool};

use super::StoreError;

/// Instructions of SQLite's machine between two looks at whether anybody waits:
/// less than a millisecond.
const INSTRUCTIONS: i32 = 10_000;

/// PostgreSQL: has it look every second whether the connection is still there, and
/// stop if not. Servers before 14 cannot, nor can some systems; there, a question
/// goes on until its time is over.
const LOOK_FOR_CLIENT: &str = "DO $$ BEGIN SET LOCAL client_connection_check_interval = 1000;
    EXCEPTION WHEN OTHERS THEN NULL; END $$";

/// Rows of a question that must not take longer than `limit`.
///
/// # Errors
/// [`StoreError::Timeout`], or the database's failure.
pub(super) async fn bounded(
    reader: &DatabaseConnection,
    statement: Statement,
    limit: Duration,
) -> Result<Vec<QueryResult>, StoreError> {
    if reader.get_database_backend() == DbBackend::Sqlite {
        let asking = ask_sqlite(reader.get_sqlite_connection_pool(), statement, Waiting::default());
        tokio::time::timeout(limit, asking).await.unwrap_or(Err(StoreError::Timeout))
    } else {
        match ask_postgres(reader.get_postgres_connection_pool(), statement, limit).await {
            // `query_canceled`.
            Err(StoreError::Unavailable(why)) if why.ends_with("(57014)") => {
                Err(StoreError::Timeout)
            }
            asked => asked,
        }
    }
}

/// A connection for one question. It goes back into the pool with the answer, and
/// is closed when it is given up before: whoever had it next would wait for the
/// end of that, or be in the middle of its transaction.
struct Held<D: Database>(Option<PoolConnection<D>>);

impl<D: Database> Held<D> {
    async fn take(pool: &Pool<D>) -> Result<Self, StoreError> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    fn connection(&mut self) -> Result<&mut PoolConnection<D>, StoreError> {
        let held = self.0.as_mut();
        held.ok_or_else(|| StoreError::Inconsistent("the connection was given back".to_owned()))
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl<D: Database> Drop for Held<D> {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// That somebody waits for an answer of SQLite's, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) given_up: Arc<AtomicBool>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// Asks as long as somebody waits.
pub(super) async fn ask_sqlite(
    pool: &SqlitePool,
    statement: Statement,
    waiting: Waiting,
) -> Result<Vec<QueryResult>, StoreError> {
    let mut held = Held::take(pool).await?;
    let connection = held.connection()?;
    let given_up = Arc::clone(&waiting.given_up);
    connection
        .lock_handle()
        .await?
        .set_progress_handler(INSTRUCTIONS, move || !given_up.load(Ordering::Relaxed));
    let query = sqlx::query_with(sqlx::AssertSqlSafe(statement.sql), values(statement.values));
    let rows = query.fetch_all(&mut **connection).await?;
    connection.lock_handle().await?.remove_progress_handler();
    held.give_back();
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

async fn ask_postgres(
    pool: &PgPool,
    statement: Statement,
    limit: Duration,
) -> Result<Vec<QueryResult>, StoreError> {
    let mut held = Held::take(pool).await?;
    let connection = held.connection()?;
    // In a transaction, so that the limit is this question's alone, also where a
    // pooler between lends its connections by the transaction.
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; {LOOK_FOR_CLIENT}",
        limit.as_millis()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut **connection).await?;
    let query = sqlx::query_with(sqlx::AssertSqlSafe(statement.sql), values(statement.values));
    let rows = query.fetch_all(&mut **connection).await?;
    sqlx::raw_sql("COMMIT").execute(&mut **connection).await?;
    held.give_back();
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

fn values(bound: Option<Values>) -> SqlxValues {
    SqlxValues(bound.unwrap_or(Values(Vec::new())))
}
