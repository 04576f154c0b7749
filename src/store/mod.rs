//! The database: the only room that speaks SQL, to SQLite and to PostgreSQL.
//!
//! Connections are tied to the reactor that opened them, and a busy HTTP
//! worker would hold up another's query. So the store has a small runtime of
//! its own, "io", on which every future of the database runs; callers on any
//! runtime only wait for the answer. A caller that stops waiting cancels the
//! work.

mod asking;
mod audit_export;
mod audit_query;
mod connect;
mod copy;
mod dialect;
mod error;
mod io;
mod migrate;
mod probe;
mod retention;
mod ship;
#[cfg(test)]
pub(crate) mod tests;
mod tools;
mod verify;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend};

pub(crate) use audit_export::{CallPlace, Line, LineRange, Order};
#[cfg(test)]
pub(crate) use audit_query::PagingError;
pub(crate) use audit_query::{AuditCall, AuditQuery, CallKind, CallStatus, Paging};
pub(crate) use error::StoreError;
pub(crate) use retention::Cut;
pub(crate) use ship::Batch;
#[cfg(test)]
pub(crate) use tools::SyncReport;
pub(crate) use tools::ToolRecord;
pub(crate) use verify::StoredLine;

use crate::clock::Clock;
use crate::settings::DatabaseSettings;
use connect::Pools;
use io::Io;

/// Longest time for a statement of daily work. Only a database in trouble
/// takes as long.
const WORK_LIMIT: Duration = Duration::from_secs(30);

/// Longest time for all migrations.
const MIGRATION_LIMIT: Duration = Duration::from_mins(10);

/// The database of this gateway.
#[derive(Debug)]
pub(crate) struct Store {
    io: Io,
    /// SQLite: the one connection that writes. PostgreSQL: the pool.
    writer: DatabaseConnection,
    /// SQLite: connections that only read, so that a long query does not hold
    /// up the audit trail. PostgreSQL: the same pool.
    reader: DatabaseConnection,
    /// The connection that ships the audit trail.
    carrier: ship::Carrier,
    /// The connection that says whether the database answers.
    probe: probe::Probe,
    connect_limit: Duration,
    clock: Clock,
}

impl Store {
    /// Connects, and makes the file and its folder where SQLite has none yet.
    ///
    /// # Errors
    /// [`StoreError::Settings`] for a URL that is no database's,
    /// [`StoreError::Unavailable`] or [`StoreError::Timeout`] when the
    /// database does not answer.
    pub(crate) async fn connect(
        settings: &DatabaseSettings,
        clock: Clock,
    ) -> Result<Arc<Self>, StoreError> {
        let io = Io::start()?;
        let connect_limit = Duration::from_millis(settings.connect_timeout_ms);
        let settings = settings.clone();
        let opening = async move { connect::open(&settings).await };
        // Opening makes several connections, each with a limit of its own.
        let Pools { writer, reader } = io.run(connect_limit.saturating_mul(3), opening).await?;
        let (carrier, probe) = (ship::Carrier::default(), probe::Probe::default());
        Ok(Arc::new(Self { io, writer, reader, carrier, probe, connect_limit, clock }))
    }

    /// Connects to read only: makes no file, changes nothing, and needs no right
    /// to write. For commands beside a running gateway.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`StoreError::Unavailable`] when SQLite's
    /// file is not there; [`StoreError::PendingMigrations`] when the schema is
    /// older than this program's.
    pub(crate) async fn connect_to_read(
        settings: &DatabaseSettings,
        clock: Clock,
    ) -> Result<Arc<Self>, StoreError> {
        let io = Io::start()?;
        let connect_limit = Duration::from_millis(settings.connect_timeout_ms);
        let settings = settings.clone();
        let opening = async move { connect::open_to_read(&settings).await };
        let reader = io.run(connect_limit, opening).await?;
        let (carrier, probe) = (ship::Carrier::default(), probe::Probe::default());
        let writer = reader.clone();
        let store = Self { io, writer, reader, carrier, probe, connect_limit, clock };
        let pending: Vec<String> = store
            .migration_status()
            .await?
            .into_iter()
            .filter(|migration| !migration.applied)
            .map(|migration| migration.name)
            .collect();
        if pending.is_empty() {
            Ok(Arc::new(store))
        } else {
            Err(StoreError::PendingMigrations(pending))
        }
    }

    /// `sqlite` or `postgres`.
    #[cfg(test)]
    pub(crate) fn backend_name(&self) -> &'static str {
        if self.backend() == DbBackend::Sqlite { "sqlite" } else { "postgres" }
    }

    /// Whether the database answers, within `connect_timeout_ms`, however busy its
    /// other connections are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Timeout`].
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let (probe, pool) = (probe::Probe::clone(&self.probe), self.reader.clone());
        self.io.run(self.connect_limit, async move { probe::ask(&probe, &pool).await }).await
    }

    /// Runs background work of another room on the store's runtime, next to
    /// the connections it uses.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.io.spawn(work)
    }

    fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// Runs work on the io runtime within [`WORK_LIMIT`].
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.io.run(WORK_LIMIT, work).await
    }
}
