//! [`Documents`] while the generation that it reads from is replaced.
#![allow(clippy::unwrap_used, reason = "a test that fails is what it is for")]

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, DocumentWrite, Documents, FencingToken, Generation, GlobalPosition, ListCursor,
    LiveGeneration, Partitions, Payload, ProjectionName, ReadModel, ReadModelError, StoreId, StoredDocument, Target,
};
use tokio::sync::{Mutex, Notify};

/// Replaces the live generation at the worst moment: after it was asked which one is live, before the documents are read.
#[derive(Debug, Clone)]
struct Racing {
    inner: InMemoryReadModel,
    asked: Arc<Notify>,
    replacement: Arc<Mutex<Option<Generation>>>,
    /// Whether a dropped generation looks empty to this sink; otherwise it is not found.
    forgetful: bool,
}

#[async_trait]
impl ReadModel for Racing {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.inner.open(projection, partitions).await
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        let live = self.inner.live(projection).await;
        self.asked.notify_one();
        live
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
        if let Some(to) = self.replacement.lock().await.take() {
            self.asked.notified().await;
            self.inner.swap(&target.projection, to).await?;
            self.inner.drop_generation(&target.projection, target.generation).await?;
        }
        match self.inner.load(target, keys).await {
            Err(ReadModelError::NotFound { .. }) if self.forgetful => Ok(keys.iter().map(|_| None).collect()),
            loaded => loaded,
        }
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        self.inner.apply(target, batch).await
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        self.inner.list(projection, generation, after, limit).await
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

async fn fill(model: &Racing, target: &Target, text: &str) {
    let document = Payload::encode(text).unwrap();
    let position = GlobalPosition::new(1);
    let checkpoint = Checkpoint {
        store_id: StoreId::new(),
        position,
        event_id: None,
        generation: target.generation,
        token: FencingToken::new(1),
    };
    let documents = vec![DocumentWrite { key: "a".to_owned(), document: Some(document), position }];
    model.apply(target, Batch { from: GlobalPosition::START, documents, checkpoint }).await.unwrap();
}

#[tokio::test]
async fn a_generation_that_is_dropped_while_it_is_read_is_never_taken_for_an_empty_one() {
    for forgetful in [true, false] {
        let model = Racing {
            inner: InMemoryReadModel::new(),
            asked: Arc::new(Notify::new()),
            replacement: Arc::new(Mutex::new(None)),
            forgetful,
        };
        let projection = ProjectionName::new("accounts").unwrap();
        let generation = model.open(&projection, Partitions::ONE).await.unwrap();
        let first = Target { projection: projection.clone(), generation, partition: 0 };
        fill(&model, &first, "first").await;
        let documents = Documents::<String>::new(model.clone(), "accounts").unwrap();
        assert_eq!(documents.get("a").await.unwrap().as_deref(), Some("first"));

        let generation = model.begin(&projection, Partitions::ONE).await.unwrap();
        fill(&model, &Target { generation, ..first }, "second").await;
        // The reads so far have asked as well.
        let _ = tokio::time::timeout(std::time::Duration::ZERO, model.asked.notified()).await;
        *model.replacement.lock().await = Some(generation);
        assert_eq!(documents.get("a").await.unwrap().as_deref(), Some("second"), "forgetful: {forgetful}");
    }
}
