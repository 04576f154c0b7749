//! Whether the database answers: asked on a connection of its own, so that it is
//! not the length of other questions that is told.

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbBackend, sqlx};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::StoreError;

/// The connection between two questions. While one is on its way it belongs to
/// that one alone, and is closed if that fails or is cut off.
pub(super) type Probe = Arc<tokio::sync::Mutex<Option<Link>>>;

/// To the one or the other.
#[derive(Debug)]
pub(super) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Link {
    /// Connects as the pool does.
    async fn open(pool: &DatabaseConnection) -> Result<Self, StoreError> {
        Ok(if pool.get_database_backend() == DbBackend::Sqlite {
            let options = pool.get_sqlite_connection_pool().connect_options();
            Self::Sqlite(SqliteConnection::connect_with(&options).await?)
        } else {
            let options = pool.get_postgres_connection_pool().connect_options();
            Self::Postgres(PgConnection::connect_with(&options).await?)
        })
    }

    async fn answers(&mut self) -> Result<(), StoreError> {
        match self {
            // Its number lies in the file, and is read there.
            Self::Sqlite(link) => {
                sqlx::query("PRAGMA schema_version").fetch_one(link).await.map(drop)?;
            }
            Self::Postgres(link) => link.ping().await?,
        }
        Ok(())
    }
}

/// Asks.
///
/// # Errors
/// The database's failure.
pub(super) async fn ask(probe: &Probe, pool: &DatabaseConnection) -> Result<(), StoreError> {
    let mut kept = probe.lock().await;
    let mut link = match kept.take() {
        Some(link) => link,
        None => Link::open(pool).await?,
    };
    if link.answers().await.is_err() {
        // The server was started again since.
        link = Link::open(pool).await?;
        link.answers().await?;
    }
    *kept = Some(link);
    Ok(())
}
