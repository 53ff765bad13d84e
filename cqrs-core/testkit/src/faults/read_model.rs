//! A read model that fails when it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cqrs_core::{
    Batch, Checkpoint, DocumentPage, DocumentWrite, FencingToken, Generation, GlobalPosition, ListCursor,
    LiveGeneration, Partitions, ProjectionName, ReadModel, ReadModelError, StoredDocument, Target, is_lookup,
};

use super::{Fault, Faults, no_answer, out_of_order, refused};

type Refused = fn(&DocumentWrite) -> bool;

/// Any read model, with faults. Clones share both.
///
/// Batches for the [first generation](Generation::FIRST) are calls named `apply`; those for the generations that rebuilds fill
/// are named `fill`.
#[derive(Debug, Clone)]
pub struct FaultyReadModel<R> {
    /// What happens to the calls of [`CALLS`](Self::CALLS).
    pub faults: Faults,
    inner: Arc<Mutex<R>>,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    /// Which documents it does not take.
    refused: Option<Refused>,
    /// The generation that does not fit any more.
    unfit: Option<Generation>,
}

impl<R> FaultyReadModel<R> {
    /// The names of its calls.
    pub const CALLS: &'static [&'static str] = &[
        "open",
        "live",
        "generations",
        "begin",
        "swap",
        "drop",
        "fence",
        "checkpoint",
        "load",
        "apply",
        "fill",
        "list",
        "annotate",
        "note",
    ];

    /// This read model, without any fault yet.
    #[must_use]
    pub fn new(inner: R) -> Self {
        Self { faults: Faults::of(Self::CALLS), inner: Arc::new(Mutex::new(inner)), told: Arc::default() }
    }

    /// Another process's connection to the same documents, with faults of its own.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self { faults: Faults::of(Self::CALLS), inner: Arc::clone(&self.inner), told: Arc::clone(&self.told) }
    }

    /// Documents of this kind are [refused](ReadModelError::Rejected) from now on.
    pub fn refuse(&self, refused: Refused) {
        lock(&self.told).refused = Some(refused);
    }

    /// All documents are taken again.
    pub fn take_all(&self) {
        lock(&self.told).refused = None;
    }

    /// This generation cannot be [opened](ReadModel::open) any more, as one that was made for [another
    /// mapping](ReadModelError::Mismatch).
    pub fn unfit(&self, generation: Generation) {
        lock(&self.told).unfit = Some(generation);
    }

    async fn around<T>(
        &self,
        call: &str,
        made: impl Future<Output = Result<T, ReadModelError>>,
    ) -> Result<T, ReadModelError> {
        self.faults.around(call, made, ReadModelError::Transient, ReadModelError::Permanent).await
    }
}

impl<R: Default> FaultyReadModel<R> {
    /// Everything in it is gone.
    pub fn lose_all(&self) {
        *lock(&self.inner) = R::default();
    }
}

impl<R: Default> Default for FaultyReadModel<R> {
    fn default() -> Self {
        Self::new(R::default())
    }
}

impl<R: ReadModel + Clone> FaultyReadModel<R> {
    /// The read model itself.
    #[must_use]
    pub fn inner(&self) -> R {
        lock(&self.inner).clone()
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
        Err(ReadModelError::Transient(out_of_order()))
    }
}

#[async_trait]
impl<R: ReadModel + Clone> ReadModel for FaultyReadModel<R> {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        let live = self.around("open", self.inner().open(projection, partitions)).await?;
        match lock(&self.told).unfit {
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
        let call = if target.generation == Generation::FIRST { "apply" } else { "fill" };
        let inner = self.inner();
        if let Some(refused) = lock(&self.told).refused
            && let Some(write) = batch.documents.iter().find(|write| refused(write))
        {
            return Err(ReadModelError::Rejected { key: write.key.clone(), reason: "not of this kind".to_owned() });
        }
        match self.faults.draw(call).await {
            Fault::None => {
                inner.apply(target, batch).await?;
                tokio::task::yield_now().await;
                Ok(())
            }
            Fault::Before | Fault::Conflict => Err(ReadModelError::Transient(out_of_order())),
            Fault::Permanent => Err(ReadModelError::Permanent(refused())),
            Fault::Torn => self.tear(target, batch).await,
            Fault::After => {
                inner.apply(target, batch).await?;
                Err(ReadModelError::Transient(no_answer()))
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

    /// So few that what a rebuild has folded is written in several batches.
    fn good_batch(&self) -> usize {
        2
    }
}

/// A panic leaves whole values behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
