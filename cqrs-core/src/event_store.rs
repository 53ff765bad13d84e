//! The port of the append-only log.

use std::fmt::Debug;

use async_trait::async_trait;

mod append;
mod decide;
mod error;
mod limits;
mod list;
mod query;
mod query_index;
mod read;

pub use append::{Append, Appended, Condition, NewEvent};
pub use decide::{Decision, Existing, Facts, decide};
pub use error::{AppendError, InvalidAppend, StoreError};
pub use limits::Limits;
pub use list::{ListStreams, StreamHead, StreamList};
pub use query::{EventQuery, InvalidQuery, QueryItem};
pub use query_index::QueryIndex;
pub use read::{Direction, Filter, Head, LogPage, ReadAll, ReadStream, StreamPage};

use crate::id::EventId;
use crate::stream::GlobalPosition;
use crate::stream_facts::StreamFactsStore;
use crate::subscription::Subscription;

/// An append-only log of events in streams.
///
/// # Contract
/// - **Atomic**: an append writes all of its events or none.
/// - **Decided one by one**: the outcome of every append equals that of executing the appends one after the other, as
///   [`decide`] says; a success that was reported is in the log exactly once.
/// - **Ordered**: positions increase in commit order. A reader that has seen position *p* will never find a new event at
///   or below *p*. The events of one append follow each other. Versions of a stream are dense, from 1.
/// - **Clock**: `recorded_at` is the store's own clock, never decreasing along the log.
/// - **Immutable**: an event that was written is never changed.
/// - **Facts of streams**: what is [known](StreamFactsStore) of a stream, that it is archived or truncated, holds for appends
///   and reads as soon as it was changed.
/// - **Repeatable**: an event id is unique in the store; appending the same again writes nothing and succeeds.
/// - **Unique keys**: a key is held by one stream at a time, as the [`Claims`](crate::Claims) of the events say.
/// - **Cancellation**: an append whose future is dropped is still written wholly or not at all; which of the two,
///   [`outcome`](Self::outcome) tells.
#[async_trait]
pub trait EventStore: Send + Sync + Debug + 'static {
    /// Writes the events when all conditions hold.
    ///
    /// # Errors
    /// See [`AppendError`]: each variant is a decision for the caller.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Finds out what became of an append whose answer was lost, by the ids of its events: where they stand when they were
    /// written, `None` when they were not. It waits for appends that are being written, so that the answer is final for
    /// everything that reached the store before.
    ///
    /// # Errors
    /// [`AppendError::EventIdReused`] when only some of the ids are in the log, which no single append can have done;
    /// [`AppendError::Transient`] and [`AppendError::Permanent`] as for every call.
    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError>;

    /// Reads a page of one stream. A stream that does not exist is empty, one that is truncated begins later.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError>;

    /// Reads a page of the whole log in position order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError>;

    /// Lists a page of the streams of one category. What is appended meanwhile may be in it or not.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError>;

    /// The identity of the store and its newest event.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn head(&self) -> Result<Head, StoreError>;

    /// Follows the log: first everything after `after`, then new events as they are committed.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError>;

    /// What is known of the streams besides their events.
    fn stream_facts(&self) -> &dyn StreamFactsStore;
}

#[async_trait]
impl<S: EventStore + ?Sized> EventStore for std::sync::Arc<S> {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        (**self).append(append).await
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        (**self).outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        (**self).read_stream(read).await
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        (**self).read_all(read).await
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        (**self).list_streams(list).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        (**self).head().await
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        (**self).subscribe(after, filter).await
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        (**self).stream_facts()
    }
}
