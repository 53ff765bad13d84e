use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, AppendError, Appended, CatchUpSubscription, EventId, EventStore, Filter, GlobalPosition, Head, Hint,
    ListStreams, LogPage, ReadAll, ReadStream, StoreError, StoreId, StreamFactsStore, StreamList, StreamPage,
    Subscription,
};

use super::Faults;

/// A store in memory whose reads fail when they are told to. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    pub inner: InMemoryEventStore,
    pub faults: Faults,
    newest: Hint,
    /// Pages hold so many events at most.
    page: Arc<AtomicUsize>,
    /// What it says that it is: a restored store keeps its identity.
    store_id: Option<StoreId>,
    /// What reading the log is called: `read_all`, and `page` for live readers.
    reading: &'static str,
}

impl FaultyStore {
    pub fn new() -> Self {
        let newest = Hint::new();
        Self {
            inner: InMemoryEventStore::new(),
            faults: Faults::default(),
            newest,
            page: Arc::new(AtomicUsize::new(usize::MAX >> 1)),
            store_id: None,
            reading: "read_all",
        }
    }

    pub fn page(self, events: usize) -> Self {
        self.set_page(events);
        self
    }

    /// What is read again is cut otherwise from now on.
    pub fn set_page(&self, events: usize) {
        self.page.store(events, Ordering::Relaxed);
    }

    pub fn restored(mut self, from: StoreId) -> Self {
        self.store_id = Some(from);
        self
    }
}

#[async_trait]
impl EventStore for FaultyStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let appended = self.inner.append(append).await?;
        self.newest.advance(appended.position);
        Ok(appended)
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.inner.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        self.inner.read_stream(read).await
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        let limit = read.limit.min(self.page.load(Ordering::Relaxed));
        let call = self.inner.read_all(read.limit(limit));
        self.faults.around(self.reading, call, StoreError::Transient, StoreError::Permanent).await
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        self.inner.list_streams(list).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let call = self.inner.head();
        let head = self.faults.around("head", call, StoreError::Transient, StoreError::Permanent).await?;
        Ok(Head { store_id: self.store_id.unwrap_or(head.store_id), ..head })
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        let (store, wake) = (Arc::new(Self { reading: "page", ..self.clone() }), self.newest.wake());
        let poll = Duration::from_millis(50);
        let call = async { Ok(CatchUpSubscription::new(store, after, filter, wake, poll)) };
        let subscription = self.faults.around("subscribe", call, StoreError::Transient, StoreError::Permanent).await?;
        Ok(Box::new(subscription))
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self.inner.stream_facts()
    }
}
