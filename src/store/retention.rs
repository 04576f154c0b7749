//! Removing the oldest events, by the one way the database leaves open.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, Statement, TransactionTrait, Value,
};

use super::{MIGRATION_LIMIT, Store, StoreError, dialect};

/// Rows that SQLite removes at once: the shipper waits meanwhile.
const AT_ONCE: i64 = 2000;

/// The beginning of a chain, which is to go or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The chain.
    pub(crate) chain_id: String,
    /// The last number that goes.
    pub(crate) seq: i64,
    /// What it holds: of a new cut, the line; of an old one, nothing.
    pub(crate) line: Option<String>,
    /// The line's hash, in hexadecimal; of a new cut, empty.
    pub(crate) hash: String,
}

impl Store {
    /// PostgreSQL: makes sure that this month and the next two have partitions.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn prepare_months(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let writer = self.writer.clone();
        let months = async move {
            // One statement, and no transaction around it: this may be cut off at
            // any moment, and an open one would be left to the pool.
            let sql = "SELECT audit_events_month($1 + n * interval '1 month')
                       FROM generate_series(0, 2) n";
            let values = [Value::from(now)];
            let months = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            Ok(writer.query_all_raw(months).await.map(drop)?)
        };
        self.run(months).await
    }

    /// Where chains can be cut so that nothing goes that is not older than
    /// `cutoff`.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn expired(&self, cutoff: DateTime<Utc>) -> Result<Vec<Cut>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let table = dialect::audit_lines_table(backend);
        let expired = async move {
            let time = || dialect::audit_time(backend, cutoff);
            let sql = format!("SELECT DISTINCT chain_id FROM {table} WHERE time < $1 ORDER BY 1");
            let chains = Statement::from_sql_and_values(backend, sql, [time()]);
            let mut cuts = Vec::new();
            for row in reader.query_all_raw(chains).await? {
                let chain_id: String = row.try_get_by_index(0)?;
                // Numbers count, times do not: a clock may have gone back.
                let sql = format!(
                    "SELECT seq, line FROM {table} WHERE chain_id = $1 AND seq < COALESCE(
                         (SELECT min(seq) FROM {table} WHERE chain_id = $1 AND time >= $2),
                         9223372036854775807)
                     ORDER BY seq DESC LIMIT 1"
                );
                let values = [Value::from(&*chain_id), time()];
                let last = Statement::from_sql_and_values(backend, sql, values);
                if let Some(row) = reader.query_one_raw(last).await? {
                    let (seq, line) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                    cuts.push(Cut { chain_id, seq, line: Some(line), hash: String::new() });
                }
            }
            Ok(cuts)
        };
        self.io.run(MIGRATION_LIMIT, expired).await
    }

    /// Cuts that were announced before `cutoff`, so that what was announced goes
    /// itself, of chains of which something is left.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn fading_cuts(&self, cutoff: DateTime<Utc>) -> Result<Vec<Cut>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let table = dialect::audit_lines_table(backend);
        let fading = async move {
            let sql = format!(
                "SELECT chain_id, through_seq, hash FROM audit_retention r WHERE announced_at < $1
                 AND EXISTS (SELECT 1 FROM {table} e WHERE e.chain_id = r.chain_id)"
            );
            let values = [dialect::audit_time(backend, cutoff)];
            let fading = Statement::from_sql_and_values(backend, sql, values);
            let cut = |row: &sea_orm::QueryResult| {
                Ok(Cut {
                    chain_id: row.try_get_by_index(0)?,
                    seq: row.try_get_by_index(1)?,
                    line: None,
                    hash: row.try_get_by_index(2)?,
                })
            };
            reader.query_all_raw(fading).await?.iter().map(cut).collect()
        };
        self.run(fading).await
    }

    /// Removes what cuts cover, which must be announced in the trail by now.
    /// Forgets chains of which nothing is left and whose announcement goes too.
    ///
    /// # Errors
    /// The database's failure. Some may be gone then; trying again does the rest.
    pub(crate) async fn remove_expired(
        &self,
        cuts: Vec<Cut>,
        cutoff: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (writer, backend) = (self.writer.clone(), self.backend());
        let remove = async move {
            let transaction = writer.begin_with_options(dialect::write_transaction()).await?;
            dialect::lock_retention(&transaction).await?;
            for cut in &cuts {
                let sql = "INSERT INTO audit_retention (chain_id, through_seq, hash, announced_at)
                           VALUES ($1, $2, $3, $4) ON CONFLICT (chain_id) DO UPDATE SET
                           through_seq = excluded.through_seq, hash = excluded.hash,
                           announced_at = excluded.announced_at
                           WHERE excluded.through_seq >= audit_retention.through_seq";
                let values = [
                    Value::from(&*cut.chain_id),
                    Value::from(cut.seq),
                    Value::from(&*cut.hash),
                    dialect::audit_time(backend, now),
                ];
                let upsert = Statement::from_sql_and_values(backend, sql, values);
                transaction.execute_raw(upsert).await?;
            }
            if backend == DbBackend::Postgres {
                drop_months(&transaction, cutoff).await?;
                let rest = "DELETE FROM audit_events e USING audit_retention r
                            WHERE e.chain_id = r.chain_id AND e.seq <= r.through_seq
                            AND e.time < $1";
                let values = [Value::from(cutoff)];
                transaction
                    .execute_raw(Statement::from_sql_and_values(backend, rest, values))
                    .await?;
                transaction.commit().await?;
            } else {
                transaction.commit().await?;
                for cut in &cuts {
                    delete_slowly(&writer, cut).await?;
                }
            }
            forget(&writer, backend, cutoff).await
        };
        self.io.run(MIGRATION_LIMIT, remove).await
    }
}

/// PostgreSQL: drops the months that are over at `cutoff`, but for those that
/// hold an event which has to stay.
async fn drop_months(
    transaction: &DatabaseTransaction,
    cutoff: DateTime<Utc>,
) -> Result<(), StoreError> {
    let postgres = DbBackend::Postgres;
    let sql = "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'audit_events'::regclass
               AND c.relname ~ '^audit_events_[0-9]{6}$'
               AND c.relname < 'audit_events_' || to_char($1 AT TIME ZONE 'UTC', 'YYYYMM')";
    let values = [Value::from(cutoff)];
    let months = Statement::from_sql_and_values(postgres, sql, values);
    for row in transaction.query_all_raw(months).await? {
        // A name of digits, as the pattern says.
        let month: String = row.try_get_by_index(0)?;
        let stays = format!(
            "SELECT 1 FROM {month} e LEFT JOIN audit_retention r USING (chain_id)
             WHERE e.seq > COALESCE(r.through_seq, 0) LIMIT 1"
        );
        if transaction.query_one_raw(Statement::from_string(postgres, stays)).await?.is_none() {
            transaction.execute_unprepared(&format!("DROP TABLE {month}")).await?;
        }
    }
    Ok(())
}

async fn delete_slowly(writer: &sea_orm::DatabaseConnection, cut: &Cut) -> Result<(), StoreError> {
    let sql = "DELETE FROM audit_event_lines WHERE chain_id = $1 AND seq IN (
                   SELECT seq FROM audit_event_lines WHERE chain_id = $1 AND seq <= $2
                   ORDER BY seq LIMIT $3)";
    loop {
        let values = [Value::from(&*cut.chain_id), Value::from(cut.seq), Value::from(AT_ONCE)];
        let delete = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
        if writer.execute_raw(delete).await?.rows_affected() == 0 {
            return Ok(());
        }
    }
}

/// Chains that are gone as a whole, for so long that nothing names them.
async fn forget(
    writer: &sea_orm::DatabaseConnection,
    backend: DbBackend,
    cutoff: DateTime<Utc>,
) -> Result<(), StoreError> {
    let table = dialect::audit_lines_table(backend);
    let gone = format!(
        "SELECT chain_id FROM audit_retention r WHERE announced_at < $1
         AND NOT EXISTS (SELECT 1 FROM {table} e WHERE e.chain_id = r.chain_id)"
    );
    for from in ["audit_cursor", "audit_retention"] {
        let sql = format!("DELETE FROM {from} WHERE chain_id IN ({gone})");
        let values = [dialect::audit_time(backend, cutoff)];
        writer.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(())
}
