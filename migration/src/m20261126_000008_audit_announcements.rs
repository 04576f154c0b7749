//! `audit_retention` says where each removal is announced in the trail, so that a
//! gateway can look whether that is signed before it repeats it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

const COLUMNS: [&str; 2] = ["by_chain_id text", "by_seq bigint"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            let sql = format!("ALTER TABLE audit_retention ADD COLUMN {column}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["by_chain_id", "by_seq"] {
            let sql = format!("ALTER TABLE audit_retention DROP COLUMN {column}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
