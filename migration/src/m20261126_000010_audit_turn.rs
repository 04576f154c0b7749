//! Column `turn` of `audit_events` and `audit_calls`: the turn of the conversation
//! that a call was made in, as its client names it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::m20261121_000002_audit_events::COLUMNS;
use crate::m20261126_000009_audit_reloads::calls;

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

/// The last column of `audit_calls` before.
const LAST: &str = "    d.seq\nFROM";
const MORE: &str = "    d.seq,\n    d.turn\nFROM";

/// SQLite: what takes the line apart when somebody reads.
fn sqlite_events(more: &[(&str, &str)]) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .chain(more)
        .map(|(name, _)| format!(",\n    line ->> '{name}' AS {name}"))
        .collect();
    let columns = columns.concat();
    format!(
        "DROP VIEW audit_events;
CREATE VIEW audit_events AS SELECT
    chain_id,
    seq,
    line,
    line ->> 'event_id' AS event_id,
    time,
    kind,
    call_id{columns}
FROM audit_event_lines;"
    )
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let view = calls().replace(LAST, MORE);
        let sql = if manager.get_database_backend() == DbBackend::Sqlite {
            let events = sqlite_events(&[("turn", "text")]);
            format!("DROP VIEW audit_calls; {events} {view};")
        } else {
            // Replaced, not made anew, it keeps the rights that were granted on it.
            let view = view.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1);
            format!("ALTER TABLE audit_events ADD COLUMN turn text; {view};")
        };
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let events = if manager.get_database_backend() == DbBackend::Sqlite {
            sqlite_events(&[])
        } else {
            "ALTER TABLE audit_events DROP COLUMN turn;".to_owned()
        };
        let sql = format!("DROP VIEW audit_calls; {events} {};", calls());
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}
