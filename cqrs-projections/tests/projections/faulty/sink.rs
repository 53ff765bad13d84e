use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, DocumentWrite, Failure, FencingToken, Generation, GlobalPosition, ListCursor,
    LiveGeneration, Partitions, ProjectionName, ReadModel, ReadModelError, StoredDocument, Target, is_lookup,
};

use super::{Fault, Faults};

type Refused = fn(&DocumentWrite) -> bool;

/// A read model in memory that fails when it is told to. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FaultySink {
    inner: Arc<Mutex<InMemoryReadModel>>,
    pub faults: Faults,
    /// Which documents it does not take.
    refused: Arc<Mutex<Option<Refused>>>,
    /// The generation that does not fit any more.
    unfit: Arc<Mutex<Option<Generation>>>,
}

impl FaultySink {
    pub fn new() -> Self {
        Self::default()
    }

    /// Another process's connection to the same documents, with faults of its own.
    pub fn elsewhere(&self) -> Self {
        Self { faults: Faults::default(), ..self.clone() }
    }

    pub fn inner(&self) -> InMemoryReadModel {
        self.inner.lock().unwrap().clone()
    }

    /// Everything in it is gone.
    pub fn lose_all(&self) {
        *self.inner.lock().unwrap() = InMemoryReadModel::new();
    }

    /// Documents of this kind are refused from now on.
    pub fn refuse(&self, refused: Refused) {
        *self.refused.lock().unwrap() = Some(refused);
    }

    /// All documents are taken.
    pub fn take_all(&self) {
        *self.refused.lock().unwrap() = None;
    }

    pub fn unfit(&self, generation: Generation) {
        *self.unfit.lock().unwrap() = Some(generation);
    }

    async fn around<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ReadModelError>>,
    ) -> Result<T, ReadModelError> {
        self.faults.around(operation, call, ReadModelError::Transient, ReadModelError::Permanent).await
    }

    /// Writes every other document, as a bulk request does that was cut off; lookups only after all documents.
    async fn tear(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let inner = self.inner();
        let (_, stored) = inner.checkpoint(target).await?;
        let start = Checkpoint { position: GlobalPosition::START, event_id: None, ..batch.checkpoint };
        let checkpoint = Checkpoint { token: batch.checkpoint.token, ..stored.unwrap_or(start) };
        // A removal that is not remembered may not be torn: only sinks with tombstones do without transactions.
        let (lookups, mut documents): (Vec<_>, Vec<_>) =
            batch.documents.into_iter().partition(|write| is_lookup(&write.key));
        let removes = documents.iter().any(|write| write.document.is_none());
        let skip = (batch.checkpoint.position.get() / 2 % 2) as usize;
        let kept = |writes: Vec<DocumentWrite>| {
            writes.into_iter().filter(|write| write.document.is_some()).skip(skip).step_by(2)
        };
        if removes || lookups.is_empty() || batch.checkpoint.position.get().is_multiple_of(2) {
            documents = kept(documents).collect();
        } else {
            documents.extend(kept(lookups));
        }
        inner.apply(target, Batch { from: batch.from, documents, checkpoint }).await?;
        Err(ReadModelError::Transient(Failure::new("cut off")))
    }
}

#[async_trait]
impl ReadModel for FaultySink {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        let live = self.around("open", self.inner().open(projection, partitions)).await?;
        match *self.unfit.lock().unwrap() {
            Some(unfit) if unfit == live => Err(ReadModelError::Mismatch { what: "another mapping".to_owned() }),
            _ => Ok(live),
        }
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        self.around("live", self.inner().live(projection)).await
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        self.around("generations", self.inner().generations(projection)).await
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        self.around("begin", self.inner().begin(projection, partitions)).await
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        self.around("swap", self.inner().swap(projection, to)).await
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        self.around("drop", self.inner().drop_generation(projection, generation)).await
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        self.around("fence", self.inner().fence(target, token)).await
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        self.around("checkpoint", self.inner().checkpoint(target)).await
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        self.around("load", self.inner().load(target, keys)).await
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        // Calls on the first generation and on those that rebuilds fill can be told apart.
        let operation = if target.generation == Generation::FIRST { "apply" } else { "fill" };
        let inner = self.inner();
        if let Some(refused) = *self.refused.lock().unwrap()
            && let Some(write) = batch.documents.iter().find(|write| refused(write))
        {
            return Err(ReadModelError::Rejected { key: write.key.clone(), reason: "not of this kind".to_owned() });
        }
        match self.faults.draw(operation).await {
            Fault::None => {
                inner.apply(target, batch).await?;
                tokio::task::yield_now().await;
                Ok(())
            }
            Fault::Before => Err(ReadModelError::Transient(Failure::new("out of order"))),
            Fault::Permanent => Err(ReadModelError::Permanent(Failure::new("refused"))),
            Fault::Torn => self.tear(target, batch).await,
            Fault::After => {
                inner.apply(target, batch).await?;
                Err(ReadModelError::Transient(Failure::new("no answer")))
            }
        }
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        self.around("list", self.inner().list(projection, generation, after, limit)).await
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        self.around("annotate", self.inner().annotate(projection, generation, note)).await
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        self.around("note", self.inner().note(projection, generation)).await
    }
}
