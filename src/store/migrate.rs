//! Bringing the schema up, and down again.

use migration::{Migrator, MigratorTrait};
use sea_orm::{DatabaseTransaction, TransactionTrait};

use super::{MIGRATION_LIMIT, Store, StoreError, dialect};

/// One migration of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MigrationState {
    /// Its name, which begins with its date.
    pub(crate) name: String,
    /// Whether the database has it.
    pub(crate) applied: bool,
}

impl Store {
    /// Makes sure at start that the schema is this program's: applies what is
    /// pending when `auto`, and returns how many that were.
    ///
    /// # Errors
    /// [`StoreError::PendingMigrations`] when something is pending and may not
    /// be applied; [`StoreError::Inconsistent`] for a database that a newer
    /// program has migrated; or the database's own failure.
    pub(crate) async fn migrate(&self, auto: bool) -> Result<usize, StoreError> {
        let pending: Vec<String> = self
            .migration_status()
            .await?
            .into_iter()
            .filter(|migration| !migration.applied)
            .map(|migration| migration.name)
            .collect();
        if pending.is_empty() {
            return Ok(0);
        }
        if !auto {
            return Err(StoreError::PendingMigrations(pending));
        }
        self.migrate_up(None).await?;
        Ok(pending.len())
    }

    /// Applies pending migrations: all, or so many.
    ///
    /// # Errors
    /// The database's failure; nothing has changed then.
    pub(crate) async fn migrate_up(&self, steps: Option<u32>) -> Result<(), StoreError> {
        let transaction = self.exclusive();
        let up = async move {
            let transaction = transaction.await?;
            Migrator::up(&transaction, steps).await?;
            Ok(transaction.commit().await?)
        };
        self.io.run(MIGRATION_LIMIT, up).await
    }

    /// Takes migrations back: all, or so many, newest first. What their tables
    /// held is gone.
    ///
    /// # Errors
    /// The database's failure; nothing has changed then.
    pub(crate) async fn migrate_down(&self, steps: Option<u32>) -> Result<(), StoreError> {
        let transaction = self.exclusive();
        let down = async move {
            let transaction = transaction.await?;
            Migrator::down(&transaction, steps).await?;
            Ok(transaction.commit().await?)
        };
        self.io.run(MIGRATION_LIMIT, down).await
    }

    /// Every migration of this program, oldest first. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] for a database that a newer program has
    /// migrated; or the database's own failure.
    pub(crate) async fn migration_status(&self) -> Result<Vec<MigrationState>, StoreError> {
        let reader = self.reader.clone();
        let status = async move {
            let all = Migrator::get_migration_with_status_read_only(&reader).await?;
            let state = |migration: &migration::Migration| MigrationState {
                name: migration.name().to_owned(),
                applied: migration.status() == migration::MigrationStatus::Applied,
            };
            Ok(all.iter().map(state).collect())
        };
        self.run(status).await
    }

    /// A transaction that no other migrating gateway has at the same time.
    fn exclusive(
        &self,
    ) -> impl Future<Output = Result<DatabaseTransaction, StoreError>> + Send + 'static {
        let writer = self.writer.clone();
        async move {
            let transaction = writer.begin_with_options(dialect::write_transaction()).await?;
            dialect::lock_schema(&transaction).await?;
            Ok(transaction)
        }
    }
}
