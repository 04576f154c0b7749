//! View `audit_folded`: counts of refused attempts that have no event of their
//! own, one row a count; and `audit_calls` with a row for each of them, so that
//! nobody who looks for refusals misses them.
//!
//! The members of such an event stand in its line only: they are too rare for
//! columns of their own.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::m20261121_000004_audit_calls::UP as CALLS;

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

/// `audit_calls` as it was, and its end now.
pub(crate) const KINDS: &str = "d.kind IN ('authentication', 'request', 'admin', 'list')";
pub(crate) const MORE_KINDS: &str =
    "d.kind IN ('authentication', 'request', 'admin', 'list', 'folded')";

const DROP: &str = "DROP VIEW audit_calls";

pub(crate) fn folded(backend: DbBackend) -> String {
    // Both take JSON apart, each in its own words.
    let (json, number) =
        if backend == DbBackend::Sqlite { ("line", "integer") } else { ("line::json", "bigint") };
    format!(
        "CREATE VIEW audit_folded AS SELECT
    time,
    {json} ->> 'folded_first' AS folded_first,
    {json} ->> 'folded_last' AS folded_last,
    CAST({json} ->> 'folded_count' AS {number}) AS folded_count,
    {json} ->> 'folded_reasons' AS folded_reasons,
    {json} ->> 'folded_tools' AS folded_tools,
    user_id,
    issuer,
    tenant,
    agent,
    client_addr,
    detail,
    event_id,
    chain_id,
    seq
FROM audit_events
WHERE kind = 'folded'"
    )
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        database.execute_unprepared(DROP).await?;
        database.execute_unprepared(&CALLS.replace(KINDS, MORE_KINDS)).await?;
        database.execute_unprepared(&folded(manager.get_database_backend())).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        database.execute_unprepared("DROP VIEW audit_folded").await?;
        database.execute_unprepared(DROP).await?;
        database.execute_unprepared(CALLS).await?;
        Ok(())
    }
}
