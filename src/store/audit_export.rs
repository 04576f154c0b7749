//! Reading much of the audit trail, a bounded page at a time: calls in their
//! order of time, and the very lines of the journal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait};
use sea_orm::{DbBackend, FromQueryResult, QueryResult, Statement, Value};

use super::asking::bounded;
use super::audit_query::{count, filtered};
use super::{AuditCall, AuditQuery, Store, StoreError, WORK_LIMIT, dialect};

/// A place in the order of calls: that of a row, after which to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPlace {
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) seq: i64,
    pub(crate) chain_id: String,
}

impl From<&AuditCall> for CallPlace {
    fn from(call: &AuditCall) -> Self {
        Self { timestamp: call.timestamp, seq: call.seq, chain_id: call.chain_id.clone() }
    }
}

/// In which order calls are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The oldest first.
    Oldest,
    /// The newest first.
    Newest,
}

/// Consecutive numbers of a chain, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineRange {
    pub(crate) chain_id: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// An event as the journal had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) chain_id: String,
    pub(crate) seq: i64,
    pub(crate) text: String,
}

impl Line {
    fn read(row: &QueryResult) -> Result<Self, StoreError> {
        Ok(Self {
            chain_id: row.try_get_by_index(0)?,
            seq: row.try_get_by_index(1)?,
            text: row.try_get_by_index(2)?,
        })
    }
}

impl Store {
    /// The calls that fit after a place, at most `paging.limit()` of them.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_calls_after(
        &self,
        query: AuditQuery,
        after: Option<CallPlace>,
        order: Order,
    ) -> Result<Vec<AuditCall>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let read = async move {
            let mut select = filtered(&query, backend);
            let column = |name: &'static str| Expr::col(Alias::new(name));
            if let Some(CallPlace { timestamp, seq, chain_id }) = after {
                let time = dialect::audit_time(backend, timestamp);
                let here = Expr::tuple([column("timestamp"), column("seq"), column("chain_id")]);
                let there = Expr::tuple([
                    Expr::val(time.clone()),
                    Expr::val(Value::from(seq)),
                    Expr::val(Value::from(chain_id)),
                ]);
                // The first alone is what an index has.
                match order {
                    Order::Oldest => select
                        .and_where(column("timestamp").gte(Expr::val(time)))
                        .and_where(here.gt(there)),
                    Order::Newest => select
                        .and_where(column("timestamp").lte(Expr::val(time)))
                        .and_where(here.lt(there)),
                };
            }
            select.column(Asterisk).limit(query.paging.limit());
            for name in ["timestamp", "seq", "chain_id"] {
                let direction = match order {
                    Order::Oldest => sea_orm::sea_query::Order::Asc,
                    Order::Newest => sea_orm::sea_query::Order::Desc,
                };
                select.order_by(Alias::new(name), direction);
            }
            let rows = bounded(&reader, backend.build(&select), WORK_LIMIT).await?;
            let calls = rows.iter().map(|row| AuditCall::from_query_result(row, ""));
            Ok(calls.collect::<Result<_, _>>()?)
        };
        self.run(read).await
    }

    /// How many calls fit.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn count_audit_calls(&self, query: AuditQuery) -> Result<u64, StoreError> {
        let reader = self.reader.clone();
        self.run(async move { count(&reader, &query).await }).await
    }

    /// All chains, or the parts of them between whose ends lies a time. A part
    /// has no holes: where a clock went back, it holds more than was asked for.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_ranges(
        &self,
        start: Option<DateTime<Utc>>,
        end: Option<DateTime<Utc>>,
    ) -> Result<Vec<LineRange>, StoreError> {
        let mut values = Vec::new();
        let mut bounds = String::new();
        for (time, sign) in [(start, ">="), (end, "<=")] {
            if let Some(time) = time {
                values.push(dialect::audit_time(self.backend(), time));
                let word = if bounds.is_empty() { "WHERE" } else { " AND" };
                let _ = write!(bounds, "{word} time {sign} ${}", values.len());
            }
        }
        let sql = if bounds.is_empty() {
            // Chains that have not begun have no lines.
            "SELECT chain_id, 1, next_seq - 1 FROM audit_cursor WHERE next_seq > 1 ORDER BY chain_id"
                .to_owned()
        } else {
            format!(
                "SELECT chain_id, MIN(seq), MAX(seq) FROM audit_events {bounds} GROUP BY chain_id \
                 ORDER BY chain_id"
            )
        };
        let read = |row: &QueryResult| {
            // A literal is 32 bits wide for PostgreSQL.
            let first = row
                .try_get_by_index(1)
                .or_else(|_| row.try_get_by_index::<i32>(1).map(i64::from))?;
            Ok(LineRange {
                chain_id: row.try_get_by_index(0)?,
                first,
                last: row.try_get_by_index(2)?,
            })
        };
        self.select(sql, values, read).await
    }

    /// Lines of a chain in the order of their numbers, at most `most`.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_lines(
        &self,
        range: &LineRange,
        most: u64,
    ) -> Result<Vec<Line>, StoreError> {
        let LineRange { chain_id, first, last } = range;
        let sql = "SELECT chain_id, seq, line FROM audit_events WHERE chain_id = $1 AND seq >= $2 \
                   AND seq <= $3 ORDER BY seq LIMIT $4";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = vec![chain_id.as_str().into(), (*first).into(), (*last).into(), most.into()];
        self.select(sql.to_owned(), values, Line::read).await
    }

    /// The newest lines, oldest first.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn newest_audit_lines(&self, most: u64) -> Result<Vec<Line>, StoreError> {
        let sql = "SELECT chain_id, seq, line FROM audit_events \
                   ORDER BY time DESC, seq DESC, chain_id DESC LIMIT $1";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut lines = self.select(sql.to_owned(), vec![most.into()], Line::read).await?;
        lines.reverse();
        Ok(lines)
    }

    /// The time of the oldest event.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn oldest_audit_time(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "SELECT time FROM audit_events ORDER BY time LIMIT 1";
        let read = |row: &QueryResult| Ok(row.try_get_by_index::<DateTime<Utc>>(0)?);
        Ok(self.select(sql.to_owned(), Vec::new(), read).await?.pop())
    }

    /// The lines of these calls: of each its first event, and its outcome.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_lines_of(
        &self,
        calls: &[AuditCall],
    ) -> Result<Vec<Line>, StoreError> {
        let mut by_chain: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for call in calls {
            by_chain.entry(&call.chain_id).or_default().push(call.seq.into());
        }
        let mut lines = BTreeMap::new();
        for (chain_id, seqs) in by_chain {
            let places = places(2, seqs.len());
            let sql = format!(
                "SELECT chain_id, seq, line FROM audit_events WHERE chain_id = $1 AND seq IN ({places})"
            );
            let values = std::iter::once(chain_id.into()).chain(seqs).collect();
            for line in self.select(sql, values, Line::read).await? {
                lines.insert((line.chain_id.clone(), line.seq), line);
            }
        }
        let ids: Vec<&str> = calls.iter().filter_map(|call| call.call_id.as_deref()).collect();
        let mut outcomes: BTreeMap<String, Line> =
            self.audit_outcome_lines(&ids).await?.into_iter().collect();
        let mut found = Vec::with_capacity(lines.len() + outcomes.len());
        for call in calls {
            found.extend(lines.remove(&(call.chain_id.clone(), call.seq)));
            found.extend(call.call_id.as_ref().and_then(|id| outcomes.remove(id)));
        }
        Ok(found)
    }

    /// The outcomes of calls, each with the id of its call.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_outcome_lines(
        &self,
        call_ids: &[&str],
    ) -> Result<Vec<(String, Line)>, StoreError> {
        if call_ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT chain_id, seq, line, call_id FROM audit_events \
             WHERE kind = 'outcome' AND call_id IN ({})",
            places(1, call_ids.len())
        );
        let values = call_ids.iter().map(|id| id.replace('\0', "\u{fffd}").into()).collect();
        let read = |row: &QueryResult| Ok((row.try_get_by_index(3)?, Line::read(row)?));
        self.select(sql, values, read).await
    }

    /// The lines of which one of the columns `event_id`, `call_id` and
    /// `request_id` is `id`, between two times, at most `most`: calls before
    /// anything else, and of both the newest first. Anybody can make many
    /// requests with one id; they must not hide a call.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn audit_lines_named(
        &self,
        id: &str,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
        most: u64,
    ) -> Result<Vec<Line>, StoreError> {
        let backend = self.backend();
        let sql = "SELECT chain_id, seq, line FROM audit_events WHERE time >= $1 AND time <= $2 \
                   AND (event_id = $3 OR call_id = $3 OR request_id = $3) \
                   ORDER BY CASE WHEN kind = 'decision' THEN 0 ELSE 1 END, \
                   time DESC, seq DESC, chain_id LIMIT $4";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = vec![
            dialect::audit_time(backend, start),
            dialect::audit_time(backend, end),
            id.replace('\0', "\u{fffd}").into(),
            most.into(),
        ];
        self.select(sql.to_owned(), values, Line::read).await
    }

    async fn select<T: Send + 'static>(
        &self,
        sql: String,
        values: Vec<Value>,
        read: impl Fn(&QueryResult) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        // SQLite numbers parameters in the same way.
        let sql = if backend == DbBackend::Sqlite { sql.replace('$', "?") } else { sql };
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let work = async move {
            let rows = bounded(&reader, statement, WORK_LIMIT).await?;
            rows.iter().map(read).collect()
        };
        self.run(work).await
    }
}

/// `$2, $3, $4`.
fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}
