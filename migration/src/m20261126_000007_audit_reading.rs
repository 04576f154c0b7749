//! Views: `audit_calls` has what administrators asked for, allowed or not, and
//! every count of a flood, whatever its attempts came to; `audit_folded` has the
//! addresses that a count comes from.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::m20261121_000004_audit_calls::UP as CALLS;
use crate::m20261121_000005_audit_folded::{KINDS, MORE_KINDS, folded};

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

pub(crate) const WHERE: &str = "WHERE d.kind = 'decision'
    OR (";
pub(crate) const MORE_WHERE: &str = "WHERE d.kind IN ('decision', 'admin', 'folded')
    OR (";

/// What is no call has no outcome to wait for.
pub(crate) const STATUS: &str = "        WHEN o.decision IS NULL THEN 'pending'";
pub(crate) const MORE_STATUS: &str = "        WHEN d.kind <> 'decision' THEN 'success'
        WHEN o.decision IS NULL THEN 'pending'";

/// The last column of `audit_folded` before.
const LAST: &str = "    seq\nFROM";

async fn anew(database: &SchemaManagerConnection<'_>, views: [String; 2]) -> Result<(), DbErr> {
    database.execute_unprepared("DROP VIEW audit_folded").await?;
    database.execute_unprepared("DROP VIEW audit_calls").await?;
    for view in views {
        database.execute_unprepared(&view).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let json = if backend == DbBackend::Sqlite { "line" } else { "line::json" };
        let column =
            format!("    seq,\n    {json} ->> 'folded_addresses' AS folded_addresses\nFROM");
        let calls = CALLS.replace(WHERE, MORE_WHERE).replace(STATUS, MORE_STATUS);
        let views = [calls, folded(backend).replace(LAST, &column)];
        let database = manager.get_connection();
        if backend == DbBackend::Sqlite {
            return anew(database, views).await;
        }
        for view in views {
            // Replaced, not made anew, they keep the rights that were granted
            // on them.
            let view = view.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1);
            database.execute_unprepared(&view).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let views = [CALLS.replace(KINDS, MORE_KINDS), folded(manager.get_database_backend())];
        anew(manager.get_connection(), views).await
    }
}
