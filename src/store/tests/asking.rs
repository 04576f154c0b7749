//! Questions that take long.

use std::time::Duration;

use sea_orm::{DbBackend, Statement};
use support::eventually::wait_until_async;

use super::super::asking::{Waiting, ask_sqlite, bounded};
use super::*;

on_both!(
    a_question_that_takes_too_long_is_given_up,
    whoever_leaves_takes_the_question_along,
    whether_the_database_answers_does_not_wait_for_questions,
);

/// Much shorter than the questions take.
const SHORT: Duration = Duration::from_millis(100);

const PATIENCE: Duration = Duration::from_secs(20);

/// A store whose questions have one connection.
async fn narrow(db: &TestDb) -> Arc<Store> {
    db.store().await;
    let settings = DatabaseSettings { max_connections: 1, ..db.settings() };
    Store::connect(&settings, Clock::system()).await.unwrap()
}

/// A question without an end.
fn endless(db: &TestDb) -> Statement {
    if db.is_sqlite() {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                   SELECT count(*) FROM n";
        Statement::from_string(DbBackend::Sqlite, sql)
    } else {
        Statement::from_string(DbBackend::Postgres, "SELECT pg_sleep(600)")
    }
}

async fn ask(
    store: &Arc<Store>,
    statement: Statement,
    limit: Duration,
) -> Result<usize, StoreError> {
    let reader = store.reader.clone();
    store.run(async move { Ok(bounded(&reader, statement, limit).await?.len()) }).await
}

/// Questions of the database that are being answered.
async fn running(store: &Store) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%'
               AND state = 'active' AND datname = current_database()";
    store.number(sql).await
}

async fn a_question_that_takes_too_long_is_given_up(db: TestDb) {
    let store = narrow(&db).await;
    assert_eq!(ask(&store, endless(&db), SHORT).await, Err(StoreError::Timeout));
    if !db.is_sqlite() {
        assert_eq!(running(&store).await, 0, "PostgreSQL has stopped itself");
    }
    // The connection is free, and the limit was that question's own.
    let short = Statement::from_string(store.backend(), "SELECT 1");
    assert_eq!(ask(&store, short, SHORT).await, Ok(1));
    let slow = if db.is_sqlite() {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
         SELECT count(*) FROM n"
    } else {
        "SELECT 1::bigint FROM pg_sleep(0.3)"
    };
    assert!(store.number(slow).await > 0);
    let wrong = Statement::from_string(store.backend(), "SELECT nothing FROM nowhere");
    assert!(matches!(ask(&store, wrong, SHORT).await, Err(StoreError::Inconsistent(_))));
    assert!(store.number("SELECT count(*) FROM audit_events").await == 0);
}

async fn whoever_leaves_takes_the_question_along(db: TestDb) {
    let store = narrow(&db).await;
    for _ in 0..3 {
        let asking = ask(&store, endless(&db), PATIENCE * 10);
        assert!(tokio::time::timeout(SHORT, asking).await.is_err());
    }
    // Whoever comes next waits for none of them.
    let next = tokio::time::timeout(PATIENCE / 2, store.number("SELECT count(*) FROM tools"));
    assert_eq!(next.await.unwrap(), 0);
    if !db.is_sqlite() {
        let stopped = || async { running(&store).await == 0 };
        wait_until_async(PATIENCE, "PostgreSQL to stop", stopped).await;
    }
}

async fn whether_the_database_answers_does_not_wait_for_questions(db: TestDb) {
    let store = narrow(&db).await;
    let other = Arc::clone(&store);
    let question = endless(&db);
    let asking = tokio::spawn(async move { ask(&other, question, PATIENCE).await });
    let (reader, is_sqlite) = (store.reader.clone(), db.is_sqlite());
    let idle = move || {
        if is_sqlite {
            reader.get_sqlite_connection_pool().num_idle()
        } else {
            reader.get_postgres_connection_pool().num_idle()
        }
    };
    wait_until_async(PATIENCE, "the question to be asked", || async { idle() == 0 }).await;
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_secs(2), store.ping()).await.unwrap().unwrap();
    }
    assert!(!asking.is_finished());
    asking.abort();
}

/// SQLite runs in this process: what nobody waits for must not go on.
#[tokio::test]
async fn sqlite_stops_when_nobody_waits() {
    let db = TestDb::sqlite();
    let store = narrow(&db).await;
    let waiting = Waiting::default();
    // The connection holds the other end until it is closed, which is when SQLite
    // has stopped.
    let other_end = Arc::downgrade(&waiting.given_up);
    let (reader, question) = (store.reader.clone(), endless(&db));
    let asking = async move {
        ask_sqlite(reader.get_sqlite_connection_pool(), question, waiting).await.map(drop)
    };
    assert!(tokio::time::timeout(SHORT, store.run(asking)).await.is_err());
    let stopped = || async { other_end.strong_count() == 0 };
    wait_until_async(PATIENCE, "SQLite to stop", stopped).await;
}

/// The server was started again: the first answer is a good one.
#[tokio::test]
async fn a_server_that_was_started_again_answers_at_once() {
    let start = tokio::task::spawn_blocking(support::postgres::Restartable::start);
    let mut server = start.await.unwrap();
    let db = TestDb::at(server.url());
    let store = db.store().await;
    store.ping().await.unwrap();
    server = tokio::task::spawn_blocking(move || {
        server.kill();
        server
    })
    .await
    .unwrap();
    store.ping().await.unwrap_err();
    server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    })
    .await
    .unwrap();
    store.ping().await.unwrap();
    drop(store);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
