//! Up, down and up again; the same schema on both databases.

use super::*;

on_both!(
    up_down_up,
    pending_migrations_are_named,
    gateways_may_migrate_at_once,
    events_are_append_only
);

const VIEWS_AND_TABLES: [&str; 6] =
    ["audit_calls", "audit_cursor", "audit_events", "audit_folded", "audit_retention", "tools"];

/// Name and whether it may be null, in order.
async fn columns(store: &Store, table: &str) -> Vec<String> {
    let sql = if store.backend_name() == "sqlite" {
        format!(
            "SELECT name || CASE \"notnull\" WHEN 1 THEN '!' ELSE '?' END
             FROM pragma_table_info('{table}') ORDER BY cid"
        )
    } else {
        format!(
            "SELECT column_name || CASE is_nullable WHEN 'NO' THEN '!' ELSE '?' END
             FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        )
    };
    store.column(&sql).await
}

async fn exist(store: &Store) -> bool {
    let mut found = 0;
    for table in VIEWS_AND_TABLES {
        found += usize::from(!columns(store, table).await.is_empty());
    }
    assert!(found == 0 || found == VIEWS_AND_TABLES.len());
    found > 0
}

async fn up_down_up(db: TestDb) {
    let store = db.connect().await;
    assert!(store.migration_status().await.unwrap().iter().all(|one| !one.applied));
    assert_eq!(store.migrate(true).await.unwrap(), 9);
    assert!(exist(&store).await);
    assert_eq!(store.migrate(true).await.unwrap(), 0);
    store.migrate_down(Some(1)).await.unwrap();
    assert_eq!(store.migrate(true).await.unwrap(), 1);
    store.migrate_down(None).await.unwrap();
    assert!(!exist(&store).await);
    store.migrate_up(None).await.unwrap();
    assert!(exist(&store).await);
    assert!(store.migration_status().await.unwrap().iter().all(|one| one.applied));
}

async fn pending_migrations_are_named(db: TestDb) {
    let store = db.connect().await;
    let StoreError::PendingMigrations(names) = store.migrate(false).await.unwrap_err() else {
        panic!("nothing is pending")
    };
    assert_eq!(names.len(), 9);
    assert!(!exist(&store).await);
    store.migrate_up(Some(4)).await.unwrap();
    let error = store.migrate(false).await.unwrap_err();
    assert_eq!(error, StoreError::PendingMigrations(names[4..].to_vec()));
    store.migrate_up(None).await.unwrap();
    assert_eq!(store.migrate(false).await.unwrap(), 0);
    store
        .execute("INSERT INTO seaql_migrations VALUES ('m20990101_000001_later', 0)")
        .await
        .unwrap();
    let error = store.migrate(true).await.unwrap_err();
    assert!(matches!(&error, StoreError::Inconsistent(why) if why.contains("later")), "{error}");
}

async fn gateways_may_migrate_at_once(db: TestDb) {
    let (one, other) = tokio::join!(db.connect(), db.connect());
    let (first, second) = tokio::join!(one.migrate(true), other.migrate(true));
    first.unwrap();
    second.unwrap();
    assert!(exist(&one).await);
}

async fn events_are_append_only(db: TestDb) {
    let store = db.store().await;
    let (table, insert) = if db.is_sqlite() {
        let line = "INSERT INTO audit_event_lines VALUES ('c', 1, 't', 'admin', NULL, '{}')";
        ("audit_event_lines", line)
    } else {
        let line = "INSERT INTO audit_events (chain_id, seq, line, event_id, time, kind)
                    VALUES ('c', 1, '{}', 'e', now(), 'admin')";
        ("audit_events", line)
    };
    store.execute(insert).await.unwrap();
    for change in ["UPDATE audit_events SET kind = 'list'", "DELETE FROM audit_events"] {
        store.execute(change).await.unwrap_err();
    }
    for change in [format!("UPDATE {table} SET kind = 'list'"), format!("DELETE FROM {table}")] {
        let error = store.execute(&change).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    store.execute("TRUNCATE audit_events").await.unwrap_err();
    assert_eq!(store.number("SELECT count(*) FROM audit_events WHERE kind = 'admin'").await, 1);
}

#[tokio::test]
async fn the_schema_is_the_same_on_both() {
    let (sqlite, postgres) = (TestDb::sqlite(), TestDb::postgres().await);
    let (sqlite, postgres) = (sqlite.store().await, postgres.store().await);
    for table in ["tools", "audit_cursor", "audit_retention"] {
        assert_eq!(columns(&sqlite, table).await, columns(&postgres, table).await, "{table}");
    }
    let name = |column: &String| column.trim_end_matches(['!', '?']).to_owned();
    for view in ["audit_events", "audit_calls"] {
        let (one, other) = (columns(&sqlite, view).await, columns(&postgres, view).await);
        let names = |columns: &[String]| columns.iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other), "{view}");
    }
    // SQLite's is a view; the table below it is as strict.
    let strict = |columns: Vec<String>| {
        columns.iter().filter(|column| column.ends_with('!')).cloned().collect::<Vec<_>>()
    };
    let wanted = ["chain_id!", "seq!", "line!", "event_id!", "time!", "kind!"];
    assert_eq!(strict(columns(&postgres, "audit_events").await), wanted);
    let mut below = strict(columns(&sqlite, "audit_event_lines").await);
    below.sort();
    assert_eq!(below, ["chain_id!", "kind!", "line!", "seq!", "time!"]);
}

#[tokio::test]
async fn questions_about_calls_find_their_indexes_in_sqlite() {
    let store = TestDb::sqlite();
    let store = store.store().await;
    let reader = store.reader.clone();
    let sql = "EXPLAIN QUERY PLAN SELECT * FROM audit_calls
               WHERE timestamp > '2026' ORDER BY timestamp DESC LIMIT 10";
    let statement = Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
    let rows = store.run(async move { Ok(reader.query_all_raw(statement).await?) }).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("SEARCH audit_event_lines USING INDEX audit_events_time"), "{plan}");
    assert!(plan.contains("USING INDEX audit_events_call"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[tokio::test]
async fn an_older_postgres_with_rows_keeps_them_and_what_was_granted() {
    let db = TestDb::postgres().await;
    let store = db.connect().await;
    store.migrate_up(Some(5)).await.unwrap();
    let rows = "INSERT INTO audit_events (chain_id, seq, line, event_id, time, kind)
                SELECT 'c', n, '{}', 'e' || n, now() - n * interval '1 day', 'admin'
                FROM generate_series(1, 200) n";
    store.execute(rows).await.unwrap();
    let role = format!("reader_{}", uuid::Uuid::now_v7().simple());
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON audit_events, audit_calls, audit_folded TO {role}"
    );
    store.execute(&grants).await.unwrap();
    let place = "SELECT relfilenode::bigint FROM pg_class WHERE relname =";
    let before = store.number(&format!("{place} 'audit_events'")).await;
    store.migrate_up(None).await.unwrap();
    // The rows lie where they lay.
    assert_eq!(store.number(&format!("{place} 'audit_events_before'")).await, before);
    assert_eq!(store.number("SELECT count(*) FROM audit_events").await, 200);
    let reader = Store::connect(&db.as_user(&role), Clock::system()).await.unwrap();
    for table in ["audit_events", "audit_calls", "audit_folded"] {
        reader.number(&format!("SELECT count(*) FROM {table}")).await;
    }
    reader.execute("INSERT INTO audit_events (chain_id) VALUES ('c')").await.unwrap_err();
    drop(reader);
    // They are as safe as others, and new ones find their place.
    for change in ["DELETE FROM audit_events", "TRUNCATE audit_events_before"] {
        let error = store.execute(change).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    let now = Clock::system().now();
    store.prepare_months(now).await.unwrap();
    let row = |seq: i64, month: i64| {
        format!(
            "INSERT INTO audit_events (chain_id, seq, line, event_id, time, kind)
             VALUES ('c', {seq}, '{{}}', 'e', now() + {month} * interval '1 month', 'admin')"
        )
    };
    store.execute(&row(201, 0)).await.unwrap();
    store.execute(&row(202, 2)).await.unwrap();
    // Once all of it is old, it goes as a whole.
    let cut = Cut { chain_id: "c".to_owned(), seq: 201, hash: String::new(), by: None };
    let later = now + chrono::TimeDelta::days(40);
    let cutoff =
        "SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')::text";
    let cutoff: String = store.column(cutoff).await.remove(0);
    let cutoff = format!("{}Z", cutoff.replace(' ', "T")).parse().unwrap();
    store.remove_expired(vec![cut], cutoff, later).await.unwrap();
    assert_eq!(store.number("SELECT count(*) FROM audit_events").await, 1);
    assert_eq!(
        store.number("SELECT count(*) FROM pg_class WHERE relname = 'audit_events_before'").await,
        0
    );
    store.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn removing_a_month_waits_for_nobody_and_takes_nothing_that_is_new() {
    let db = TestDb::postgres().await;
    let (store, other) = (db.store().await, db.connect().await);
    let month: chrono::DateTime<chrono::Utc> = "2026-01-15T00:00:00Z".parse().unwrap();
    store.prepare_months(month).await.unwrap();
    let insert = |seq: i64| {
        format!(
            "INSERT INTO audit_events (chain_id, seq, line, event_id, time, kind)
             VALUES ('c', {seq}, '{{}}', 'e', '2026-01-{:02}T00:00:00Z', 'admin')",
            seq % 28 + 1
        )
    };
    for seq in 1..=20 {
        store.execute(&insert(seq)).await.unwrap();
    }
    let remove = async |seq: i64| {
        let cut = Cut { chain_id: "c".to_owned(), seq, hash: String::new(), by: None };
        let cutoff = "2026-02-01T00:00:00Z".parse().unwrap();
        store.remove_expired(vec![cut], cutoff, month).await
    };
    // A row that arrives behind the cut keeps its month, and all others go.
    store.execute(&insert(21)).await.unwrap();
    remove(20).await.unwrap();
    let left: Vec<i64> = store.column("SELECT seq FROM audit_events").await;
    assert_eq!(left, [21]);
    // Whoever holds the table is waited for, but not for long, and others are
    // let through again.
    let held = other.writer.clone();
    let transaction = sea_orm::TransactionTrait::begin(&held).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&transaction, "SELECT 1 FROM audit_events")
        .await
        .unwrap();
    let clock = Clock::system();
    let began = clock.monotonic();
    remove(21).await.unwrap_err();
    assert!(clock.monotonic().saturating_sub(began) < Duration::from_secs(10));
    store.execute(&insert(22)).await.unwrap();
    transaction.rollback().await.unwrap();
    remove(22).await.unwrap();
    assert_eq!(store.number("SELECT count(*) FROM audit_events").await, 0);
    let month = "SELECT count(*) FROM pg_class WHERE relname = 'audit_events_202601'";
    assert_eq!(store.number(month).await, 0);
}
