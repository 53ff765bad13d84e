//! What is rarely to be said about a stream: that it is archived, and that it is read from a later event on.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::event_store::StoreError;
use crate::name::StreamName;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// What is known of a stream besides its events; nothing, of most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StreamFacts {
    /// Since when it is archived: nothing can be appended to it.
    pub archived: Option<Archived>,
    /// The version from which on it is read.
    pub truncated_before: Option<Version>,
}

/// When a stream was archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// The newest event of the whole log at that moment: all events of the stream lie at or before it.
    pub position: GlobalPosition,
    /// The time, by the store's clock.
    pub at: Timestamp,
}

/// What is to be changed about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamFactsChange {
    /// Nothing can be appended to it from now on.
    Archive,
    /// It can be appended to again.
    Restore,
    /// It is read from this version on.
    TruncateBefore(Version),
}

/// A page of the streams of which something is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamFactsPage {
    /// The streams, in the byte order of their names.
    pub streams: Vec<(StreamName, StreamFacts)>,
    /// Whether there may be more: go on after the last stream of this page.
    pub more: bool,
}

/// Why nothing was changed about a stream, or why it is not known whether something was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StreamFactsError {
    /// The stream has no event.
    #[error("there is no stream {stream}")]
    NoSuchStream {
        /// The stream.
        stream: StreamName,
    },
    /// The stream has no such version.
    #[error("{stream} has no version {version}, its newest is {newest}")]
    VersionBeyondEnd {
        /// The stream.
        stream: StreamName,
        /// The version that it was to be read from.
        version: Version,
        /// Its newest version.
        newest: Version,
    },
    /// The stream is read from a later version on, and a truncation is not taken back.
    #[error("{stream} is truncated before version {truncated_before} already, which is after {version}")]
    TruncatedFurther {
        /// The stream.
        stream: StreamName,
        /// The version that it was to be read from.
        version: Version,
        /// The version that it is read from.
        truncated_before: Version,
    },
    /// It was sent, and no answer came: the same again does no harm, and finds out.
    #[error("no answer came; the change may or may not have been made")]
    Unknown(#[source] StoreError),
    /// The store could not be read or written. Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps what is known of streams besides their events.
///
/// An account that is closed for good is archived after its last event: its history stays and can be read, an append to it is
/// refused until it is restored, and readers of the log may skip it. A stream that grew long is truncated.
///
/// ```
/// use cqrs_core::{EventStore, Filter, GlobalPosition, ReadAll, Repository, StreamFactsStore};
/// use cqrs_core::in_memory::InMemoryEventStore;
/// use cqrs_testkit::sample::{Account, AccountId, CarryForward, Close, Deposit, Open};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = InMemoryEventStore::new();
/// let accounts = Repository::<Account>::new(store.clone());
/// let (ann, bob) = (AccountId::new("ACC-001"), AccountId::new("ACC-002"));
/// accounts.execute(&ann, Open { owner: "Ann".to_owned() }).await?;
/// let closed = accounts.execute(&ann, Close).await?;
/// store.archive(&closed.stream).await?;
///
/// assert!(accounts.load(&ann).await?.is_some()); // history stays
/// let skipping = ReadAll::after(GlobalPosition::START).filter(Filter::All.skip_archived());
/// assert!(store.read_all(skipping).await?.events.is_empty());
/// store.restore(&closed.stream).await?;
///
/// // A long stream is cut short where an event says all that has to be known of what was before it.
/// accounts.execute(&bob, Open { owner: "Bob".to_owned() }).await?;
/// accounts.execute(&bob, Deposit::new(700, "VND")).await?;
/// let carried = accounts.execute(&bob, CarryForward).await?; // declared as #[event(restarts)]
/// accounts.truncate_before(&bob, carried.version.expect("it has events")).await?;
///
/// assert_eq!(accounts.history(&bob).await?.len(), 1);
/// assert_eq!(accounts.load(&bob).await?.map(|bob| bob.state.balance()), Some(700));
/// assert_eq!(store.head().await?.position.get(), 5); // nothing was removed
/// # Ok(())
/// # }
/// ```
///
/// # What a reader that skips sees
/// Whether a stream is archived is looked at when a page is read, and neither archiving nor restoring is an event. So a reader
/// that skips may see other events than one that reads later:
///
/// | the stream is | a reader that passed its events before | a reader that comes later |
/// |-|-|-|
/// | archived | has seen them, and is told nothing | does not see them, or only those of the pages that it read before |
/// | restored | never sees those that it skipped, only what is appended from now on | sees them all |
///
/// A read model that is kept up to date by a skipping reader would therefore differ from one that is rebuilt: projections do
/// not skip. Skip where a page stands for itself (a search for work to do, an export of what is open). Where a skipping reader
/// keeps something, let the event before archiving remove it (`AccountClosed` does), and begin anew after a restore.
///
/// # Contract
/// - **In order**: a change is made under the append lock. An append to the stream was written before it was archived, at or
///   below [`Archived::position`], or is refused.
/// - **Archived**: an append or import that writes to the stream is refused; a repetition of what is in it succeeds. It is read
///   as before, but by readers that [skip](crate::Filter::skip_archived) it.
/// - **Truncated**: [`read_stream`](crate::EventStore::read_stream) gives no event before that version and says so on each
///   page. Versions, and what is expected of them, stay as they are. [`read_all`](crate::EventStore::read_all) and
///   subscriptions give all events. It is never taken back.
/// - **Immutable events**: no event is changed or removed by any of this.
/// - **Repeatable**: a change that was made before is left as it is and succeeds.
///
/// Facts are not part of the log: neither an export of events nor its import carries them. Whoever moves to another store
/// reads them by [`list_facts`](Self::list_facts), and makes the same changes there once all events are imported.
#[async_trait]
pub trait StreamFactsStore: Send + Sync + Debug + 'static {
    /// Changes what is known of a stream, as [`StreamFacts::after`] says, and gives what is known then.
    ///
    /// For truncation, [`Repository::truncate_before`](crate::Repository::truncate_before) is the way: it knows which events
    /// restart the state.
    ///
    /// # Errors
    /// See [`StreamFactsError`].
    async fn change_facts(
        &self,
        stream: &StreamName,
        change: StreamFactsChange,
    ) -> Result<StreamFacts, StreamFactsError>;

    /// What is known of a stream; nothing, of one that does not exist.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn facts(&self, stream: &StreamName) -> Result<StreamFacts, StoreError>;

    /// The streams of which something is known, after `after`, at most `limit` (0 is taken as 1).
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn list_facts(&self, after: Option<&StreamName>, limit: usize) -> Result<StreamFactsPage, StoreError>;

    /// Lets nothing be appended to a stream from now on.
    ///
    /// # Errors
    /// [`StreamFactsError::NoSuchStream`], and as [`change_facts`](Self::change_facts).
    async fn archive(&self, stream: &StreamName) -> Result<StreamFacts, StreamFactsError> {
        self.change_facts(stream, StreamFactsChange::Archive).await
    }

    /// Lets an archived stream be appended to again.
    ///
    /// # Errors
    /// [`StreamFactsError::NoSuchStream`], and as [`change_facts`](Self::change_facts).
    async fn restore(&self, stream: &StreamName) -> Result<StreamFacts, StreamFactsError> {
        self.change_facts(stream, StreamFactsChange::Restore).await
    }
}

/// What the log says at the moment of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamMoment {
    /// The newest version of the stream.
    pub head: Option<Version>,
    /// What is known of it.
    pub facts: StreamFacts,
    /// The end of the log and the store's clock, not before the newest event: what an archived stream is marked with.
    pub now: Archived,
}

impl StreamFacts {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is known of a stream after a change. Every store decides so, under its append lock.
    ///
    /// # Errors
    /// [`StreamFactsError`] says why nothing is changed.
    pub fn after(
        stream: &StreamName,
        change: StreamFactsChange,
        found: &StreamMoment,
    ) -> Result<Self, StreamFactsError> {
        let Some(newest) = found.head else {
            return Err(StreamFactsError::NoSuchStream { stream: stream.clone() });
        };
        let facts = found.facts;
        match change {
            StreamFactsChange::Archive => Ok(Self { archived: facts.archived.or(Some(found.now)), ..facts }),
            StreamFactsChange::Restore => Ok(Self { archived: None, ..facts }),
            StreamFactsChange::TruncateBefore(version) if version > newest => {
                Err(StreamFactsError::VersionBeyondEnd { stream: stream.clone(), version, newest })
            }
            StreamFactsChange::TruncateBefore(version) => match facts.truncated_before {
                Some(truncated_before) if truncated_before > version => {
                    Err(StreamFactsError::TruncatedFurther { stream: stream.clone(), version, truncated_before })
                }
                // Before the first event there is nothing to cut off.
                _ => Ok(Self { truncated_before: (version > Version::FIRST).then_some(version), ..facts }),
            },
        }
    }
}

#[async_trait]
impl<S: StreamFactsStore + ?Sized> StreamFactsStore for std::sync::Arc<S> {
    async fn change_facts(
        &self,
        stream: &StreamName,
        change: StreamFactsChange,
    ) -> Result<StreamFacts, StreamFactsError> {
        (**self).change_facts(stream, change).await
    }

    async fn facts(&self, stream: &StreamName) -> Result<StreamFacts, StoreError> {
        (**self).facts(stream).await
    }

    async fn list_facts(&self, after: Option<&StreamName>, limit: usize) -> Result<StreamFactsPage, StoreError> {
        (**self).list_facts(after, limit).await
    }
}
