//! Documents in PostgreSQL tables, written in one transaction with the checkpoint.

mod batch;
mod change;
mod generations;
mod index;
mod list;
mod names;
mod options;
mod partition;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, Failure, FencingToken, Generation, ListCursor, LiveGeneration, Partitions,
    ProjectionName, ReadModel, ReadModelError, StoredDocument, Target,
};

pub use options::PgReadModelOptions;

use crate::error::read_model_error;
use crate::schema::Schema;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::statements::ReadModelStatements;
use index::Index;

/// Documents in tables of PostgreSQL (15 or newer), to be read with plain SQL. Clones share the connections.
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use cqrs_postgres::PgReadModel;
///
/// let model = PgReadModel::connect("postgres://localhost/shop").await?;
/// model.migrate().await?; // on request, never behind your back
/// let orders = model.clone().index("by_total", "(((document->>'total')::bigint) desc)")?;
/// # Ok(())
/// # }
/// ```
///
/// # Reading with SQL
/// Each projection is a view in the schema (`read_models` unless [told](PgReadModelOptions::schema)), with the columns `key`,
/// `document` (`jsonb`) and `position` (that of the last event which the document reflects):
///
/// ```sql
/// select key, document->>'owner' as owner
///   from read_models."account-summary"
///  where (document->>'balance')::bigint > 1000000
///  order by (document->>'balance')::bigint desc
///  limit 10
/// ```
///
/// The view stays the same through every rebuild, so that other views may stand on it and roles may be granted it
/// (`grant usage on schema read_models`, `grant select on read_models."account-summary"`). A statement sees the documents of
/// one generation, and a transaction under `repeatable read` sees one in all of its statements; when that generation is
/// dropped before the transaction reads it, the statement fails as `serialization_failure` (40001): begin again.
///
/// # Tables
/// For the projection `account-summary`, live generation 3:
///
/// | name | what |
/// |-|-|
/// | `"account-summary"` | the view on the documents of the live generation |
/// | `"account-summary$3"` | the documents of generation 3, with the [indexes](Self::index) that were asked for |
/// | `"account-summary$all"` | all generations: `"account-summary$3"` is one of its partitions. An index that is created on it by hand goes over to every generation |
/// | `_projections`, `_generations`, `_indexes`, `_checkpoints` | which generation is live, what there is, how far it has come and under which token |
///
/// Swapping changes one row and waits for no reader. Dropping a generation drops its table, for which SQL on the view waits
/// half a second at most; when a reader holds it for longer, the generation is gone all the same, and its table follows at
/// the next rebuild.
///
/// A projection's name has 52 bytes at most here; an index's name, 51 less those of the projection.
///
/// # Atomicity
/// A batch is one call of one function, and so one transaction: it locks the row with token and checkpoint, checks them,
/// writes the documents and moves the checkpoint. A batch whose answer was lost is
/// [`Transient`](ReadModelError::Transient), and delivering it again finds it applied or applies it.
///
/// # JSON
/// Documents are `jsonb`: what is loaded is equal to what was written as JSON, but spaces, the order of keys and the way a
/// number is written (`1e3`, `-0.0`) are not kept. A document that PostgreSQL cannot take, such as a text with `\u0000`, is
/// [`Rejected`](ReadModelError::Rejected).
///
/// # Privileges
/// Opening a projection and beginning a generation create tables: the role needs `create` on the schema and owns what it
/// opens ([`grant`](Self::grant)).
#[derive(Debug, Clone)]
pub struct PgReadModel {
    inner: Arc<Inner>,
    indexes: Vec<Index>,
}

#[derive(Debug)]
struct Inner {
    sessions: Sessions,
    sql: ReadModelStatements,
    schema: Schema,
    index_timeout: Duration,
}

impl PgReadModel {
    /// Connects to the schema `read_models` of the database at `url`; [`PgReadModelOptions`] for anything else. The schema must
    /// have been [migrated](Self::migrate) before projections are opened.
    ///
    /// # Errors
    /// [`ReadModelError::Transient`] when the database cannot be reached, [`ReadModelError::Permanent`] when the address is
    /// wrong or the database refuses.
    pub async fn connect(url: &str) -> Result<Self, ReadModelError> {
        let options = PgReadModelOptions::new(url).map_err(|error| ReadModelError::Permanent(Failure::new(error)))?;
        Self::connect_with(options).await
    }

    async fn connect_with(options: PgReadModelOptions) -> Result<Self, ReadModelError> {
        let settings = Settings::of_read_model(&options);
        let sessions = Sessions::connect(&options.connect, settings, options.connections, options.timeout);
        let sessions = sessions.await.map_err(read_model_error)?;
        let sql = ReadModelStatements::new(&options.schema, !options.behind_pooler);
        let PgReadModelOptions { schema, index_timeout, .. } = options;
        Ok(Self { inner: Arc::new(Inner { sessions, sql, schema, index_timeout }), indexes: Vec::new() })
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    fn sql(&self) -> &ReadModelStatements {
        &self.inner.sql
    }

    fn index_timeout(&self) -> Duration {
        self.inner.index_timeout
    }
}

#[async_trait]
impl ReadModel for PgReadModel {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.open_live(projection, partitions).await
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        self.find_live(projection).await
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        self.list(projection).await
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.begin_next(projection, partitions).await
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.make_live(projection, to).await
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        self.remove(projection, generation).await
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        self.take_over(target, token).await
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        self.find_checkpoint(target).await
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        self.find(target, keys).await
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        self.write(target, batch).await
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        self.list_documents(projection, generation, after, limit).await
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        self.keep_note(projection, generation, note).await
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        self.find_note(projection, generation).await
    }
}
