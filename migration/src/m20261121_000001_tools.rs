//! Table `tools`: what `tools.yaml` named, now or once.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Tools {
    Table,
    Id,
    Scope,
    Name,
    Description,
    BackendUrl,
    RiskLevel,
    RequiredRoles,
    Categories,
    InputSchema,
    IsActive,
    CreatedAt,
    UpdatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Tools::Table)
            .col(ColumnDef::new(Tools::Id).big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new(Tools::Scope).text().not_null())
            .col(ColumnDef::new(Tools::Name).text().not_null())
            .col(ColumnDef::new(Tools::Description).text().not_null())
            .col(ColumnDef::new(Tools::BackendUrl).text().not_null())
            .col(ColumnDef::new(Tools::RiskLevel).text().not_null())
            // JSON arrays, and a JSON Schema, as text: a JSON column would
            // rewrite numbers and the order of keys.
            .col(ColumnDef::new(Tools::RequiredRoles).text().not_null())
            .col(ColumnDef::new(Tools::Categories).text().not_null())
            .col(ColumnDef::new(Tools::InputSchema).text())
            .col(ColumnDef::new(Tools::IsActive).boolean().not_null())
            .col(ColumnDef::new(Tools::CreatedAt).timestamp_with_time_zone().not_null())
            .col(ColumnDef::new(Tools::UpdatedAt).timestamp_with_time_zone().not_null())
            .index(
                Index::create()
                    .name("tools_scope_name")
                    .unique()
                    .col(Tools::Scope)
                    .col(Tools::Name),
            )
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Tools::Table).to_owned()).await
    }
}
