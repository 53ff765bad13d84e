//! A read model whose answers tell the circuit how it is.

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, FencingToken, Generation, ListCursor, LiveGeneration, Partitions, ProjectionName,
    ReadModel, ReadModelError, StoredDocument, Target,
};

use super::Breaker;
use super::circuit::Circuit;

/// Every call goes to the read model; who waits for the circuit does so before.
#[derive(Debug)]
pub(crate) struct WatchedModel {
    model: Arc<dyn ReadModel>,
    breaker: Arc<Breaker>,
}

impl WatchedModel {
    pub(crate) fn new(model: Arc<dyn ReadModel>, breaker: Arc<Breaker>) -> Self {
        Self { model, breaker }
    }

    fn told<T>(&self, answer: Result<T, ReadModelError>) -> Result<T, ReadModelError> {
        match &answer {
            Err(error) if error.is_transient() => self.breaker.change(Circuit::fail),
            // Nothing would change.
            _ if self.breaker.is_closed() => {}
            _ => self.breaker.change(Circuit::answer),
        }
        answer
    }
}

#[async_trait]
impl ReadModel for WatchedModel {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.told(self.model.open(projection, partitions).await)
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        self.told(self.model.live(projection).await)
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        self.told(self.model.generations(projection).await)
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.told(self.model.begin(projection, partitions).await)
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.told(self.model.swap(projection, to).await)
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        self.told(self.model.drop_generation(projection, generation).await)
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        self.told(self.model.fence(target, token).await)
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        self.told(self.model.checkpoint(target).await)
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        self.told(self.model.load(target, keys).await)
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let applied = self.model.apply(target, batch).await;
        if applied.is_ok() {
            self.breaker.change(Circuit::succeed);
        }
        self.told(applied)
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        self.told(self.model.list(projection, generation, after, limit).await)
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        self.told(self.model.annotate(projection, generation, note).await)
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        self.told(self.model.note(projection, generation).await)
    }

    async fn make_searchable(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        self.told(self.model.make_searchable(projection).await)
    }

    fn good_batch(&self) -> usize {
        self.model.good_batch()
    }
}
