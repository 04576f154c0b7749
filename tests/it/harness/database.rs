//! The gateway's database, as its administrators see it.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use support::postgres::TestDatabase;

use super::{Builder, Gateway};

/// Runs a test with a gateway in the making on PostgreSQL, and its database's URL.
pub(crate) fn on_postgres(test: impl FnOnce(Builder, &str)) {
    let database: TestDatabase = runtime().block_on(support::postgres::database());
    test(Gateway::builder().set("DATABASE_URL", database.url()), database.url());
}

/// The first column of what a statement selects.
pub(crate) fn column(url: &str, sql: &str) -> Vec<String> {
    runtime().block_on(async {
        let connection = connect(url).await;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    })
}

/// Runs statements.
pub(crate) fn execute(url: &str, sql: &str) {
    runtime().block_on(async {
        connect(url).await.execute_unprepared(sql).await.unwrap();
    });
}

#[expect(clippy::disallowed_methods, reason = "not a connection of the gateway's")]
async fn connect(url: &str) -> DatabaseConnection {
    sea_orm::Database::connect(url).await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
