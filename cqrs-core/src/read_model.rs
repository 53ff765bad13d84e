//! The port of read models: documents by key, written in batches together with the checkpoint.

use std::fmt::{self, Debug};

use async_trait::async_trait;

mod documents;
mod error;
mod key;
mod list;
mod partitions;

pub use documents::Documents;
pub use error::ReadModelError;
pub use key::{is_lookup, key_rule, lookup_key, lookup_name, partition_key};
pub use list::{DocumentPage, ListCursor};
pub use partitions::{InvalidPartitions, LiveGeneration, Partitions};

use crate::checkpoint_store::{Checkpoint, FencingToken, Generation};
use crate::codec::Payload;
use crate::name::ProjectionName;
use crate::stream::GlobalPosition;

/// One partition of one generation of a projection: the unit that has one writer and one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The projection.
    pub projection: ProjectionName,
    /// Its generation.
    pub generation: Generation,
    /// The partition, from 0 and below the generation's number of [`Partitions`].
    pub partition: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.projection, self.generation, self.partition)
    }
}

/// A document as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// The document as JSON; `None` when it was removed and the sink remembers that.
    pub document: Option<Payload>,
    /// The position of the last event that it reflects. Events at or below it are skipped.
    pub position: GlobalPosition,
}

/// What one document is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentWrite {
    /// Its key, 1 to 512 bytes without control characters; that of a lookup begins with one ([`lookup_key`]).
    pub key: String,
    /// The whole document as JSON; `None` removes it.
    pub document: Option<Payload>,
    /// The position of the last event that it reflects.
    pub position: GlobalPosition,
}

/// Documents, each key at most once, together with the checkpoint that they bring the target to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where the checkpoint stands before the batch: [`GlobalPosition::START`] for a target without one.
    pub from: GlobalPosition,
    /// The documents that change.
    pub documents: Vec<DocumentWrite>,
    /// The checkpoint after the batch, with the writer's token.
    pub checkpoint: Checkpoint,
}

/// A place for documents that are folded from events.
///
/// # Contract
/// - **Repeatable**: a batch that is delivered twice, or was torn by a crash at any point and is delivered again (cut the
///   same or otherwise), leaves the same documents and the same checkpoint as delivered once.
/// - **Checkpoint last**: once a checkpoint is stored, so is every document that it speaks for, durably as far as the
///   sink is durable.
/// - **Fenced**: [`fence`](Self::fence) hands a target to a new owner. From then on [`apply`](Self::apply) under an older
///   token is refused with [`ReadModelError::Fenced`] and can change neither the checkpoint nor final documents.
/// - **In sequence**: a batch that does not start where the checkpoint stands is refused with
///   [`ReadModelError::OutOfSequence`], unless it ends there (it was applied already) and so succeeds. A batch that ends where
///   it starts moves nothing on and is written whenever the checkpoint stands there, however often it comes: nothing tells
///   that it was applied already.
/// - **Generations**: readers see the live generation only; [`swap`](Self::swap) makes another one live at once, for all
///   documents together. Writing to a generation that was dropped fails and does not bring it back.
/// - **Partitions**: a generation keeps for good over how many partitions its documents are spread; one of before there were
///   several has one. Callers write and load a document in its own partition ([`Partitions::of`]) only: a sink need not keep
///   the same key apart in two partitions of a generation.
/// - **Lookups** ([`lookup_key`]) are written and loaded like documents, but no reader of documents sees them: no view, no search, no
///   [`Documents`]. A sink that does not write a batch at once writes them after its documents, and before the checkpoint: as
///   long as a document is missing, they stand where they stood before the batch.
/// - **Cancellation**: a call whose future is dropped may or may not have happened; repeating it is right.
#[async_trait]
pub trait ReadModel: Send + Sync + Debug + 'static {
    /// The live generation of a projection. Creates the first one, empty and with so many partitions, where there is none;
    /// checks that the sink fits (an Elasticsearch mapping, say).
    ///
    /// # Errors
    /// [`ReadModelError::Mismatch`] when what the sink holds does not fit, another number of partitions included; others
    /// when it cannot be reached.
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError>;

    /// The live generation of a projection, `None` when it was never opened. Changes nothing.
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be read.
    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError>;

    /// All generations, oldest first; the live one is among them.
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be read.
    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError>;

    /// A new, empty generation with so many partitions, above all others that ever were, beside the live one: the number of
    /// one that was dropped is not used again, so that whoever still writes to it cannot reach this one.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be created.
    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError>;

    /// Makes a generation the live one. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`ReadModelError::NotFound`] when there is no such generation.
    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError>;

    /// Drops a generation with its documents and checkpoints. One that does not exist is dropped already.
    ///
    /// # Errors
    /// [`ReadModelError::Live`] for the live one, which stays.
    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError>;

    /// Takes a target over: stores the token, and gives back the checkpoint as the former owner left it.
    ///
    /// # Errors
    /// [`ReadModelError::Fenced`] when a token at least as new is stored.
    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError>;

    /// The newest token and the checkpoint of a target.
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be read.
    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError>;

    /// Documents by key, in the order of the keys, as they are at this moment (not as a search may see them).
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be read.
    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError>;

    /// Writes a batch.
    ///
    /// # Errors
    /// [`ReadModelError::Fenced`], [`ReadModelError::OutOfSequence`], [`ReadModelError::Rejected`] when the sink refuses a
    /// document (then the checkpoint does not move), others when it cannot be reached.
    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError>;

    /// The documents of a whole generation, live or not, page by page and in no particular order: the first page without
    /// `after`, each further one after the [`next`](DocumentPage::next) of the page before it, until there is none.
    ///
    /// Every document that stays as it is while it is listed is in one of the pages, as it is stored at that moment. One that
    /// is written meanwhile may be missing or come in either form, and any may come twice. Removed documents are not listed.
    /// A page has about `limit` documents (0 is taken as 1): a few more, fewer, or none at all. A cursor that is not used for
    /// a minute may be forgotten.
    ///
    /// # Errors
    /// [`ReadModelError::NotFound`] when there is no such generation, or no longer; others when the sink cannot be read.
    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError>;

    /// Keeps a note with a generation, in place of the one before: at most 1,024 bytes without control characters. It goes
    /// with the generation.
    ///
    /// # Errors
    /// [`ReadModelError::NotFound`] when there is no such generation; others when it cannot be written.
    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError>;

    /// The note that was kept with a generation; `None` when there is no note, or no such generation.
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be read.
    async fn note(&self, projection: &ProjectionName, generation: Generation)
    -> Result<Option<String>, ReadModelError>;

    /// Returns when searches find everything that was stored in the live generation before the call. Most sinks have nothing
    /// to do: only where a search sees less than a read by key is there something to wait for.
    ///
    /// # Errors
    /// [`ReadModelError`] when the sink cannot be reached.
    async fn make_searchable(&self, _projection: &ProjectionName) -> Result<(), ReadModelError> {
        Ok(())
    }

    /// How many documents a large batch has at best: a rebuild writes so many at once. 20,000 unless the sink says otherwise: fewer
    /// where all who read wait while a batch is written.
    fn good_batch(&self) -> usize {
        20_000
    }
}

#[async_trait]
impl<M: ReadModel + ?Sized> ReadModel for std::sync::Arc<M> {
    async fn open(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        (**self).open(projection, partitions).await
    }

    async fn live(&self, projection: &ProjectionName) -> Result<Option<LiveGeneration>, ReadModelError> {
        (**self).live(projection).await
    }

    async fn generations(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        (**self).generations(projection).await
    }

    async fn begin(&self, projection: &ProjectionName, partitions: Partitions) -> Result<Generation, ReadModelError> {
        (**self).begin(projection, partitions).await
    }

    async fn swap(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        (**self).swap(projection, to).await
    }

    async fn drop_generation(&self, projection: &ProjectionName, generation: Generation) -> Result<(), ReadModelError> {
        (**self).drop_generation(projection, generation).await
    }

    async fn fence(&self, target: &Target, token: FencingToken) -> Result<Option<Checkpoint>, ReadModelError> {
        (**self).fence(target, token).await
    }

    async fn checkpoint(&self, target: &Target) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        (**self).checkpoint(target).await
    }

    async fn load(&self, target: &Target, keys: &[String]) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        (**self).load(target, keys).await
    }

    async fn apply(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        (**self).apply(target, batch).await
    }

    async fn list(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<DocumentPage, ReadModelError> {
        (**self).list(projection, generation, after, limit).await
    }

    async fn annotate(
        &self,
        projection: &ProjectionName,
        generation: Generation,
        note: &str,
    ) -> Result<(), ReadModelError> {
        (**self).annotate(projection, generation, note).await
    }

    async fn note(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<Option<String>, ReadModelError> {
        (**self).note(projection, generation).await
    }

    async fn make_searchable(&self, projection: &ProjectionName) -> Result<(), ReadModelError> {
        (**self).make_searchable(projection).await
    }

    fn good_batch(&self) -> usize {
        (**self).good_batch()
    }
}
