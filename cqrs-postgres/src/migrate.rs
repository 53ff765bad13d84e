//! The schema's tables and functions: made on request, never behind the user's back.

use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::event_store::PgEventStore;
use crate::read_model::PgReadModel;
use crate::schema::{InvalidSchema, Schema};
use crate::session::Sessions;
use crate::statements::render;

/// All migrations, oldest first. Forward only; none is changed after landing.
type Migrations = &'static [(i64, &'static str, &'static str)];

const EVENT_STORE: Migrations = &[
    (1, "events", include_str!("../migrations/0001_events.sql")),
    (2, "append plans", include_str!("../migrations/0002_append_plans.sql")),
    (3, "claims", include_str!("../migrations/0003_claims.sql")),
    (4, "stream facts", include_str!("../migrations/0004_stream_facts.sql")),
    (5, "outbox", include_str!("../migrations/0005_outbox.sql")),
    (7, "leases", include_str!("../migrations/0007_leases.sql")),
    (8, "dead letters", include_str!("../migrations/0008_dead_letters.sql")),
    (9, "event tags", include_str!("../migrations/0009_event_tags.sql")),
];

const READ_MODEL: Migrations = &[
    (1, "generations", include_str!("../migrations/read_model/0001_generations.sql")),
    (2, "notes", include_str!("../migrations/read_model/0002_notes.sql")),
];

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A migration failed, or the schema was migrated by a newer version of this library.
    #[error("the schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Migrations hold a lock of their session, which a pooler does not keep: connect directly.
    #[error("migrations need a direct connection, not one behind a pooler")]
    Pooler,
    /// The role cannot be named without quoting.
    #[error("invalid role: {0}")]
    Role(InvalidSchema),
    /// The database refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

impl PgEventStore {
    /// Creates the schema with its tables and functions, or brings it up to date. Several processes may do so at once: one
    /// works, the others wait.
    ///
    /// # Errors
    /// [`MigrateError`] when the database refuses, or knows migrations that this version does not;
    /// [`MigrateError::Pooler`] behind a pooler.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        migrate(self.sessions(), self.schema(), "migrations", EVENT_STORE).await
    }

    /// Lets a role append and read, and nothing else: it can change or remove no event, and archive or truncate no stream,
    /// whatever the service does.
    ///
    /// # Errors
    /// [`MigrateError::Role`] for a name that would need quoting, [`MigrateError::Database`] when the database refuses.
    pub async fn grant(&self, role: &str) -> Result<(), MigrateError> {
        grant(self.sessions(), self.schema(), role, include_str!("../sql/migrate/grant.sql")).await
    }

    /// Lets a role read, and archive, restore and truncate streams: for those who keep house. It can append nothing unless
    /// [granted](Self::grant) that as well.
    ///
    /// # Errors
    /// As [`grant`](Self::grant).
    pub async fn grant_stream_facts(&self, role: &str) -> Result<(), MigrateError> {
        grant(self.sessions(), self.schema(), role, include_str!("../sql/migrate/grant_stream_facts.sql")).await
    }
}

impl PgReadModel {
    /// Creates the schema with its tables and functions, or brings it up to date. Several processes may do so at once: one
    /// works, the others wait.
    ///
    /// # Errors
    /// [`MigrateError`] when the database refuses, or knows migrations that this version does not;
    /// [`MigrateError::Pooler`] behind a pooler.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        migrate(self.sessions(), self.schema(), "_migrations", READ_MODEL).await
    }

    /// Lets a role run projections: it may make tables in the schema, and owns those of the generations that it begins.
    /// All services that share a projection need the same role.
    ///
    /// # Errors
    /// [`MigrateError::Role`] for a name that would need quoting, [`MigrateError::Database`] when the database refuses.
    pub async fn grant(&self, role: &str) -> Result<(), MigrateError> {
        grant(self.sessions(), self.schema(), role, include_str!("../sql/read_model/grant.sql")).await
    }
}

async fn migrate(sessions: &Sessions, schema: &Schema, table: &str, all: Migrations) -> Result<(), MigrateError> {
    if sessions.settings().behind_pooler() {
        return Err(MigrateError::Pooler);
    }
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, render(schema, sql), false)
    };
    let mut migrator = Migrator::with_migrations(all.iter().map(migration).collect());
    migrator.create_schema(schema.as_str().to_owned());
    migrator.dangerous_set_table_name(format!("{schema}.{table}"));
    migrator.run(sessions.pool()).await?;
    Ok(())
}

async fn grant(sessions: &Sessions, schema: &Schema, role: &str, sql: &str) -> Result<(), MigrateError> {
    let role = Schema::new(role).map_err(MigrateError::Role)?;
    let sql = render(schema, &sql.replace("{role}", role.as_str()));
    sqlx::raw_sql(sql).execute(sessions.pool()).await?;
    Ok(())
}
