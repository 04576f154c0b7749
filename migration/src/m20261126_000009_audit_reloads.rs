//! View `audit_calls`: reloads of the configuration are in it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::m20261121_000004_audit_calls::UP as CALLS;
use crate::m20261126_000007_audit_reading::{MORE_STATUS, MORE_WHERE, STATUS, WHERE};

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

const WITH_RELOADS: &str = "WHERE d.kind IN ('decision', 'admin', 'folded', 'reload')
    OR (";

async fn anew(manager: &SchemaManager<'_>, which: &str) -> Result<(), DbErr> {
    let view = CALLS.replace(WHERE, which).replace(STATUS, MORE_STATUS);
    let database = manager.get_connection();
    if manager.get_database_backend() == DbBackend::Sqlite {
        database.execute_unprepared("DROP VIEW audit_calls").await?;
        database.execute_unprepared(&view).await?;
    } else {
        // Replaced, not made anew, it keeps the rights that were granted on it.
        let view = view.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1);
        database.execute_unprepared(&view).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        anew(manager, WITH_RELOADS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        anew(manager, MORE_WHERE).await
    }
}
