//! A read model that counts the documents that are written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, FencingToken, Generation, ListCursor, LiveGeneration, Partitions, ProjectionName,
    ReadModel, ReadModelError, StoredDocument, Target,
};

#[derive(Debug, Clone)]
pub struct Counted {
    model: Arc<dyn ReadModel>,
    written: Arc<AtomicU64>,
}

impl Counted {
    pub fn new(model: Arc<dyn ReadModel>) -> Self {
        Self { model, written: Arc::default() }
    }

    /// Documents written since this was last asked.
    pub fn take(&self) -> u64 {
        self.written.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl ReadModel for Counted {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.model.open(projection, partitions).await
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        self.model.live(projection).await
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        self.model.generations(projection).await
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.model.begin(projection, partitions).await
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.model.swap(projection, to).await
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        self.model.drop_generation(projection, generation).await
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        self.model.fence(target, token).await
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        self.model.checkpoint(target).await
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        self.model.load(target, keys).await
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let documents = batch.documents.len() as u64;
        self.model.apply(target, batch).await?;
        self.written.fetch_add(documents, Ordering::Relaxed);
        Ok(())
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        self.model.list(projection, generation, after, limit).await
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        self.model.annotate(projection, generation, note).await
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        self.model.note(projection, generation).await
    }

    async fn make_searchable(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        self.model.make_searchable(projection).await
    }

    fn good_batch(&self) -> usize {
        self.model.good_batch()
    }
}
