//! Table `tools`: the registry as the database knows it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
#[cfg(test)]
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use sea_orm::{IntoActiveModel, Set, TransactionTrait};

use super::{Store, StoreError, dialect};

/// A tool as `tools.yaml` describes it. `(scope, name)` is unique.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ToolRecord {
    /// The scope it is offered in.
    pub(crate) scope: String,
    /// Its name, unique in the scope.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// Where calls go.
    pub(crate) backend_url: String,
    /// `low`, `medium` or `high`.
    pub(crate) risk_level: String,
    /// Roles of which a caller needs one.
    pub(crate) required_roles: Vec<String>,
    /// For people to sort by.
    pub(crate) categories: Vec<String>,
    /// JSON Schema of the arguments, as text.
    pub(crate) input_schema: Option<String>,
    /// Whether it may be called at all.
    pub(crate) is_active: bool,
}

/// A tool as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct StoredTool {
    /// Its number, for ever.
    pub(crate) id: i64,
    /// What `tools.yaml` said last.
    #[serde(flatten)]
    pub(crate) tool: ToolRecord,
    /// When it was first seen.
    pub(crate) created_at: DateTime<Utc>,
    /// When something of it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

/// What [`Store::sync_tools`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncReport {
    /// Tools never seen before.
    pub(crate) inserted: usize,
    /// Tools that changed, other than by being (re)activated or deactivated.
    pub(crate) updated: usize,
    /// Tools that were active and are not any more.
    pub(crate) deactivated: usize,
    /// Tools that were inactive and are active again.
    pub(crate) reactivated: usize,
}

mod row {
    use super::{
        ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait,
        EnumIter, PrimaryKeyTrait,
    };
    use chrono::{DateTime, Utc};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tools")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: i64,
        pub(super) scope: String,
        pub(super) name: String,
        pub(super) description: String,
        pub(super) backend_url: String,
        pub(super) risk_level: String,
        pub(super) required_roles: String,
        pub(super) categories: String,
        pub(super) input_schema: Option<String>,
        pub(super) is_active: bool,
        pub(super) created_at: DateTime<Utc>,
        pub(super) updated_at: DateTime<Utc>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Makes the table say what `tools` says, in one transaction. Tools that
    /// are not among them are kept and marked inactive (C-33). An empty list
    /// changes nothing (C-34): it is more likely an accident than a wish.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when a tool appears twice; or the database's
    /// failure. Nothing has changed then.
    pub(crate) async fn sync_tools(&self, tools: &[ToolRecord]) -> Result<SyncReport, StoreError> {
        if tools.is_empty() {
            return Ok(SyncReport::default());
        }
        let (writer, now, tools) = (self.writer.clone(), self.clock.now(), tools.to_vec());
        let sync = async move {
            let transaction = writer.begin_with_options(dialect::write_transaction()).await?;
            dialect::lock_tools(&transaction).await?;
            let report = sync(&transaction, &tools, now).await?;
            transaction.commit().await?;
            Ok(report)
        };
        self.run(sync).await
    }

    /// Every tool ever seen, inactive ones included, by scope and name.
    ///
    /// # Errors
    /// The database's failure.
    #[cfg(test)]
    pub(crate) async fn list_tools(&self) -> Result<Vec<StoredTool>, StoreError> {
        let reader = self.reader.clone();
        let list = async move {
            let rows = row::Entity::find()
                .order_by_asc(row::Column::Scope)
                .order_by_asc(row::Column::Name)
                .all(&reader)
                .await?;
            rows.into_iter().map(StoredTool::try_from).collect()
        };
        self.run(list).await
    }
}

async fn sync(
    db: &impl ConnectionTrait,
    tools: &[ToolRecord],
    now: DateTime<Utc>,
) -> Result<SyncReport, StoreError> {
    let mut report = SyncReport::default();
    let rows = row::Entity::find().all(db).await?;
    let mut known: HashMap<(String, String), row::Model> =
        rows.into_iter().map(|row| ((row.scope.clone(), row.name.clone()), row)).collect();
    let mut seen = std::collections::HashSet::new();
    for tool in tools {
        if !seen.insert((&tool.scope, &tool.name)) {
            let twice = format!("{}/{} appears twice", tool.scope, tool.name);
            return Err(StoreError::Rejected(twice));
        }
        let Some(row) = known.remove(&(tool.scope.clone(), tool.name.clone())) else {
            insert(db, tool, now).await?;
            report.inserted += 1;
            continue;
        };
        let before = StoredTool::try_from(row.clone())?.tool;
        if before == *tool {
            continue;
        }
        match (before.is_active, tool.is_active) {
            (true, false) => report.deactivated += 1,
            (false, true) => report.reactivated += 1,
            (true, true) | (false, false) => report.updated += 1,
        }
        let mut row = row.into_active_model();
        row.description = Set(tool.description.clone());
        row.backend_url = Set(tool.backend_url.clone());
        row.risk_level = Set(tool.risk_level.clone());
        row.required_roles = Set(json(&tool.required_roles)?);
        row.categories = Set(json(&tool.categories)?);
        row.input_schema = Set(tool.input_schema.clone());
        row.is_active = Set(tool.is_active);
        row.updated_at = Set(now);
        row.update(db).await?;
    }
    for row in known.into_values().filter(|row| row.is_active) {
        let mut row = row.into_active_model();
        row.is_active = Set(false);
        row.updated_at = Set(now);
        row.update(db).await?;
        report.deactivated += 1;
    }
    Ok(report)
}

async fn insert(
    db: &impl ConnectionTrait,
    tool: &ToolRecord,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = row::ActiveModel {
        id: sea_orm::NotSet,
        scope: Set(tool.scope.clone()),
        name: Set(tool.name.clone()),
        description: Set(tool.description.clone()),
        backend_url: Set(tool.backend_url.clone()),
        risk_level: Set(tool.risk_level.clone()),
        required_roles: Set(json(&tool.required_roles)?),
        categories: Set(json(&tool.categories)?),
        input_schema: Set(tool.input_schema.clone()),
        is_active: Set(tool.is_active),
        created_at: Set(now),
        updated_at: Set(now),
    };
    row.insert(db).await?;
    Ok(())
}

fn json(names: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(names).map_err(|error| StoreError::Rejected(error.to_string()))
}

impl TryFrom<row::Model> for StoredTool {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let list = |column: &str, text: &str| {
            serde_json::from_str(text).map_err(|_| {
                StoreError::Inconsistent(format!("tools.{column} is no list of names"))
            })
        };
        Ok(Self {
            id: row.id,
            tool: ToolRecord {
                required_roles: list("required_roles", &row.required_roles)?,
                categories: list("categories", &row.categories)?,
                scope: row.scope,
                name: row.name,
                description: row.description,
                backend_url: row.backend_url,
                risk_level: row.risk_level,
                input_schema: row.input_schema,
                is_active: row.is_active,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
