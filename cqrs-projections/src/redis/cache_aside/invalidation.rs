//! Invalidation by events: a projection that keeps no documents, with a checkpoint of its own.

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, DocumentWrite, FencingToken, Generation, ListCursor, LiveGeneration, Partitions,
    ProjectionName, ReadModel, ReadModelError, Recorded, StoredDocument, Target, is_lookup,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::Cache;
use crate::join::{JoinProjector, Lookups};
use crate::projector::{ProjectError, Projector};
use crate::redis::RedisReadModel;

/// How many keys are invalidated at the same time.
const AT_ONCE: usize = 64;

/// The read model of a projection that invalidates a cache ([`CacheAside::invalidation`](super::CacheAside::invalidation)).
///
/// It keeps a checkpoint and the lookups of joined documents, but no documents: each one that the projector touches is
/// invalidated instead. The checkpoint moves after that, so that an event is never passed over while Redis is away, nor
/// after a crash; what is invalidated twice stays right.
#[derive(Debug)]
pub struct CacheInvalidation {
    cache: Arc<Cache>,
    inner: RedisReadModel,
}

impl CacheInvalidation {
    pub(super) const fn new(cache: Arc<Cache>, inner: RedisReadModel) -> Self {
        Self { cache, inner }
    }
}

#[async_trait]
impl ReadModel for CacheInvalidation {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.inner.open(projection, partitions).await
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        self.inner.live(projection).await
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        self.inner.generations(projection).await
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.inner.begin(projection, partitions).await
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.inner.swap(projection, to).await
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        self.inner.drop_generation(projection, generation).await
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        self.inner.fence(target, token).await
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        self.inner.checkpoint(target).await
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        self.inner.load(target, keys).await
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let (lookups, touched) = batch.documents.into_iter().partition(|write| is_lookup(&write.key));
        let batch = Batch { documents: lookups, ..batch };
        let invalidate = |write: DocumentWrite| {
            let cache = Arc::clone(&self.cache);
            async move { cache.invalidate(&write.key, Some(write.position)).await }
        };
        let touched: Vec<DocumentWrite> = touched;
        stream::iter(touched).map(invalidate).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        self.inner.apply(target, batch).await
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        ReadModel::list(&self.inner, projection, generation, after, limit).await
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        self.inner.annotate(projection, generation, note).await
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        self.inner.note(projection, generation).await
    }
}

/// A projector without its documents: it touches the same ones, for a
/// [`CacheInvalidation`] or any other sink that only has to know which.
#[derive(Debug, Clone, Copy, Default)]
pub struct Touches<P>(pub P);

impl<P: Projector> Projector for Touches<P> {
    type Event = P::Event;
    type Document = ();

    fn partitions(&self) -> u16 {
        self.0.partitions()
    }

    fn version(&self) -> Option<u32> {
        self.0.version()
    }

    fn route(&self, event: &Recorded<Self::Event>, to: &mut Vec<String>) {
        self.0.route(event, to);
    }

    fn project(&self, _: &Recorded<Self::Event>, _: &str, _: Option<()>) -> Result<Option<()>, ProjectError> {
        Ok(Some(()))
    }
}

impl<P: JoinProjector> JoinProjector for Touches<P> {
    type Event = P::Event;
    type Lookup = P::Lookup;
    type Document = ();

    fn partitions(&self) -> u16 {
        self.0.partitions()
    }

    fn version(&self) -> Option<u32> {
        self.0.version()
    }

    fn lookups(&self, event: &Recorded<Self::Event>, to: &mut Vec<String>) {
        self.0.lookups(event, to);
    }

    fn look_up(
        &self,
        event: &Recorded<Self::Event>,
        key: &str,
        lookup: Option<Self::Lookup>,
    ) -> Result<Option<Self::Lookup>, ProjectError> {
        self.0.look_up(event, key, lookup)
    }

    fn route(&self, event: &Recorded<Self::Event>, lookups: &Lookups<'_, Self::Lookup>, to: &mut Vec<String>) {
        self.0.route(event, lookups, to);
    }

    fn project(
        &self,
        _: &Recorded<Self::Event>,
        _: &str,
        _: Option<()>,
        _: &Lookups<'_, Self::Lookup>,
    ) -> Result<Option<()>, ProjectError> {
        Ok(Some(()))
    }
}
