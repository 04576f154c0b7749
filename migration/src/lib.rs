//! The schema of Scopegate's database, on SQLite and on PostgreSQL.
//!
//! One file a migration, each with its way up and its way down. A migration
//! that was released is never edited: a later one changes what it made. This
//! crate knows nothing of the gateway; the names in it stand as they were on
//! the day they were written.

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{Migration, MigrationStatus, MigratorTrait};

mod m20261121_000001_tools;
mod m20261121_000002_audit_events;
mod m20261121_000003_audit_cursor;
mod m20261121_000004_audit_calls;
mod m20261121_000005_audit_folded;
mod m20261125_000006_audit_retention;
mod m20261126_000007_audit_reading;
mod m20261126_000008_audit_announcements;
mod m20261126_000009_audit_reloads;

/// All migrations, in order.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_tools::Migration),
            Box::new(m20261121_000002_audit_events::Migration),
            Box::new(m20261121_000003_audit_cursor::Migration),
            Box::new(m20261121_000004_audit_calls::Migration),
            Box::new(m20261121_000005_audit_folded::Migration),
            Box::new(m20261125_000006_audit_retention::Migration),
            Box::new(m20261126_000007_audit_reading::Migration),
            Box::new(m20261126_000008_audit_announcements::Migration),
            Box::new(m20261126_000009_audit_reloads::Migration),
        ]
    }
}
