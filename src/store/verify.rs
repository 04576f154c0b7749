//! The audit trail as a verifier reads it: every line, and whether the columns
//! beside it say the same.

use std::sync::LazyLock;

use sea_orm::sqlx;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use sqlx::Row as _;

use super::{Store, StoreError, copy, dialect};

/// Numbers that are read at once. Lines may be long.
const PAGE: i64 = 256;

/// A chain the database knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredChain {
    /// The chain.
    pub(crate) chain_id: String,
    /// The number it wants next; `None`: it has rows that were never shipped.
    pub(crate) next_seq: Option<i64>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredLine {
    /// Its number, as the column has it.
    pub(crate) seq: i64,
    /// The journal's line.
    pub(crate) line: String,
    /// Whether the columns are what the line says.
    pub(crate) fits: bool,
}

impl Store {
    /// All chains, oldest first, of one moment.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_chains(&self) -> Result<Vec<StoredChain>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let chains = async move {
            let sql = dialect::audit_chains(backend);
            let rows = reader.query_all_raw(Statement::from_string(backend, sql)).await?;
            let chain = |row: &sea_orm::QueryResult| {
                Ok(StoredChain {
                    chain_id: row.try_get_by_index(0)?,
                    next_seq: row.try_get_by_index(1)?,
                })
            };
            rows.iter().map(chain).collect()
        };
        self.run(chains).await
    }

    /// The first line that is there of each chain.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn first_audit_lines(&self) -> Result<Vec<(String, String)>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let lines = async move {
            let sql = dialect::audit_first_lines(backend);
            let rows = reader.query_all_raw(Statement::from_string(backend, sql)).await?;
            let line = |row: &sea_orm::QueryResult| {
                Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
            };
            rows.iter().map(line).collect()
        };
        self.run(lines).await
    }

    /// The number the database wants next of a chain.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_next_seq(&self, chain_id: &str) -> Result<Option<i64>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let sql = "SELECT next_seq FROM audit_cursor WHERE chain_id = $1";
        let select = Statement::from_sql_and_values(backend, sql, [Value::from(chain_id)]);
        let next = async move {
            let row = reader.query_one_raw(select).await?;
            Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
        };
        self.run(next).await
    }

    /// Lines of a chain with numbers from `from` on, in order; none when there
    /// are no more. All rows of a number come together.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn stored_lines(
        &self,
        chain_id: &str,
        from: i64,
    ) -> Result<Vec<StoredLine>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let chain_id = chain_id.to_owned();
        let lines = async move {
            let sql = dialect::audit_first_seq(backend);
            let values = [Value::from(&*chain_id), Value::from(from)];
            let first = Statement::from_sql_and_values(backend, sql, values);
            let row = reader.query_one_raw(first).await?;
            let first = row.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?;
            let Some(first) = first.flatten() else { return Ok(Vec::new()) };
            let end = first.saturating_add(PAGE);
            if backend == DbBackend::Sqlite {
                sqlite_lines(reader.get_sqlite_connection_pool(), &chain_id, first, end).await
            } else {
                postgres_lines(reader.get_postgres_connection_pool(), &chain_id, first, end).await
            }
        };
        self.run(lines).await
    }
}

async fn sqlite_lines(
    pool: &sqlx::SqlitePool,
    chain_id: &str,
    first: i64,
    end: i64,
) -> Result<Vec<StoredLine>, StoreError> {
    let sql = "SELECT seq, line, CASE WHEN json_valid(line) THEN
                   time IS line ->> 'time' AND kind IS line ->> 'kind'
                   AND call_id IS line ->> 'call_id'
               ELSE 0 END
               FROM audit_event_lines WHERE chain_id = ? AND seq >= ? AND seq < ? ORDER BY seq";
    let rows = sqlx::query(sql).bind(chain_id).bind(first).bind(end).fetch_all(pool).await?;
    let line = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoredLine { seq: row.try_get(0)?, line: row.try_get(1)?, fits: row.try_get(2)? })
    };
    rows.iter().map(line).collect()
}

async fn postgres_lines(
    pool: &sqlx::PgPool,
    chain_id: &str,
    first: i64,
    end: i64,
) -> Result<Vec<StoredLine>, StoreError> {
    /// As text, in the forms that lines have.
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let columns = copy::COLUMNS.map(|name| match name {
            "time" => {
                r#"to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#.to_owned()
            }
            name => format!("{name}::text"),
        });
        format!(
            "SELECT seq, line, {} FROM audit_events
             WHERE chain_id = $1 AND seq >= $2 AND seq < $3 ORDER BY seq",
            columns.join(", ")
        )
    });
    let query = sqlx::query(sqlx::AssertSqlSafe(SQL.as_str()));
    let rows = query.bind(chain_id).bind(first).bind(end).fetch_all(pool).await?;
    let line = |row: &sqlx::postgres::PgRow| {
        let (seq, line): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let mut columns = Vec::with_capacity(copy::COLUMNS.len());
        for at in 0..copy::COLUMNS.len() {
            columns.push(row.try_get::<Option<&str>, _>(at + 2)?);
        }
        let fits = copy::fits(&line, &columns);
        Ok(StoredLine { seq, line, fits })
    };
    rows.iter().map(line).collect()
}
