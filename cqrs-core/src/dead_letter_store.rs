//! Dead letters: events that could not be brought into documents, kept until somebody sees to them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;

use async_trait::async_trait;

mod letter;
mod list;

pub use letter::{
    DeadLetter, DeadLetterCause, DeadLetterEvent, DeadLetterFailure, DeadLetterId, DeadLetterState, Discarded,
    NewDeadLetter,
};
pub use list::{DeadLetterCount, DeadLetterPage, ListDeadLetters};

use crate::checkpoint_store::{FencingToken, Generation};
use crate::event_store::StoreError;
use crate::name::ProjectionName;
use crate::read_model::Target;
use crate::stream::GlobalPosition;

/// The right to change the letters of a target: the same as that to write its documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterOwner {
    /// The target.
    pub target: Target,
    /// The token under which its documents are written.
    pub token: FencingToken,
}

/// What a new owner has to know of the letters of its target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParkedDocuments {
    /// The parked documents, each with the position of its first waiting letter.
    pub documents: HashMap<String, GlobalPosition>,
    /// Letters of documents that were discarded, as far as they stand behind the checkpoint: read again, they are left out.
    pub discarded: HashSet<(String, GlobalPosition)>,
    /// How many letters without document wait.
    pub without_document: u64,
}

/// Keeps dead letters, by projection, generation, partition and document.
///
/// An event that fails for a document parks it: the event becomes the document's first letter, and the later events of the
/// document follow it as letters of their own, so that they can be replayed in order. A letter **waits** until it was
/// replayed (then it is removed) or [discarded](Self::discard) (then it is kept as a record). An event that belongs to no
/// document, because it cannot be decoded or routed, is a letter without document.
///
/// # Contract
/// - **Repeatable**: a letter is known by its target, document and position ([`DeadLetterId::of`]). One that is there already,
///   waiting or discarded, is left as it is when it comes again.
/// - **Fenced**: [`take_over`](Self::take_over) hands the letters of a target to a new owner. From then on what a former owner
///   sends is refused with [`StoreError::Fenced`], so that the new one knows all that are parked. Without an owner (after
///   [`retain`](Self::retain), say) everything of an owner is refused so, too.
/// - **Marked for replay**: whoever wants a document to be replayed marks it; its owner finds the mark, replays the document, and
///   the mark ends with the letters or with the next failure. Letters that are added to a marked document are marked.
/// - **Time** is the store's own.
/// - An error means that it may or may not have happened, and so does a future that is dropped: repeating it is right.
#[async_trait]
pub trait DeadLetterStore: Send + Sync + Debug + 'static {
    /// Hands the letters of a target over to an owner whose checkpoint stands at `checkpoint`. Taking over again under the
    /// same token is right.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when a newer owner is there, others when the store cannot be reached.
    async fn take_over(
        &self,
        owner: &DeadLetterOwner,
        checkpoint: GlobalPosition,
    ) -> Result<ParkedDocuments, StoreError>;

    /// Keeps letters, all of them or none.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] for a former owner, others when the store cannot be reached.
    async fn keep(&self, owner: &DeadLetterOwner, letters: Vec<NewDeadLetter>) -> Result<(), StoreError>;

    /// The first waiting letters of a document, in the order of their positions.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn waiting(&self, target: &Target, document: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// Notes, before it is done, that the document is about to be removed by its waiting letters up to a position, and by no
    /// others: [`DeadLetter::removing`]. A read model need not remember removals; whoever finds the note and no document knows
    /// that it was done.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    async fn note_removal(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        up_to: GlobalPosition,
    ) -> Result<(), StoreError>;

    /// Removes the waiting letters of a document up to a position, which were replayed, and the marks of its discarded
    /// ones up to there.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    async fn settle(&self, owner: &DeadLetterOwner, document: &str, up_to: GlobalPosition) -> Result<(), StoreError>;

    /// A waiting letter of a document failed when it was replayed: it counts one more attempt, and nothing of the document is
    /// marked for replay any more.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    async fn failed_again(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        position: GlobalPosition,
        failure: DeadLetterFailure,
    ) -> Result<(), StoreError>;

    /// Documents of a target that are marked for replay, a few at a time. A document whose letters were all discarded is
    /// among them until it is [settled](Self::settle).
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn to_replay(&self, target: &Target, limit: usize) -> Result<Vec<String>, StoreError>;

    /// The partitions of a generation that have documents marked for replay.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn partitions_to_replay(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<BTreeSet<u16>, StoreError>;

    /// Marks a document, or all parked documents of a projection, for replay: how many have waiting letters. Of all
    /// generations, as one that is being filled may become the live one.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    async fn replay(&self, projection: &ProjectionName, document: Option<&str>) -> Result<u64, StoreError>;

    /// Gives a waiting letter up for good, with a reason (2,000 characters of it), and marks its document for replay, which goes
    /// on with what follows. `false`, and nothing has changed, when no such letter waits, or its document is marked for replay.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    async fn discard(&self, projection: &ProjectionName, id: DeadLetterId, reason: &str) -> Result<bool, StoreError>;

    /// A letter, waiting or discarded.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn find(&self, projection: &ProjectionName, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError>;

    /// Letters in the order of their positions, and of their ids where those are the same, page by page.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, StoreError>;

    /// How many letters of a generation wait.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn count(&self, projection: &ProjectionName, generation: Generation) -> Result<DeadLetterCount, StoreError>;

    /// Drops the waiting letters and the owners of all generations of a projection but these. Letters that were discarded
    /// stay as a record, without marks.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    async fn retain(&self, projection: &ProjectionName, generations: &[Generation]) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: DeadLetterStore + ?Sized> DeadLetterStore for std::sync::Arc<S> {
    async fn take_over(
        &self,
        owner: &DeadLetterOwner,
        checkpoint: GlobalPosition,
    ) -> Result<ParkedDocuments, StoreError> {
        (**self).take_over(owner, checkpoint).await
    }

    async fn keep(&self, owner: &DeadLetterOwner, letters: Vec<NewDeadLetter>) -> Result<(), StoreError> {
        (**self).keep(owner, letters).await
    }

    async fn waiting(&self, target: &Target, document: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        (**self).waiting(target, document, limit).await
    }

    async fn note_removal(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        up_to: GlobalPosition,
    ) -> Result<(), StoreError> {
        (**self).note_removal(owner, document, up_to).await
    }

    async fn settle(&self, owner: &DeadLetterOwner, document: &str, up_to: GlobalPosition) -> Result<(), StoreError> {
        (**self).settle(owner, document, up_to).await
    }

    async fn failed_again(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        position: GlobalPosition,
        failure: DeadLetterFailure,
    ) -> Result<(), StoreError> {
        (**self).failed_again(owner, document, position, failure).await
    }

    async fn to_replay(&self, target: &Target, limit: usize) -> Result<Vec<String>, StoreError> {
        (**self).to_replay(target, limit).await
    }

    async fn partitions_to_replay(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<BTreeSet<u16>, StoreError> {
        (**self).partitions_to_replay(projection, generation).await
    }

    async fn replay(&self, projection: &ProjectionName, document: Option<&str>) -> Result<u64, StoreError> {
        (**self).replay(projection, document).await
    }

    async fn discard(&self, projection: &ProjectionName, id: DeadLetterId, reason: &str) -> Result<bool, StoreError> {
        (**self).discard(projection, id, reason).await
    }

    async fn find(&self, projection: &ProjectionName, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        (**self).find(projection, id).await
    }

    async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, StoreError> {
        (**self).list(list).await
    }

    async fn count(&self, projection: &ProjectionName, generation: Generation) -> Result<DeadLetterCount, StoreError> {
        (**self).count(projection, generation).await
    }

    async fn retain(&self, projection: &ProjectionName, generations: &[Generation]) -> Result<(), StoreError> {
        (**self).retain(projection, generations).await
    }
}
