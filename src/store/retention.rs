//! Removing the oldest events, by the one way the database leaves open.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement, TransactionTrait, Value,
};

use super::asking::bounded;
use super::{MIGRATION_LIMIT, Store, StoreError, dialect};

/// Rows that are removed at once: the shipper may wait meanwhile.
const AT_ONCE: i64 = 2000;

/// Longest wait of PostgreSQL's for a month to drop: who writes waits behind it.
const LOCK_LIMIT: &str = "SET LOCAL lock_timeout = '2s'";

/// The beginning of a chain, which is to go or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The chain.
    pub(crate) chain_id: String,
    /// The last number that goes.
    pub(crate) seq: i64,
    /// That line's hash, in hexadecimal.
    pub(crate) hash: String,
    /// Chain and number of the event that announces it. A row of the database is
    /// no proof; what is there is.
    pub(crate) by: Option<(String, i64)>,
}

/// Columns of a [`Cut`].
const CUT: &str = "chain_id, through_seq, hash, by_chain_id, by_seq";

fn cut(row: &QueryResult) -> Result<Cut, StoreError> {
    let by: (Option<String>, Option<i64>) = (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
    Ok(Cut {
        chain_id: row.try_get_by_index(0)?,
        seq: row.try_get_by_index(1)?,
        hash: row.try_get_by_index(2)?,
        by: by.0.zip(by.1),
    })
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

    /// Chains that have an event which seems older than `cutoff`.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn expired(&self, cutoff: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let table = dialect::audit_lines_table(backend);
        let sql = format!("SELECT DISTINCT chain_id FROM {table} WHERE time < $1 ORDER BY 1");
        let values = [dialect::audit_time(backend, cutoff)];
        let chains = Statement::from_sql_and_values(backend, sql, values);
        let expired = async move {
            let rows = bounded(&reader, chains, MIGRATION_LIMIT).await?;
            Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
        };
        self.io.run(MIGRATION_LIMIT, expired).await
    }

    /// The cut that the database knows of a chain.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_cut(&self, chain_id: &str) -> Result<Option<Cut>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let sql = format!("SELECT {CUT} FROM audit_retention WHERE chain_id = $1");
        let select = Statement::from_sql_and_values(backend, sql, [Value::from(chain_id)]);
        let known =
            async move { reader.query_one_raw(select).await?.as_ref().map(cut).transpose() };
        self.run(known).await
    }

    /// Where events of a kind seem to name a chain in a member of theirs, from some
    /// time on: a few of them, oldest first.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_words(
        &self,
        kind: &str,
        member: &str,
        chain_id: &str,
        since: Option<DateTime<Utc>>,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let table = dialect::audit_lines_table(backend);
        let sql = format!(
            "SELECT chain_id, seq FROM {table} WHERE time >= $3 AND kind = $1 AND line LIKE $2
             ORDER BY time LIMIT 16"
        );
        let values = [
            Value::from(kind),
            Value::from(format!("%\"{member}\":\"{chain_id}\"%")),
            dialect::audit_time(backend, since.unwrap_or(DateTime::UNIX_EPOCH)),
        ];
        let select = Statement::from_sql_and_values(backend, sql, values);
        let words = async move {
            let place =
                |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
            bounded(&reader, select, MIGRATION_LIMIT).await?.iter().map(place).collect()
        };
        self.io.run(MIGRATION_LIMIT, words).await
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
                "SELECT {CUT} FROM audit_retention r WHERE announced_at < $1
                 AND EXISTS (SELECT 1 FROM {table} e WHERE e.chain_id = r.chain_id)"
            );
            let values = [dialect::audit_time(backend, cutoff)];
            let fading = Statement::from_sql_and_values(backend, sql, values);
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
            note(&writer, &cuts, now).await?;
            if backend == DbBackend::Postgres {
                drop_months(&writer, &cuts, cutoff).await?;
            }
            for cut in &cuts {
                delete_slowly(&writer, cut, cutoff).await?;
            }
            forget(&writer, backend, cutoff).await
        };
        self.io.run(MIGRATION_LIMIT, remove).await
    }
}

/// Writes down what may go, without which the database removes nothing.
async fn note(
    writer: &DatabaseConnection,
    cuts: &[Cut],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let backend = writer.get_database_backend();
    let transaction = writer.begin_with_options(dialect::write_transaction()).await?;
    dialect::lock_retention(&transaction).await?;
    for cut in cuts {
        // A row that somebody else has put there does not stand in the way.
        let sql = "INSERT INTO audit_retention
                       (chain_id, through_seq, hash, announced_at, by_chain_id, by_seq)
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (chain_id) DO UPDATE SET
                   through_seq = excluded.through_seq, hash = excluded.hash,
                   announced_at = excluded.announced_at,
                   by_chain_id = excluded.by_chain_id, by_seq = excluded.by_seq";
        let (by, by_seq) = cut.by.clone().unzip();
        let values = [
            Value::from(&*cut.chain_id),
            Value::from(cut.seq),
            Value::from(&*cut.hash),
            dialect::audit_time(backend, now),
            Value::from(by),
            Value::from(by_seq),
        ];
        transaction.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(transaction.commit().await?)
}

/// PostgreSQL: drops the months that are over at `cutoff`, but for those that hold
/// an event which is in none of the cuts.
async fn drop_months(
    writer: &DatabaseConnection,
    cuts: &[Cut],
    cutoff: DateTime<Utc>,
) -> Result<(), StoreError> {
    let postgres = DbBackend::Postgres;
    let sql = "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'audit_events'::regclass
               AND (c.relname ~ '^audit_events_[0-9]{6}$'
                    AND c.relname < 'audit_events_' || to_char($1 AT TIME ZONE 'UTC', 'YYYYMM')
                    OR c.relname = 'audit_events_before')
               ORDER BY 1";
    let months = Statement::from_sql_and_values(postgres, sql, [Value::from(cutoff)]);
    let (chains, seqs): (Vec<&str>, Vec<i64>) =
        cuts.iter().map(|cut| (&*cut.chain_id, cut.seq)).unzip();
    let (chains, seqs) = (serde_json::json!(chains), serde_json::json!(seqs));
    for row in writer.query_all_raw(months).await? {
        // A name of digits, as the pattern says, or the other one.
        let month: String = row.try_get_by_index(0)?;
        // What came before there were months may still be written to.
        let young = format!("SELECT 1 FROM {month} WHERE time >= $1 LIMIT 1");
        let young = Statement::from_sql_and_values(postgres, young, [Value::from(cutoff)]);
        if writer.query_one_raw(young).await?.is_some() {
            continue;
        }
        let transaction = writer.begin().await?;
        transaction.execute_unprepared(LOCK_LIMIT).await?;
        dialect::lock_retention(&transaction).await?;
        // Nobody writes to this month any more, and whoever writes elsewhere does
        // not wait while it is looked through.
        let lock = format!("LOCK TABLE ONLY {month} IN SHARE MODE");
        transaction.execute_unprepared(&lock).await?;
        let stays = format!(
            "SELECT 1 FROM {month} e LEFT JOIN (
                 SELECT c.value AS chain_id, s.value::bigint AS through_seq
                 FROM json_array_elements_text($1::json) WITH ORDINALITY c
                 JOIN json_array_elements_text($2::json) WITH ORDINALITY s USING (ordinality)
             ) r USING (chain_id)
             WHERE e.seq > COALESCE(r.through_seq, 0) OR e.time >= $3 LIMIT 1"
        );
        let values =
            [Value::from(chains.to_string()), Value::from(seqs.to_string()), Value::from(cutoff)];
        let stays = Statement::from_sql_and_values(postgres, stays, values);
        if transaction.query_one_raw(stays).await?.is_none() {
            transaction.execute_unprepared(&format!("DROP TABLE {month}")).await?;
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
    }
    Ok(())
}

async fn delete_slowly(
    writer: &DatabaseConnection,
    cut: &Cut,
    cutoff: DateTime<Utc>,
) -> Result<(), StoreError> {
    let backend = writer.get_database_backend();
    let table = dialect::audit_lines_table(backend);
    let sql = format!(
        "DELETE FROM {table} WHERE chain_id = $1 AND time < $2 AND seq IN (
             SELECT seq FROM {table} WHERE chain_id = $1 AND seq <= $3 AND time < $2
             ORDER BY seq LIMIT $4)"
    );
    loop {
        let values = [
            Value::from(&*cut.chain_id),
            dialect::audit_time(backend, cutoff),
            Value::from(cut.seq),
            Value::from(AT_ONCE),
        ];
        let delete = Statement::from_sql_and_values(backend, &sql, values);
        if writer.execute_raw(delete).await?.rows_affected() == 0 {
            return Ok(());
        }
    }
}

/// Chains that are gone as a whole, for so long that nothing names them.
async fn forget(
    writer: &DatabaseConnection,
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
