//! Seeing to dead letters: listing, inspecting, replaying, discarding.

use std::sync::Arc;

use cqrs_core::{
    DeadLetter, DeadLetterId, DeadLetterPage, DeadLetterState, DeadLetterStore, ListDeadLetters, ReadAll,
    RecordedEvent, StoreError,
};

use crate::supervisor::Projection;

/// The dead letters of a projection: events that could not be brought into its documents
/// ([`ErrorDecision::DeadLetter`](crate::ErrorDecision::DeadLetter)).
///
/// ```no_run
/// # use cqrs_core::DeadLetterState;
/// # use cqrs_projections::{DeadLetterError, Replay, Running};
/// # async fn example(running: Running) -> Result<(), DeadLetterError> {
/// let letters = running.dead_letters("account-summary")?;
/// for letter in letters.list(&letters.all().state(DeadLetterState::Failed)).await?.letters {
///     println!("{} waits at {}: {:?}", letter.id, letter.event.position, letter.failure);
/// }
/// letters.replay(Replay::Document("ACC-001".to_owned())).await?; // once the cause is gone
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DeadLetters {
    projection: Arc<Projection>,
    store: Arc<dyn DeadLetterStore>,
}

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replay {
    /// This letter, the first of its document, and those that follow it.
    One(DeadLetterId),
    /// The letters of the document with this key.
    Document(String),
    /// Those of all documents.
    All,
}

/// A letter with its event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedLetter {
    /// The letter.
    pub letter: DeadLetter,
    /// The event as the log holds it; `None` when the log does not hold it any more: it was restored from a backup, say.
    pub event: Option<RecordedEvent>,
}

/// Why dead letters were not seen to. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// There is no projection of this name.
    #[error("there is no projection {name:?}")]
    UnknownProjection {
        /// The name.
        name: String,
    },
    /// The projections were started without a [store](crate::Projections::dead_letters) of dead letters.
    #[error("there is no store of dead letters")]
    NoStore,
    /// There is no such letter: it was replayed, or its generation was dropped.
    #[error("there is no dead letter {id}")]
    NotFound {
        /// The letter.
        id: DeadLetterId,
    },
    /// No letters of this document wait.
    #[error("document {key:?} is not parked")]
    NotParked {
        /// The document.
        key: String,
    },
    /// The letter follows another one, which must be replayed or discarded first.
    #[error("dead letter {id} follows {first}")]
    Follows {
        /// The letter.
        id: DeadLetterId,
        /// The first letter of its document.
        first: DeadLetterId,
    },
    /// The event belongs to no document, because it could not be decoded or routed. What came after it was folded without it:
    /// [rebuild](crate::Running::rebuild), which folds everything in order.
    #[error("dead letter {id} belongs to no document: rebuild")]
    WithoutDocument {
        /// The letter.
        id: DeadLetterId,
    },
    /// The document of the letter is marked for replay: wait until that was done.
    #[error("dead letter {id} is being replayed")]
    BeingReplayed {
        /// The letter.
        id: DeadLetterId,
    },
    /// It was discarded before.
    #[error("dead letter {id} is discarded already")]
    Discarded {
        /// The letter.
        id: DeadLetterId,
    },
    /// A reason has at least one character that is not blank.
    #[error("a dead letter is not discarded without a reason")]
    NoReason,
    /// The store of dead letters, or the event store, failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeadLetters {
    pub(crate) fn of(projection: &Arc<Projection>) -> Result<Self, DeadLetterError> {
        let store = projection.letters.clone().ok_or(DeadLetterError::NoStore)?;
        Ok(Self { projection: Arc::clone(projection), store })
    }

    /// All letters, to be narrowed down for [`list`](Self::list).
    #[must_use]
    pub fn all(&self) -> ListDeadLetters {
        ListDeadLetters::new(self.projection.name.clone())
    }

    /// Letters in the order of their positions, page by page. Letters of a generation that a rebuild is filling are among
    /// them, and discarded ones of generations that were dropped. A list that names another projection is of this one.
    ///
    /// # Errors
    /// [`DeadLetterError::Store`] when they cannot be read.
    pub async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, DeadLetterError> {
        let mut list = list.clone();
        list.projection = self.projection.name.clone();
        Ok(self.store.list(&list).await?)
    }

    /// A letter with its event.
    ///
    /// # Errors
    /// [`DeadLetterError::NotFound`], [`DeadLetterError::Store`].
    pub async fn inspect(&self, id: DeadLetterId) -> Result<InspectedLetter, DeadLetterError> {
        let letter = self.find(id).await?;
        let position = letter.event.position;
        let read = ReadAll::after(position.previous()).until(position).limit(1);
        let event = self.projection.store.read_all(read).await?.events.pop();
        let event = event.filter(|event| event.id == letter.event.id);
        Ok(InspectedLetter { letter, event })
    }

    /// Asks for letters to be replayed, and tells how many documents have some. It returns at once: the process that writes the
    /// partition folds them, in the order of the events, on top of the document as it was left, and removes them once the
    /// document is written. One that fails again keeps its place with one more attempt, and all after it wait on.
    ///
    /// # Errors
    /// [`DeadLetterError::NotParked`] for a document without letters, [`DeadLetterError::Follows`],
    /// [`DeadLetterError::WithoutDocument`], [`DeadLetterError::Discarded`] or [`DeadLetterError::NotFound`] for a letter,
    /// [`DeadLetterError::Store`].
    pub async fn replay(&self, what: Replay) -> Result<u64, DeadLetterError> {
        let document = match what {
            Replay::One(id) => Some(self.document_of(id).await?),
            Replay::Document(key) => Some(key),
            Replay::All => None,
        };
        let documents = self.store.replay(&self.projection.name, document.as_deref()).await?;
        self.projection.marked.notify_one();
        match document {
            Some(key) if documents == 0 => Err(DeadLetterError::NotParked { key }),
            _ => Ok(documents),
        }
    }

    /// Gives a letter up for good: its event will not be in this generation's documents. It is kept with the reason (2,000
    /// characters of it), and its document goes on with what follows, as if that were [replayed](Self::replay). A rebuild
    /// folds the event again.
    ///
    /// # Errors
    /// [`DeadLetterError::NoReason`], [`DeadLetterError::BeingReplayed`], [`DeadLetterError::Discarded`],
    /// [`DeadLetterError::NotFound`], [`DeadLetterError::Store`].
    pub async fn discard(&self, id: DeadLetterId, reason: &str) -> Result<(), DeadLetterError> {
        if reason.trim().is_empty() {
            return Err(DeadLetterError::NoReason);
        }
        if self.store.discard(&self.projection.name, id, reason).await? {
            self.projection.marked.notify_one();
            return Ok(());
        }
        match self.find(id).await?.state() {
            DeadLetterState::Discarded => Err(DeadLetterError::Discarded { id }),
            _ => Err(DeadLetterError::BeingReplayed { id }),
        }
    }

    async fn find(&self, id: DeadLetterId) -> Result<DeadLetter, DeadLetterError> {
        self.store.find(&self.projection.name, id).await?.ok_or(DeadLetterError::NotFound { id })
    }

    async fn document_of(&self, id: DeadLetterId) -> Result<String, DeadLetterError> {
        let letter = self.find(id).await?;
        if letter.state() == DeadLetterState::Discarded {
            return Err(DeadLetterError::Discarded { id });
        }
        let Some(document) = letter.document else {
            return Err(DeadLetterError::WithoutDocument { id });
        };
        let first = self.store.waiting(&letter.target, &document, 1).await?.pop().map(|first| first.id);
        match first {
            Some(first) if first != id => Err(DeadLetterError::Follows { id, first }),
            Some(_) => Ok(document),
            None => Err(DeadLetterError::NotFound { id }),
        }
    }
}
