//! Table `audit_cursor`: how far each chain of the audit trail has arrived.
//! The cursor moves in the transaction that inserts the events, so that an
//! event arrives exactly once.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum AuditCursor {
    Table,
    ChainId,
    NextSeq,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(AuditCursor::Table)
            .col(ColumnDef::new(AuditCursor::ChainId).text().not_null().primary_key())
            .col(ColumnDef::new(AuditCursor::NextSeq).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AuditCursor::Table).to_owned()).await
    }
}
