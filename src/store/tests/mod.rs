//! The store, on both databases.

mod asking;
mod migrations;
mod query;
mod ship;
mod tools;

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement};
use support::postgres::TestDatabase;
use support::scratch::Scratch;

use super::*;
use crate::secret::Secret;

/// Makes a test of each named function, which takes a [`TestDb`], on each
/// database.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::tests::TestDb::sqlite()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::tests::TestDb::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// A fresh, empty database.
pub(crate) struct TestDb {
    url: String,
    _server: Option<TestDatabase>,
    pub(crate) scratch: Scratch,
}

impl TestDb {
    pub(crate) fn sqlite() -> Self {
        let scratch = Scratch::new("sg-store");
        let url = format!("sqlite://{}/db/scopegate.db", scratch.path().display());
        Self { url, _server: None, scratch }
    }

    pub(crate) async fn postgres() -> Self {
        let server = support::postgres::database().await;
        let scratch = Scratch::new("sg-store");
        Self { url: server.url().to_owned(), _server: Some(server), scratch }
    }

    /// A database that the test looks after.
    pub(crate) fn at(url: String) -> Self {
        Self { url, _server: None, scratch: Scratch::new("sg-store") }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// The URL's port, changed.
    pub(crate) fn through(&self, port: impl FnOnce(u16) -> u16) -> DatabaseSettings {
        let mut url = url::Url::parse(&self.url).unwrap();
        let port = port(url.port().unwrap());
        url.set_port(Some(port)).unwrap();
        DatabaseSettings { url: Secret::new(url.as_str()), ..self.settings() }
    }

    /// For another role, which needs no password.
    pub(crate) fn as_user(&self, role: &str) -> DatabaseSettings {
        let mut url = url::Url::parse(&self.url).unwrap();
        url.set_username(role).unwrap();
        DatabaseSettings { url: Secret::new(url.as_str()), ..self.settings() }
    }

    pub(crate) fn settings(&self) -> DatabaseSettings {
        DatabaseSettings {
            url: Secret::new(self.url.as_str()),
            max_connections: 4,
            connect_timeout_ms: 5000,
            auto_migrate: true,
        }
    }

    pub(crate) async fn connect(&self) -> Arc<Store> {
        Store::connect(&self.settings(), Clock::system()).await.unwrap()
    }

    pub(crate) async fn store(&self) -> Arc<Store> {
        let store = self.connect().await;
        store.migrate(true).await.unwrap();
        store
    }
}

impl Store {
    /// Runs SQL of a test's own.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), StoreError> {
        let (writer, sql) = (self.writer.clone(), sql.to_owned());
        self.run(async move { Ok(writer.execute_unprepared(&sql).await.map(drop)?) }).await
    }

    /// The first column of what a test selects.
    pub(crate) async fn column<T: sea_orm::TryGetable + Send + 'static>(
        &self,
        sql: &str,
    ) -> Vec<T> {
        let statement = Statement::from_string(self.backend(), sql);
        let reader = self.reader.clone();
        let read = async move {
            let rows = reader.query_all_raw(statement).await?;
            Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
        };
        self.run(read).await.unwrap()
    }

    /// A number that a test selects.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.column(sql).await[0]
    }
}

on_both!(a_database_answers, errors_do_not_show_the_url);

async fn a_database_answers(db: TestDb) {
    let store = db.connect().await;
    store.ping().await.unwrap();
    assert_eq!(store.backend_name(), if db.is_sqlite() { "sqlite" } else { "postgres" });
}

async fn errors_do_not_show_the_url(db: TestDb) {
    let store = db.connect().await;
    let error = store.execute("SELECT 1 FROM there_is_no_such_table").await.unwrap_err();
    assert!(matches!(error, StoreError::Inconsistent(_)), "{error:?}");
    for url in [
        "postgres://ada:canary@127.0.0.1:1/none",
        "postgres://ada:canary@127.0.0.1:x/none",
        "postgres://ada:canary@127.0.0.1:1/none?sslmode=canary",
        "mysql://ada:canary@127.0.0.1/none",
        "canary",
        "sqlite://canary-folder\0/x",
    ] {
        let settings =
            DatabaseSettings { url: Secret::new(url), connect_timeout_ms: 200, ..db.settings() };
        let error = Store::connect(&settings, Clock::system()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("ada:canary") && !shown.contains("//canary"), "{shown}");
    }
}

#[tokio::test]
async fn the_file_of_sqlite_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let db = TestDb::sqlite();
    let store = db.store().await;
    let folder = db.scratch.path().join("db");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in folder.read_dir().unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(store.column::<String>("PRAGMA journal_mode").await, ["wal"]);
}
