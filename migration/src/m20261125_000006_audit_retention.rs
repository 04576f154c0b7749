//! Events may be removed when they are old, by one guarded way only.
//!
//! Table `audit_retention` says up to where the beginning of a chain may be
//! removed; nothing else can be. A row there is no proof of anything: the proof is
//! a signed event in the trail, which the gateway writes first, and without which
//! verification fails.
//!
//! PostgreSQL: `audit_events` is partitioned by month, so that months go as a
//! whole. The key of a partitioned table has the time in it, so it does not keep
//! numbers unique any more; the cursor does, which moves from one number to the
//! next once, in the transaction that inserts what lies between. What no month
//! fits (a clock that was wrong) lies in `audit_events_default`. What was there
//! before is not copied: its table becomes the partition `audit_events_before`, for
//! which one index is built and one look at every row is taken. Rights that were
//! granted on the table and on the views are kept; those on single columns of the
//! table have to be granted again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName, Debug, Clone, Copy)]
pub(crate) struct Migration;

const POSTGRES_UP: &str = r#"
CREATE TABLE audit_retention (
    chain_id text COLLATE "C" NOT NULL PRIMARY KEY,
    through_seq bigint NOT NULL,
    hash text NOT NULL,
    announced_at timestamptz NOT NULL
);
CREATE OR REPLACE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'ROW' AND TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM audit_retention r
                   WHERE r.chain_id = OLD.chain_id AND OLD.seq <= r.through_seq) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only';
END $$;
CREATE FUNCTION audit_events_month(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    name text := 'audit_events_' || to_char(month, 'YYYYMM');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Gateways may start at once.
    PERFORM pg_advisory_xact_lock(5999726334765908311);
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)', name,
        month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    EXECUTE format('CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse()', name);
EXCEPTION WHEN check_violation OR invalid_object_definition THEN
    -- Events of this month came before it had a partition, or lie in
    -- audit_events_before; they stay together.
    RAISE NOTICE 'events of % have no partition of their own', name;
END $$;
DO $$
DECLARE
    calls text := pg_get_viewdef('audit_calls'::regclass);
    folded text := pg_get_viewdef('audit_folded'::regclass);
    latest timestamptz := (SELECT max(time) FROM audit_events);
    until timestamp;
    right_of record;
BEGIN
    ALTER TABLE audit_events RENAME TO audit_events_before;
    ALTER TABLE audit_events_before DROP CONSTRAINT audit_events_pkey;
    DROP TRIGGER audit_events_append_only ON audit_events_before;
    ALTER INDEX audit_events_time RENAME TO audit_events_before_time;
    ALTER INDEX audit_events_call RENAME TO audit_events_before_call;
    ALTER INDEX audit_events_user RENAME TO audit_events_before_user;
    CREATE TABLE audit_events (
        LIKE audit_events_before INCLUDING DEFAULTS,
        PRIMARY KEY (chain_id, seq, time)
    ) PARTITION BY RANGE (time);
    CREATE INDEX audit_events_time ON audit_events (time);
    CREATE INDEX audit_events_call ON audit_events (call_id) WHERE kind = 'outcome';
    CREATE INDEX audit_events_user ON audit_events (user_id, time) WHERE user_id IS NOT NULL;
    CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
        FOR EACH ROW EXECUTE FUNCTION audit_events_refuse();
    CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse();
    FOR right_of IN
        SELECT a.privilege_type, a.is_grantable,
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS grantee
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'audit_events_before'::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON audit_events TO %s %s', right_of.privilege_type,
            right_of.grantee, CASE WHEN right_of.is_grantable THEN 'WITH GRANT OPTION' END);
    END LOOP;
    IF latest IS NOT NULL THEN
        -- It stays as it is, as the partition of all that came before: many rows
        -- take long to copy.
        until := date_trunc('month', GREATEST(latest, now()) AT TIME ZONE 'UTC')
            + interval '1 month';
        EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION audit_events_before
            FOR VALUES FROM (MINVALUE) TO (%L)', until AT TIME ZONE 'UTC');
        CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events_before
            FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse();
    END IF;
    CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;
    CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events_default
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse();
    PERFORM audit_events_month(now() + n * interval '1 month') FROM generate_series(0, 2) n;
    -- Replaced, not made anew, they keep the rights that were granted on them.
    EXECUTE 'CREATE OR REPLACE VIEW audit_calls AS ' || calls;
    EXECUTE 'CREATE OR REPLACE VIEW audit_folded AS ' || folded;
    IF latest IS NULL THEN
        DROP TABLE audit_events_before;
    END IF;
END $$;"#;

const POSTGRES_DOWN: &str = "
DO $$
DECLARE
    calls text := pg_get_viewdef('audit_calls'::regclass);
    folded text := pg_get_viewdef('audit_folded'::regclass);
BEGIN
    DROP VIEW audit_calls, audit_folded;
    ALTER TABLE audit_events RENAME TO audit_events_parted;
    ALTER TABLE audit_events_parted DROP CONSTRAINT audit_events_pkey;
    DROP INDEX audit_events_time, audit_events_call, audit_events_user;
    CREATE TABLE audit_events (
        LIKE audit_events_parted INCLUDING DEFAULTS, PRIMARY KEY (chain_id, seq)
    );
    INSERT INTO audit_events SELECT * FROM audit_events_parted;
    DROP TABLE audit_events_parted;
    CREATE INDEX audit_events_time ON audit_events (time);
    CREATE INDEX audit_events_call ON audit_events (call_id) WHERE kind = 'outcome';
    CREATE INDEX audit_events_user ON audit_events (user_id, time) WHERE user_id IS NOT NULL;
    CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse();
    EXECUTE 'CREATE VIEW audit_calls AS ' || calls;
    EXECUTE 'CREATE VIEW audit_folded AS ' || folded;
END $$;
DROP FUNCTION audit_events_month(timestamptz);
CREATE OR REPLACE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$;
DROP TABLE audit_retention;";

const SQLITE_UP: &str = "
CREATE TABLE audit_retention (
    chain_id text NOT NULL PRIMARY KEY,
    through_seq integer NOT NULL,
    hash text NOT NULL,
    announced_at text NOT NULL
);
DROP TRIGGER audit_events_no_delete;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_event_lines
    WHEN NOT EXISTS (SELECT 1 FROM audit_retention r
                     WHERE r.chain_id = OLD.chain_id AND OLD.seq <= r.through_seq)
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END;";

const SQLITE_DOWN: &str = "
DROP TRIGGER audit_events_no_delete;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_event_lines
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END;
DROP TABLE audit_retention;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let sql = if sqlite { SQLITE_UP } else { POSTGRES_UP };
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let sql = if sqlite { SQLITE_DOWN } else { POSTGRES_DOWN };
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
