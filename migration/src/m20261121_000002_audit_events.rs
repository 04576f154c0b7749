//! `audit_events`: every event of the audit trail, never changed once written.
//!
//! The truth of an event is its `line`, the very bytes of the journal, which
//! later releases chain and sign; all other columns are read out of it.
//!
//! * PostgreSQL takes the columns apart while inserting, in the server.
//! * SQLite runs inside the gateway, where each column written costs time of
//!   every call. There the table `audit_event_lines` holds only what indexes
//!   need, and `audit_events` is a view that takes the line apart when somebody
//!   reads. (Generated columns would not do: SQLite computes even virtual ones
//!   at each insert.) Queries are the same on both.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

/// Columns after `chain_id`, `seq`, `line`, `event_id`, `time`, `kind` and
/// `call_id`, with their PostgreSQL types. Indexed text compares byte by byte:
/// a language's order costs several times as much.
pub(crate) const COLUMNS: [(&str, &str); 32] = [
    ("request_id", "text"),
    ("trace_id", "text"),
    ("surface", "text"),
    ("endpoint_path", "text"),
    ("scope", "text"),
    ("backend", "text"),
    ("tool", "text"),
    ("tenant", "text"),
    ("user_id", "text COLLATE \"C\""),
    ("issuer", "text"),
    ("agent", "text"),
    ("session", "text"),
    ("client_name", "text"),
    ("client_version", "text"),
    ("client_addr", "text"),
    ("method", "text"),
    ("decision", "text"),
    ("reason", "text"),
    ("error_code", "text"),
    ("rule_path", "text"),
    ("policy_digest", "text"),
    ("policy_generation", "bigint"),
    ("arguments_digest", "text"),
    ("arguments", "text"),
    ("result_bytes", "bigint"),
    ("result_digest", "text"),
    ("is_error", "boolean"),
    ("http_status", "integer"),
    ("duration_us", "bigint"),
    ("quota_us", "bigint"),
    ("upstream_us", "bigint"),
    ("detail", "text"),
];

fn postgres_up() -> String {
    let columns = COLUMNS.map(|(name, kind)| format!(",\n    {name} {kind}")).concat();
    format!(
        "CREATE TABLE audit_events (
    chain_id text COLLATE \"C\" NOT NULL,
    seq bigint NOT NULL,
    line text NOT NULL,
    event_id text NOT NULL,
    time timestamptz NOT NULL,
    kind text NOT NULL,
    call_id text COLLATE \"C\"{columns},
    PRIMARY KEY (chain_id, seq)
);
CREATE INDEX audit_events_time ON audit_events (time);
CREATE INDEX audit_events_call ON audit_events (call_id) WHERE kind = 'outcome';
CREATE INDEX audit_events_user ON audit_events (user_id, time) WHERE user_id IS NOT NULL;
CREATE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse();"
    )
}

const POSTGRES_DOWN: &str = "DROP TABLE audit_events; DROP FUNCTION audit_events_refuse();";

fn sqlite_up() -> String {
    let columns = COLUMNS.map(|(name, _)| format!(",\n    line ->> '{name}' AS {name}")).concat();
    format!(
        "CREATE TABLE audit_event_lines (
    chain_id text NOT NULL,
    seq integer NOT NULL,
    time text NOT NULL,
    kind text NOT NULL,
    call_id text,
    line text NOT NULL,
    PRIMARY KEY (chain_id, seq)
);
CREATE INDEX audit_events_time ON audit_event_lines (time);
CREATE INDEX audit_events_call ON audit_event_lines (call_id) WHERE kind = 'outcome';
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_event_lines
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_event_lines
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END;
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

const SQLITE_DOWN: &str = "DROP VIEW audit_events; DROP TABLE audit_event_lines;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = if manager.get_database_backend() == DbBackend::Sqlite {
            sqlite_up()
        } else {
            postgres_up()
        };
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = if manager.get_database_backend() == DbBackend::Sqlite {
            SQLITE_DOWN
        } else {
            POSTGRES_DOWN
        };
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
