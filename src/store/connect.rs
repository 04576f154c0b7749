//! Opening connections.

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use super::{StoreError, dialect};
use crate::settings::DatabaseSettings;

/// How long SQLite waits for another process to finish writing.
const BUSY: Duration = Duration::from_secs(5);

/// A connection that lay idle for longer is tried before it is used.
const DOUBTFUL: Duration = Duration::from_secs(5);

/// Pages (4 KiB each) of SQLite's log before they are copied into the file.
const CHECKPOINT_PAGES: &str = "4000";

/// Connections for writing and for reading; see [`super::Store`].
#[derive(Debug)]
pub(super) struct Pools {
    pub(super) writer: DatabaseConnection,
    pub(super) reader: DatabaseConnection,
}

/// Opens what `database.url` names.
pub(super) async fn open(settings: &DatabaseSettings) -> Result<Pools, StoreError> {
    let url = settings.url.expose();
    match url.split_once(':') {
        Some(("sqlite", _)) => open_sqlite(settings, url).await,
        Some(("postgres" | "postgresql", _)) => open_postgres(settings).await,
        _ => Err(StoreError::Settings("is neither sqlite:… nor postgres:…".to_owned())),
    }
}

async fn open_sqlite(settings: &DatabaseSettings, url: &str) -> Result<Pools, StoreError> {
    prepare_file(&sqlite_path(url)?)?;
    let mut writing = options(settings);
    writing.max_connections(1).min_connections(1).map_sqlx_sqlite_opts(|sqlite| {
        tune(sqlite)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    });
    let writer = connect(writing).await?;
    let mut reading = options(settings);
    reading
        .connect_lazy(true)
        .map_sqlx_sqlite_opts(|sqlite| tune(sqlite).create_if_missing(false).read_only(true));
    Ok(Pools { writer, reader: connect(reading).await? })
}

async fn open_postgres(settings: &DatabaseSettings) -> Result<Pools, StoreError> {
    let mut pool = options(settings);
    pool.set_application_name("scopegate");
    let pool = connect(pool).await?;
    let encoding = pool.query_one_raw(dialect::server_encoding()).await?;
    let encoding: Option<String> = encoding.map(|row| row.try_get_by_index(0)).transpose()?;
    // Any other would refuse some names and arguments, and one refused event
    // would hold up all that follow.
    if encoding.as_deref() != Some("UTF8") {
        return Err(StoreError::Inconsistent("the database's encoding is not UTF8".to_owned()));
    }
    Ok(Pools { writer: pool.clone(), reader: pool })
}

/// Opens what `database.url` names, for reading only.
pub(super) async fn open_to_read(
    settings: &DatabaseSettings,
) -> Result<DatabaseConnection, StoreError> {
    let url = settings.url.expose();
    let mut pool = options(settings);
    pool.max_connections(2);
    match url.split_once(':') {
        Some(("sqlite", _)) => {
            let path = sqlite_path(url)?;
            if !path.is_file() {
                let why = format!("there is no file {}", path.display());
                return Err(StoreError::Unavailable(why));
            }
            pool.map_sqlx_sqlite_opts(|sqlite| {
                tune(sqlite).create_if_missing(false).read_only(true)
            });
        }
        Some(("postgres" | "postgresql", _)) => {
            pool.set_application_name("scopegate audit");
            pool.map_sqlx_postgres_opts(|postgres| {
                postgres.options([("default_transaction_read_only", "on")])
            });
        }
        _ => return Err(StoreError::Settings("is neither sqlite:… nor postgres:…".to_owned())),
    }
    connect(pool).await
}

fn options(settings: &DatabaseSettings) -> ConnectOptions {
    let wait = Duration::from_millis(settings.connect_timeout_ms);
    let mut options = ConnectOptions::new(settings.url.expose());
    options
        .max_connections(settings.max_connections.max(1))
        .acquire_timeout(wait)
        .connect_timeout(wait)
        .test_before_acquire_if_idle_for(DOUBTFUL)
        // Statements hold the names of callers; failures are told by us.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

fn tune(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite.busy_timeout(BUSY).foreign_keys(true)
}

#[expect(clippy::disallowed_methods, reason = "the one door through which connections are made")]
async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, StoreError> {
    Ok(Database::connect(options).await?)
}

/// The file of `sqlite:PATH`, `sqlite://PATH`, either with `?parameters`.
fn sqlite_path(url: &str) -> Result<PathBuf, StoreError> {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    if path.is_empty() || path == ":memory:" || rest.contains("mode=memory") {
        // The connections of a pool would each have their own.
        return Err(StoreError::Settings("needs a file: sqlite://PATH".to_owned()));
    }
    Ok(PathBuf::from(path))
}

/// Makes the folder and the file, for their owner only. SQLite gives the files
/// of its log the rights of the database's file.
fn prepare_file(path: &Path) -> Result<(), StoreError> {
    let told = |what: &str, error: &std::io::Error| {
        StoreError::Unavailable(format!("cannot make {what} {}: {}", path.display(), error.kind()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| told("the folder of", &error))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(told("the file", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_in_every_spelling_of_the_url() {
        for url in ["sqlite://a/b.db", "sqlite:a/b.db", "sqlite://a/b.db?mode=rwc"] {
            assert_eq!(sqlite_path(url).unwrap(), Path::new("a/b.db"));
        }
        assert_eq!(sqlite_path("sqlite:///a/b.db").unwrap(), Path::new("/a/b.db"));
        // The default is one that the driver reads too.
        assert!(url::Url::parse("sqlite://.state/gateway/scopegate.db").is_ok());
        for url in ["sqlite::memory:", "sqlite://", "sqlite://x?mode=memory"] {
            assert!(matches!(sqlite_path(url), Err(StoreError::Settings(_))), "{url}");
        }
    }
}
