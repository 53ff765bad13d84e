//! Documents in Elasticsearch, searchable.
//!
//! # Layout
//! With the prefix `shop` (see [`ElasticReadModel::prefix`]) and the projection `catalogue`:
//!
//! | name | what |
//! |-|-|
//! | `shop.catalogue.g3` | the index of generation 3, documents of all its partitions: `_id` is the key; the number of partitions, and a note where there is one, stand in the `_meta` of its mapping |
//! | `shop.catalogue.g3.write` | the alias that its writers use, with `require_alias`: a late writer cannot create a dropped index again |
//! | `shop.catalogue` | the alias that readers use: on the live generation's index, without tombstones |
//! | `shop.cqrs.checkpoints` | alias of `shop.cqrs.checkpoints.v1`: a document for each target, `catalogue:3:0`, with token and checkpoint, and one for each projection, `catalogue`, with its highest generation |
//!
//! Prefixes and projections have no dots in their names, so that no two of these names are the same.
//!
//! # How it keeps the contract
//! - **Documents** are written whole, by `_bulk` with `external_gte` versions: the version of a document is the position
//!   that it reflects. A late or repeated write of an older state is refused by Elasticsearch, and that is fine. `_source`
//!   is the JSON of the projector as it came (line breaks outside of texts become spaces).
//! - **Each document for itself**: one that the server refuses is reported alone and the others are written; what it puts off
//!   (429, 503) is sent again alone, with back-off, and a request that is too large (413) in halves. Only when all documents
//!   are written does the checkpoint move.
//! - **Removal** writes a tombstone, `{"cqrs_removed":true}`, because the version of a deleted document is forgotten after a
//!   minute. The readers' alias hides tombstones. Lookups of a [`JoinProjector`](crate::JoinProjector) lie in tombstones,
//!   too, as text that is not indexed; they are written when all documents of the batch are.
//! - **Checkpoints** are written after the documents, on condition that nobody wrote them since they were read
//!   (`if_seq_no`): a former owner cannot change them.
//! - **The live generation** is the one under the readers' alias. It is that alias' write index, which Elasticsearch allows
//!   one index only, and it is moved in one call that fails when another one moved it before.
//! - **Numbers** of generations are drawn from the projection's own document and never used twice.

use std::sync::Arc;
use std::time::Duration;

use ::elasticsearch::http::transport::Transport;
use async_trait::async_trait;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, FencingToken, Generation, InvalidName, ListCursor, LiveGeneration, Partitions,
    ProjectionName, ReadModel, ReadModelError, StoredDocument, Target,
};

mod bulk;
mod checkpoints;
mod client;
mod documents;
mod error;
mod generations;
mod key;
mod list;
mod mapping;
mod names;
mod search;

pub use mapping::{Dynamic, Field, Mapping};
pub use search::{
    CalendarUnit, DateInterval, DeepPage, ElasticSearch, Facet, FacetBucket, FacetCounts, FacetValue, Fuzziness,
    Highlight, Hit, InvalidSearch, Order, Range, SearchCursor, SearchError, SearchPage, SearchQuery,
};

use bulk::RequestSize;
use checkpoints::Checkpoints;
use client::Client;
use names::Names;

/// When a batch can be found by searching. Reads by key see it at once in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// At the index' next refresh, within a second by default: the fastest way of writing.
    #[default]
    None,
    /// Before the checkpoint moves; waits for the index' next refresh, so that each batch takes up to a second. An index that
    /// never refreshes by itself (`refresh_interval` -1) makes every batch fail.
    WaitFor,
    /// Before the checkpoint moves; refreshes the index for each batch, which costs the server.
    Immediate,
}

/// Documents in Elasticsearch. Clones share the connections.
///
/// ```no_run
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use cqrs_projections::{ElasticReadModel, Field, Mapping};
///
/// let catalogue = ElasticReadModel::connect("http://localhost:9200")
///     .await?
///     .prefix("shop")?
///     .mapping(Mapping::new().field("title", Field::text()).field("price", Field::long()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ElasticReadModel {
    client: Client,
    names: Names,
    mapping: Arc<Mapping>,
    refresh: Refresh,
    request_size: Arc<RequestSize>,
}

impl ElasticReadModel {
    /// How long a request may take, unless [`timeout`](Self::timeout) says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Connects to a node, `http://localhost:9200` or `https://user:password@node:9200`.
    ///
    /// # Errors
    /// [`ReadModelError::Transient`] when it cannot be reached, [`ReadModelError::Permanent`] for an address that is none
    /// and for wrong credentials.
    pub async fn connect(url: &str) -> Result<Self, ReadModelError> {
        let model = Self::of(Client::connect(url, Self::TIMEOUT)?);
        let answer = model.client.get("_cluster/health?filter_path=status").await?;
        // A user who may not ask for the cluster's health may do all else.
        if answer.status == 403 {
            return Ok(model);
        }
        answer.ok().map(|_| model)
    }

    /// Documents behind a transport of the client library: several nodes, own certificates, API keys.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self::of(Client::new(transport, Self::TIMEOUT))
    }

    fn of(client: Client) -> Self {
        let names = Names::new("cqrs").expect("`cqrs` is a valid prefix");
        Self { client, names, mapping: Arc::default(), refresh: Refresh::default(), request_size: Arc::default() }
    }

    /// What the names of indices and aliases start with, followed by a dot; `cqrs` without it.
    ///
    /// # Errors
    /// [`InvalidName`] for anything but 1 to 64 ASCII lower-case letters, digits, `_` or `-`, starting with a letter.
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Result<Self, InvalidName> {
        self.names = Names::new(prefix.as_ref())?;
        Ok(self)
    }

    /// The fields of the documents.
    #[must_use]
    pub fn mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = Arc::new(mapping);
        self
    }

    /// When a batch can be found by searching; at first [`Refresh::None`].
    #[must_use]
    pub const fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// How long a request may take before the call fails with [`ReadModelError::Transient`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.client.set_timeout(timeout);
        self
    }

    /// Makes everything that was written to the live generation searchable now.
    ///
    /// # Errors
    /// [`ReadModelError`] when the server cannot do it. A projection that was never opened is no error.
    pub async fn refresh_now(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        self.refresh_live(projection).await
    }

    /// Whether the live generation has the fields that the mapping declares, as [`open`](ReadModel::open) checks it: for a
    /// process that searches and does not run the projection. Until a rebuild, a new field is one that no document has.
    ///
    /// # Errors
    /// [`ReadModelError::Mismatch`] when it has not; others when the server cannot be asked. A projection that was never
    /// opened is no error.
    pub async fn check(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        match self.existing(projection).await?.live() {
            Some(live) => self.check_mapping(projection, live.generation).await,
            None => Ok(()),
        }
    }

    /// The documents of a projection's live generation, to search in.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection can have this name.
    pub fn search<D>(&self, projection: &str) -> Result<ElasticSearch<D>, InvalidName> {
        let projection = ProjectionName::new(projection)?;
        Ok(ElasticSearch::new(self.client.clone(), self.names.live(&projection), Arc::clone(&self.mapping)))
    }

    const fn checkpoints(&self) -> Checkpoints<'_> {
        Checkpoints::new(&self.client, &self.names)
    }
}

#[async_trait]
impl ReadModel for ElasticReadModel {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.open_generation(projection, partitions).await
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        Ok(self.existing(projection).await?.live())
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        Ok(self.existing(projection).await?.all.into_keys().collect())
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.begin_generation(projection, partitions).await
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.swap_generation(projection, to).await
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        self.remove_generation(projection, generation).await
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        self.checkpoints().fence(target, token).await
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        let (stored, _) = self.checkpoints().read(target).await?;
        Ok((stored.token, stored.checkpoint))
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        self.load_documents(target, keys).await
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        self.apply_batch(target, batch).await
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

    async fn make_searchable(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        self.refresh_now(projection).await
    }
}
