//! View `audit_calls`: one row a tool call, and one for everything else that was
//! refused: a failed authentication, an operation or a list that was denied, a
//! request that never came to name a tool. `kind` tells them apart; a call's is
//! `decision`.
//!
//! A call that was allowed has two events, the decision (written before a byte
//! goes to a backend) and the outcome. Who called what stands on the decision,
//! how it ended on the outcome. A call without an outcome is `pending`: still
//! running, or its gateway died.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

pub(crate) const UP: &str = "CREATE VIEW audit_calls AS SELECT
    d.time AS timestamp,
    d.kind,
    d.request_id,
    d.call_id,
    d.trace_id,
    d.user_id,
    d.tenant,
    d.issuer,
    d.agent,
    d.session,
    d.client_name,
    d.client_version,
    d.client_addr,
    d.surface,
    d.endpoint_path,
    d.method,
    d.scope,
    d.backend,
    d.tool AS tool_name,
    d.decision,
    CASE
        WHEN d.decision IN ('rateLimited', 'budgetExceeded') THEN 'rate_limited'
        WHEN d.decision = 'deny' THEN 'denied'
        WHEN d.decision = 'aborted' THEN 'aborted'
        WHEN d.decision <> 'allow' THEN 'error'
        WHEN o.decision IS NULL THEN 'pending'
        WHEN o.decision = 'success' AND o.is_error THEN 'error'
        WHEN o.decision IN ('success', 'timeout', 'aborted') THEN o.decision
        ELSE 'error'
    END AS status,
    COALESCE(o.reason, d.reason) AS reason,
    COALESCE(o.error_code, d.error_code) AS error_code,
    COALESCE(o.detail, d.detail) AS detail,
    d.rule_path,
    d.policy_digest,
    d.policy_generation,
    d.arguments_digest,
    d.arguments,
    CAST(COALESCE(o.duration_us, d.duration_us) AS double precision) / 1000 AS duration_ms,
    CAST(d.quota_us AS double precision) / 1000 AS quota_ms,
    CAST(o.upstream_us AS double precision) / 1000 AS upstream_ms,
    COALESCE(o.http_status, d.http_status) AS http_status,
    o.is_error,
    o.result_bytes,
    o.result_digest,
    d.chain_id,
    d.seq
FROM audit_events d
LEFT JOIN audit_events o ON o.call_id = d.call_id AND o.kind = 'outcome'
WHERE d.kind = 'decision'
    OR (d.kind IN ('authentication', 'request', 'admin', 'list')
        AND (d.decision = 'deny' OR d.reason IS NOT NULL))";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP VIEW audit_calls").await?;
        Ok(())
    }
}
