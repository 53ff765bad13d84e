//! What is done to raw events before anybody decodes them.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::event_store::{
    Append, AppendError, Appended, EventStore, Filter, Head, ListStreams, LogPage, ReadAll, ReadStream, StoreError,
    StreamList, StreamPage,
};
use crate::id::EventId;
use crate::recorded_event::RecordedEvent;
use crate::stream::GlobalPosition;
use crate::stream_facts::StreamFactsStore;
use crate::subscription::Subscription;

/// Makes raw events readable: fetches the keys that a page needs, and decrypts its payloads, say.
///
/// # Contract
/// - It changes payloads only: what the log says of an event (its place, its type, its times) stays.
/// - Preparing the same page of the log again gives the same.
#[async_trait]
pub trait Prepare: Send + Sync + Debug + 'static {
    /// Prepares one page.
    ///
    /// # Errors
    /// [`StoreError::Transient`] when the page cannot be made readable now and is to be read again, others when it never
    /// can.
    async fn prepare(&self, page: &mut [RecordedEvent]) -> Result<(), StoreError>;
}

/// An event store whose pages are prepared before anybody sees them: repositories, projections and subscriptions over it
/// decode what [`Prepare`] left.
#[derive(Debug, Clone)]
pub struct PreparedEventStore {
    store: Arc<dyn EventStore>,
    prepare: Arc<dyn Prepare>,
}

impl PreparedEventStore {
    /// The events of `store`, prepared by `prepare`.
    pub fn new(store: impl EventStore, prepare: impl Prepare) -> Self {
        Self { store: Arc::new(store), prepare: Arc::new(prepare) }
    }
}

#[async_trait]
impl EventStore for PreparedEventStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.store.append(append).await
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.store.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        let mut page = self.store.read_stream(read).await?;
        self.prepare.prepare(&mut page.events).await?;
        Ok(page)
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        let mut page = self.store.read_all(read).await?;
        self.prepare.prepare(&mut page.events).await?;
        Ok(page)
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        self.store.list_streams(list).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.store.head().await
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        let raw = self.store.subscribe(after, filter).await?;
        let prepare = Arc::clone(&self.prepare);
        Ok(Box::new(PreparedSubscription { position: raw.position(), raw, prepare, page: None }))
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self.store.stream_facts()
    }
}

#[derive(Debug)]
struct PreparedSubscription {
    raw: Box<dyn Subscription>,
    prepare: Arc<dyn Prepare>,
    /// Fetched and not yet delivered: kept when a `next` is dropped or fails while the page is being prepared.
    page: Option<LogPage>,
    position: GlobalPosition,
}

#[async_trait]
impl Subscription for PreparedSubscription {
    async fn next(&mut self) -> Result<LogPage, StoreError> {
        let fetched = match self.page.take() {
            Some(page) => page,
            None => self.raw.next().await?,
        };
        // A copy is prepared, so that a page that was left half done is prepared from its start again.
        let mut page = self.page.insert(fetched).clone();
        self.prepare.prepare(&mut page.events).await?;
        self.page = None;
        self.position = page.scanned_to;
        Ok(page)
    }

    fn position(&self) -> GlobalPosition {
        self.position
    }
}
