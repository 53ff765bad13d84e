//! The documents of a moment, in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::{
    AsOf, Documents, EventStore, GlobalPosition, LiveGeneration, Partitions, ProjectionName, ReadModel, ReadModelError,
};
use serde::de::DeserializeOwned;

use super::AsOfError;
use super::moment::Moment;
use crate::batch::{Fold, Folding, Joining};
use crate::batches::Batches;
use crate::breaker::CircuitBreaker;
use crate::differences::{Differences, LISTED, Side, compare};
use crate::error_policy::RetryTransient;
use crate::join::JoinProjector;
use crate::projector::Projector;
use crate::rebuild::{BATCH, Fill, Observer};
use crate::supervisor::{Common, Projection};

/// How the documents in memory are called.
const NAME: &str = "past";

/// The documents of a read model as they were at a moment. All of them are in memory.
pub struct PastDocuments<D> {
    model: InMemoryReadModel,
    generation: LiveGeneration,
    name: ProjectionName,
    moment: Moment,
    document: PhantomData<fn() -> D>,
}

/// Folds the log up to a moment, the events at exactly that moment included, into documents in memory: what a read model of
/// this projector held then, or would have held.
///
/// [`AsOf::Recorded`] is what the store knew at that time; [`AsOf::Occurred`] what had happened by then as far as it is known
/// today, in the order of the log; [`AsOf::Bitemporal`] what had happened by one time as far as it was known at another. A time after the newest event is answered from what is there and marked
/// [provisional](PastDocuments::is_provisional). Where the documents are too many for the memory of one machine, a read model
/// [keeps](crate::Running::as_of) them.
///
/// # Errors
/// [`AsOfError::Version`] for a version, [`AsOfError::Failed`] when the log cannot be read or an event cannot be folded.
pub async fn documents_as_of<P: Projector>(
    projector: P,
    store: impl EventStore,
    as_of: AsOf,
) -> Result<PastDocuments<P::Document>, AsOfError> {
    fold_as_of(Folding::new(projector), store, as_of).await
}

/// The same for documents that are joined.
///
/// # Errors
/// As [`documents_as_of`].
pub async fn joined_documents_as_of<P: JoinProjector>(
    projector: P,
    store: impl EventStore,
    as_of: AsOf,
) -> Result<PastDocuments<P::Document>, AsOfError> {
    fold_as_of(Joining::new(projector), store, as_of).await
}

async fn fold_as_of<D>(fold: impl Fold, store: impl EventStore, as_of: AsOf) -> Result<PastDocuments<D>, AsOfError> {
    let store: Arc<dyn EventStore> = Arc::new(store);
    let moment = Moment::of(&*store, as_of).await?;
    let (name, model) = (ProjectionName::new(NAME)?, InMemoryReadModel::new());
    let partitions = Partitions::new(fold.partitions()).unwrap_or(Partitions::ONE);
    let generation = model.open(&name, partitions).await?;
    let policy = Arc::new(RetryTransient::default());
    let common = Common { store, policy, letters: None, breaker: CircuitBreaker::default(), sharing: None };
    let (fold, sink) = (Arc::new(fold), Arc::new(model.clone()));
    let projection = Arc::new(Projection::new(name.clone(), fold, partitions, sink, Batches::default(), &common));
    let mut fill = Fill::new(&projection, Observer::default(), BATCH, generation).occurred(moment.occurred);
    fill.fill(moment.position).await?;
    let generation = LiveGeneration { generation, partitions };
    Ok(PastDocuments { model, generation, name, moment, document: PhantomData })
}

impl<D: DeserializeOwned> PastDocuments<D> {
    /// The log was read up to here.
    #[must_use]
    pub const fn position(&self) -> GlobalPosition {
        self.moment.position
    }

    /// Whether events may still come that belong to the moment: it lies after the newest one.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.moment.provisional
    }

    /// The document with this key; `None` when there was none.
    ///
    /// # Errors
    /// [`ReadModelError::Corrupt`] when it is not a `D`, which a document that was just written is.
    pub async fn get(&self, key: &str) -> Result<Option<D>, ReadModelError> {
        Ok(self.get_many(&[key.to_owned()]).await?.pop().flatten())
    }

    /// The documents with these keys, in their order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<D>>, ReadModelError> {
        let unnamed = |_| ReadModelError::Corrupt { what: "no documents have this name".to_owned() };
        Documents::new(self.model.clone(), NAME).map_err(unnamed)?.get_many(keys).await
    }

    /// All documents by key.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn all(&self) -> Result<BTreeMap<String, D>, ReadModelError> {
        let page = self.side().list(None, usize::MAX).await?;
        let decode = |(key, stored): (String, cqrs_core::StoredDocument)| {
            let document = stored
                .document?
                .decode()
                .map_err(|error| ReadModelError::Corrupt { what: format!("document {key:?}: {error}") });
            Some(document.map(|document| (key, document)))
        };
        page.documents.into_iter().filter_map(decode).collect()
    }

    /// What differs between this moment and another one: added, removed, changed from what to what. Lists 1,000 documents at
    /// most, and counts all.
    ///
    /// # Errors
    /// [`ReadModelError::Corrupt`] when a document is no JSON, which one that was just written is.
    pub async fn diff(&self, later: &Self) -> Result<Differences, ReadModelError> {
        self.diff_listing(later, LISTED).await
    }

    /// The same with a list of so many documents at most.
    ///
    /// # Errors
    /// As [`diff`](Self::diff).
    pub async fn diff_listing(&self, later: &Self, documents: usize) -> Result<Differences, ReadModelError> {
        compare(&self.side(), &later.side(), documents).await
    }

    fn side(&self) -> Side<'_> {
        Side::new(&self.model, &self.name, self.generation)
    }
}

impl<D> fmt::Debug for PastDocuments<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PastDocuments").field("moment", &self.moment).finish_non_exhaustive()
    }
}
