//! Reading the audit trail, one row a call or refusal (C-42).

use chrono::{DateTime, Utc};
use std::time::Duration;

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, Order, Query, SelectStatement};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, QueryResult, Statement,
    TransactionTrait, Value,
};

use super::{Store, StoreError, WORK_LIMIT, dialect};

/// Up to how many calls are counted. Beyond, nobody waits for the sum.
pub(crate) const MOST_COUNTED: u64 = 10_000;

/// Longest time for counting.
const COUNT_LIMIT: Duration = Duration::from_secs(3);

/// Which calls and refusals to show. Filters that are set must all hold, each exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuditQuery {
    /// What was going on.
    pub(crate) kind: Option<CallKind>,
    /// Who called.
    pub(crate) user_id: Option<String>,
    /// The tool, or the name that was asked for where there is no such tool.
    pub(crate) tool_name: Option<String>,
    /// The path of the endpoint.
    pub(crate) endpoint_path: Option<String>,
    /// How the call ended.
    pub(crate) status: Option<CallStatus>,
    /// `allow`, `deny`, `rateLimited` …
    pub(crate) decision: Option<String>,
    /// The name of a [`crate::error::Reason`].
    pub(crate) reason: Option<String>,
    /// The workspace.
    pub(crate) tenant: Option<String>,
    /// The scope.
    pub(crate) scope: Option<String>,
    /// The id of the request.
    pub(crate) request_id: Option<String>,
    /// The id of the call.
    pub(crate) call_id: Option<String>,
    /// The agent profile.
    pub(crate) agent: Option<String>,
    /// The backend.
    pub(crate) backend: Option<String>,
    /// Where it came from.
    pub(crate) client_addr: Option<String>,
    /// The code of a refusal or failure.
    pub(crate) error_code: Option<String>,
    /// The digest of the arguments, in hexadecimal.
    pub(crate) arguments_digest: Option<String>,
    /// The digest of the policy, in hexadecimal.
    pub(crate) policy_digest: Option<String>,
    /// Calls at this time or later.
    pub(crate) start_time: Option<DateTime<Utc>>,
    /// Calls at this time or earlier.
    pub(crate) end_time: Option<DateTime<Utc>>,
    /// Which of the calls that fit.
    pub(crate) paging: Paging,
}

/// A bounded window of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    limit: u64,
    offset: u64,
}

/// A window out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PagingError {
    /// `limit` is not in 1..=1000.
    #[error("limit must be between 1 and {}", Paging::MOST)]
    Limit,
    /// `offset` is negative, or larger than any table.
    #[error("offset must not be negative")]
    Offset,
}

impl Paging {
    /// The window's size.
    pub(crate) fn limit(self) -> u64 {
        self.limit
    }

    /// Most rows of a page.
    pub(crate) const MOST: i64 = 1000;
    /// Rows of a page when nothing is said.
    pub(crate) const DEFAULT: i64 = 100;

    /// A window of `limit` rows (1 to 1000, else 100) after `offset` rows
    /// (else 0).
    ///
    /// # Errors
    /// When one is out of bounds.
    pub(crate) fn new(limit: Option<i64>, offset: Option<i64>) -> Result<Self, PagingError> {
        let limit = limit.unwrap_or(Self::DEFAULT);
        let offset = u64::try_from(offset.unwrap_or(0)).map_err(|_| PagingError::Offset)?;
        match u64::try_from(limit) {
            Ok(limit @ 1..=1000) => Ok(Self { limit, offset }),
            Ok(_) | Err(_) => Err(PagingError::Limit),
        }
    }
}

impl Default for Paging {
    fn default() -> Self {
        Self { limit: Self::DEFAULT.unsigned_abs(), offset: 0 }
    }
}

/// What a row tells of: the column `kind` of `audit_calls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallKind {
    /// A tool call, however it ended.
    Decision,
    /// A caller who could not say who it is.
    Authentication,
    /// A list of tools that was refused.
    List,
    /// Something of the administration's, allowed or refused.
    Admin,
    /// Any other request that was refused, such as one that named no tool.
    Request,
    /// Refused attempts of a flood, counted together.
    Folded,
    /// Policy, registry or keys were read anew.
    Reload,
}

impl CallKind {
    /// Its spelling in the database and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Authentication => "authentication",
            Self::List => "list",
            Self::Admin => "admin",
            Self::Request => "request",
            Self::Folded => "folded",
            Self::Reload => "reload",
        }
    }
}

/// How a call ended: the column `status` of `audit_calls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallStatus {
    /// The tool answered.
    Success,
    /// The tool answered with an error, or something broke.
    Error,
    /// The backend did not answer in time.
    Timeout,
    /// A limit was exhausted.
    RateLimited,
    /// The call was not allowed.
    Denied,
    /// The caller went away.
    Aborted,
    /// Still running, or its gateway died.
    Pending,
}

impl CallStatus {
    /// Its spelling in the database and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Denied => "denied",
            Self::Aborted => "aborted",
            Self::Pending => "pending",
        }
    }
}

/// One call or refusal: a row of the view `audit_calls`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, FromQueryResult)]
pub(crate) struct AuditCall {
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) kind: String,
    pub(crate) request_id: Option<String>,
    pub(crate) call_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) client_addr: Option<String>,
    pub(crate) surface: Option<String>,
    pub(crate) endpoint_path: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) backend: Option<String>,
    pub(crate) tool_name: Option<String>,
    pub(crate) decision: Option<String>,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) error_code: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) rule_path: Option<String>,
    pub(crate) policy_digest: Option<String>,
    pub(crate) policy_generation: Option<i64>,
    pub(crate) arguments_digest: Option<String>,
    pub(crate) arguments: Option<String>,
    pub(crate) duration_ms: Option<f64>,
    pub(crate) quota_ms: Option<f64>,
    pub(crate) upstream_ms: Option<f64>,
    pub(crate) http_status: Option<i32>,
    pub(crate) is_error: Option<bool>,
    pub(crate) result_bytes: Option<i64>,
    pub(crate) result_digest: Option<String>,
    pub(crate) chain_id: String,
    pub(crate) seq: i64,
}

/// A window of the calls that fit.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct AuditPage {
    /// The calls, newest first.
    pub(crate) items: Vec<AuditCall>,
    /// How many calls fit altogether; `None` where there are more than
    /// [`MOST_COUNTED`], or counting takes too long.
    pub(crate) total: Option<u64>,
    /// The window's size, as asked for.
    pub(crate) limit: u64,
    /// The window's start, as asked for.
    pub(crate) offset: u64,
}

impl Store {
    /// The calls that fit a query, newest first.
    ///
    /// # Errors
    /// The database's failure.
    pub(crate) async fn query_audit(&self, query: AuditQuery) -> Result<AuditPage, StoreError> {
        let (reader, backend) = (self.reader.clone(), self.backend());
        let read = async move {
            let Paging { limit, offset } = query.paging;
            let total = counted(&reader, &query).await?;
            let page = filtered(&query, backend)
                .column(Asterisk)
                .order_by(Alias::new("timestamp"), Order::Desc)
                .order_by(Alias::new("seq"), Order::Desc)
                .order_by(Alias::new("chain_id"), Order::Desc)
                .limit(limit)
                .offset(offset)
                .to_owned();
            let rows = bounded(&reader, backend.build(&page), WORK_LIMIT).await?;
            let items = rows.iter().map(|row| AuditCall::from_query_result(row, ""));
            Ok(AuditPage { items: items.collect::<Result<_, _>>()?, total, limit, offset })
        };
        self.run(read).await
    }
}

/// How many calls fit, if that is soon said.
async fn counted(
    reader: &DatabaseConnection,
    query: &AuditQuery,
) -> Result<Option<u64>, StoreError> {
    let backend = reader.get_database_backend();
    let some = filtered(query, backend)
        .expr(Expr::val(1))
        .limit(MOST_COUNTED.saturating_add(1))
        .to_owned();
    let count = Query::select()
        .expr(Func::count(Expr::col(Asterisk)))
        .from_subquery(some, Alias::new("some"))
        .to_owned();
    let counting = bounded(reader, backend.build(&count), COUNT_LIMIT);
    let total: i64 = match tokio::time::timeout(COUNT_LIMIT.saturating_mul(2), counting).await {
        Ok(Ok(rows)) => rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))?,
        Err(_) | Ok(Err(StoreError::Timeout)) => return Ok(None),
        Ok(Err(error)) => return Err(error),
    };
    Ok(Some(total.unsigned_abs()).filter(|total| *total <= MOST_COUNTED))
}

/// Rows of a question that must not take longer than `limit`: PostgreSQL gives it
/// up itself then, instead of going on for a client that has left.
///
/// # Errors
/// [`StoreError::Timeout`], or the database's failure.
pub(super) async fn bounded(
    reader: &DatabaseConnection,
    statement: Statement,
    limit: Duration,
) -> Result<Vec<QueryResult>, StoreError> {
    if reader.get_database_backend() == DbBackend::Sqlite {
        return Ok(reader.query_all_raw(statement).await?);
    }
    let asking = reader.begin().await?;
    let limit = format!("SET LOCAL statement_timeout = {}", limit.as_millis());
    asking.execute_unprepared(&limit).await?;
    let asked = asking.query_all_raw(statement).await.map_err(StoreError::from);
    let rows = match asked {
        // `query_canceled`.
        Err(StoreError::Unavailable(why)) if why.ends_with("(57014)") => {
            return Err(StoreError::Timeout);
        }
        asked => asked?,
    };
    asking.commit().await?;
    Ok(rows)
}

/// How many calls fit.
pub(super) async fn count(
    reader: &DatabaseConnection,
    query: &AuditQuery,
) -> Result<u64, StoreError> {
    let backend = reader.get_database_backend();
    let count = filtered(query, backend).expr(Func::count(Expr::col(Asterisk))).to_owned();
    let rows = bounded(reader, backend.build(&count), WORK_LIMIT).await?;
    let total: Option<i64> = rows.first().map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(total.map_or(0, i64::unsigned_abs))
}

/// `audit_calls`, narrowed. Values are bound, never part of the text.
pub(super) fn filtered(query: &AuditQuery, backend: DbBackend) -> SelectStatement {
    let status = query.status.map(|status| status.name().to_owned());
    let kind = query.kind.map(|kind| kind.name().to_owned());
    let equal = [
        ("kind", &kind),
        ("user_id", &query.user_id),
        ("tool_name", &query.tool_name),
        ("endpoint_path", &query.endpoint_path),
        ("status", &status),
        ("decision", &query.decision),
        ("reason", &query.reason),
        ("tenant", &query.tenant),
        ("scope", &query.scope),
        ("request_id", &query.request_id),
        ("call_id", &query.call_id),
        ("agent", &query.agent),
        ("backend", &query.backend),
        ("client_addr", &query.client_addr),
        ("error_code", &query.error_code),
        ("arguments_digest", &query.arguments_digest),
        ("policy_digest", &query.policy_digest),
    ];
    let mut select = Query::select();
    select.from(Alias::new("audit_calls"));
    for (column, wanted) in equal {
        if let Some(wanted) = wanted {
            // PostgreSQL has no place for NUL in text, and so no row with one.
            let wanted = Value::from(wanted.replace('\0', "\u{fffd}"));
            select.and_where(Expr::col(Alias::new(column)).eq(Expr::val(wanted)));
        }
    }
    let time = || Expr::col(Alias::new("timestamp"));
    if let Some(start) = query.start_time {
        select.and_where(time().gte(Expr::val(dialect::audit_time(backend, start))));
    }
    if let Some(end) = query.end_time {
        select.and_where(time().lte(Expr::val(dialect::audit_time(backend, end))));
    }
    select
}
